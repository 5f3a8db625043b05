"""papermill with ``--engine fairing``: what it records is what its own engine records."""

import logging
import os
import re
import signal
import subprocess
import sys
import threading

import nbformat
import papermill
import pytest
from nbformat import v4
from nbformat.reader import NotJSONError
from papermill.exceptions import PapermillExecutionError

import fairing
from fairing.errors import ConfigError

WELL = [
    ("code", "depth = 1", ["parameters"]),
    ("markdown", "# A title", []),
    ("code", "import sys\nprint('out')\nprint('err', file=sys.stderr)\ndepth", []),
    ("code", "shown = display('before', display_id='shown')", []),
    ("code", "shown.update('after')\nfrom IPython.display import HTML\nHTML('<b>bold</b>')", []),
    ("code", "", []),
    ("raw", "raw", []),
    ("code", "print('the end')", []),
]
ALLOWED = [("code", "1 / 0", ["raises-exception"]), ("code", "'went on'", [])]
LEFT = [("code", "import sys\nprint('enough')\nsys.exit(0)", []), ("code", "'never'", [])]
BADLY = [
    ("markdown", "# A title", []),
    ("code", "print('fine')", []),
    ("code", "print('soon')\nraise ValueError('no depth')", []),
    ("markdown", "After", []),
    ("code", "print('never')", []),
]


def write(path, cells, kernel=True, **metadata):
    made = {"code": v4.new_code_cell, "markdown": v4.new_markdown_cell, "raw": v4.new_raw_cell}
    nb = v4.new_notebook(metadata=metadata)
    nb.cells = [
        made[kind](source, id=f"c{at}", metadata={"tags": tags}) for at, (kind, source, tags) in enumerate(cells)
    ]
    if kernel:
        nb.metadata.kernelspec = {"name": "python3", "language": "python", "display_name": "Python"}
    nbformat.write(nb, path)
    return path


def run(folder, cells, engine="fairing", error=None, **given):
    """Run cells with an engine; return what papermill wrote."""
    source, target = write(folder / "in.ipynb", cells), folder / f"out-{engine}.ipynb"
    parameters = given.pop("parameters", None)
    options = {"engine_name": engine, "progress_bar": False, **given}
    if error is None:
        papermill.execute_notebook(source, target, parameters, **options)
    else:
        with pytest.raises(error):
            papermill.execute_notebook(source, target, parameters, **options)
    return nbformat.read(target, as_version=4)


def told(cell):
    """What a cell put out, without what differs from run to run: texts joined by stream, tracebacks by their end."""
    outputs = []
    streams = {}
    for output in cell.get("outputs", ()):
        each = dict(output)
        if each["output_type"] == "stream":
            streams[each["name"]] = streams.get(each["name"], "") + re.sub(r"\S*/site-packages/", "", each["text"])
            continue
        if each["output_type"] == "error":
            each["traceback"] = each["traceback"][-1]
        outputs.append(each)
    return streams, outputs


def text(cell):
    return told(cell)[0].get("stdout", "")


def recorded(nb):
    """What papermill's readers look at."""
    cells = []
    for cell in nb.cells:
        own = dict(cell.metadata.get("papermill", {}))
        times = {name: own.pop(name) is not None for name in ("start_time", "end_time", "duration") if name in own}
        execution = sorted(cell.metadata.get("execution", {}))
        cells.append((cell.cell_type, cell.source, cell.get("execution_count"), own, times, execution, told(cell)))
    own = nb.metadata.papermill
    return cells, (own.exception, own.parameters, own.version), nb.metadata.get("language_info")


@pytest.mark.parametrize(
    ("cells", "error"),
    [(WELL, None), (BADLY, PapermillExecutionError), (ALLOWED, PapermillExecutionError), (LEFT, None)],
    ids=["well", "badly", "an error that is allowed", "left with success"],
)
def test_cells_are_recorded_as_papermills_own_engine_records_them(tmp_path, cells, error):
    parameters = {"depth": 3} if cells is WELL else None
    ours = run(tmp_path, cells, parameters=parameters, error=error)
    theirs = run(tmp_path, cells, engine="nbclient", parameters=parameters, error=error)
    for mine, own in zip(*(recorded(nb)[0] for nb in (ours, theirs)), strict=True):
        assert mine == own
    assert recorded(ours)[1:] == recorded(theirs)[1:]


def statuses(nb):
    return [cell.metadata.papermill.status for cell in nb.cells if "papermill" in cell.metadata]


@pytest.mark.parametrize("who", ["os.getpid()", "os.getppid()"], ids=["kernel", "run"])
def test_a_run_that_is_killed_leaves_no_cell_running_or_falsely_completed(tmp_path, who):
    cells = [("code", "print('fine')", []), ("code", f"import os\nos.kill({who}, 9)", []), ("code", "2", [])]
    nb = run(tmp_path, cells, error=PapermillExecutionError)
    assert statuses(nb) == ["completed", "failed", "pending"]
    assert nb.metadata.papermill.exception is True
    (error,) = [each for cell in nb.cells for each in cell.get("outputs", ()) if each["output_type"] == "error"]
    assert error["ename"] == "RunKilled"


