"""The bytes that an image consists of, where they are: in memory, in a file, in a registry."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fairing.errors import RegistryError
from fairing.oci.http import PIECE


@dataclass(frozen=True)
class Blob:
    """Bytes that an image consists of, and how to read them.

    Args:
        digest: Their digest.
        size: How many there are.
        open: Reads them from an offset on, as often as it is asked.
        sources: Repositories of the same registry that may have them, to be mounted from.
        known: Whether the repository has them: ``True`` and ``False`` are believed, ``None`` is asked.
    """

    digest: str
    size: int
    open: Callable[[int], Iterable[bytes]]
    sources: tuple[str, ...] = ()
    known: bool | None = None

    @classmethod
    def of(cls, data: bytes, known: bool | None = None) -> Blob:
        """Return these bytes as a blob."""
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        return cls(digest, len(data), lambda offset: [data[offset:]], known=known)

    @classmethod
    def file(cls, path: Path, digest: str, known: bool | None = None) -> Blob:
        """Return a file's bytes as a blob; the digest is believed, and checked by the registry."""
        return cls(digest, path.stat().st_size, partial(_read, path), known=known)


def part(blob: Blob, start: int, end: int) -> Iterator[bytes]:
    """Yield a part of a blob; what is shorter than it says must not leave a registry waiting for the rest."""
    left = end - start
    pieces = blob.open(start)
    try:
        for piece in pieces:
            yield piece[:left]
            left -= len(piece)
            if left <= 0:
                return
    finally:
        if hasattr(pieces, "close"):
            pieces.close()
    if left > 0:
        raise RegistryError(
            f"The layer {blob.digest[:19]}… is {left:,} bytes shorter than it should be.",
            why="It was changed or cut off after it had been made.",
            fix="Build the image again.",
        )


def _read(path: Path, offset: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(offset)
        while piece := file.read(PIECE):
            yield piece
