"""Locks between processes: they end with their holder, however it ends."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

_posix: Any
try:
    import fcntl as _posix
except ImportError:  # Windows
    _posix = None


_WITHOUT = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL}


class Taken(Exception):
    """Somebody else holds the lock."""


@contextmanager
def locked(path: Path, *, shared: bool = False, wait: bool = True) -> Iterator[None]:
    """Hold a lock file: alone, or with others that also share it.

    Where the system knows no shared locks, everyone holds it alone.

    Raises:
        Taken: Somebody else holds it, and ``wait`` is false.
    """
    if _posix is None:
        with _created(path, wait):
            yield
        return
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        how = (_posix.LOCK_SH if shared else _posix.LOCK_EX) | (0 if wait else _posix.LOCK_NB)
        try:
            _posix.flock(descriptor, how)
        except BlockingIOError as held:
            raise Taken(path) from held
        except OSError as without:
            # A file system without locks (some of clusters): builders still write aside and rename, and nothing sweeps.
            if without.errno not in _WITHOUT:
                raise
            if not wait:
                raise Taken(path) from without
        try:
            yield
        finally:
            # Closing alone leaves it with a child that was forked meanwhile.
            with suppress(OSError):
                _posix.flock(descriptor, _posix.LOCK_UN)
    finally:
        os.close(descriptor)


def held(path: Path) -> bool:
    """Return whether somebody holds this lock file now."""
    if not (_mine(path) if _posix is None else path).exists():
        return False
    try:
        with locked(path, shared=True, wait=False):
            return False
    except Taken:
        return True


def free(path: Path) -> None:
    """Wait until nobody holds this lock file alone."""
    if path.exists():
        with suppress(FileNotFoundError), locked(path, shared=True):
            pass


@contextmanager
def _created(path: Path, wait: bool) -> Iterator[None]:
    """Hold a lock by being the one who created a file; Windows removes that file when its holder ends."""
    flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_TEMPORARY", 0)
    while True:
        try:
            descriptor = os.open(_mine(path), flags, 0o600)
            break
        except (FileExistsError, PermissionError) as taken:
            if not wait:
                raise Taken(path) from taken
            time.sleep(0.02)
    try:
        yield
    finally:
        os.close(descriptor)
        with suppress(FileNotFoundError):
            _mine(path).unlink()


def _mine(path: Path) -> Path:
    return path.with_name(f"{path.name}.held")
