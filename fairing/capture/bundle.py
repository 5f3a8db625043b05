"""Puts together what was found: every kind of capture ends in the same bundle."""

from __future__ import annotations

import platform

from fairing.capture.files import Taken
from fairing.capture.modules import Modules
from fairing.capture.needs import Needs
from fairing.spec import Bundle, Entry, File


def bundle(entry: Entry, file: File, local: Modules, data: Taken, needed: Needs) -> Bundle:
    """Return the bundle of an entry.

    Args:
        entry: Where the run starts.
        file: The file that it names; of files at one place, it is the one that counts.
        local: The user's own modules.
        data: Data files.
        needed: What comes from packages.
    """
    taken = {each.path: each for each in (*local.files, *data.files, file)}
    return Bundle(
        entry=entry,
        files=tuple(taken.values()),
        requires=needed.requires,
        explicit=needed.explicit,
        python=platform.python_version(),
        roots=local.roots,
        data=tuple(each.path for each in data.files),
        dependencies=needed.dependencies,
        indexes=needed.indexes,
    )
