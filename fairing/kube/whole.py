"""A runner's log made whole: each byte once, in order, out of pieces that come again or lack something.

Every frame of a log says which byte of it it is (``runtime.frames``), so whatever lies between two frames that were
read is known to be all of it, or not. What is missing is asked for where the runner keeps its own copy, and what cannot
be had is a gap, told where it is.

A log may lack lines in the middle of a connection: a node rotates it, and goes on with the newest file. So plain lines
wait for the frame that follows them, which comes within a fifth of a second, unless the log is still shorter than any
that is rotated: then they are given at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from fairing.runtime.frames import LONG, SEPARATOR, Mark, mark, plain

_MOST = 8 << 20
"""Bytes without a frame after which it is not a runner's log that is read, and all is given as it is."""

_SEARCHED = 1 << 19


class Piece(NamedTuple):
    """Whole lines, and which byte of the log is their first."""

    at: int
    data: bytes


class Gap(NamedTuple):
    """Something is missing here; the stream of the plain lines that come next, where it is known."""

    stream: str | None


Fetch = Callable[[int, "int | None"], Iterator[tuple[int, bytes]]]


class Whole:
    """One log, from its first byte.

    Args:
        key: The run's key.
        source: Who wrote it.
        fetch: Gives what is kept elsewhere between two bytes of the log, or from one on: pieces without a gap between
            them, each with the number of its first byte, which may be later than the one that was asked for.
    """

    def __init__(self, key: bytes, source: str, fetch: Fetch) -> None:
        self._key = key
        self._source = source
        self._fetch = fetch
        self.position = 0
        """The byte that comes next; all before it were given, or cannot be had."""
        self.since = 0.0
        """When the last frame was written that was read, in seconds since 1970 by the writer's clock."""
        self._base: int | None = None
        self._held: list[bytes] = []
        self._size = 0
        self._rest = b""

    def again(self) -> None:
        """What comes next may begin anywhere: a line at or before the last frame, if it is still there."""
        self._base, self._held, self._size, self._rest = None, [], 0, b""

    def feed(self, data: bytes) -> Iterator[Piece | Gap]:
        """Give what these bytes add."""
        end = data.rfind(b"\n") + 1
        if not end:
            self._rest += data
            return
        data, self._rest = self._rest + data[:end], data[end:]
        yield from _joined(self._lines(data))

    def catch_up(self) -> Iterator[Piece | Gap]:
        """Give all that is kept elsewhere; what comes next may begin anywhere."""
        yield from _joined(self._missing(None, None))
        self.again()

    def rest(self) -> Iterator[Piece | Gap]:
        """Give what was held back, when nothing more comes: there may be a line that was cut off."""
        held = b"".join((*self._held, self._rest))
        if held and self._base is None:
            yield Gap(None)
        elif self._base is not None:
            held = held[max(0, self.position - (self._base + self._size + len(self._rest) - len(held))) :]
        self.again()
        if held:
            yield self._given(held)

    def _lines(self, data: bytes) -> Iterator[Piece | Gap]:
        at = 0
        while at < len(data):
            if data[at] == SEPARATOR[0]:
                cut = data.find(b"\n", at) + 1
                if (found := mark(data[at:cut], self._key, self._source)) is not None:
                    yield from self._frame(data[at:cut], found)
                    at = cut
                    continue
            else:
                cut = plain(data, at, len(data))
            yield from self._plain(data[at:cut])
            at = cut

    def _plain(self, data: bytes) -> Iterator[Piece | Gap]:
        """Give plain lines, if nothing can be missing before them; else hold them until a frame says so."""
        self._size += len(data)
        if self._base is not None and self.position < LONG and not self._held:
            if new := data[max(0, self.position - (self._base + self._size - len(data))) :]:
                yield self._given(new)
            return
        self._held.append(data)
        if self._size > _MOST:
            held, self._held = b"".join(self._held), []
            yield self._given(held)

    def _frame(self, line: bytes, found: Mark) -> Iterator[Piece | Gap]:
        held, size, base = b"".join(self._held), self._size, self._base
        self._held, self._size, self._base = [], 0, found.at + len(line)
        self.since = found.time
        if found.at < self.position:
            return
        if base is not None and base + size == found.at:
            if new := held[max(0, self.position - (found.at - len(held))) :]:
                yield self._given(new)
        elif found.at > self.position:
            yield from self._missing(found.at, found.stream)
            if missing := found.at - self.position:
                known = held[-missing:]
                if (
                    len(known) < missing
                ):  # in one file of the node's nothing is missing: they end where the frame begins
                    yield Gap(found.stream if base is None else None)
                self.position = found.at - len(known)
                if known:
                    yield self._given(known)
        yield self._given(line)

    def _missing(self, end: int | None, stream: str | None) -> Iterator[Piece | Gap]:
        """Give what is kept elsewhere, up to a byte, in whole lines."""
        rest, after = b"", self.position
        for at, data in self._fetch(self.position, end):
            rest = rest + data if at == after else data
            after = at + len(data)
            start = after - len(rest)
            if start > self.position:  # it lacks something too
                first = self._first(rest)
                if first is None and len(rest) < _SEARCHED and after != end:
                    continue
                yield Gap(first or stream)
                self.position = start
            whole, newline, rest = rest.rpartition(b"\n")
            if newline:
                self._see(whole + newline)
                yield self._given(whole + newline)

    def _first(self, data: bytes) -> str | None:
        """Return whose the first plain lines are: the first frame after them says so."""
        at = -1
        while (at := data.find(SEPARATOR, at + 1)) >= 0:
            if found := mark(data[at : data.find(b"\n", at) + 1], self._key, self._source):
                return found.stream
        return None

    def _see(self, data: bytes) -> None:
        at = len(data)
        while (at := data.rfind(SEPARATOR, 0, at)) >= 0:
            if found := mark(data[at : data.find(b"\n", at) + 1], self._key, self._source):
                self.since = found.time
                return

    def _given(self, data: bytes) -> Piece:
        piece = Piece(self.position, data)
        self.position += len(data)
        return piece


def _joined(given: Iterator[Piece | Gap]) -> Iterator[Piece | Gap]:
    """Give pieces that follow each other as one."""
    first, held, size = 0, [b""], 0
    for each in given:
        if isinstance(each, Piece):
            first = each.at if not size else first
            held.append(each.data)
            size += len(each.data)
            if size < _SEARCHED:
                continue
        if size:
            yield Piece(first, b"".join(held))
            held, size = [], 0
        if isinstance(each, Gap):
            yield each
    if size:
        yield Piece(first, b"".join(held))
