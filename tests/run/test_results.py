"""What a run gives: its value, loaded here, or its bad end, raised here in words."""

import hashlib
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import fairing
from fairing import errors
from fairing.events import Payload, Source, Text
from fairing.run.results import fetch, load

AS_PYTHON_SHOWS_IT = ["OSError('depth')", "SyntaxError('depth')"]
if sys.version_info >= (3, 11):
    AS_PYTHON_SHOWS_IT.append("ExceptionGroup('many', [KeyError('depth')])")


def test_a_value_comes_back_also_when_it_is_large():
    def make():
        return b"x" * 3_000_000

    job = fairing.submit(make)
    assert job.result() == b"x" * 3_000_000
    assert job.result() == b"x" * 3_000_000


def test_raw_gives_the_bytes_and_save_keeps_them(tmp_path):
    job = fairing.submit(lambda: {"depth": 8})
    raw = job.result(raw=True)
    assert pickle.loads(raw) == {"depth": 8}
    assert job.save(tmp_path / "value.pkl").read_bytes() == raw


def test_attach_status_and_logs_never_unpickle(tmp_path):
    class Bomb:
        def __reduce__(self):
            return exec, ("open('exploded', 'w').close()",)

    handle = str(fairing.submit(Bomb).handle)
    code = (
        "import fairing, pickle, sys\n"
        f"job = fairing.attach({handle!r})\njob.wait()\njob.logs(); job.status; repr(job); job._repr_mimebundle_()\n"
        "import os\nprint(os.path.exists('exploded'))\n"
        "job.result()\nprint(os.path.exists('exploded'))"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ran.stdout == "False\nTrue\n"


def test_a_run_that_was_not_submitted_from_here_is_loaded_only_when_trusted():
    from fairing import state

    job = fairing.submit(lambda: 5)
    assert job.result() == 5
    state.forget(str(job.handle))
    with pytest.raises(errors.ResultRefused, match="trust=True"):
        job.result()
    assert job.result(trust=True) == 5


def test_a_value_of_another_python_is_refused_before_it_is_loaded():
    payload = _payload(b"not a pickle at all", python="3.99.1")
    with pytest.raises(errors.ResultRefused, match=r"written by Python 3\.99\.1 and this is Python"):
        load(payload, b"not a pickle at all", may=True)


def test_a_value_of_another_cloudpickle_is_refused_before_it_is_loaded():
    payload = _payload(b"not a pickle at all", cloudpickle="99.0")
    with pytest.raises(errors.ResultRefused, match=r"cloudpickle 99\.0"):
        load(payload, b"not a pickle at all", may=True)


def test_bytes_that_are_not_the_run_s_are_refused():
    payload = _payload(pickle.dumps(1))
    spool = Payload(
        **{**{name: getattr(payload, name) for name in payload.__slots__}, "inline": None, "path": "spool/r"}
    )
    assert fetch(spool, Source("worker"), lambda _: [pickle.dumps(1)]) == pickle.dumps(1)
    for forged in (pickle.dumps(2), pickle.dumps(1) + b"x", b""):
        with pytest.raises(errors.ResultRefused, match="not what the run made"):
            fetch(spool, Source("worker"), lambda _, forged=forged: [forged])


def test_a_value_that_needs_a_package_that_is_not_here_is_kept_and_the_error_names_it():
    def make():
        import sys
        import types

        module = types.ModuleType("fairing_test_absent")
        sys.modules["fairing_test_absent"] = module
        exec("class Model: pass", module.__dict__)
        return module.Model()

    job = fairing.submit(make)
    with pytest.raises(errors.ResultRefused, match="needs the package fairing_test_absent") as refused:
        job.result()
    assert "job.result(raw=True)" in str(refused.value)
    assert b"fairing_test_absent" in job.result(raw=True)


def test_a_value_of_a_device_that_is_not_here_is_refused_by_the_device_s_name():
    class Cuda:
        def __reduce__(self):
            words = "Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is False."
            return exec, (f"raise RuntimeError({words!r})",)

    data = pickle.dumps(Cuda())
    with pytest.raises(errors.ResultRefused, match=r"a CUDA device, and there is none here\. .*\.cpu\(\)"):
        load(_payload(data), data, may=True)


def test_an_exception_is_raised_as_itself_with_the_run_s_failure_as_its_cause():
    def fail():
        raise KeyError("depth")

    with pytest.raises(KeyError) as raised:
        fairing.train(fail)
    assert type(raised.value) is KeyError and raised.value.args == ("depth",)
    cause = raised.value.__cause__
    assert isinstance(cause, errors.RunFailed) and "KeyError: 'depth'" in str(cause)
    lines = raised.value._render_traceback_()
    assert "in fail" in "\n".join(lines) and lines[-1] == "KeyError: 'depth'"


def test_an_exception_travels_on_after_it_was_raised():
    def fail():
        raise KeyError("depth")

    with pytest.raises(KeyError) as raised:
        fairing.train(fail)
    again = pickle.loads(pickle.dumps(raised.value))
    assert again.args == ("depth",) and again._render_traceback_() == raised.value._render_traceback_()


def test_an_exception_that_does_not_exist_here_is_told_in_words():
    def fail():
        import sys
        import types

        module = types.ModuleType("fairing_test_absent")
        sys.modules["fairing_test_absent"] = module
        exec("class Odd(Exception): pass", module.__dict__)
        raise module.Odd("very")

    with pytest.raises(errors.RunFailed, match="Odd: very") as raised:
        fairing.train(fail)
    assert "in fail" in "\n".join(raised.value._render_traceback_())


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        ("import sys; print('last words'); sys.exit(3)", errors.RunFailed, r"sys\.exit\(3\).*last words"),
        ("import sys; sys.exit('no data')", errors.RunFailed, r"sys\.exit\('no data'\)"),
        ("import os; print('last words', flush=True); os._exit(4)", errors.RunFailed, r"os\._exit\(4\).*last words"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", errors.RunKilled, "killed by SIGSEGV"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", errors.RunKilled, "killed by SIGKILL"),
    ],
)
def test_a_process_that_ends_badly_is_an_error_in_words_with_its_last_lines(code, kind, words):
    def end(code):
        exec(code)

    with pytest.raises(kind, match=f"(?s){words}") as raised:
        fairing.train(end, (code,))
    assert type(raised.value) is kind