def test_what_is_refused_leaves_no_cell_running_or_falsely_completed(tmp_path):
    nb = run(tmp_path, BADLY, error=ConfigError, worker=2)
    assert statuses(nb) == ["completed", "failed", "pending", "pending", "pending"]
    assert "Did you mean 'workers'?" in nb.cells[1].outputs[0]["evalue"]


def test_a_notebook_without_a_kernel_runs(tmp_path):
    write(tmp_path / "in.ipynb", [("code", "print(depth)", [])], kernel=False)
    nb = papermill.execute_notebook(
        tmp_path / "in.ipynb", None, {"depth": 4}, engine_name="fairing", progress_bar=False
    )
    assert text(nb.cells[1]) == "4\n"


def test_options_come_from_the_call_then_the_environment_then_the_notebook(tmp_path, monkeypatch, caplog):
    said = {"env": {"CHOSEN": "notebook"}, "name": "from-notebook", "timeout": 500}
    source = write(tmp_path / "in.ipynb", [("code", "import os\nprint(os.environ['CHOSEN'])", [])], fairing=said)
    monkeypatch.setenv("FAIRING_NAME", "from-environment")
    monkeypatch.setenv("FAIRING_TIMEOUT", "400")
    with caplog.at_level(logging.INFO, "papermill"):
        nb = papermill.execute_notebook(source, None, engine_name="fairing", progress_bar=False, name="from-call")
    assert text(nb.cells[0]) == "notebook\n"
    assert "Run: local://from-call-" in caplog.text
    with caplog.at_level(logging.INFO, "papermill"):
        papermill.execute_notebook(source, None, engine_name="fairing", progress_bar=False)
    assert "Run: local://from-environment-" in caplog.text


def test_output_goes_to_the_log_and_to_files_too(tmp_path, caplog):
    cells = [("code", "import sys\nprint('to out')\nprint('to err', file=sys.stderr)\n'a value'", [])]
    with (tmp_path / "o").open("w") as out, (tmp_path / "e").open("w") as err, caplog.at_level(logging.INFO):
        run(tmp_path, cells, log_output=True, stdout_file=out, stderr_file=err)
    assert ((tmp_path / "o").read_text(), (tmp_path / "e").read_text()) == ("to out\n", "to err\n")
    levels = {record.getMessage().strip(): record.levelname for record in caplog.records}
    assert (levels["to out"], levels["to err"], levels["'a value'"]) == ("INFO", "WARNING", "INFO")


def whole(path):
    """Read a notebook; papermill may be writing it at this moment, and then there is none."""
    try:
        return nbformat.read(path, as_version=4)
    except NotJSONError:
        return None


def test_output_is_in_papermills_file_while_the_cell_runs(tmp_path):
    fifo, done = tmp_path / "go", threading.Event()
    os.mkfifo(fifo)
    cells = [("code", "print('first')", []), ("code", f"open({str(fifo)!r}).read()", [])]
    worker = threading.Thread(target=lambda: (run(tmp_path, cells), done.set()))
    worker.start()
    with fifo.open("w") as held:  # opened once the second cell reads it
        while not (nb := whole(tmp_path / "out-fairing.ipynb")) or statuses(nb) != ["completed", "running"]:
            assert not done.wait(0.05)
        assert text(nb.cells[0]) == "first\n"
        held.write("on")
    worker.join()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_ending_papermill_cancels_the_run(tmp_path, number):
    fifo, name = tmp_path / "started", f"ended-{number.name.lower()}"
    os.mkfifo(fifo)
    cell = f"import time\nopen({str(fifo)!r}, 'w').close()\ntime.sleep(600)"
    write(tmp_path / "in.ipynb", [("code", cell, []), ("code", "2", [])], fairing={"name": name})
    command = [sys.executable, "-m", "papermill", "in.ipynb", "out.ipynb", "--engine", "fairing", "--no-progress-bar"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE) as process:
        fifo.read_text()
        process.send_signal(number)
        process.communicate()
    assert process.returncode != 0
    (job,) = [job for job in fairing.jobs() if job.handle.parts[0].startswith(name)]
    assert job.status.phase == "cancelled"
    assert statuses(nbformat.read(tmp_path / "out.ipynb", as_version=4)) == ["failed", "pending"]


@pytest.mark.parametrize(
    "program",
    [
        "import papermill; from papermill.engines import papermill_engines as e; e.get_engine('fairing').nb_language",
        "import fairing.jupyter.papermill as p, papermill; p.FairingEngine.execute_notebook",
        "import fairing, papermill.iorw",
    ],
    ids=["papermill first", "the engine first", "part of papermill"],
)
def test_papermill_can_be_imported_whatever_is_imported_first(program):
    subprocess.run([sys.executable, "-W", "error::ImportWarning", "-c", program], check=True)
