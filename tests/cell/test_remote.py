"""Options bound to a function: it stays what it is here, and runs there when asked."""

import asyncio
import inspect
import pickle

import cloudpickle
import pytest

import fairing
from fairing.errors import CaptureError, ConfigError


@fairing.remote(name="bound", env={"LEVEL": "7"})
def train(depth: int, step: int = 1) -> list:
    """Train a model."""
    import os

    return [depth * step, os.environ.get("LEVEL"), os.environ.get("FAIRING_RUN", "here").rpartition("-")[0]]


@fairing.remote
def bare(n):
    return 1 if n < 2 else n * bare(n - 1)


def test_called_it_runs_here_and_remote_runs_it_there_with_its_options():
    assert train(2, step=3) == [6, None, ""]
    assert train.remote(2, step=3) == [6, "7", "bound"]


def test_submit_gives_a_job():
    job = train.submit(4)
    assert isinstance(job, fairing.Job)
    assert job.result() == [4, "7", "bound"]


def test_train_and_submit_take_its_options_and_what_the_call_says_is_stronger():
    assert fairing.train(train, args=(2,)) == [2, "7", "bound"]
    assert fairing.submit(train, args=(2,), name="call").result()[2] == "call"


def test_without_options_there_are_no_parentheses_and_it_may_call_itself():
    assert bare(5) == bare.remote(5) == 120


def test_a_pickle_of_it_holds_the_function_itself():
    loaded = cloudpickle.loads(cloudpickle.dumps(train))
    assert inspect.isfunction(loaded)
    assert loaded(2)[0] == 2
    assert inspect.isfunction(pickle.loads(cloudpickle.dumps([bare]))[0])


def test_it_looks_like_the_function():
    assert (train.__name__, train.__doc__) == ("train", "Train a model.")
    assert list(inspect.signature(train).parameters) == ["depth", "step"]
    assert "bound" in repr(train)


def test_it_may_be_a_method():
    class Model:
        size = 3

        @fairing.remote(retries=0)
        def fit(self, depth):
            return self.size * depth

    assert Model().fit(2) == Model().fit.remote(2) == 6
    assert Model.fit(Model(), 2) == 6


def test_an_async_function_gives_its_value_there_and_its_coroutine_here():
    @fairing.remote
    async def fetch(n):
        return n + 1

    assert fetch.remote(1) == 2
    assert asyncio.run(fetch(1)) == 2


def test_what_is_wrong_is_refused_where_it_stands():
    with pytest.raises(ConfigError, match="Did you mean 'gpus'"):
        fairing.remote(gpu=1)
    with pytest.raises(ConfigError, match="gpus='many' is not possible"):
        fairing.remote(gpus="many")
    with pytest.raises(CaptureError, match="not a function"):
        fairing.remote(3)
    with pytest.raises(CaptureError, match="not a function"):
        fairing.remote(gpus=1)("train.py")


@pytest.mark.parametrize(
    "verb", ["train", "submit", "preview", "build", "run_script", "run_notebook", "run_cell", "use"]
)
def test_every_verb_refuses_an_unknown_option_with_the_nearest(verb):
    with pytest.raises(ConfigError) as refused:
        getattr(fairing, verb)(worker=2)
    assert str(refused.value) == "There is no option 'worker'. Did you mean 'workers'?"


def test_an_argument_of_the_function_that_is_given_as_an_option_is_told_where_it_belongs():
    with pytest.raises(ConfigError, match=r"depth is an argument of train. Write kwargs=\{'depth': …\}"):
        fairing.train(train, depth=8)
