"""What repositories are known to have, on disk: in the loop nobody is asked for what was sent before.

pushed/<repository>/<digest>    an empty file for a blob; for an image, in JSON, what of this machine it was made of

An image is believed to be there for an hour since it was last seen; a blob until the registry says otherwise, which it
does when it is given a manifest.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from fairing import state
from fairing.oci import layout, store
from fairing.oci.reference import Reference, parse

BELIEVED = 3600.0
"""Seconds for which an image that was seen in a registry is not looked for again."""


def blobs(target: Reference) -> frozenset[str]:
    """Return the digests that a repository is known to have."""
    with suppress(FileNotFoundError):
        return frozenset(f"sha256:{name}" for name in os.listdir(_folder(target)))  # noqa: PTH208 - names are asked
    return frozenset()


def image(target: Reference, digest: str) -> bool | None:
    """Return whether a repository has an image: ``None`` where that was seen, but not lately."""
    with suppress(FileNotFoundError):
        age = time.time() - _mark(target, digest).stat().st_mtime
        return True if abs(age) < BELIEVED else None
    return False


def allowed(target: Reference) -> bool:
    """Return whether something was pushed to a repository before, by whoever this is."""
    return bool(blobs(target))


def note(target: Reference, digest: str, inside: Iterable[str], trees: Iterable[str]) -> None:
    """Keep in mind that a repository has an image, with all its blobs.

    Args:
        target: The repository.
        digest: The image's manifest's.
        inside: Digests of its blobs, which are kept for it as long as this is.
        trees: Keys of the folders of this machine that its layers were made of.
    """
    inside = tuple(inside)
    with store.using() as root:
        folder = _folder(target)
        folder.mkdir(parents=True, exist_ok=True)
        for each in inside:
            if not (mark := _mark(target, each)).exists():
                mark.touch()
        text = {
            "repository": f"{target.registry}/{target.repository}",
            "blobs": (*inside, digest),
            "trees": tuple(trees),
        }
        layout.write(root, _mark(target, digest), json.dumps(text).encode())


def forget(ref: str) -> None:
    """Believe a repository to have nothing: what is run from it is not there, and is pushed again next time."""
    folder = _folder(parse(ref))
    with suppress(FileNotFoundError), store.using():
        for mark in folder.iterdir():
            mark.unlink(missing_ok=True)


def images(root: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield the mark of each image that was pushed, with what it says."""
    for mark in (root / "pushed").glob("*/*"):
        with suppress(OSError, ValueError):
            if mark.stat().st_size:
                yield mark, json.loads(mark.read_bytes())


def _mark(target: Reference, digest: str) -> Path:
    return _folder(target) / digest.removeprefix("sha256:")


def _folder(target: Reference) -> Path:
    name = f"{target.registry}/{target.repository}"
    return state.store() / "pushed" / hashlib.sha256(name.encode()).hexdigest()[:32]
