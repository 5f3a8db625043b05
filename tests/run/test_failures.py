"""How a run's bad end is told here."""

import pytest

import fairing
from fairing import errors
from fairing.events import Failure, Source, Stamp, Status, Text
from fairing.output.fold import View, fold
from fairing.run.failures import error
from fairing.spec import Handle

HANDLE = Handle("local", ("train-1",))


def at(role="worker"):
    return Stamp(Source(role), 0.0)


def told(*events):
    view = View()
    for event in (Text(at(), "first\nlast words\n"), *events):
        view = fold(view, event)
    return error(HANDLE, view, lambda *_: None)


@pytest.mark.parametrize(
    ("failure", "phase", "kind", "words"),
    [
        (
            ("memory", "it used more than 1 GiB"),
            "failed",
            errors.OutOfMemory,
            "ran out of memory. It used more than 1 GiB",
        ),
        (("timeout", "it reached its timeout of 3 s"), "failed", errors.RunTimedOut, "timeout of 3 s"),
        (("cancelled", ""), "cancelled", errors.RunCancelled, "was cancelled"),
        (("KeyError", "'x'"), "cancelled", errors.RunCancelled, "was cancelled"),
        (("lost", "its node is gone"), "lost", errors.RunLost, "was lost. Its node is gone."),
        (("signal", "SIGKILL"), "failed", errors.RunKilled, "killed by SIGKILL"),
        (("KeyError", "'x'"), "failed", errors.RunFailed, "KeyError: 'x'"),
        (None, "lost", errors.RunLost, "was lost"),
        (None, "failed", errors.RunFailed, "ended without a value"),
    ],
)
def test_each_bad_end_is_an_error_of_its_own_in_words(failure, phase, kind, words):
    events = (
        [Failure(at("run" if failure[0] in {"memory", "timeout", "lost"} else "worker"), *failure)] if failure else []
    )
    raised = told(*events, Status(at("run"), phase, "because"))
    assert type(raised) is kind and words in str(raised)


def test_the_last_lines_are_told_where_no_traceback_tells_what_happened():
    raised = told(Failure(at(), "signal", "SIGSEGV", code=-11), Status(at("run"), "failed"))
    assert "    first\n    last words\n" in str(raised)


def test_no_error_of_ours_shows_frames_of_ours():
    raised = told(Failure(at(), "exit", "", code=4), Status(at("run"), "failed"))
    assert raised._render_traceback_() == [f"RunFailed: {raised}"]


def test_a_value_that_cannot_be_pickled_is_refused_in_words():
    def lock():
        import threading

        return threading.Lock()

    with pytest.raises(
        errors.ResultRefused, match=r"value cannot be brought back\. A .*lock cannot be pickled: .*job\.download"
    ):
        fairing.submit(lock).result()
