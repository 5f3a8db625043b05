"""Events shown in a cell, in a real kernel: what each becomes for a front end."""

import pytest

SETUP = """
from fairing.events import *
from fairing.output.card import Head
from fairing.output.cell import Cell
def at(index=0): return Stamp(Source("worker", index), 0.0)
def text(words, stream="stdout", index=0): return Text(at(index), words, stream)
def plain(words, **more): return Display(at(), {"text/plain": words}, **more)
def shown(*events, **how):
    screen = Cell(get_ipython(), Head("f"), **how)
    for event in events: screen.show(event)
    screen.close()
"""


@pytest.fixture(scope="module")
def events(kernel):
    kernel.run(SETUP)
    return kernel


def said(cell):
    return [output.get("text") or output["data"]["text/plain"] for output in cell.outputs[1:]]


def test_displays_come_in_order_with_text(events):
    cell = events.run("shown(text('a\\n'), plain('b'), text('c\\n'), plain('d'))")
    assert said(cell) == ["a\n", "b", "c\n", "d"]


def test_updates_reach_the_display_they_mean_and_no_other_run_s(events):
    events_of_one = "plain('one', display_id='x'), text('after\\n'), plain('two', display_id='x', update=True)"
    first = events.run(f"shown({events_of_one})")
    assert said(first) == ["two", "after\n"]
    second = events.run("shown(plain('mine', display_id='x'))")
    assert said(first) == ["two", "after\n"]
    assert said(second) == ["mine"]


@pytest.mark.parametrize("wait", [False, True])
def test_clearing_clears_the_output_and_keeps_the_card(events, wait):
    cell = events.run(f"shown(text('old\\n'), plain('old'), Clear(at(), {wait}), text('new\\n'), plain('new'))")
    assert said(cell) == ["new\n", "new"]
    assert len(cell.cards) == 1


def test_replicas_that_write_unfinished_lines_do_not_mix_them(events):
    cell = events.run(
        "shown(text('zero'), text('one', index=1), text(' and more\\n'), text(' too\\n', index=1), replicas=2)"
    )
    assert sorted(line.rstrip() for line in cell.text.splitlines()) == [
        "[worker-0] zero and more",
        "[worker-1] one too",
    ]


@pytest.mark.parametrize(
    "texts",
    [["a\\n" * 2000, "b\\n"], ["a\\n" * 2000 + "b\\n"], ["a\\n" * 1999, "a", "\\nb\\n"], ["a\\n" * 2000 + "b", "\\n"]],
)
def test_where_the_rest_is_stands_right_under_the_last_line_however_the_text_was_split(events, texts):
    events_of_log = ", ".join(f"text('{each}')" for each in texts)
    cell = events.run(f"shown({events_of_log})")
    lines = cell.text.splitlines()
    assert lines[:2000] == ["a"] * 2000
    assert lines[-2].startswith("… the rest is in the log")
    assert lines[2000:-2] in ([], ["b"])


def test_what_is_lost_is_said_where_it_was(events):
    cell = events.run("shown(text('a\\n'), Lost(at(), '3 lines (20 bytes) of stdout'), text('b\\n'))")
    assert cell.text == "a\n(lost: 3 lines (20 bytes) of stdout)\nb\n"


def test_progress_is_on_the_card_while_it_lasts(events):
    status = "Status(Stamp(Source('run'), 0.0), 'running')"
    cell = events.run(f"shown({status}, Progress(at(), 'epochs', 3, 10, 'epochs'))")
    assert "3 of 10 epochs" in cell.cards[0]["text/html"]


def test_the_card_is_updated_at_most_twice_a_second(events):
    status = "Status(Stamp(Source('run'), 0.0), 'running')"
    code = (
        f"now = [100.0]\nscreen = Cell(get_ipython(), Head('f'), clock=lambda: now[0])\nscreen.show({status})\n"
        "for i in range(100):\n    now[0] += 0.01\n    screen.show(Progress(at(), 'p', i, 100))\nscreen.close()"
    )
    cell = events.run(code)
    assert cell.updates <= 1 + 2 + 1


def test_without_a_front_end_a_bar_is_written_once_in_its_final_state(events):
    bar = ", ".join(f"text('\\r{each}%')" for each in range(10, 100, 10))
    cell = events.run(f"shown(text('begin\\n'), {bar}, text('\\r100%\\n'), live=False)")
    assert cell.raw == "begin\n100%\n"


def test_without_a_front_end_a_bar_that_never_ends_shows_how_far_it_came(events):
    cell = events.run("shown(text('\\r10%'), text('\\r20%'), plain('figure'), live=False)")
    assert said(cell) == ["figure", "20%\n"]


def test_every_kind_of_event_can_be_shown(events):
    cell = events.run(
        "pay = Payload('none', 0, '')\n"
        "shown(text('t\\n'), plain('p'), Clear(at()), Progress(at(), 'p', 1), Metric(at(), 'memory', 5e6),\n"
        "      Status(at(), 'running'), CellStatus(Stamp(Source('worker'), 0.0, cell=2), 'started'),\n"
        "      Files(at(), (FileInfo('model.bin', 2_000_000),)), Result(at(), pay), Failure(at(), 'E', 'v'),\n"
        "      Lost(at(), 'one line'))\nlen(KINDS)"
    )
    assert "model.bin (2 MB)" in cell.cards[0]["text/plain"]
    assert cell.displays[-1]["text/plain"] == "11"


def test_a_card_whose_run_never_started_ends_red_and_an_interrupt_is_one_line(events):
    names = ("output.show import opened", "config.options import Options", "errors import BuildError")
    code = "".join(f"from fairing.{name}\n" for name in names)
    failed = events.run(code + "with opened(Head('f'), Options()):\n    raise BuildError('No room.')")
    assert "failed" in failed.cards[0]["text/plain"] and failed.error["traceback"] == ["BuildError: No room."]
    stopped = events.run(code + "with opened(Head('f'), Options()):\n    raise KeyboardInterrupt")
    assert "cancelled" in stopped.cards[0]["text/plain"]
    assert stopped.error["traceback"] == ["Interrupted before anything was started; nothing runs."]