def test_a_run_that_reached_its_timeout_is_its_own_error():
    def slow():
        import time

        time.sleep(60)

    with pytest.raises(errors.RunTimedOut, match="timeout"):
        fairing.train(slow, timeout=0.5, grace=1)


def test_sys_exit_zero_is_an_end_as_any_other():
    def end():
        import sys

        sys.exit(0)

    assert fairing.train(end) is None


def test_a_plain_program_shows_the_traceback_of_the_run(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import fairing\ndef fail():\n    raise KeyError('depth')\n"
        "if __name__ == '__main__':\n    fairing.train(fail)\n"
    )
    ran = subprocess.run([sys.executable, program], capture_output=True, text=True)
    assert ran.returncode == 1
    assert "Traceback in worker-0 of local://fail-" in ran.stderr
    assert "in fail" in ran.stderr and ran.stderr.rstrip().endswith("KeyError: 'depth'")


@pytest.mark.parametrize("raised", AS_PYTHON_SHOWS_IT)
def test_a_plain_program_shows_its_own_line_and_the_run_s_and_no_frame_of_ours(tmp_path, raised):
    shown = _shown(tmp_path, f"def fail():\n    raise {raised}\nfairing.train(fail)\n")
    assert f"    raise {raised}\n" in shown and "    fairing.train(fail)\n" in shown
    _no_frame_of_ours(shown)


