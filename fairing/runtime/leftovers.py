"""What a run leaves in its working folder."""

from __future__ import annotations

import os

MOST = 1000
"""Files that are listed by name."""


def files(folder: str) -> dict[str, int]:
    """Return the files below a folder with their sizes in bytes; links are not followed."""
    found: dict[str, int] = {}
    for where, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(where, name)  # noqa: PTH118 - a folder may have very many
            try:
                found[os.path.relpath(path, folder).replace(os.sep, "/")] = os.lstat(path).st_size
            except OSError:  # it is gone
                continue
    return found


def listed(folder: str, before: dict[str, int]) -> list[dict[str, object]]:
    """Return what is new since ``before``, as the fields of ``FileInfo``."""
    new = sorted((name, size) for name, size in files(folder).items() if name not in before)
    return [{"path": name, "size": size} for name, size in new[:MOST]]
