"""What cannot travel is refused before anything is made, in a sentence that names it."""

import socket
import sqlite3
import tempfile
import threading

import pytest

import fairing
from fairing.capture.function import capture
from fairing.config.options import options
from fairing.errors import CaptureError, ConfigError


def refused(function, args=(), kwargs=None, **given):
    with pytest.raises(CaptureError) as caught:
        capture(function, args, kwargs or {}, options(given))
    return str(caught.value)


def test_a_lock_is_named_with_the_function_that_uses_it():
    lock = threading.Lock()

    def train():
        with lock:
            return 1

    assert refused(train).startswith("lock of train cannot be taken along. It is a lock,")


def test_a_database_connection_is_named():
    connection = sqlite3.connect(":memory:")

    def load():
        return connection.execute("select 1")

    try:
        assert refused(load) == (
            "connection of load cannot be taken along. It is a connection to a database, open in this process. "
            "Connect inside the function."
        )
    finally:
        connection.close()


def test_an_open_file_is_named_and_its_content_does_not_travel(tmp_path):
    (tmp_path / "a.txt").write_text("x")
    for mode in ("r", "rb"):
        with (tmp_path / "a.txt").open(mode) as lines:

            def count():
                return len(lines.read())

            assert refused(count).startswith("lines of count cannot be taken along. It is a file, open")
    with tempfile.NamedTemporaryFile() as temporary:
        assert "It is a file, open" in refused(lambda: temporary.name)


def test_a_socket_and_a_generator_are_named():
    with socket.socket() as peer:
        assert "peer of lambda cannot be taken along. It is a network connection" in refused(lambda: peer.family)
    numbers = (each for each in [1])
    assert "numbers of lambda cannot be taken along. It is a generator" in refused(lambda: list(numbers))


def test_what_belongs_to_threads_is_named():
    from concurrent.futures import ThreadPoolExecutor

    local = threading.local()
    with ThreadPoolExecutor(1) as pool:
        assert "pool of lambda cannot be taken along. It belongs to the threads" in refused(lambda: pool)
    assert "local of lambda cannot be taken along. It belongs to the threads" in refused(lambda: local)


def test_the_way_to_it_goes_through_containers_attributes_and_other_functions():
    lock = threading.Lock()
    config = {"db": [1, {"lock": lock}]}
    assert refused(lambda: config).startswith("config['db'][1]['lock'] of lambda ")

    class Holder:
        def __init__(self):
            self.inner = [lock]

    holder = Holder()
    assert refused(lambda: holder).startswith("holder.inner[0] of lambda ")

    def helper():
        return lock

    assert refused(lambda: helper()).startswith("lock of helper ")

    class Model:
        def fit(self):
            return lock

    assert refused(lambda: Model().fit()).startswith("lock of fit ")


def test_a_bound_method_of_an_object_with_a_lock_names_the_attribute():
    class Trainer:
        def __init__(self):
            self.guard = threading.Lock()

        def fit(self):
            return 1

    assert "guard of fit cannot be taken along. It is a lock" in refused(Trainer().fit)


def test_an_argument_is_named_by_its_parameter():
    assert refused(lambda x: x, ({"a": threading.Lock()},)).startswith("x['a'] of lambda cannot be taken along.")


def test_something_of_a_type_nobody_knows_is_named_with_the_reason():
    class Odd:
        def __reduce__(self):
            raise RuntimeError("not me")

    odd = Odd()
    assert refused(lambda: odd).startswith("odd of lambda cannot be taken along.")
    assert "(not me)" in refused(lambda: odd)


def test_what_is_nested_too_deeply_says_so():
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    try:
        assert (
            refused(lambda: deep) == "deep of lambda cannot be taken along. It is nested too deeply. Make it flatter."
        )
    finally:
        while deep:
            deep = deep.pop()


def test_what_is_not_a_function_is_refused_without_showing_its_value():
    said = refused("hunter2")
    assert said.startswith("This is not a function but a str.")
    assert "hunter2" not in said


def test_a_call_that_was_made_already_is_refused_and_its_coroutine_does_not_complain():
    async def later():
        return 1

    assert "Pass the function without calling it" in refused(later())


def test_a_generator_function_is_refused():
    def numbers():
        yield 1

    assert refused(numbers).startswith("numbers yields, so its value is a generator")


def test_arguments_that_do_not_fit_are_refused_with_how_it_is_called():
    def train(data, depth=3, *, rate="hunter2"):
        return data, depth, rate

    assert refused(train) == (
        "train does not take these arguments: missing a required argument: 'data'. "
        "It is called as train(data, depth=…, rate=…)."
    )
    assert "it has no parameter 'deep'" in refused(train, (1,), {"deep": 2})
    assert "too many positional arguments" in refused(train, (1, 2, 3))


def test_a_builtin_that_does_not_say_what_it_takes_is_taken():
    assert capture(dict, (), {"a": 1}).bundle.entry.name == "dict"


def test_nothing_is_made_for_what_is_refused(fairing_home):
    import fairing

    def runs():
        folder = fairing_home / "runs"
        return sorted(folder.iterdir()) if folder.exists() else []

    before = runs()
    with pytest.raises(CaptureError):
        fairing.train(lambda x: x)
    assert runs() == before


def test_a_name_that_nothing_here_has_is_said_before_the_run():
    def train():
        return no_such_helper(1)  # noqa: F821

    def guarded():
        global made_in_the_run
        made_in_the_run = 1
        return made_in_the_run, len([])

    assert capture(train).report.warnings == ("train uses no_such_helper, which is not defined here.",)
    assert capture(guarded).report.warnings == ()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"args": 5}, "args=5 is not a list of arguments"),
        ({"args": "ab"}, "args='ab' is not a list of arguments"),
        ({"args": {"x": 1}}, "is not a list of arguments"),
        ({"kwargs": [1]}, "does not give arguments their names"),
        ({"kwargs": {1: 2}}, "does not give arguments their names"),
    ],
)
@pytest.mark.parametrize("verb", [fairing.train, fairing.submit])
def test_what_holds_no_arguments_is_refused_in_words(verb, given, words):
    with pytest.raises(ConfigError, match=words):
        verb(len, **given)


@pytest.mark.parametrize(
    ("path", "parameters", "words"),
    [
        ("a.ipynb", [1], "parameters=\\[1\\] does not give parameters their names. Write parameters={'depth': 8}"),
        (None, [1], "parameters=\\[1\\] does not give"),
        (len, None, "is not the path of a notebook. A function is run by fairing.train"),
        ("report", None, "There is no notebook .*report"),
    ],
)
def test_what_is_no_notebook_or_no_parameters_is_refused_in_words(tmp_path, monkeypatch, path, parameters, words):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((CaptureError, ConfigError), match=words):
        fairing.run_notebook(path, parameters)


@pytest.mark.parametrize("verb", [fairing.train, fairing.submit, fairing.preview])
def test_nothing_is_no_notebook(verb):
    """A variable that holds None by mistake does not run the notebook that it stands in."""
    with pytest.raises(CaptureError, match="None is not a function, a notebook or a script"):
        verb(None)


def test_a_handle_that_is_no_text_is_refused_in_words():
    with pytest.raises(ConfigError, match="5 is not the handle of a run"):
        fairing.attach(5)
