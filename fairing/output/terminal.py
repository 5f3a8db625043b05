"""Shows a run in a terminal: its output, and under it one line that says how it is; or, in a pipe, plain lines."""

from __future__ import annotations

import io
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TextIO

from fairing.events import (
    CellStatus,
    Clear,
    Display,
    Event,
    Failure,
    Files,
    Lost,
    Metric,
    Progress,
    Result,
    Status,
    Text,
    assert_never,
)
from fairing.output import card
from fairing.output.card import Head
from fairing.output.fold import View, fold
from fairing.output.lines import Names, Redrawn, Whole

EVERY = 0.1
"""Seconds between two redrawings of the status line."""

_CLEAR = "\r\x1b[K"


class Nowhere(io.StringIO):
    """Where output goes in a process that was started without any."""

    def write(self, text: str) -> int:
        """Forget it."""
        return len(text)


class Terminal:
    """Output as it comes, and a line that says how the run is.

    Args:
        head: What is said besides the run's state.
        out: Where the run's stdout goes; if it is a terminal, the status line is under it.
        err: Where its stderr goes, and what is said of the run where ``out`` is no terminal.
        replicas: How many there are, where that is known.
        clock: Seconds since 1970.
    """

    def __init__(
        self, head: Head, out: TextIO, err: TextIO, *, replicas: int = 1, clock: Callable[[], float] = time.time
    ) -> None:
        self._head = head
        self._out = out
        self._err = err
        self._clock = clock
        self._view = View()
        self._live = out.isatty()
        self._names = Names(replicas)
        self._lines = Redrawn(self._names) if self._live else Whole(self._names)
        self._status = ""
        self._drawn_at = 0.0
        self._closed = False
        if head.text:
            self._say(head.text.rstrip("\n") + "\n")

    @property
    def handle(self) -> str:
        """The run that it shows, once it is started."""
        return self._head.handle

    def started(self, handle: str) -> None:
        """Say which run it is."""
        self._head = replace(self._head, handle=handle)
        self._say(f"{self._head.name}: {handle}\n")

    def note(self, sentence: str) -> None:
        """Do nothing: what is said on a card is said here by the error that is raised."""

    def show(self, event: Event) -> None:
        """Show an event."""
        before, self._view = self._view, fold(self._view, event)
        match event:
            case Text():
                self._write(event)
            case Display():
                if not event.update:
                    self._say_out(f"{event.data.get('text/plain', '')}\n")
            case Lost():
                self._say(f"(lost: {event.what})\n")
            case Status():
                if before.steps[-1:] != self._view.steps[-1:] and not (self._live and self._fits()):
                    self._say(card.line(self._head, self._view, self._clock()) + "\n")
                self._draw()
            case Clear() | Progress() | Metric() | CellStatus() | Files() | Result() | Failure():
                self._draw()
            case _:
                assert_never(event)

    def beat(self) -> None:
        """Nothing came for a moment: show the time that passes."""
        self._draw()

    def close(self) -> None:
        """Leave the output, and how it ended under it."""
        if self._closed:
            return
        self._closed = True
        self._erase()
        _put(self._out, self._lines.rest())
        if self._live and self._view.steps:
            _put(self._out, card.line(self._head, self._view, self._clock()) + "\n")
        self._out.flush()
        self._err.flush()

    def _write(self, event: Text) -> None:
        written = self._lines.feed(event)
        if not written:
            return
        self._erase()
        out = self._err if event.stream == "stderr" and not self._live else self._out
        _put(out, written)
        out.flush()
        self._draw()

    def _say(self, text: str) -> None:
        self._erase()
        out = self._out if self._live else self._err
        _put(out, text)
        out.flush()

    def _say_out(self, text: str) -> None:
        self._erase()
        _put(self._out, text)
        self._out.flush()

    def _draw(self) -> None:
        """Draw the status line, unless an unfinished line of the run stands where it would be."""
        unfinished = isinstance(self._lines, Redrawn) and self._lines.unfinished
        if not self._live or unfinished or not self._view.steps or self._clock() - self._drawn_at < EVERY:
            return
        self._drawn_at = self._clock()
        line, width = card.line(self._head, self._view, self._clock()), _width()
        self._status = line if len(line) <= width else f"{line[: width - 1]}…"
        _put(self._out, f"{_CLEAR}\x1b[2m{self._status}\x1b[22m")
        self._out.flush()

    def _fits(self) -> bool:
        """Say whether the status line has room for what a run waits for; else it is written above it, whole."""
        return (
            self._view.steps[-1].phase != "pending" or len(card.line(self._head, self._view, self._clock())) <= _width()
        )

    def _erase(self) -> None:
        if self._status:
            self._status = ""
            _put(self._out, _CLEAR)


def _width() -> int:
    return shutil.get_terminal_size().columns - 1


def _put(out: TextIO, text: str) -> None:
    """Write a text, with what this stream's encoding lacks in ASCII."""
    try:
        out.write(text)
    except UnicodeEncodeError:
        encoding = out.encoding or "ascii"
        out.write(text.encode(encoding, "backslashreplace").decode(encoding))
