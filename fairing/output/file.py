"""Writes a run's output into a file, as plain text."""

from __future__ import annotations

import time
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
from fairing.output.lines import Names, Whole

EVERY = 0.2
"""Seconds that text may wait in the file's buffer."""


class File:
    """Every line in its final state, both streams, in order.

    Args:
        file: Opened for text, with no translation of line ends.
        replicas: How many there are, where that is known.
    """

    def __init__(self, file: TextIO, replicas: int = 1) -> None:
        self._file = file
        self._lines = Whole(Names(replicas))
        self._flushed_at = time.monotonic()

    def show(self, event: Event) -> None:
        """Write an event, if it is text or stands for some."""
        match event:
            case Text():
                self._file.write(self._lines.feed(event))
                if time.monotonic() - self._flushed_at >= EVERY:
                    self.beat()
            case Display():
                if not event.update and "text/plain" in event.data:
                    self._file.write(self._lines.pause() + _plain(event) + "\n")
            case Lost():
                self._file.write(f"(lost: {event.what})\n")
            case Failure():
                self._file.write("".join(event.traceback))
            case Clear() | Progress() | Metric() | Status() | CellStatus() | Files() | Result():
                pass
            case _:
                assert_never(event)

    def beat(self) -> None:
        """Nothing came for a moment: let readers of the file have what there is."""
        self._file.flush()
        self._flushed_at = time.monotonic()

    def close(self) -> None:
        """Write what is unfinished; the file itself is closed by whoever opened it."""
        self._file.write(self._lines.rest())
        self._file.flush()


def _plain(event: Display) -> str:
    content = event.data["text/plain"]
    return "".join(content) if isinstance(content, list) else str(content)
