"""How a run ends, and what is told of it."""

import contextlib
import os
import pickle
import select

import pytest


def test_a_value_comes_back_with_its_type_and_a_short_text(run):
    done = run("def main(*args): return {'args': args}", 1, "two")
    assert done.value == {"args": (1, "two")}
    (result,) = done.all("result")
    assert result["payload"]["summary"] == "dict {'args': (1, 'two')}"
    assert result["payload"]["cloudpickle"]
    assert done.code == 0


def test_a_large_value_is_a_file_of_the_spool(run):
    done = run("import os\ndef main(): return b'x' * 3_000_000")
    (result,) = done.all("result")
    assert result["payload"]["path"] == "spool/result.pkl"
    assert done.value == b"x" * 3_000_000
    assert len(result["payload"]["summary"]) < 300


def test_a_value_whose_repr_fails_comes_back(run):
    done = run(
        """
        class Odd:
            def __repr__(self):
                raise ValueError("no")
        def main():
            return Odd()
        """
    )
    assert type(done.value).__name__ == "Odd"
    assert done.all("result")[0]["payload"]["summary"] == "Odd"


def test_a_value_that_cannot_be_pickled_is_refused_with_its_type_and_the_reason(run):
    done = run("def main(): return (number for number in range(3))")
    assert (done.failure["ename"], done.code) == ("ResultRefused", 1)
    assert done.failure["evalue"].startswith("A generator cannot be pickled")
    assert not done.all("result")


def test_an_exception_has_its_own_type_the_users_lines_and_no_frame_of_ours(run):
    done = run(
        """
        import asyncio
        class Mine(ValueError):
            pass
        def inner(depth):
            raise Mine("depth", depth)
        async def main():
            try:
                inner(8)
            except Mine as first:
                try:
                    raise KeyError("second") from first
                finally:
                    pass
        """
    )
    trace = "".join(done.failure["traceback"])
    assert done.failure["ename"] == "KeyError"
    assert 'File "<cell 1>", line 6, in inner\n    raise Mine("depth", depth)\n' in trace
    assert "The above exception was the direct cause" in trace
    assert "fairing" not in trace
    assert "asyncio" not in trace
    assert isinstance(done.load(done.failure["exception"]), KeyError)


def test_an_exception_of_a_class_of_the_notebook_is_that_class(run):
    done = run(
        """
        class Mine(Exception):
            def __init__(self, one, two):
                super().__init__(f"{one} and {two}")
                self.two = two
        def main():
            error = Mine("a", "b")
            if hasattr(error, "add_note"):
                error.add_note("a note")
            raise error
        """
    )
    error = done.load(done.failure["exception"])
    assert type(error) is done.names["main"].__globals__["Mine"]
    assert (str(error), error.two) == ("a and b", "b")  # although Mine(*args) cannot make it again
    if hasattr(error, "add_note"):
        assert error.__notes__ == ["a note"]
        assert "a note" in "".join(done.failure["traceback"])


def test_an_exception_that_cannot_be_pickled_comes_back_as_text_or_without_what_cannot(run):
    done = run(
        """
        import threading
        class Mine(Exception):
            def __reduce__(self):
                raise TypeError("never")
        class Holds(Exception):
            pass
        def main():
            error = Holds("text", threading.Lock())
            error.kept = 3
            error.lock = threading.Lock()
            raise error from Mine("cause")
        """
    )
    error = done.load(done.failure["exception"])
    assert (error.args[0], error.kept) == ("text", 3)
    assert "lock" not in error.__dict__
    assert "Mine: cause" in "".join(done.failure["traceback"])


@pytest.mark.parametrize(
    ("body", "missing"),
    [
        ("open('data/train.csv')", "data/train.csv"),
        ("import helpers_of_mine", "helpers_of_mine"),
        ("import pandas; pandas.read_csv('data/train.csv')", "data/train.csv"),
        ("1 / 0", None),
    ],
)
def test_what_was_missing_is_named(run, body, missing):
    done = run(f"def main():\n    {body}")
    assert done.failure["missing"] == missing


@pytest.mark.parametrize(
    ("leave", "code", "evalue"),
    [("sys.exit(3)", 3, "3"), ("sys.exit('words')", 1, "words"), ("sys.exit(True)", 1, "True")],
)
def test_sys_exit_is_the_runs_exit_code(run, leave, code, evalue):
    done = run(f"import sys\ndef main(): {leave}")
    assert (done.code, done.failure["ename"], done.failure["evalue"]) == (code, "SystemExit", evalue)


def test_sys_exit_without_a_code_is_a_value_of_none(run):
    done = run("import sys\ndef main(): sys.exit()")
    assert (done.value, done.code) == (None, 0)


