"""A log in files of a folder: what was written last is kept, as much of it as there is room for.

    00000000004194304              bytes from that one on, as they were written
    00000000000000000-4194304.z    bytes from one to before another, compressed

Who reads needs no lock: a file that was replaced meanwhile is looked for again.
"""

from __future__ import annotations

import os
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from fairing.runtime.kept import ALONE, READING

LIMIT = 256 << 20
"""Bytes that are kept on the disk, unless another limit is said; never more than a quarter of what is free."""

SEGMENT = 4 << 20
PLAIN = 8
"""Files that are not compressed: what was written last, and all of most logs."""

_GIVEN = 8 << 20
"""Bytes of a container's log that a node gives in any case: those of one file, of 10 MiB unless somebody said less."""

_BESIDE = 45
"""Bytes that a node writes beside each line."""

_PIECE = 1 << 18


class Segments:
    """What one process writes there; several may in turn, while they hold a lock.

    Where there is no room, nothing is kept, and nobody fails for it.

    Args:
        folder: It is made, for its owner alone.
        limit: Bytes on the disk.
    """

    def __init__(self, folder: Path, limit: int = LIMIT) -> None:
        self._folder = folder
        self._limit = limit
        self._segment = SEGMENT
        self._file = -1
        self._first = 0
        self._full = False
        self.end = 0
        """The number of bytes that were written so far, kept or not."""
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._segment = max(1 << 16, min(SEGMENT, self._room() // 8))
            if found := _segments(folder):
                self.end = found[-1].end
                self._first = self.end if found[-1].packed else found[-1].start

    def append(self, data: bytes, at: int | None = None) -> None:
        """Keep more bytes; ``at`` says where they stand, if not at the end."""
        if at is not None and at != self.end:
            self.close()
            self._first = self.end = at
        if not self._full:
            try:
                if self.end - self._first >= self._segment:
                    self._turn()
                self._write(data)
            except OSError:
                self._give_up()
        self.end += len(data)

    def close(self) -> None:
        """Close its file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _write(self, data: bytes) -> None:
        if self._file < 0:
            name = self._folder / f"{self._first:017}"
            self._file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        view = memoryview(data)
        while view:
            view = view[os.write(self._file, view) :]

    def _turn(self) -> None:
        """Begin another file, and make room for it."""
        self.close()
        self._first = self.end
        plain = [each for each in _segments(self._folder) if not each.packed]
        for each in plain[: 1 - PLAIN]:
            _pack(each)
        found = _segments(self._folder)
        used, limit = _size(found), self._room()
        for each in found:
            if used + self._segment <= limit:
                break
            used -= each.path.stat().st_size
            each.path.unlink()

    def _room(self) -> int:
        """Return how many bytes may be kept now."""
        disk = os.statvfs(self._folder)
        return min(self._limit, (_size(_segments(self._folder)) + disk.f_bavail * disk.f_frsize) // 4)

    def _give_up(self) -> None:
        """Leave the room to others: the disk is full."""
        self._full = True
        self.close()
        for each in _segments(self._folder):
            with suppress(OSError):
                each.path.unlink()


class Copy:
    """Keeps what is written, before it is: so all that anybody reads is there.

    Args:
        folder: Where it is kept; there may be what a runner wrote that ran before.
        limit: Bytes on the disk.
        write: Takes what is written.
    """

    def __init__(self, folder: Path, limit: int, write: Callable[[bytes], None]) -> None:
        self._folder = folder
        self._kept = Segments(folder, limit)
        self._write = write
        self._octets = self.start = self._kept.end

    def __call__(self, data: bytes) -> None:
        """Keep and write."""
        self._kept.append(data)
        self._write(data)
        if self._octets < _GIVEN:
            self._octets += len(data) + _BESIDE * data.count(b"\n")
            if self._octets >= _GIVEN:
                with suppress(OSError):
                    (self._folder / ALONE).touch()


class _Segment(NamedTuple):
    start: int
    end: int
    packed: bool
    path: Path


def read(folder: Path, start: int, end: int | None = None) -> Iterator[tuple[int, bytes]]:
    """Give what is kept from a byte on, in pieces, each with the number of its first byte."""
    at = start
    while end is None or at < end:
        found = next((each for each in _segments(folder) if each.end > at), None)
        if found is None or (end is not None and found.start >= end):
            return
        at = max(at, found.start)
        with suppress(FileNotFoundError):  # it was compressed meanwhile, or removed
            for piece in _pieces(found, at):
                if cut := piece if end is None else piece[: end - at]:
                    yield at, cut
                at += len(cut)


def _pieces(segment: _Segment, at: int) -> Iterator[bytes]:
    """Give a segment's bytes from one on."""
    with segment.path.open("rb") as file:
        if not segment.packed:
            file.seek(at - segment.start)
            left = segment.end - at
            while left > 0 and (data := file.read(min(left, _PIECE))):
                left -= len(data)
                yield data
            return
        skip = at - segment.start
        unpack = zlib.decompressobj()
        while packed := file.read(_PIECE):
            while packed:
                data = unpack.decompress(packed, _PIECE)
                packed = unpack.unconsumed_tail
                yield data[skip:]
                skip = max(0, skip - len(data))


def _segments(folder: Path) -> list[_Segment]:
    found = []
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            start, _, rest = entry.name.partition("-")
            if start.isdigit() and rest.endswith(".z"):
                found.append(_Segment(int(start), int(rest[:-2]), True, Path(entry.path)))
            elif entry.name.isdigit():
                with suppress(FileNotFoundError):
                    size = Path(entry.path).stat().st_size
                    found.append(_Segment(int(start), int(start) + size, False, Path(entry.path)))
    return sorted(found)


def _size(segments: list[_Segment]) -> int:
    return sum(each.path.stat().st_size for each in segments)


def _pack(segment: _Segment) -> None:
    """Compress a file; until that is whole, both are there."""
    target = segment.path.with_name(f"{segment.path.name}-{segment.end}.z")
    part = target.with_suffix(".part")
    part.touch(0o600)
    part.write_bytes(zlib.compress(segment.path.read_bytes(), 1))
    part.replace(target)
    segment.path.unlink()


def write(folder: str, start: str, end: str = "") -> None:
    """Write to stdout which byte comes first of those that are kept from one on, and then them, without a gap.

    A pod that waits to be read sees that somebody does.
    """
    import fcntl  # here, since a client on Windows reads such folders too

    out = sys.stdout.buffer
    with Path(folder).with_name(READING).open("ab") as reading:
        fcntl.flock(reading, fcntl.LOCK_SH)
        after = None
        for at, piece in read(Path(folder), int(start), int(end) if end else None):
            if after is None:
                out.write(b"%d\n" % at)
            elif at != after:
                return
            out.write(piece)
            after = at + len(piece)
        out.flush()
