"""What is known of a run: the fold, and the lines that are drawn from it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairing.events import Failure, Payload, Progress, Result, Source, Stamp, Status, Text
from fairing.output import card
from fairing.output.card import Head
from fairing.output.fold import TAIL, View, fold
from fairing.output.lines import Names, Redrawn, Whole
from tests.output.front import redrawn


def at(role="worker", index=0, time=0.0):
    return Stamp(Source(role, index), time)


def folded(*events):
    view = View()
    for event in events:
        view = fold(view, event)
    return view


def test_a_view_is_never_changed_by_folding():
    before = folded(Status(at("run"), "running"))
    fold(before, Text(at(), "more\n"))
    assert before == folded(Status(at("run"), "running"))


def test_phases_keep_the_times_at_which_they_began():
    view = folded(Status(at("build", time=1), "building"), Status(at("run", time=3), "running", "now"))
    assert [(step.phase, step.since) for step in view.steps] == [("building", 1), ("running", 3)]
    assert card.text(Head("train"), view, 5.0) == "train\nbuilding 2.0 s > running 2.0 s: now"


def test_the_failure_that_is_kept_is_the_cause_and_not_what_was_stopped_because_of_it():
    cause = Failure(at(index=1, time=5), "KeyError", "'depth'")
    stopped = Failure(at(index=0, time=6), "cancelled", "")
    assert folded(stopped, cause).failure == folded(cause, stopped).failure == cause
    watcher = Failure(at("run", time=9), "memory", "it used more than 1 GiB")
    assert folded(Failure(at(time=8), "signal", "SIGKILL"), watcher).failure == watcher


def test_the_value_is_the_first_replica_s():
    result = Result(at(), Payload("json", 1, "", b"1"))
    assert folded(result, Result(at(index=1), Payload("json", 1, "", b"2"))).result == result


@given(st.lists(st.text(alphabet="ab\n", max_size=8, min_size=1)))
def test_the_tail_is_the_end_of_the_log_in_whatever_pieces_it_comes(pieces):
    view = folded(*(Text(at(), piece) for piece in pieces))
    whole = "".join(pieces)
    assert list(view.tail) == (whole.split("\n")[-TAIL - 1 :] if pieces else [])
    assert (view.lines, view.characters) == (whole.count("\n"), len(whole))


def test_the_tail_holds_a_bar_as_it_was_last():
    view = folded(Text(at(), "begin\n"), Text(at(), "\r10%"), Text(at(), "\r20%"), Text(at(), "\r30%\nend\n"))
    assert view.tail == ("begin", "30%", "end", "")


@pytest.mark.parametrize(
    "progress",
    [Progress(at(), "p", 3), Progress(at(), "p", 3, 0), Progress(at(), "p", 30, 10), Progress(at(), "p", -1, 5)],
)
def test_any_progress_can_be_drawn(progress):
    view = folded(Status(at("run"), "running"), progress)
    assert "p " in card.html(Head("f"), view, 1.0) and "p " in card.line(Head("f"), view, 1.0)


def test_the_card_escapes_everything_a_run_says():
    evil = "<script>x()</script>"
    view = folded(Status(at("run"), "running", evil), Progress(at(), evil, 1, 2, evil), Status(at(), "pending", evil))
    drawn = card.html(Head(evil, evil, evil, note=evil), view, 1.0)
    assert "<script" not in drawn and drawn.count("&lt;script") >= 6


def test_the_card_of_a_run_that_started_again_says_why():
    phases = [
        ("pending", ""),
        ("running", ""),
        ("pending", "its node is gone; it starts again: waiting"),
        ("running", ""),
    ]
    view = folded(*(Status(at("run", time=at_), phase, reason) for at_, (phase, reason) in enumerate(phases)))
    for drawn in (card.html(Head("f"), view, 9.0), card.text(Head("f"), view, 9.0)):
        assert "started again: its node is gone" in drawn and "waiting" not in drawn


cuts = st.lists(st.tuples(st.booleans(), st.text(alphabet="xyz", min_size=1, max_size=6), st.booleans()), max_size=20)


@given(cuts)
def test_lines_of_several_replicas_are_never_mixed_however_they_are_drawn(pieces):
    wanted: dict[int, str] = {0: "", 1: ""}
    redrawing, whole = Redrawn(Names(2)), Whole(Names(2))
    drawn = lines = ""
    for second, text, ended in pieces:
        event = Text(at(index=int(second)), text + ("\n" if ended else ""))
        wanted[int(second)] += event.text
        drawn += redrawing.feed(event)
        lines += whole.feed(event)
    complete = sorted(
        f"[worker-{index}] {line}" for index, text in wanted.items() for line in text.split("\n")[:-1] if line
    )
    assert sorted(lines.splitlines()) == complete
    shown = [line.rstrip() for line in redrawn(drawn).split("\n")[:-1]]
    assert sorted(shown) == complete
