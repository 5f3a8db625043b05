"""A run in a notebook that nbclient executes, as papermill and nbconvert do: what is saved is the final state, once."""

import nbformat
import pytest
from nbclient import NotebookClient

CELLS = [
    "import fairing",
    "def bar():\n    import sys, time\n    print('begin')\n    for i in range(0, 101, 20):\n"
    "        print(f'\\r{i}% of the work', end='', file=sys.stderr, flush=True)\n        time.sleep(0.3)\n"
    "    print('', file=sys.stderr)\n    print('end')\n    return 7\nfairing.train(bar)",
    "def bars():\n    from tqdm.auto import tqdm, trange\n    for _ in trange(2, desc='outer'):\n"
    "        for _ in tqdm(range(5), desc='inner', leave=False): pass\nfairing.train(bars)",
    "def bad():\n    raise KeyError('depth')\nfairing.train(bad)",
]


@pytest.fixture(scope="module")
def saved(fairing_home, tmp_path_factory):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    where = {"metadata": {"path": str(tmp_path_factory.mktemp("saved"))}}
    NotebookClient(notebook, timeout=120, allow_errors=True, resources=where).execute()
    return notebook


def test_a_saved_notebook_shows_a_bar_in_its_final_state_exactly_once(saved):
    outputs = saved.cells[1].outputs
    text = "".join(output.text for output in outputs if output.output_type == "stream")
    assert sorted(text.splitlines()) == ["100% of the work", "begin", "end"]
    assert "\r" not in text
    assert len(outputs) <= 5


def test_an_automatic_bar_is_drawn_as_in_a_notebook_and_saved_in_its_final_state(saved):
    outputs = saved.cells[2].outputs
    assert {output.output_type for output in outputs} == {"display_data"}
    outer, *inner = [output.data["text/plain"] for output in outputs[1:]]
    assert outer.startswith("outer: 100%") and "2/2" in outer
    assert inner == ["", ""]


def test_a_saved_notebook_shows_one_card_in_its_final_state(saved):
    cards = [output.data for output in saved.cells[1].outputs if output.output_type == "display_data"]
    assert len(cards) == 1
    assert "done in" in cards[0]["text/plain"]


def test_a_saved_notebook_keeps_the_traceback_of_the_run(saved):
    (error,) = [output for output in saved.cells[3].outputs if output.output_type == "error"]
    assert error.ename == "KeyError" and error.evalue == "'depth'"
    shown = "\n".join(error.traceback)
    assert "in bad" in shown and "fairing/" not in shown and "train.py" not in shown
