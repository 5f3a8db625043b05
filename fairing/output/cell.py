"""Shows a run in a notebook's cell: a status card, and under it the output as if the code had run there.

Everything is written by the thread that runs the cell, so that it lands in that cell on every ipykernel (what a
background thread prints goes to the newest cell, or to the one that started the thread, depending on its version). No
JavaScript and no widget: the card is one output that is updated under its display id.
"""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

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
from fairing.output import card, safe
from fairing.output.card import Head
from fairing.output.fold import View, fold
from fairing.output.lines import Names, Redrawn, Whole, final
from fairing.shell import numbered
from fairing.words import counted, size

MOST_LINES = 2_000
MOST_CHARACTERS = 1_000_000
"""What one cell shows of a log; a page with more is slow to open and to save."""

EVERY = 0.5
"""Seconds between two updates of the card."""

BATCH = 0.1
"""Seconds between two flushes while output floods; JupyterLab redraws with each."""

SWITCHES = 8
"""Changes between stdout and stderr until both go to stdout: each change is an output, and JupyterLab shows fifty."""


class Cell:
    """A card and a log in the cell that runs.

    Args:
        shell: The IPython shell.
        head: What the card says besides the run's state.
        live: Whether a front end is there to redraw; else only final states are written.
        trust_html: Whether scripts of the run are shown.
        replicas: How many there are, where that is known.
        clock: Seconds since 1970.
    """

    def __init__(
        self,
        shell: Any,
        head: Head,
        *,
        live: bool = True,
        trust_html: bool = False,
        replicas: int = 1,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._shell = shell
        self._head = head
        self._live = live
        self._trust_html = trust_html
        self._clock = clock
        self._id = f"fairing-{secrets.token_hex(6)}"
        self._view = View()
        self._drawn_at = clock()
        self._names = Names(replicas)
        self._log = _Log(live, self._names)
        self._clearing: bool | None = None
        self._closed = False
        self._card(update=False)

    @property
    def handle(self) -> str:
        """The run that it shows, once it is started."""
        return self._head.handle

    def started(self, handle: str) -> None:
        """Say which run it is."""
        self._head = replace(self._head, handle=handle)
        self._log.handle = handle
        self._card()

    def note(self, sentence: str) -> None:
        """Say a last sentence on the card."""
        self._head = replace(self._head, note=sentence)

    def show(self, event: Event) -> None:
        """Show an event."""
        before, self._view = self._view, fold(self._view, event)
        match event:
            case Text():
                self._cleared()
                self._log.text(replace(event, text=numbered(event.text)))  # of a warning, or of a traceback in the log
            case Display():
                self._cleared()
                self._display(event)
            case Clear():
                self._clear(event)
            case Lost():
                self._log.text(Text(event.at, f"(lost: {event.what})\n"))
            case Status():
                if before.steps[-1:] != self._view.steps[-1:] or self._live:
                    self._due(before)
            case Progress() | Metric() | CellStatus() | Files() | Result() | Failure():
                self._due(before)
            case _:
                assert_never(event)

    def beat(self) -> None:
        """Nothing came for a moment: show what was held back, and the time that passes."""
        self._log.flush()
        if not self._live or self._view.over or not self._view.steps:
            return
        passed = self._clock() - self._view.steps[-1].since
        if self._clock() - self._drawn_at >= min(10.0, max(1.0, passed / 60)):
            self._card()

    def close(self) -> None:
        """Bring everything to its final state."""
        if self._closed:
            return
        self._closed = True
        self._cleared()
        self._log.close()
        self._card()

    def _due(self, before: View) -> None:
        moved = before.steps[-1:] != self._view.steps[-1:] and not self._live
        if moved or (self._live and self._clock() - self._drawn_at >= EVERY):
            self._card()

    def _card(self, *, update: bool = True) -> None:
        now = self._drawn_at = self._clock()
        data = {
            "text/plain": card.text(self._head, self._view, now),
            "text/html": card.html(self._head, self._view, now),
        }
        self._publish(data, {}, self._id, update=update)

    def _display(self, event: Display) -> None:
        if event.update and event.display_id is None:
            return
        if not event.update:
            self._log.pause(self._names.before(event.at.source))
        name = None if event.display_id is None else f"{self._id}-{event.at.source}-{event.display_id}"
        data, metadata = safe.bundle(event.data, event.metadata, trusted=self._trust_html)
        self._publish(data, metadata, name, update=event.update)

    def _clear(self, event: Clear) -> None:
        self._log.forget()
        self._clearing = event.wait
        if not event.wait:
            self._cleared()

    def _cleared(self) -> None:
        """Clear the cell, and show the card again above what comes; both at once, so that nothing flickers."""
        if self._clearing is None:
            return
        wait, self._clearing = self._clearing, None
        self._shell.display_pub.clear_output(wait=wait)
        self._card(update=False)

    def _publish(self, data: dict[str, Any], metadata: dict[str, Any], name: str | None, *, update: bool) -> None:
        transient = {} if name is None else {"display_id": name}
        self._shell.display_pub.publish(data, metadata, transient=transient, update=update)


class _Log:
    """The text under the card: how much of it, in which stream, and when."""

    def __init__(self, live: bool, names: Names) -> None:
        self.handle = ""
        self._lines = Redrawn(names) if live else Whole(names)
        self._left = [MOST_LINES, MOST_CHARACTERS]
        self._hidden = [0, 0]
        self._full = False
        self._begun = False
        self._stream = "stdout"
        self._switches = 0
        self._flushed_at = 0.0
        self._held = False

    def text(self, event: Text) -> None:
        """Show text, as far as there is room."""
        if self._full:
            self._hide(event.text)
            return
        written = self._lines.feed(event)
        if written:
            self._switch(event.stream)
            self._write(written)

    def pause(self, before: str) -> None:
        """Something else is shown now, and what follows begins below it."""
        if isinstance(self._lines, Redrawn):
            self._lines.interrupt()
        elif begun := self._lines.pause():
            self._write(begun)
        self._begun = False
        if before and not self._full:
            self._write(before.rstrip() + "\n")

    def forget(self) -> None:
        """Everything that was shown is cleared."""
        if isinstance(self._lines, Redrawn):
            self._lines.interrupt()
        self._left, self._full, self._switches = [MOST_LINES, MOST_CHARACTERS], False, 0
        self._begun = False

    def flush(self) -> None:
        """Let the front end have what was written."""
        if self._held:
            self._out().flush()
            self._flushed_at, self._held = time.monotonic(), False

    def close(self) -> None:
        """Write what is held back, and how much is not shown."""
        rest = self._lines.rest()
        if rest and not self._full:
            self._write(rest)
        if self._hidden[0]:
            octets = size(self._hidden[1])
            self._out().write(f"… {counted(self._hidden[0], 'more line')} ({octets}) in the log, not shown here\n")
            self._held = True
        self.flush()

    def _write(self, text: str) -> None:
        shown, hidden = self._cut(text)
        self._out().write(shown)
        self._held = True
        if hidden is not None:
            self._full = True
            self._hide(hidden)
            where = f'fairing.attach("{self.handle}").logs() or %fairing logs {self.handle}'
            begun = not shown.endswith("\n") if shown else self._begun
            self._out().write(("\n" if begun else "") + f"… the rest is in the log: {where}\n")
        elif shown:
            self._begun = not shown.endswith("\n")
        if time.monotonic() - self._flushed_at >= BATCH:
            self.flush()

    def _cut(self, text: str) -> tuple[str, str | None]:
        """Take from what is left; return what is shown, and what is not."""
        lines, characters = text.count("\n"), len(text) if "\r" not in text else len(final(text))
        if lines <= self._left[0] and characters <= self._left[1]:
            self._left[0] -= lines
            self._left[1] -= 0 if "\r" in text and not lines else characters
            return text, None
        shown = text[: self._left[1]]
        pieces = shown.split("\n")
        if len(pieces) > self._left[0]:
            shown = "".join(piece + "\n" for piece in pieces[: self._left[0]])
        return shown, text[len(shown) :]

    def _hide(self, text: str) -> None:
        self._hidden[0] += text.count("\n")
        self._hidden[1] += len(text)

    def _switch(self, stream: str) -> None:
        """Go to a stream; where they alternate, or one draws a bar, both go to stdout, so that the bar stays below."""
        if self._switches >= SWITCHES or stream == self._stream:
            return
        unfinished = isinstance(self._lines, Redrawn) and self._lines.unfinished
        self._switches = SWITCHES if unfinished else self._switches + 1
        self._out().flush()
        self._stream = "stdout" if self._switches >= SWITCHES else stream

    def _out(self) -> Any:
        return sys.stdout if self._stream == "stdout" else sys.stderr
