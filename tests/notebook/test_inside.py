"""Inside a run, the verbs do in place what they would start elsewhere."""

import asyncio
import os
import pickle
import re

import pytest

import fairing
from fairing.errors import CellFailed, PluginError


def test_train_and_submit_inside_a_run_call_in_place_and_return_the_same_types():
    def nested():
        """What a notebook or a function does that itself uses fairing."""
        import os

        import fairing

        me = os.getpid()
        job = fairing.submit(os.getpid)
        return {
            "train": fairing.train(os.getpid) == me,
            "submit": job.result() == me,
            "same type": isinstance(job, fairing.Job),
            "phase": job.status.phase,
        }

    assert fairing.train(nested) == {"train": True, "submit": True, "same type": True, "phase": "succeeded"}


def test_an_async_function_is_awaited_in_place(monkeypatch):
    monkeypatch.setenv("FAIRING_RUN", "some-run")

    async def later(x):
        await asyncio.sleep(0)
        return x + 1

    async def cell():  # a cell runs inside an event loop
        return fairing.train(later, args=(1,))

    assert asyncio.run(cell()) == 2


def test_an_error_in_place_is_raised_where_the_value_is_asked_for(monkeypatch):
    monkeypatch.setenv("FAIRING_RUN", "some-run")
    job = fairing.submit(int, args=("x",))
    assert job.status.phase == "failed"
    with pytest.raises(ValueError, match="invalid literal"):
        job.result()


def test_a_job_done_in_place_answers_whatever_a_job_is_asked(monkeypatch, tmp_path):
    monkeypatch.setenv("FAIRING_RUN", "some-run")
    job = fairing.submit(max, args=(1, 2))
    assert job.follow() == 2 and job.wait().phase == "succeeded" and asyncio.run(_awaited(job)) == 2
    assert pickle.loads(job.save(tmp_path / "value").read_bytes()) == pickle.loads(job.result(raw=True)) == 2
    assert job.logs(tmp_path / "run.log").read_text() == job.logs() == ""
    assert job.files() == job.download(to=tmp_path) == ()
    assert [event.phase for event in job.events()] == ["succeeded"]
    job.cancel(), job.delete()


async def _awaited(job):
    return await job


def test_a_run_that_is_attached_to_from_inside_a_run_gives_its_value():
    job = fairing.submit(pow, (2, 3))
    handle = str(job.handle)

    def nested():
        import fairing

        return fairing.attach(handle).result()

    assert fairing.train(nested) == job.result() == 8


@pytest.mark.parametrize(
    "call",
    [
        "fairing.train(bad)",
        "fairing.submit(bad).result()",
        "await fairing.submit(bad)",
        "fairing.remote(bad).remote()",
        "%%fairing\nbad()",
        "%fairing run bad",
    ],
)
def test_the_traceback_of_what_is_called_in_place_shows_the_persons_own_lines_alone(write_notebook, call):
    path = write_notebook("import fairing\n%load_ext fairing\ndef bad():\n    raise KeyError('gone')", call)
    with pytest.raises(CellFailed) as raised:
        fairing.run_notebook(path)
    shown = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(raised.value.traceback))
    assert "raise KeyError('gone')" in shown and "bad" in shown
    assert ".py" not in shown


def test_a_run_starts_another_where_its_code_names_a_target(capsys):
    def inner(depth):
        return depth * 2, os.environ["FAIRING_RUN"]

    def outer():
        import fairing

        return fairing.train(inner, (4,), target="local"), os.environ["FAIRING_RUN"]

    (value, name), mine = fairing.train(outer)
    assert value == 8
    assert name.startswith("inner-") and mine.startswith("outer-")
    assert "no longer there" not in capsys.readouterr().err


def test_a_run_whose_code_was_not_seen_to_name_a_target_says_what_to_take_along():
    def outer():
        import importlib

        ours = importlib.import_module("fairing")
        return ours.train(pow, (2, 3), target="local")

    with pytest.raises(PluginError, match=r"is not here\. .* requirements=\['fairing'\]"):
        fairing.train(outer)
    assert fairing.train(outer, requirements=["fairing"]) == 8
