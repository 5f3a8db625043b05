"""Events of cells merged into a notebook."""

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as some

from fairing.events import CellStatus, Clear, Display, Failure, Source, Stamp, Text
from fairing.output.notebook import NotebookSink
from fairing.runtime import widgets
from fairing.runtime.lines import fold
from tests.notebook.conftest import notebook, text


def stamp(cell=0, index=0):
    return Stamp(Source("worker", index), 1.0, None, cell)


@pytest.fixture
def sink():
    sink = NotebookSink(notebook("1", "2", "3"), nbformat.from_dict)
    sink.show(CellStatus(stamp(), "started"))
    return sink


@given(some.lists(some.text("ab\r\n", max_size=6), max_size=12))
def test_text_in_any_pieces_is_the_text_as_a_terminal_shows_it(pieces):
    sink = NotebookSink(notebook("1"), nbformat.from_dict)
    sink.show(CellStatus(stamp(), "started"))
    for piece in pieces:
        sink.show(Text(stamp(), piece))
        if len(piece) == 3:
            sink.settle()
    sink.settle()
    *whole, begun = "".join(pieces).encode().split(b"\n")
    lines = [fold(line[:-1]) + b"\r" if line.endswith(b"\r") else fold(line) for line in whole]
    assert text(sink.notebook.cells[0]).encode() == b"\n".join([*lines, fold(begun)])


def test_a_long_output_is_joined_a_few_times_and_not_with_each_piece(sink):
    joined = set()
    for _ in range(16_000):
        sink.show(Text(stamp(), "x" * 1000 + "\n"))
        joined.add(len(sink.notebook.cells[0].outputs[0]["text"]))
    sink.settle()
    assert len(joined) < 10
    assert len(text(sink.notebook.cells[0])) == 16_000 * 1001


def test_an_update_changes_the_display_in_whichever_cell_it_is(sink):
    sink.show(Display(stamp(0), {"text/plain": "1"}, {}, "shown"))
    sink.show(CellStatus(stamp(1), "started"))
    sink.show(Display(stamp(1), {"text/plain": "2"}, {}, "shown"))
    sink.show(Display(stamp(2), {"text/plain": "3"}, {}, "shown", update=True))
    shown = [[output["data"]["text/plain"] for output in cell.outputs] for cell in sink.notebook.cells]
    assert shown == [["3"], ["3"], []]


def test_a_clear_waits_for_the_next_output(sink):
    sink.show(Text(stamp(), "old\n"))
    sink.show(Clear(stamp(), wait=True))
    sink.settle()
    assert text(sink.notebook.cells[0]) == "old\n"
    sink.show(Text(stamp(), "new\n"))
    sink.settle()
    assert text(sink.notebook.cells[0]) == "new\n"


def test_only_the_first_replica_is_merged(sink):
    sink.show(Text(stamp(0, index=1), "of another"))
    sink.settle()
    assert sink.notebook.cells[0].outputs == []


def test_a_failure_with_no_cell_is_put_into_the_one_that_ran(sink):
    sink.show(Failure(stamp(None), "memory", ""))
    sink.close()
    (error,) = sink.notebook.cells[0].outputs
    assert (error["ename"], error["evalue"]) == ("OutOfMemory", "the run used more memory than it may")
    assert sink.failed == 0


def test_a_cell_whose_end_was_never_told_did_not_end_well(sink):
    sink.close()
    assert sink.notebook.cells[0].outputs[0]["ename"] == "RunLost"


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        ({"_model_name": "HTMLModel", "value": "<b>a &amp; b</b>"}, "a & b"),
        ({"_model_name": "IntProgressModel", "value": 5, "max": 10, "description": "half"}, "half|█████     |"),
        ({"_model_name": "FloatProgressModel", "value": "wrong", "max": 10}, ""),
        ({"_model_name": "IntSliderModel", "value": 5, "description": "depth"}, "depth 5"),
        ({"_model_name": "ButtonModel", "description": "go"}, "[go]"),
        ({"_model_name": "VBoxModel", "children": ["IPY_MODEL_top"]}, ""),
        ({}, ""),
    ],
)
def test_a_widget_is_said_in_words(state, shown):
    assert widgets.plain({"top": state}, "top") == shown
