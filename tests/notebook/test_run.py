"""One notebook goes out as a job, and comes back executed."""

import ast
from pathlib import Path

import nbformat
import pytest

import fairing
from fairing.events import CellStatus, Progress
from tests.notebook.conftest import last, text, write

CELLS = {
    "parameters": ("depth = 1\nwidth = 2", ["parameters"]),
    "uses parameters": "depth * width",
    "streams": "import sys\nprint('out')\nprint('err', file=sys.stderr)\nprint('out again')",
    "update": "handle = display('before', display_id='shown')\nprint('between')",
    "later update": "handle.update('after')",
    "clear": "from IPython.display import clear_output\nprint('gone')\nclear_output(wait=True)\nprint('kept')",
    "figure": "import matplotlib.pyplot as plt\nplt.plot([1, 2]);",
    "bar": "from tqdm.auto import tqdm\nfor _ in tqdm(range(7), desc='working'): pass",
    "text bar": "from tqdm import tqdm as plain\nfor _ in plain(range(7), file=sys.stdout): pass",
    "install": "!pip install -q rich\n%pip install --upgrade rich\nprint('installed nothing')",
    "module": "import helper\nhelper.double(4)",
    "data": "open('data/numbers.csv').read()",
    "error to be": ("1 / 0", ["raises-exception"]),
    "in place": "import fairing, os\njob = fairing.submit(os.getpid)\n"
    "(fairing.train(os.getpid) == os.getpid(), job.result() == os.getpid(), isinstance(job, fairing.Job))",
    "itself": "itself = fairing.run_notebook()\nprint(type(itself).__name__)",
    "itself by name": "fairing.run_notebook('work.ipynb', {'depth': 3})\nprint('went on')",
    "itself submitted": "print(type(fairing.submit('work.ipynb').result()).__name__)",
    "another": "try:\n    fairing.run_notebook('other.ipynb')\nexcept fairing.FairingError as e:\n    print(e)",
    "places": "history = get_ipython().history_manager.hist_file\n(os.getcwd(), os.environ['IPYTHONDIR'], history)",
    "async": "import asyncio\nawait asyncio.sleep(0, 'awaited')",
    "shell": "x = !echo hello\nx[0]",
    "magic": "%%capture caught\nprint('captured')",
    "magic's": "caught.stdout",
    "threads": "import threading\nt = threading.Thread(target=print, args=('from a thread',))\nt.start(); t.join()",
    "child": "import subprocess\nsubprocess.run(['echo', 'from a child']).returncode",
    "answers": "def ask(question):\n    try:\n        question()\n    except Exception as e:\n        print(e)\n"
    "import getpass, pdb\n"
    "for question in (input, breakpoint, pdb.set_trace, getpass.getpass):\n    ask(question)",
    "late": "import time\nasked = threading.Event()\n"
    "late = threading.Thread(target=lambda: (asked.wait(), print('from a late thread')))\nlate.start()",
    "later": "asked.set()\nlate.join()",
    "last": "'the end'",
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The notebook, executed; its cells by name."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "pyproject.toml").write_text("")
    (folder / "helper.py").write_text("def double(x):\n    return 2 * x\n")
    (folder / "data").mkdir()
    (folder / "data" / "numbers.csv").write_text("1,2,3")
    path = write(folder / "work.ipynb", *CELLS.values())
    executed = fairing.run_notebook(path, {"depth": 21}, include=["data"])
    injected = executed.notebook.cells.pop(1)
    return executed, dict(zip(CELLS, executed.notebook.cells, strict=True)), injected


def test_parameters_are_injected_as_papermill_does(ran):
    _, cells, injected = ran
    assert injected.source == "# Parameters\ndepth = 21\n"
    assert injected.metadata.tags == ["injected-parameters"]
    assert last(cells["uses parameters"]) == "42"


def test_the_streams_of_a_cell_are_told_apart(ran):
    assert text(ran[1]["streams"]) == "out\nout again\n"
    assert text(ran[1]["streams"], "stderr") == "err\n"


def test_a_display_is_updated_from_a_later_cell(ran):
    shown, printed = ran[1]["update"].outputs
    assert shown["data"]["text/plain"] == "'after'"
    assert printed["text"] == "between\n"
    assert ran[1]["later update"].outputs == []


def test_cleared_output_is_gone(ran):
    assert text(ran[1]["clear"]) == "kept\n"


def test_figures_come_out_in_their_cell(ran):
    (figure,) = [each for each in ran[1]["figure"].outputs if "image/png" in each.get("data", {})]
    assert figure["data"]["text/plain"].startswith("<Figure")


def test_a_saved_bar_shows_its_final_state(ran):
    executed, cells, _ = ran
    (bar,) = cells["bar"].outputs
    for kind in ("text/plain", "text/html"):
        assert "100%" in bar["data"][kind] and "7/7" in bar["data"][kind]
    model = bar["data"]["application/vnd.jupyter.widget-view+json"]["model_id"]
    states = executed.notebook.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"]
    assert model in states
    assert text(cells["text bar"]).count("\n") <= 1 and "7/7" in text(cells["text bar"])
    assert "0/7" not in text(cells["text bar"])


def test_install_cells_become_requirements_and_are_not_executed(ran):
    executed, cells, _ = ran
    assert text(cells["install"]) == "installed nothing\n"
    assert ("rich", "installed by a cell") in executed.job.report.requirements
    assert cells["install"].source.startswith("!pip install -q rich")


def test_local_modules_and_data_files_are_there(ran):
    assert last(ran[1]["module"]) == "8"
    assert last(ran[1]["data"]) == "'1,2,3'"
    assert ran[0].job.report.modules == ("helper",)


def test_a_cell_that_may_raise_does_not_end_the_run(ran):
    (error,) = ran[1]["error to be"].outputs
    assert (error["output_type"], error["ename"]) == ("error", "ZeroDivisionError")
    assert last(ran[1]["last"]) == "'the end'"


def test_inside_a_run_train_and_submit_call_in_place(ran):
    assert last(ran[1]["in place"]) == "(True, True, True)"


def test_only_the_call_that_started_the_run_is_skipped_not_its_cell(ran):
    assert text(ran[1]["itself"]) == "Executed\n"
    assert text(ran[1]["itself by name"]) == "went on\n"
    assert text(ran[1]["itself submitted"]) == "Executed\n"


def test_another_notebook_is_refused_inside_a_run_in_words(ran):
    assert text(ran[1]["another"]).startswith("other.ipynb cannot be run from inside a run.")


def test_nothing_is_written_to_the_persons_own_ipython(ran, fairing_home):
    folder, ipython, history = ast.literal_eval(last(ran[1]["places"]))
    assert Path(folder).is_relative_to(fairing_home)
    assert not Path(ipython).is_relative_to(Path.home() / ".ipython")
    assert history == ":memory:"


def test_what_is_ipythons_alone_works_in_the_run(ran):
    _, cells, _ = ran
    assert last(cells["async"]) == "'awaited'"
    assert last(cells["shell"]) == "'hello'"
    assert last(cells["magic's"]) in {"'captured\\n'", "'captured\\r\\n'"}


def test_output_of_threads_and_children_belongs_to_its_cell(ran):
    assert text(ran[1]["threads"]) == "from a thread\n"
    assert text(ran[1]["child"]) == "from a child\n"


def test_output_of_a_thread_whose_cell_is_over_is_not_lost(ran):
    said = [text(ran[1][name]) for name in ("late", "later")]
    assert sorted(said) == ["", "from a late thread\n"]


def test_asking_for_input_and_stopping_at_a_breakpoint_fail_at_once_in_words(ran):
    said = text(ran[1]["answers"]).splitlines()
    assert [line.partition("(")[0] for line in said] == ["input", "breakpoint", "breakpoint", "getpass"]
    assert all("has nobody to answer it" in line for line in said)


def test_the_executed_notebook_is_written_beside_the_notebook(ran):
    executed, _, _ = ran
    assert executed.path.name == "work-output.ipynb"
    written = nbformat.read(executed.path, as_version=4)
    nbformat.validate(written)
    assert [cell.execution_count for cell in written.cells] == list(range(1, len(CELLS) + 2))
    assert written.cells[-1].outputs[0]["data"]["text/plain"] == "'the end'"


def test_the_run_says_how_far_it_is(ran):
    events = list(fairing.attach(str(ran[0].job.handle)).events())
    steps = [(event.done, event.total) for event in events if isinstance(event, Progress)]
    total = len(CELLS) + 1
    assert steps[0] == (0, total) and steps[-1] == (total, total)
    started = [event.at.cell for event in events if isinstance(event, CellStatus) and event.state == "started"]
    assert started == list(range(total))


def test_another_kernel_gets_the_executed_notebook_by_the_handle(ran):
    value = fairing.attach(str(ran[0].job.handle)).result()
    assert value["cells"][-1]["outputs"][0]["data"]["text/plain"] == "'the end'"


def test_parameters_lie_in_no_layer(ran):
    executed, _, _ = ran
    assert executed.job.report.kind == "notebook"
    from fairing.api import start
    from fairing.capture import ipynb

    source = ipynb.read(executed.path.with_name("work.ipynb"))
    captured, _, _ = start.take_notebook(source, {"depth": 987654}, {"include": ["data"]})
    assert all(b"987654" not in file.read() for file in captured.bundle.files)
    assert b"987654" in captured.inputs[0].read()
    again, _, _ = start.take_notebook(source, {"depth": 21}, {"include": ["data"]})
    assert again.bundle.files == captured.bundle.files


def test_cells_that_print_into_an_output_widget_end(write_notebook):
    path = write_notebook(
        "from ipywidgets import Output\nout = Output()\ndisplay(out)",
        *["with out:\n    print('inside')"] * 5,
        "print('end')",
    )
    executed = fairing.run_notebook(path, timeout=60)
    assert text(executed.notebook.cells[-1]) == "end\n"
    assert executed.notebook.cells[0].outputs[0]["data"]["text/plain"] == "inside\n" * 5
