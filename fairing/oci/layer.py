"""Writes layers: the same files give the same bytes, on every machine and at every time."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterable
from typing import BinaryIO, NamedTuple

from fairing.spec import File


class Written(NamedTuple):
    """A layer that was written: digest of the blob, digest of the tar inside it, bytes of the blob."""

    digest: str
    diff_id: str
    size: int


def write(files: Iterable[File], out: BinaryIO) -> Written:
    """Write files as a gzipped tar: sorted, at a fixed time, owned by root, with every parent folder in it."""
    blob = _Hashing(out)
    # No file name and no time in the header, one compressor and one level: the bytes depend on the content alone.
    with gzip.GzipFile("", "wb", 6, blob, mtime=0) as packed:
        plain = _Hashing(packed)
        with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as tar:
            folders: set[str] = set()
            for file in sorted(files, key=lambda file: file.path):
                for folder in _parents(file.path):
                    if folder not in folders:
                        folders.add(folder)
                        tar.addfile(_entry(folder, 0o755, tarfile.DIRTYPE, 0))
                data = file.read()
                tar.addfile(_entry(file.path, file.mode, tarfile.REGTYPE, len(data)), io.BytesIO(data))
    return Written(blob.digest(), plain.digest(), blob.size)


class _Hashing(io.RawIOBase):
    def __init__(self, out: BinaryIO | gzip.GzipFile) -> None:
        self._out = out
        self._hash = hashlib.sha256()
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._hash.update(data)
        self.size += len(data)
        self._out.write(data)
        return len(data)

    def tell(self) -> int:
        return self.size

    def digest(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"


def _parents(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[: index + 1]) for index in range(len(parts))]


def _entry(name: str, mode: int, kind: bytes, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.mode, entry.type, entry.size = mode & 0o777, kind, size
    return entry
