"""Where fairing keeps things on this machine (one folder, its owner's alone), how a file is put there, and removed."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fairing.errors import AccessError


def home() -> Path:
    """Return the folder of everything that is kept: ``FAIRING_HOME``, else ``~/.local/share/fairing``."""
    named = os.environ.get("FAIRING_HOME")
    if named:
        return Path(named).expanduser().absolute()
    shared = os.environ.get("XDG_DATA_HOME")
    try:
        return (Path(shared) if shared else Path.home() / ".local" / "share") / "fairing"
    except RuntimeError:
        raise AccessError(
            "There is no folder to keep things in.",
            why="This user has no home folder.",
            fix="Set FAIRING_HOME to a folder of your own.",
        ) from None


def runs() -> Path:
    """Return the folder that holds a folder a run."""
    return private(_within() / "runs")


def store() -> Path:
    """Return the folder of images and dependency trees."""
    return private(_within() / "store")


def cache() -> Path:
    """Return the folder of what was found out about environments."""
    return private(_within() / "cache")


def fetched() -> Path:
    """Return the folder of what was fetched from runs elsewhere while they went on."""
    return private(_within() / "fetched")


def record(key: str) -> None:
    """Keep in mind that a run was submitted from here, by its handle's key: only its values are loaded unasked."""
    _record(key).touch(0o600)


def recorded(key: str) -> bool:
    """Say whether a run was submitted from here."""
    return _record(key).exists()


def submitted(key: str) -> float | None:
    """Return when a run was submitted, in seconds since 1970, if it was from here."""
    try:
        return _record(key).stat().st_mtime
    except FileNotFoundError:
        return None


def forget(key: str) -> None:
    """Forget a run that was deleted."""
    _record(key).unlink(missing_ok=True)


def private(folder: Path) -> Path:
    """Make a folder that only its owner can enter, or make sure that it is one.

    Raises:
        AccessError: It belongs to somebody else, or others may enter it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        seen, named = folder.stat(), folder.lstat()
        if hasattr(os, "getuid") and {seen.st_uid, named.st_uid} - {os.getuid()}:  # a link has an owner too
            raise AccessError(
                f"{folder} belongs to another user.",
                why="What it holds could have been put there by them.",
                fix="Set FAIRING_HOME to a folder of your own.",
            )
        if os.name == "posix" and seen.st_mode & 0o077:
            folder.chmod(0o700)
    except OSError as refused:
        raise _unusable(folder, refused) from refused
    return folder


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a new file beside another to write to, which takes the other's place when it is whole.

    Whoever reads meanwhile sees the old file or the new one; a failure leaves the old one as it was. The name cannot be
    foretold, since the folder may be one that others write to.

    Example:
        >>> with replacing(Path("model.bin")) as part:  # doctest: +SKIP
        ...     part.write_bytes(b"")
    """
    part = path.with_name(f".fairing-{secrets.token_hex(8)}")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def remove(folder: Path) -> None:
    """Remove a folder with all that is in it, also where parts of it may not be written to or read."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        _open(folder)
        shutil.rmtree(folder)


def _open(folder: Path) -> None:
    folder.chmod(0o700)
    for each in folder.iterdir():
        if each.is_dir() and not each.is_symlink():
            _open(each)


def _within() -> Path:
    """Make home, if it is not there; one that is there may be anybody's choice, and its mode is left alone."""
    folder = home()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as refused:
        raise _unusable(folder, refused) from refused
    return folder


def _unusable(folder: Path, refused: OSError) -> AccessError:
    return AccessError(
        f"{folder} cannot be used to keep things in.",
        why=f"{refused.strerror or refused}.",
        fix="Set FAIRING_HOME to a folder of your own.",
    )


def _record(key: str) -> Path:
    return private(_within() / "submitted") / hashlib.sha256(key.encode()).hexdigest()
