"""Writes layers: the same files give the same bytes, on every machine and at every time.

One gzip writer, ISA-L at level 2 over pieces of 64 KiB: its bytes are the same for isal 1.6 to 1.9 and for every x86-64
with SSE 4.2, up to AVX-512 (level 3 differs with AVX2), at ten times the speed of zlib, whose bytes differ by whether
the interpreter was built with zlib or zlib-ng. The tar headers are those of ``tarfile``, the same since Python 3.9.
"""

from __future__ import annotations

import errno
import hashlib
import os
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, NamedTuple

from fairing.errors import BuildError
from fairing.spec import File, LayerKind

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What the system says where a disk is full, or may not be filled any further."""

PLACES: Mapping[LayerKind, str] = {
    "dependencies": "opt/fairing/dependencies",
    "fairing": "opt/fairing/runtime",
    "files": "opt/fairing/code",
    "code": "opt/fairing/code",
}
"""Where each kind of layer lies in an image."""

WRITER = "isal2"
"""Names the bytes this module writes: it is part of what a layer's digest is remembered by."""

_PIECE = 1 << 16
_BLOCK, _RECORD = tarfile.BLOCKSIZE, tarfile.RECORDSIZE


class Link(NamedTuple):
    """A symbolic link that travels, with where it points, relative to itself."""

    path: str
    target: str


class Written(NamedTuple):
    """A layer that was written: digest of the blob, digest of the tar inside it, bytes of the blob."""

    digest: str
    diff_id: str
    size: int


def order(entry: File | Link) -> list[str]:
    """Return the sort key of a layer: each folder stands directly before what is in it."""
    return entry.path.split("/")


def write(
    entries: Iterable[File | Link], out: BinaryIO, place: str = "", expected: Mapping[str, str] | None = None
) -> Written:
    """Write files as a gzipped tar: at a fixed time, owned by root, with every parent folder in it.

    Args:
        entries: What is to be written, sorted by ``order``; it may be made while it is written.
        out: Where the blob goes, piece by piece.
        place: The folder of the image under which the entries lie.
        expected: Hex SHA-256 of files by path, where they are known.

    Raises:
        BuildError: A path leads out of the layer or comes twice, or a file is gone or changes while it is read.

    Example:
        >>> write([File("main.py", b"print()")], BytesIO(), "opt/app").diff_id[:15]
        'sha256:59308b73'
    """
    packed = _Packed(out)
    known = expected or {}
    folders: set[str] = set()
    before: list[str] = []
    for entry in entries:
        check(entry.path)
        parts = order(entry)
        if before and (parts <= before or parts[: len(before)] == before):
            raise BuildError(
                f"{entry.path!r} cannot be in the image: another file has, or needs, that name.",
                why="A name is one file, or one folder.",
                fix="Rename one of them, or leave it out of include=.",
            )
        before = parts
        for folder in _parents(f"{place}/{entry.path}" if place else entry.path):
            if folder not in folders:
                folders.add(folder)
                packed.add(_header(folder, 0o755, tarfile.DIRTYPE))
        _add(packed, entry, f"{place}/{entry.path}" if place else entry.path, known.get(entry.path))
    return packed.close()


def check(path: str) -> None:
    """Refuse a path that is not plainly inside its layer.

    Raises:
        BuildError: It is absolute, is not in its shortest form, or no file system has it; or it would remove another.
    """
    parts = path.split("/")
    if not path or "\0" in path or not {"", ".", ".."}.isdisjoint(parts):
        raise BuildError(
            f"{path!r} cannot be a file of the image.",
            why="It has to be a path inside the image.",
            fix="Name a file of the project.",
        )
    # https://github.com/opencontainers/image-spec/blob/main/layer.md#whiteouts
    if any(part.startswith(".wh.") for part in parts):
        raise BuildError(
            f"{path!r} cannot be a file of the image.",
            why="In images a name that begins with .wh. removes another file.",
            fix="Give it another name, or leave it out of include=.",
        )


