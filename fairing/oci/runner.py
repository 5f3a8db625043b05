"""The layer of fairing itself: the runner, and what ``import fairing`` needs in a run.

The same sources everywhere, keyed by their content, with bytecode beside them that is never checked, for a quick start.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from fairing.oci import bytecode, store
from fairing.oci.config import canonical
from fairing.spec import Layer


def layer() -> store.Made:
    """Return the layer of the fairing that runs this, made if it is not there.

    Raises:
        BuildError: The disk is full.
    """
    package = Path(__file__).parents[1]
    key = _key(package, tuple(sorted(_package(package))))

    def make(folder: Path) -> None:
        for path, data in _sources(package):
            target = folder / "fairing" / path.relative_to(package)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
            ready = bytecode.unchecked(path, data) if path.suffix == ".py" else None
            if ready is None and path.suffix == ".py" and path.parent.name == "runtime":
                ready = bytecode.fresh(data, str(target))  # every run starts with it, and may write none itself
            if ready is not None:
                made = folder / bytecode.name(target.relative_to(folder).as_posix())
                made.parent.mkdir(exist_ok=True)
                made.write_bytes(ready)

    new = not store.has_tree(key)
    return store.Made(Layer("fairing", key, store.tree(key, make)), new)


@lru_cache(maxsize=2)
def _key(package: Path, _: tuple[tuple[str, int, int], ...]) -> str:
    """Return the key of what is in the sources; they are read again when one has another time or size."""
    content = [
        (path.relative_to(package).as_posix(), hashlib.sha256(data).hexdigest()) for path, data in _sources(package)
    ]
    return hashlib.sha256(canonical([sys.implementation.cache_tag, *content])).hexdigest()


def _sources(package: Path) -> list[tuple[Path, bytes]]:
    paths = sorted(Path(path) for path, *_ in _package(package))
    return [(path, data) for path in paths if (data := _read(path)) is not None]


def _package(folder: Path | str) -> Iterator[tuple[str, int, int]]:
    with os.scandir(folder) as inside:
        for each in inside:
            if each.is_dir() and each.name != "__pycache__":
                yield from _package(each.path)
            elif each.is_file() and not each.name.startswith("."):
                with contextlib.suppress(FileNotFoundError):
                    seen = each.stat()
                    yield each.path, seen.st_mtime_ns, seen.st_size


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None  # an editor that writes aside: it was there a moment ago