def test_an_async_function_is_awaited_and_one_that_runs_a_loop_of_its_own_works(run):
    later = "import asyncio\nasync def later(x):\n    await asyncio.sleep(0)\n    return x + 1\n"
    assert run(later + "async def main(x): return await later(x)", 1).value == 2
    assert run(later + "def main(x): return asyncio.run(later(x))", 1).value == 2


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("input('Name? ')", "input('Name? ') has nobody to answer it"),
        ("import getpass; getpass.getpass()", "getpass('Password: ') has nobody"),
        ("from getpass import getpass; getpass('Key')", "getpass('Key') has nobody"),
        ("breakpoint()", "breakpoint() has nobody"),
        ("import pdb; pdb.set_trace()", "breakpoint() has nobody"),
    ],
)
def test_a_question_that_nobody_can_answer_fails_at_once_in_words(run, body, words):
    done = run(f"def main():\n    {body}")
    assert words in done.failure["evalue"]
    assert "fairing" not in "".join(done.failure["traceback"])


def test_a_cancelled_run_reaches_finally_in_functions_and_coroutines(runner):
    body = """
        try:
            print("ready")
            {wait}
        finally:
            print("cleaned up")
    """
    waits = {
        "plain": "def main():{}".format(body.format(wait="time.sleep(600)")),
        "child": "def main():{}".format(body.format(wait="os.system('sleep 600')")),
        # SIGTERM then comes to a thread of ours, and the wait of the main one is not interrupted by it.
        "elsewhere": "def main():{}".format(
            body.format(wait="signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM]); signal.pause()")
        ),
        "async": "async def main():{}".format(body.format(wait="await asyncio.gather(asyncio.sleep(600))")),
    }
    runs = {name: runner(f"import asyncio, os, signal, time\n{text}").start() for name, text in waits.items()}
    for name, started in runs.items():
        started.until("ready\n")
        started.terminate().end()
        assert "cleaned up\n" in started.stdout, name
        assert (started.failure["ename"], started.code) == ("cancelled", 143), name
        assert not started.all("result")


def test_processes_that_a_cancelled_run_started_end_with_it(runner):
    started = runner(
        """
        import multiprocessing, subprocess, time
        def wait():
            time.sleep(600)
        def main():
            other = multiprocessing.get_context("fork").Process(target=wait)
            other.start()
            third = subprocess.Popen(["sleep", "600"])
            print(f"pids {other.pid} {third.pid} end")
            wait()
        """
    ).start()
    started.until(" end\n")
    pids = [int(word) for word in started.stdout.split() if word.isdigit()]
    started.terminate().end()
    assert started.failure["ename"] == "cancelled"
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            process = os.pidfd_open(pid)
            assert select.select([process], [], [], 60)[0]  # readable when the process has ended
            os.close(process)


def test_new_files_of_the_working_folder_are_listed_with_sizes(runner):
    prepared = runner(
        """
        import os
        def main():
            os.makedirs("models")
            open("models/model.bin", "wb").write(b"x" * 1234)
            open("note.txt", "w").write("hello")
            os.symlink("/etc/passwd", "link")
            print(sorted(os.listdir(".")))
        """
    )
    (prepared.folder / "work" / "given.csv").write_text("there before")
    done = prepared.start().end()
    (files,) = done.all("files")
    assert [each["path"] for each in files["files"]] == ["models/model.bin", "note.txt"]  # no link out
    assert files["files"][0]["size"] == 1234


def test_a_runner_that_is_started_again_exits_with_the_same_code_and_runs_nothing(runner):
    prepared = runner("import sys\ndef main():\n    print('ran')\n    sys.exit(5)")
    first, again = prepared.start().end(), None
    log = first.log
    again = prepared.start().end()
    assert (first.code, again.code) == (5, 5)
    assert again.log == log


def test_an_entry_that_was_changed_is_not_loaded(runner):
    prepared = runner("def main(): print('ran')")
    (prepared.folder / "code" / "entry.pkl").write_bytes(pickle.dumps(print))
    done = prepared.start().end()
    assert (done.failure["ename"], done.code) == ("tampered", 1)
    assert done.stdout == ""


def test_the_users_code_finds_no_key_in_its_environment_or_memory_of_the_run(run):
    done = run(
        """
        import gc, os
        def main():
            described = [each for each in gc.get_objects() if isinstance(each, dict) and "spool" in each]
            return [sorted(each) for each in described if "key" in each], dict(os.environ)
        """
    )
    described, environment = done.value
    assert not described
    assert not [value for value in environment.values() if str(done.folder / "key") in value]
