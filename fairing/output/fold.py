"""What is known of a run after each event: one pure function.

The card, the terminal's status line and ``job.status`` are all drawn from it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from fairing.events import (
    FINAL,
    CellStatus,
    Clear,
    Display,
    Event,
    Failure,
    FileInfo,
    Files,
    Lost,
    Metric,
    Phase,
    Progress,
    Result,
    Status,
    Text,
    assert_never,
)

TAIL = 20
"""Lines that are remembered, for an error without a Python traceback."""

_WHOLE = frozenset({"run", "build"})
"""Roles that speak for the run as a whole."""

_KEPT = frozenset({"stands on", "travels"})
"""Topics of a build that the reader may ask for later: which image, and how the code got there."""


@dataclass(frozen=True, slots=True)
class Step:
    """A phase of a run, when it began (seconds since 1970), and what was last said in it."""

    phase: Phase
    since: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Cells:
    """How far a notebook is: the cell that runs, and how many are done or failed."""

    current: int | None = None
    done: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class View:
    """What is known of a run.

    Args:
        steps: The phases it went through, oldest first.
        replicas: What each replica last said of itself, by name.
        progress: Named pieces of work that are under way.
        metrics: The last value of each number, by replica and name.
        memory: The most bytes of memory that a replica said it held.
        cells: How far a notebook is.
        files: What it left in its working folder.
        lines: Lines written so far.
        characters: Characters written so far.
        tail: The last of those lines; the very last may be unfinished.
        lost: What cannot be had of its output.
        result: The value of its first replica.
        failure: What went wrong first.
        status: What was last said of the run as a whole.
        kept: What its build said that stays worth knowing: the topic, and what was said of it.
    """

    steps: tuple[Step, ...] = ()
    replicas: tuple[tuple[str, Status], ...] = ()
    progress: tuple[Progress, ...] = ()
    metrics: tuple[tuple[str, str, float], ...] = ()
    memory: float = 0.0
    cells: Cells = Cells()
    files: tuple[FileInfo, ...] = ()
    lines: int = 0
    characters: int = 0
    tail: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    result: Result | None = None
    failure: Failure | None = None
    status: Status | None = None
    kept: tuple[tuple[str, str], ...] = ()

    @property
    def over(self) -> bool:
        """Whether it has ended, whichever way."""
        return self.status is not None and self.status.phase in FINAL


def fold(view: View, event: Event) -> View:  # noqa: RET503 - the last case never returns
    """Return what is known after an event."""
    match event:
        case Text():
            return _text(view, event.text)
        case Status():
            return _status(view, event)
        case Progress():
            return replace(view, progress=(*(each for each in view.progress if each.task != event.task), event))
        case Metric():
            source = str(event.at.source)
            others = tuple(each for each in view.metrics if each[:2] != (source, event.name))
            most = max(view.memory, event.value) if event.name == "memory" else view.memory
            return replace(view, metrics=(*others, (source, event.name, event.value)), memory=most)
        case CellStatus():
            return replace(view, cells=_cells(view.cells, event))
        case Files():
            return replace(view, files=event.files) if not event.at.source.index else view
        case Result():
            newest = view.result is None or event.at.time >= view.result.at.time  # of attempts, the last one's
            return replace(view, result=event) if newest and not event.at.source.index else view
        case Failure():
            return replace(view, failure=_first(view.failure, event))
        case Lost():
            return replace(view, lost=(*view.lost, event.what))
        case Display() | Clear():
            return view
        case _:
            assert_never(event)


def _text(view: View, text: str) -> View:
    begun = view.tail[-1] if view.tail else ""
    lines = (begun + text[-8192:]).split("\n")[-TAIL - 1 :]
    tail = (*view.tail[:-1], *(line.rstrip("\r").rpartition("\r")[2] for line in lines))
    return replace(
        view, lines=view.lines + text.count("\n"), characters=view.characters + len(text), tail=tail[-TAIL - 1 :]
    )


def _status(view: View, event: Status) -> View:
    if event.at.source.role not in _WHOLE:
        name = str(event.at.source)
        return replace(view, replicas=(*(each for each in view.replicas if each[0] != name), (name, event)))
    if view.over and event.phase not in FINAL:
        return view  # read again after a reconnect
    topic, _, rest = event.reason.partition(": ")
    kept = (*(each for each in view.kept if each[0] != topic), (topic, rest)) if topic in _KEPT else view.kept
    steps = view.steps
    if steps and steps[-1].phase == event.phase:
        steps = (*steps[:-1], replace(steps[-1], reason=event.reason))
    else:
        steps = (*steps, Step(event.phase, event.at.time, event.reason))
    return replace(view, steps=steps, status=event, kept=kept)


def _cells(cells: Cells, event: CellStatus) -> Cells:
    if event.state == "started":
        return replace(cells, current=event.at.cell)
    if event.state == "done":
        return replace(cells, current=None, done=cells.done + 1)
    return replace(cells, current=None, failed=cells.failed + 1)


def _first(known: Failure | None, event: Failure) -> Failure:
    """Choose between two failures: the cause, not what was stopped because of it."""
    if known is None or _weight(event) > _weight(known):
        return event
    return event if _weight(event) == _weight(known) and event.at.time < known.at.time else known


def _weight(failure: Failure) -> int:
    if failure.ename == "cancelled":
        return 0
    if failure.at.source.role == "run":
        return 3  # what watches over the run knows why a process was killed; the process does not
    return 1 if failure.ename in {"signal", "exit"} else 2
