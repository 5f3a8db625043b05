"""Digests of files, remembered: a large file that has not changed is not read again."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path

from fairing.oci import layout
from fairing.oci.layer import opened
from fairing.spec import File

LARGE = 1 << 20
"""Bytes from which a digest is remembered; a smaller file is read faster than that is looked up."""

_SETTLED = 2.0
"""Seconds after which a change is sure to show in a file's times (FAT counts in steps of two)."""


def digest(root: Path, file: File) -> str:
    """Return the hex SHA-256 of a file that travels.

    Args:
        root: The store that remembers digests.
        file: The file, of any size: it is read in pieces.

    Raises:
        BuildError: It cannot be read.
    """
    if isinstance(file.content, bytes):
        return hashlib.sha256(file.content).hexdigest()
    with opened(file) as (source, size):
        if size < LARGE:
            return hashlib.sha256(source.read()).hexdigest()
        note = root / "digests" / hashlib.sha256(os.fsencode(file.content.absolute())).hexdigest()
        seen = _seen(file.content)
        try:
            remembered = json.loads(note.read_bytes())
            if remembered["seen"] == seen:
                return str(remembered["sha256"])
        except (OSError, ValueError, KeyError, TypeError):
            pass
        content, started = hashlib.sha256(), time.time()
        while piece := source.read(1 << 20):
            content.update(piece)
    if _seen(file.content) == seen and max(seen[1:3]) < (started - _SETTLED) * 1e9:
        note.parent.mkdir(exist_ok=True)
        text = {"path": str(file.content.absolute()), "seen": seen, "sha256": content.hexdigest()}
        layout.write(root, note, json.dumps(text).encode())
    return content.hexdigest()


def forget(root: Path) -> None:
    """Forget digests of files that are not what they were."""
    for note in (root / "digests").glob("*"):
        try:
            remembered = json.loads(note.read_bytes())
            current = _seen(Path(remembered["path"])) == remembered["seen"]
        except (OSError, ValueError, KeyError, TypeError):
            current = False
        if not current:
            note.unlink(missing_ok=True)


def _seen(path: Path) -> list[int]:
    """Return what tells a file from an earlier state of it; its change time also shows what hides its writing."""
    is_now = path.stat()
    return [is_now.st_size, is_now.st_mtime_ns, is_now.st_ctime_ns, is_now.st_ino, is_now.st_dev]
