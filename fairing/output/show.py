"""Shows a run while it goes on, in the thread of whoever waits for it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from fairing.config.options import Options
from fairing.events import Event, Phase, Result, Source, Stamp, Status, Text
from fairing.output.card import Head
from fairing.ports import Sink, Stream
from fairing.shell import current
from fairing.spec import Handle

BEAT = 0.1
"""Seconds without an event after which a sink is told so."""


class Screen(Sink, Protocol):
    """A sink that a person looks at: it also knows the run's name, and shows that time passes."""

    @property
    def handle(self) -> str:
        """The run that it shows, once it is started."""
        ...

    def started(self, handle: str) -> None:
        """Say which run it is."""
        ...

    def note(self, sentence: str) -> None:
        """Say a last sentence."""
        ...

    def beat(self) -> None:
        """Nothing came for a moment."""
        ...


class Followed(Protocol):
    """What can be shown: a job."""

    handle: Handle

    def beats(self, every: float) -> Stream[Event | None]:
        """Give its events, and ``None`` when nothing came for that many seconds; it goes on after an interrupt."""
        ...

    def cancel(self) -> None:
        """Stop it."""
        ...


class Detached(KeyboardInterrupt):
    """The cell was interrupted, and the run goes on."""

    run = ""
    """The run's handle."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


class Stopped(KeyboardInterrupt):
    """The cell was interrupted, and the run was cancelled."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


@contextmanager
def opened(head: Head, said: Options) -> Iterator[Screen]:
    """Open the place where a person looks: the cell, or the terminal; it is brought to its final state at the end."""
    screen = screen_of(head, said)
    try:
        yield screen
    except KeyboardInterrupt as interrupted:
        if screen.handle or isinstance(interrupted, Detached | Stopped):
            raise
        ended(screen, "cancelled")
        raise Stopped("Interrupted before anything was started; nothing runs.") from None
    except Exception:
        if not screen.handle:
            ended(screen, "failed")
        raise
    finally:
        screen.close()


def screen_of(head: Head, said: Options) -> Screen:
    """Return the sink for wherever this process shows things to a person."""
    shell = _kernel()
    if shell is None:
        from fairing.output.terminal import Nowhere, Terminal

        return Terminal(head, sys.stdout or Nowhere(), sys.stderr or Nowhere(), replicas=said.workers or 1)
    from fairing.output.cell import Cell

    return Cell(shell, head, live=_live(shell), trust_html=bool(said.trust_html), replicas=said.workers or 1)


def follow(job: Followed, screen: Screen, said: Options) -> None:
    """Show a run's events until it ends; Ctrl-C leaves it running, or cancels it where the options say so.

    Raises:
        Detached: It was interrupted and goes on.
        Stopped: It was interrupted and is cancelled.
    """
    screen.started(str(job.handle))
    events = job.beats(BEAT)
    try:
        _drain(events, screen)
    except KeyboardInterrupt:
        if said.on_interrupt != "cancel":
            screen.note("Interrupted here; the run goes on.")
            raise detached(job.handle) from None
        job.cancel()
        _drain(events, screen)
        raise Stopped(f"{job.handle} was cancelled; what it wrote is kept.") from None
    finally:
        events.close()


def detached(handle: Handle) -> Detached:
    """Return what ends the cell that waited for a run: it says how to follow and how to cancel what goes on."""
    how = f'fairing.attach("{handle}").follow() shows it, fairing.attach("{handle}").cancel() stops it'
    magics = " (also %fairing attach, %fairing cancel)" if _kernel() is not None else ""
    interrupted = Detached(f"The run goes on: {how}{magics}.")
    interrupted.run = str(handle)
    return interrupted


def say(screen: Screen, sentence: str) -> None:
    """Show a line of our own, in order with the run's."""
    screen.show(Text(Stamp(Source("run"), time.time()), sentence + "\n"))


def ended(screen: Screen, phase: Phase) -> None:
    """Show that it is over, where no run was started that says so itself."""
    screen.show(Status(Stamp(Source("run"), time.time()), phase))


def _drain(events: Stream[Event | None], screen: Screen) -> None:
    for event in events:
        if event is None:
            screen.beat()
        else:
            screen.show(event)
        if isinstance(event, Result) and event.payload.missing:
            return  # its value waits elsewhere, for whoever reads why it cannot be had


def in_notebook() -> bool:
    """Return whether things are shown in a notebook's cell."""
    return _kernel() is not None


def _kernel() -> Any:
    """Return the shell of the kernel that this runs in, if it does: one of a terminal has no cells."""
    shell = current()
    return shell if getattr(shell, "kernel", None) is not None else None


def _live(shell: Any) -> bool:
    """Say whether a person's front end runs this cell: it takes input, which nbclient and papermill do not."""
    try:
        return bool(shell.get_parent()["content"]["allow_stdin"])
    except (AttributeError, KeyError, TypeError):
        return False
