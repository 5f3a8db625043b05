"""A notebook's run that ends badly: the executed notebook comes back all the same, and says where and why."""

import os
import pickle
import re
import signal
import subprocess
import sys
from threading import Event

import nbformat
import pytest

import fairing
from fairing.errors import CellFailed, RunCancelled, RunFailed, RunKilled
from fairing.events import CellStatus, Text
from tests.notebook.conftest import text


@pytest.fixture
def fails(write_notebook):
    """Run a notebook of these cells that fails; return its error and the written notebook."""

    def run(*cells, error=CellFailed, **given):
        path = write_notebook(*cells)
        with pytest.raises(error) as raised:
            fairing.run_notebook(path, **given)
        return raised.value, nbformat.read(path.with_name("work-output.ipynb"), as_version=4)

    return run


def test_a_failing_cell_raises_its_error_and_the_notebook_is_written(fails, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.csv").write_text("1")
    error, written = fails("print('before')\nopen('train.csv')", "print('never')")
    assert str(error).startswith("Cell 1 of work.ipynb, In [1], failed. FileNotFoundError: ")
    assert ": 'train.csv'. " in str(error)  # one sentence ends before the next begins
    assert error.cell == 0
    assert "open('train.csv')" in re.sub(r"\x1b\[[0-9;]*m", "", "".join(error.traceback))
    assert "include=['train.csv']" in str(error)
    assert text(written.cells[0]) == "before\n"
    assert written.cells[0].outputs[-1]["ename"] == "FileNotFoundError"
    assert written.cells[1].execution_count is None and written.cells[1].outputs == []
    same = pickle.loads(pickle.dumps(error))
    assert (str(same), same.cell, same.traceback) == (str(error), error.cell, error.traceback)


def test_an_error_of_a_function_called_in_place_shows_the_persons_lines_alone(fails):
    error, _ = fails("import fairing\ndef divide(a): return a / 0", "fairing.train(divide, (1,))")
    shown = re.sub(r"\x1b\[[0-9;]*m", "", "".join(error.traceback))
    assert "fairing.train(divide, (1,))" in shown and "return a / 0" in shown
    assert "options.py" not in shown and "api.py" not in shown and "inside.py" not in shown


def test_a_kernel_that_dies_is_said_in_its_cell(fails):
    killed, written = fails("print('said')", "import os\nos.kill(os.getpid(), 9)", error=RunKilled)
    assert "SIGKILL" in str(killed)
    assert text(written.cells[0]) == "said\n"
    (error,) = [each for each in written.cells[1].outputs if each["output_type"] == "error"]
    assert (error["ename"], error["evalue"]) == ("RunKilled", "the run was killed (SIGKILL)")


def test_a_kernel_that_leaves_is_a_failure_with_its_code(fails):
    left, written = fails("import os\nos._exit(7)", error=RunFailed)
    assert "7" in str(left)
    assert written.cells[0].outputs[-1]["output_type"] == "error"


def test_leaving_with_success_ends_the_run_well_and_early(write_notebook):
    executed = fairing.run_notebook(write_notebook("import sys\nprint('early')\nsys.exit()", "print('never')"))
    assert text(executed.notebook.cells[0]) == "early\n"
    assert executed.notebook.cells[1].outputs == []
    assert executed.job.status.phase == "succeeded"


def test_leaving_with_a_code_fails_the_run(fails):
    error, _ = fails("import sys\nsys.exit(3)")
    assert "SystemExit: 3" in str(error)


def test_a_cancelled_run_reaches_finally_and_keeps_its_notebook(write_notebook):
    cell = "import time\ntry:\n    print('started', flush=True)\n    time.sleep(600)\nfinally:\n    print('put away')"
    job = fairing.submit(write_notebook(cell, "print('never')"))
    handle = str(job.handle)
    for event in fairing.attach(handle).events():
        if isinstance(event, Text) and "started" in event.text:
            fairing.attach(handle).cancel()
    with pytest.raises(RunCancelled):
        job.result()
    assert text(job.notebook.cells[0]) == "started\nput away\n"
    assert job.notebook.cells[0].outputs[-1]["ename"] == "KeyboardInterrupt"
    assert job.notebook.cells[1].outputs == []


def test_output_of_a_cell_comes_while_the_cell_runs(write_notebook, tmp_path):
    fifo = tmp_path / "go"
    os.mkfifo(fifo)
    job = fairing.submit(write_notebook(f"print('waiting', flush=True)\nprint(open({str(fifo)!r}).read())"))
    running = None
    for event in fairing.attach(str(job.handle)).events():
        if isinstance(event, CellStatus):
            running = event.state
        if isinstance(event, Text) and "waiting" in event.text:
            assert running == "started"
            fifo.write_text("went on")
    assert text(job.result().notebook.cells[0]) == "waiting\nwent on\n"


def test_ctrl_c_leaves_the_run_going_and_writes_what_there_is(write_notebook, tmp_path):
    started, go, written, waiting = tmp_path / "started", tmp_path / "go", tmp_path / "work-output.ipynb", Event()
    os.mkfifo(started)
    os.mkfifo(go)
    path = write_notebook("print('before')", f"open({str(started)!r}, 'w').close()\nprint(open({str(go)!r}).read())")
    program = f"import fairing; fairing.run_notebook({str(path)!r}, name='left-alone')"
    with subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE) as process:
        started.read_text()
        while not written.exists() or not nbformat.read(written, as_version=4).cells[0].outputs:
            assert process.poll() is None
            waiting.wait(0.05)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate()
    (job,) = [job for job in fairing.jobs() if job.handle.parts[0].startswith("left-alone")]
    try:
        assert b"The run goes on" in said
        assert process.returncode != 0
        assert job.status.phase == "running"
        go.write_text("went on")
        assert job.result()["cells"][1]["outputs"][0]["text"] == "went on\n"
    finally:
        job.cancel()


def test_a_home_with_a_long_path_has_room_for_the_kernels_sockets(write_notebook, tmp_path, monkeypatch):
    monkeypatch.setenv("FAIRING_HOME", str(tmp_path / ("long" * 30)))
    executed = fairing.run_notebook(write_notebook("1 + 1"))
    assert executed.notebook.cells[0].outputs[0]["data"]["text/plain"] == "2"


@pytest.mark.parametrize("asks", ["input('name?')", "breakpoint()", "import getpass; getpass.getpass()"])
def test_a_question_that_nobody_answers_ends_in_the_person_s_own_line(fails, asks):
    _, written = fails(f"def ask():\n    {asks}\nask()")
    (error,) = written.cells[0].outputs
    shown = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(error["traceback"]))
    assert "nobody to answer it" in shown and "ask()" in shown
    assert "unanswered" not in shown and "raise " not in shown
