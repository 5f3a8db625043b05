"""Files of a run that are brought here: which of them, and where each is put."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from pathlib import Path

from fairing import state
from fairing.errors import AccessError, ResultRefused
from fairing.spec import Handle


def matches(path: str, pattern: str) -> bool:
    """Return whether a glob means a file: by its whole path, or by its name.

    Example:
        >>> matches("models/a.pkl", "*.pkl"), matches("models/a.pkl", "models/*"), matches("models/a.pkl", "a")
        (True, True, False)
    """
    return fnmatch.fnmatchcase(path, pattern) or fnmatch.fnmatchcase(path.rpartition("/")[2], pattern)


def write(handle: Handle, path: str, to: Path, pieces: Iterable[bytes]) -> Path:
    """Write a file of a run into a folder here, under its own path; return where it lies.

    Args:
        handle: The run.
        path: The file, relative to the run's working folder.
        to: The folder here.
        pieces: Its bytes.

    Raises:
        AccessError: It cannot be written here.
        ResultRefused: It would lie outside that folder.
    """
    file = to / path
    if Path(path).is_absolute() or not file.resolve().is_relative_to(to.resolve()):
        raise ResultRefused(
            f"The file {path!r} of {handle} was not brought here.",
            why=f"It leads out of {to}.",
            fix="Look at what the run does: files of its working folder never do that by themselves.",
        )
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with state.replacing(file) as part, part.open("wb") as out:
            for piece in pieces:
                out.write(piece)
    except OSError as refused:
        raise AccessError(
            f"The file {path!r} of {handle} cannot be written to {file.absolute()}.",
            why=f"{refused.strerror or refused}.",
            fix=f"The run keeps it: fairing.attach({str(handle)!r}).download({path!r}, to='another folder').",
        ) from refused
    return file