@contextmanager
def opened(file: File) -> Iterator[tuple[BinaryIO, int]]:
    """Open a file that travels, wherever its bytes are; gives its size too.

    Raises:
        BuildError: It cannot be read.
    """
    if isinstance(file.content, bytes):
        yield BytesIO(file.content), len(file.content)
        return
    try:
        source = file.content.open("rb")
    except OSError as wrong:
        raise unreadable(file.content, wrong) from wrong
    with source:
        yield source, os.fstat(source.fileno()).st_size


def _add(packed: _Packed, entry: File | Link, name: str, expected: str | None) -> None:
    if isinstance(entry, Link):
        packed.add(_header(name, 0o777, tarfile.SYMTYPE, target=entry.target))
        return
    with opened(entry) as (source, size):
        packed.add(_header(name, entry.mode & 0o777, tarfile.REGTYPE, size))
        read, content = 0, hashlib.sha256()
        while piece := source.read(min(_PIECE, size - read)):
            read += len(piece)
            if expected is not None:
                content.update(piece)
            packed.add(piece)
        if read != size or (expected is not None and content.hexdigest() != expected):
            raise changed(entry.path)
    packed.add(bytes(-size % _BLOCK))


def unreadable(path: str | Path, wrong: OSError) -> BuildError:
    """Return the error for a file that is not there any more, or may not be read."""
    fix = "Check that it is there and that you may read it, or leave it out of include=."
    return BuildError(f"{path} cannot be read.", why=f"{wrong.strerror}.", fix=fix)


def changed(path: str | Path) -> BuildError:
    """Return the error for a file that is not what it was a moment ago."""
    return BuildError(
        f"{path} changed while the image was built.",
        why="Something else writes to it.",
        fix="Run it again when that is done.",
    )


class _Packed:
    """A gzip stream that knows the digests of both its sides."""

    def __init__(self, out: BinaryIO) -> None:
        from isal import isal_zlib

        self._out = out
        self._compress = isal_zlib.compressobj(2, isal_zlib.DEFLATED, 31)
        self._plain, self._blob = hashlib.sha256(), hashlib.sha256()
        self._pending = bytearray()
        self._length = self._size = 0

    def add(self, data: bytes) -> None:
        # The compressor's bytes depend on how its input is cut, so it is cut here and alike every time.
        self._pending += data
        while len(self._pending) >= _PIECE:
            self._piece(bytes(self._pending[:_PIECE]))
            del self._pending[:_PIECE]

    def close(self) -> Written:
        total = self._length + len(self._pending)
        self.add(bytes(2 * _BLOCK + -(total + 2 * _BLOCK) % _RECORD))
        self._piece(bytes(self._pending))
        self._write(self._compress.flush())
        return Written(f"sha256:{self._blob.hexdigest()}", f"sha256:{self._plain.hexdigest()}", self._size)

    def _piece(self, piece: bytes) -> None:
        self._plain.update(piece)
        self._length += len(piece)
        self._write(self._compress.compress(piece))

    def _write(self, data: bytes) -> None:
        self._blob.update(data)
        self._size += len(data)
        self._out.write(data)


def _parents(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[: index + 1]) for index in range(len(parts))]


def _header(name: str, mode: int, kind: bytes, size: int = 0, target: str = "") -> bytes:
    """Return what ``tarfile`` writes before a file; most names are short and plain, and then a template will do."""
    full = f"{name}/" if kind == tarfile.DIRTYPE else name
    if target or size >= 8**11 or len(full) > 100 or not full.isascii():
        return _entry(name, mode, kind, size, target)
    block = bytearray(_template(mode, kind))
    block[:100] = full.encode().ljust(100, b"\0")
    block[124:135] = b"%011o" % size
    block[148:156] = b" " * 8
    block[148:155] = b"%06o\0" % sum(block)
    return bytes(block)


@lru_cache(maxsize=64)
def _template(mode: int, kind: bytes) -> bytes:
    return _entry("", mode, kind, 0, "")


def _entry(name: str, mode: int, kind: bytes, size: int, target: str) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.mode, entry.type, entry.size, entry.linkname = mode, kind, size, target
    return entry.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
