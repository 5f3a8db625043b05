"""Where fairing keeps things on this machine: one folder, its owner's alone."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from fairing.errors import AccessError


def home() -> Path:
    """Return the folder of everything that is kept: ``FAIRING_HOME``, else ``~/.local/share/fairing``."""
    named = os.environ.get("FAIRING_HOME")
    if named:
        return Path(named).expanduser().absolute()
    shared = os.environ.get("XDG_DATA_HOME")
    return (Path(shared) if shared else Path.home() / ".local" / "share") / "fairing"


def runs() -> Path:
    """Return the folder that holds a folder a run."""
    return private(home() / "runs")


def store() -> Path:
    """Return the folder of images and dependency trees."""
    return private(home() / "store")


def record(handle: str) -> None:
    """Keep in mind that a run was submitted from here: only its values are loaded without being asked to."""
    _record(handle).touch(0o600)


def recorded(handle: str) -> bool:
    """Say whether a run was submitted from here."""
    return _record(handle).exists()


def forget(handle: str) -> None:
    """Forget a run that was deleted."""
    _record(handle).unlink(missing_ok=True)


def private(folder: Path) -> Path:
    """Make a folder that only its owner can enter, or make sure that it is one.

    Raises:
        AccessError: It belongs to somebody else, or others may enter it.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    seen = folder.stat()
    if hasattr(os, "getuid") and seen.st_uid != os.getuid():
        raise AccessError(
            f"{folder} belongs to another user.",
            why="What it holds could have been put there by them.",
            fix="Set FAIRING_HOME to a folder of your own.",
        )
    if os.name == "posix" and seen.st_mode & 0o077:
        folder.chmod(0o700)
    return folder


def _record(handle: str) -> Path:
    return private(home() / "submitted") / hashlib.sha256(handle.encode()).hexdigest()
