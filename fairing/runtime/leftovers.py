"""What a run leaves in its working folder."""

from __future__ import annotations

import os
import stat

MOST = 1000
"""Files that are listed by name."""


def files(folder: str) -> dict[str, int]:
    """Return the files below a folder with their sizes in bytes: no pipes, and no links that lead out of it."""
    found: dict[str, int] = {}
    for where, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(where, name)  # noqa: PTH118 - a folder may have very many
            try:
                seen = os.lstat(path)
                if stat.S_ISLNK(seen.st_mode) and _within(path, folder):
                    seen = os.stat(path)  # noqa: PTH116 - as above
            except OSError:  # it is gone, or leads nowhere
                continue
            if stat.S_ISREG(seen.st_mode):
                found[os.path.relpath(path, folder).replace(os.sep, "/")] = seen.st_size
    return found


def listed(folder: str, before: dict[str, int]) -> list[dict[str, object]]:
    """Return what is new since ``before``, as the fields of ``FileInfo``."""
    new = sorted((name, size) for name, size in files(folder).items() if name not in before)
    return [{"path": name, "size": size} for name, size in new[:MOST]]


def _within(path: str, folder: str) -> bool:
    return os.path.realpath(path).startswith(os.path.realpath(folder) + os.sep)
