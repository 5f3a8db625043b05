"""The current notebook, from the kernel's own record: real kernels, spoken to as front ends do."""

import json
import subprocess
import sys

import nbclient
import nbformat
import pytest
from jupyter_client.manager import start_new_kernel

from tests.notebook.conftest import notebook, text

ASK = "import json; from fairing.capture import journal; print(json.dumps(journal.source().notebook['cells']))"


class Front:
    """A front end that sends what JupyterLab sends with a cell: its id and its tags."""

    def __init__(self, client):
        self._client = client

    def run(self, source, cell=None, tags=()):
        """Run a cell, and return what it printed."""
        session = self._client.session
        content = {"code": source, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
        metadata = {} if cell is None else {"cellId": cell, "tags": list(tags)}
        message = session.msg("execute_request", content, metadata=metadata)
        self._client.shell_channel.send(message)
        printed = ""
        while True:
            got = self._client.get_iopub_msg(timeout=60)
            if got["parent_header"].get("msg_id") != message["header"]["msg_id"]:
                continue
            if got["msg_type"] == "stream":
                printed += got["content"]["text"]
            if got["msg_type"] == "status" and got["content"]["execution_state"] == "idle":
                return printed

    def sources(self, cell="asking"):
        """What the journal holds: the text of each cell, by id."""
        cells = json.loads(self.run(ASK, cell))
        return [(each.get("id"), each["source"]) for each in cells if each["source"] != ASK]


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    manager, client = start_new_kernel(
        kernel_name="python3",
        cwd=str(tmp_path_factory.mktemp("cwd")),
        extra_arguments=["--HistoryManager.hist_file=:memory:"],
    )
    yield Front(client)
    client.stop_channels()
    manager.shutdown_kernel(now=True)


@pytest.fixture
def front(kernel):
    """The kernel, as if it were new."""
    kernel.run(
        "import sys\n"
        "ip = get_ipython()\n"
        "if 'fairing' in ip.extension_manager.loaded: ip.extension_manager.unload_extension('fairing')\n"
        "for event in ('pre_run_cell', 'post_run_cell'):\n"
        "    for each in list(ip.events.callbacks[event]):\n"
        "        if 'Journal' in getattr(each, '__qualname__', ''): ip.events.unregister(event, each)\n"
        "vars(ip).pop('_fairing_journal', None)\n"
        "for name in [n for n in sys.modules if n.partition('.')[0] == 'fairing']: del sys.modules[name]\n"
    )
    kernel.run("get_ipython().reset(new_session=True)")
    return kernel


def test_each_cell_has_its_last_text_in_order_of_first_execution(front):
    front.run("%load_ext fairing", "load")
    front.run("a = 1", "first")
    front.run("b = 2", "second")
    front.run("a = 'edited'", "first")
    front.run("c = 3", "third", ["parameters"])
    ids = dict(front.sources())
    assert list(ids) == ["load", "first", "second", "third"]
    assert ids["first"] == "a = 'edited'"


def test_a_cell_keeps_its_tags(front):
    front.run("%load_ext fairing", "load")
    front.run("depth = 3", "third", ["parameters"])
    cells = json.loads(front.run(ASK, "asking"))
    assert [cell["metadata"].get("tags") for cell in cells if cell.get("id") == "third"] == [["parameters"]]


@pytest.mark.parametrize(
    "said",
    [
        "__vsc_ipynb_file__ = '/somewhere/else/report.ipynb'",
        "import os\nos.environ['JPY_SESSION_NAME'] = '/somewhere/else/report.ipynb'",
    ],
    ids=["VS Code", "JupyterLab"],
)
def test_a_notebook_has_the_name_that_its_front_end_says_and_its_file_is_not_looked_for(front, said):
    front.run("%load_ext fairing", "load")
    front.run(f"import os\nos.environ.pop('JPY_SESSION_NAME', None)\n{said}", "naming")
    name = front.run("from fairing.capture import journal; print(journal.source().name)", "asking")
    front.run("import os\nos.environ.pop('JPY_SESSION_NAME', None)", "naming")
    assert name == "report.ipynb\n"


def test_cells_that_ran_before_fairing_was_loaded_come_from_the_history(front):
    front.run("before = 1", "zero")
    front.run("%load_ext fairing", "load")
    front.run("after = 2", "one")
    assert [source for _, source in front.sources()][-3:] == ["before = 1", "%load_ext fairing", "after = 2"]


def test_a_cell_from_the_history_that_runs_again_is_not_there_twice(front):
    front.run("before = 1", "zero")
    front.run("%load_ext fairing", "load")
    front.run("before = 1", "zero")
    assert [source for _, source in front.sources()].count("before = 1") == 1


def test_without_ids_the_history_is_the_notebook_less_what_failed(front):
    front.run("%load_ext fairing")
    front.run("a = 1")
    front.run("a = misspelt")
    front.run("a = 1")
    sources = [source for _, source in front.sources(None)]
    assert sources[-3:] == ["%load_ext fairing", "a = 1", "a = 1"]


def test_the_first_use_of_a_verb_begins_the_journal(front):
    front.run("early = 1", "zero")
    front.run("import fairing\nfairing.preview(print)", "use")
    front.run("late = 2", "one")
    assert [name for name, _ in front.sources()][-2:] == ["use", "one"]


def test_a_kernel_keeps_its_one_journal_also_when_the_module_is_loaded_anew(front):
    front.run("%load_ext fairing", "load")
    front.run("depth = 3", "third", ["parameters"])
    front.run("import importlib\nfrom fairing.capture import journal\nimportlib.reload(journal)", "reload")
    cells = json.loads(front.run(ASK, "asking"))
    assert [cell["metadata"].get("tags") for cell in cells if cell.get("id") == "third"] == [["parameters"]]
    told = "[each for each in get_ipython().events.callbacks['pre_run_cell'] if 'Journal' in each.__qualname__]"
    assert front.run(f"print(len({told}))", "count") == "1\n"


def test_cells_without_ids_are_given_ids_and_nobody_is_warned(front):
    front.run("%load_ext fairing")
    front.run("a = 1")
    front.run("a = 1")
    names = [name for name, _ in front.sources(None)]
    assert all(names) and len(set(names)) == len(names)
    check = "import nbformat, fairing.capture.journal as j; nbformat.validate(nbformat.from_dict(j.source().notebook))"
    assert front.run(check) == ""


def test_importing_fairing_registers_nothing(front):
    front.run("import fairing", "import")
    assert front.run("print('fairing.capture.journal' in __import__('sys').modules)", "ask") == "False\n"


def test_the_current_notebook_runs_from_inside_itself_with_no_file_known(tmp_path):
    cells = notebook(
        "depth = 2",
        "def double(x):\n    return 2 * x",
        "import fairing\nran = fairing.run_notebook()\nprint('this cell went on')",
        "import nbformat\n(ran.path.name, [nbformat.writes(ran.notebook) != '' and len(ran.notebook.cells)])",
        "print(ran.notebook.cells[-1].outputs[-1]['text'])",
    )
    nb = nbclient.NotebookClient(
        cells, resources={"metadata": {"path": str(tmp_path)}}, kernel_name="python3"
    ).execute()
    assert "('notebook-output.ipynb', [3])" in nb.cells[3].outputs[-1]["data"]["text/plain"]
    assert text(nb.cells[4]).strip() == "this cell went on"
    written = nbformat.read(tmp_path / "notebook-output.ipynb", as_version=4)
    assert [cell.source for cell in written.cells] == [cell.source for cell in cells.cells[:3]]


def test_where_no_tags_are_known_parameters_come_after_the_cell_that_does_nothing_but_assign_them(tmp_path):
    cells = notebook(
        "import fairing",
        "year = 2000; print('no parameters cell: it prints')",
        "# of the report\nyear = 2001\nname = 'x'",
        "x = year * 2\nx",
        "ran = fairing.run_notebook(parameters={'year': 7})",
        "print(ran.notebook.cells[-2].outputs[-1]['data']['text/plain'])",
    )
    nb = nbclient.NotebookClient(
        cells, resources={"metadata": {"path": str(tmp_path)}}, kernel_name="python3"
    ).execute()
    assert text(nb.cells[5]).strip() == "14"
    assert "come after cell 3" in str(nb.cells[4].outputs)


def test_outside_of_jupyter_there_is_no_current_notebook():
    ran = subprocess.run(
        [sys.executable, "-c", "import fairing; fairing.run_notebook()"], capture_output=True, text=True, check=False
    )
    assert "CaptureError: There is no current notebook" in ran.stderr