@pytest.mark.parametrize(
    "line",
    [
        "fairing.submit(slow).result(timeout=0.01)",
        "fairing.attach('local://unknown').status",
        "fairing.attach('unknown')",
        "fairing.remote(slow).submit(3)",
        "fairing.use(target='unknown')",
        "asyncio.run(later())",
    ],
)
def test_an_error_of_fairing_shows_the_person_s_line_and_no_frame_of_ours(tmp_path, line):
    later = "async def later():\n    return await fairing.submit(lambda: 1 // 0)\n"
    shown = _shown(tmp_path, f"import asyncio, time\ndef slow():\n    time.sleep(9)\n{later}{line}\n")
    assert f"    {line}\n" in shown
    _no_frame_of_ours(shown)


def _shown(folder, lines):
    program = folder / "program.py"
    program.write_text(f"import fairing\n{lines}")
    ran = subprocess.run([sys.executable, program], capture_output=True, text=True)
    assert ran.returncode == 1
    return ran.stderr


def _no_frame_of_ours(shown):
    ours = [line for line in shown.splitlines() if str(Path(fairing.__file__).parent) in line]
    assert len(ours) <= (sys.version_info < (3, 11)), shown  # Python 3.10 keeps the last one


def test_a_value_that_the_disk_has_no_room_for_is_told_so(fairing_home):
    def make():
        import resource
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
        return b"x" * 3_000_000

    with pytest.raises(errors.ResultRefused, match=r"no room for it, a bytes, on the disk\. Free some") as refused:
        fairing.submit(make).result()
    assert "pickled" not in str(refused.value)


def _payload(data, **said):
    fields = {"python": ".".join(map(str, sys.version_info[:3])), "summary": "dict", **said}
    return Payload("cloudpickle", len(data), hashlib.sha256(data).hexdigest(), data, **fields)


def test_the_error_of_a_run_that_missed_a_file_that_is_here_gives_the_option_to_add(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.csv").write_text("1")
    monkeypatch.chdir(tmp_path)

    def read():
        from pathlib import Path

        return Path("data/train.csv").read_text()

    with pytest.raises(FileNotFoundError) as raised:
        fairing.train(read)
    assert "include=['data/train.csv']" in raised.value._render_traceback_()[-1]
    assert fairing.train(read, include=["data/train.csv"]) == "1"


def test_a_data_file_beside_a_module_that_the_run_missed_is_named_with_the_option(tmp_path, monkeypatch):
    (tmp_path / "tables_of_mine.py").write_text(
        "from pathlib import Path\n\ndef read():\n    return (Path(__file__).parent / 'table.json').read_text()\n"
    )
    (tmp_path / "table.json").write_text("1")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)

    def read():
        import tables_of_mine

        return tables_of_mine.read()

    with pytest.raises(FileNotFoundError) as raised:
        fairing.train(read)
    assert raised.value._render_traceback_()[-1] == "It is here: take it along with include=['table.json']."
    assert fairing.train(read, include=["table.json"]) == "1"


def test_a_run_whose_supervisor_was_killed_is_lost_and_its_last_lines_are_told(fairing_home):
    psutil = pytest.importorskip("psutil")

    def talk():
        import time

        print("last words", flush=True)
        time.sleep(60)

    job = fairing.submit(talk)
    next(event for event in job.events() if isinstance(event, Text))
    name = job.handle.parts[-1]
    watching = [each for each in psutil.process_iter() if _supervises(each, name)]
    assert watching
    for process in watching:
        process.kill()
    with pytest.raises(errors.RunLost, match=r"(?s)lost.*last words"):
        job.result(timeout=30)


def _supervises(process, name):
    import psutil

    try:
        command = " ".join(process.cmdline())
    except psutil.Error:  # it ended while it was looked at
        return False
    return "fairing.runtime.supervisor" in command and name in command


def test_the_error_of_a_run_that_missed_what_a_library_can_do_without_gives_the_option_to_add():
    def style():
        raise AttributeError("The '.style' accessor requires nbclient")

    with pytest.raises(AttributeError) as raised:
        fairing.train(style)
    assert "take it along with requirements=['nbclient']" in str(raised.value.__cause__)
