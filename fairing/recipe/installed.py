"""The installed distributions of this environment as a lock: names, versions, and what was installed under them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from fairing.environment.closure import closure
from fairing.environment.index import Distribution
from fairing.environment.record import Difference, differences, record
from fairing.words import counted

OWN = "fairing"
"""Its layer is its own, and newer than any lock."""


class Piece(NamedTuple):
    """A distribution of a lock: where it is, its line, and its files that are not as they were installed."""

    distribution: Distribution
    line: str
    differences: tuple[Difference, ...]


def pieces(names: Iterable[str]) -> tuple[Piece, ...]:
    """Return the distributions of these names and all that they require, sorted by name.

    Args:
        names: Names, with extras where those are wanted: ``"pandas[parquet]"``.
    """
    return tuple(piece(each) for each in closure(names).found if each.name != OWN)


def piece(each: Distribution) -> Piece:
    """Return a distribution as a piece of a lock, as its files are now."""
    changed = differences(each)
    return Piece(each, f"{each.name}=={each.version} --hash=record:{_digest(each, changed)}\n", changed)


def lock(found: Iterable[Piece]) -> str:
    """Return the lock text: no address, no path and no comment, and the same wherever the same files are installed."""
    return "".join(each.line for each in found)


def warnings(found: Iterable[Piece]) -> tuple[str, ...]:
    """Return a sentence for each distribution that is not as it was installed."""
    said = []
    for each in found:
        name = f"{each.distribution.name} {each.distribution.version}"
        changed = [difference.path for difference in each.differences if difference.hash]
        gone = len(each.differences) - len(changed)
        if changed:
            more = f" and {len(changed) - 3} more files" if len(changed) > 3 else ""
            verb = "are" if len(changed) > 1 else "is"
            files = f"{', '.join(changed[:3])}{more} of {name}"
            said.append(f"{files} {verb} not as installed; the run gets what is there.")
        if gone:
            said.append(f"{counted(gone, 'file')} of {name} {'are' if gone > 1 else 'is'} no longer there.")
    return tuple(said)


def _digest(each: Distribution, changed: tuple[Difference, ...]) -> str:
    """Hash what a tree would hold of a distribution; of an editable one that is its metadata, the code being source."""
    if each.editable:
        metadata = Path(each.info, "METADATA")
        return hashlib.sha256(metadata.read_bytes() if metadata.is_file() else each.version.encode()).hexdigest()
    digest = record(each).digest
    if not changed:
        return digest
    now = "\n".join((digest, *(f"{difference.path},{difference.hash}" for difference in changed)))
    return hashlib.sha256(now.encode()).hexdigest()
