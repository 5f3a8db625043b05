"""The magics in a real kernel, as a notebook runs them."""

import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

import fairing

CELLS = [
    "%load_ext fairing",
    "depth = 4\ndef double(n):\n    return 2 * n",
    "%%fairing -o answer\nprint('in the run')\nanswer = double(depth)\nanswer + 1",
    "answer",
    "job = %fairing submit double -p n=21",
    "%fairing result {job.handle}",
    "%fairing result {job.handle};",
    "%%fairing\nclass Rich:\n    def _repr_html_(self):\n        return '<b>rich</b>'\nRich()",
]


@pytest.fixture(scope="module")
def executed():
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in CELLS])
    return NotebookClient(notebook, kernel_name="python3", timeout=120).execute().cells


def test_inside_a_run_a_cell_runs_in_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cells = [
        "%load_ext fairing\nimport os",
        "%%fairing\nhere = os.environ['FAIRING_RUN']\nhere == os.environ['FAIRING_RUN']",
        "here",
    ]
    cells += ["job = fairing.run_cell('later = 1', globals(), wait=False)\njob.status.phase, later"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(each) for each in cells])
    notebook.cells[0].source += "\nimport fairing"
    nbformat.write(notebook, "nested.ipynb")
    ran = fairing.run_notebook("nested.ipynb").notebook.cells
    assert "True" in text(ran[1])
    assert "nested" in text(ran[2])
    assert text(ran[3]) == "('succeeded', 1)"


def test_what_a_cell_shows_is_shown_as_if_it_had_run_here(rich):
    shown = [each.data for each in rich.outputs if each.get("data", {}).get("text/html") == "<b>rich</b>"]
    assert len(shown) == 1


@pytest.fixture(scope="module")
def rich(executed):
    return executed[7]


def text(cell):
    shown = [each.get("text") or each.get("data", {}).get("text/plain", "") for each in cell.outputs]
    return "\n".join(shown)


def test_the_extension_loads_without_a_word(executed):
    assert executed[0].outputs == []


def test_a_cell_shows_its_prints_and_its_last_expression(executed):
    assert "in the run" in text(executed[2])
    assert "9" in text(executed[2]).split()


def test_a_name_comes_back_from_a_cell(executed):
    assert text(executed[3]) == "8"


def test_a_line_gives_its_value_and_a_semicolon_silences_it(executed):
    assert text(executed[5]) == "42"
    assert executed[6].outputs == []


@pytest.mark.parametrize(
    ("cell", "name", "says"),
    [
        ("%fairing submit nothing", "ConfigError", "nothing to run called 'nothing'"),
        ("%%fairing --gpu 1\npass", "ConfigError", "Did you mean '--gpus'"),
        ("%%fairing\n{}['depth']", "KeyError", "depth"),
    ],
)
def test_an_error_stops_the_notebook_and_keeps_its_sentence(cell, name, says):
    cells = [nbformat.v4.new_code_cell(each) for each in ("%load_ext fairing", cell)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    with pytest.raises(CellExecutionError):
        NotebookClient(notebook, kernel_name="python3", timeout=120).execute()
    error = next(each for each in notebook.cells[1].outputs if each.output_type == "error")
    assert error.ename == name
    assert says in error.evalue
    assert not any("fairing/jupyter" in row for row in error.traceback)


@pytest.mark.parametrize(
    "call", ["fairing.train(fail)", "%%fairing\nfail()", "fairing.submit(fail).result(timeout=60)"]
)
@pytest.mark.parametrize("raised", ["SyntaxError", "ExceptionGroup"])
def test_what_ipython_shows_in_python_s_own_way_has_no_frame_of_ours(call, raised):
    if raised == "ExceptionGroup" and sys.version_info < (3, 11):
        raised = "OSError"
    more = ", [KeyError()]" if raised == "ExceptionGroup" else ""
    texts = (
        "%load_ext fairing\nimport fairing",
        f"def fail():\n    raise {raised}('depth'{more})",
        call,
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in texts])
    cell = NotebookClient(notebook, kernel_name="python3", timeout=120, allow_errors=True).execute().cells[-1]
    shown = "\n".join("\n".join(each.get("traceback") or [each.get("text", "")]) for each in cell.outputs)
    ours = [line for line in shown.splitlines() if str(Path(fairing.__file__).parent) in line]
    assert f"raise {raised}('depth'" in shown
    assert len(ours) <= (sys.version_info < (3, 11)), shown  # Python 3.10 keeps the last one
