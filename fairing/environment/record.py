"""The files of an installed distribution, by its RECORD, and those that are no longer what was installed.

A file is suspected by its size, or by a time after its RECORD's, and only what is suspected is read: twenty thousand
files are looked over in the time that reading one large one would take.
"""

from __future__ import annotations

import base64
import contextlib
import csv
import functools
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from fairing.environment.index import Distribution, cache, load, save


class Entry(NamedTuple):
    """A line of a RECORD: the path (POSIX, relative to the site folder), the hash as it stands there, bytes or -1."""

    path: str
    hash: str
    size: int


class Record(NamedTuple):
    """What was installed: the files, a digest that is the same wherever the same was installed, and when."""

    entries: tuple[Entry, ...]
    digest: str
    mtime: int


class Difference(NamedTuple):
    """A file that is not as it was installed: its path, and the hash of what it holds now (``""`` where it is gone)."""

    path: str
    hash: str


def record(each: Distribution) -> Record:
    """Return the RECORD of a distribution; where it has none, what lies in its top-level folders."""
    file = os.path.join(each.info, "RECORD")
    try:
        seen = os.stat(file)
    except OSError:
        return _without(each)
    return _read(file, seen.st_mtime_ns, seen.st_ino)


def differences(each: Distribution) -> tuple[Difference, ...]:
    """Return the files of a distribution that differ from its RECORD, bytecode and what no run reads left aside."""
    if each.editable:
        return ()
    known = record(each)
    found = []
    before = len(_hashes())
    with _folder(each.site) as at:
        for entry in known.entries:
            if not entry.hash or entry.path.endswith((*_UNREAD, *_OF_THE_INSTALLER)):
                continue
            try:
                seen = os.stat(entry.path, dir_fd=at) if at else os.stat(os.path.join(each.site, entry.path))
            except OSError:
                found.append(Difference(entry.path, ""))
                continue
            if seen.st_size != entry.size or seen.st_mtime_ns > known.mtime:
                now = _now(entry, os.path.join(each.site, entry.path), seen)
                if now != entry.hash:
                    found.append(Difference(entry.path, now))
    if len(_hashes()) > before:
        save(cache("hashes"), _hashes())
    return tuple(found)


_UNREAD = (".pyi", ".h", ".hpp", ".cuh", ".pxd", ".pyc")
_OF_THE_INSTALLER = ("/INSTALLER", "/REQUESTED", "/direct_url.json", "/RECORD", "/uv_cache.json", "/uv_build.json")


@functools.lru_cache(maxsize=2048)
def _read(file: str, mtime: int, inode: int) -> Record:
    text = Path(file).read_text(encoding="utf-8", errors="replace")
    if '"' in text:
        rows = [row for row in csv.reader(text.splitlines()) if len(row) == 3]
    else:
        rows = [row for row in (line.rsplit(",", 2) for line in text.splitlines()) if len(row) == 3]
    entries = tuple(Entry(path, digest, int(size) if size.isdigit() else -1) for path, digest, size in rows)
    return Record(entries, _digest(entries), mtime)


def _digest(entries: tuple[Entry, ...]) -> str:
    """Hash what was installed, and nothing of who did, when and where: bytecode, origin, the first lines of scripts."""
    lines = sorted(
        entry.path if entry.path.startswith("../") else f"{entry.path},{entry.hash}"
        for entry in entries
        if not entry.path.endswith((".pyc", *_OF_THE_INSTALLER))
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _without(each: Distribution) -> Record:
    """Make a record for a distribution that has none (conda's metadata, ``egg-info``) from what lies there."""
    entries = []
    info = Path(each.info).name
    for top in (*each.tops, info):
        root = Path(each.site, top)
        files = sorted(root.rglob("*")) if root.is_dir() else sorted(Path(each.site).glob(f"{top}.*"))
        entries += [
            Entry(file.relative_to(each.site).as_posix(), "", file.stat().st_size)
            for file in ([root] if root.is_file() else files)
            if file.is_file() and "__pycache__" not in file.parts
        ]
    stamps = "\n".join(f"{entry.path},{entry.size}" for entry in entries)
    return Record(tuple(entries), hashlib.sha256(stamps.encode()).hexdigest(), 0)


@contextlib.contextmanager
def _folder(path: str) -> Iterator[int]:
    at = os.open(path, os.O_RDONLY) if os.stat in os.supports_dir_fd else 0
    try:
        yield at
    finally:
        if at:
            os.close(at)


@functools.cache
def _hashes() -> dict[str, str]:
    return load(cache("hashes"))


def _now(entry: Entry, file: str, seen: os.stat_result) -> str:
    """Return the hash that a file has now, in a RECORD's own form; what was read once is remembered."""
    algorithm = entry.hash.partition("=")[0]
    known = _hashes()
    key = f"{algorithm} {seen.st_mtime_ns} {seen.st_size} {file}"
    if key not in known:
        try:
            digest = hashlib.new(algorithm)
        except ValueError:
            return entry.hash  # a hash that this Python cannot compute shows no difference
        with open(file, "rb") as opened:
            while piece := opened.read(1 << 20):
                digest.update(piece)
        known[key] = f"{algorithm}={base64.urlsafe_b64encode(digest.digest()).rstrip(b'=').decode()}"
    return known[key]
