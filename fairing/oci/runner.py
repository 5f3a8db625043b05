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
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path

from fairing.oci import bytecode, store
from fairing.oci.config import canonical
from fairing.spec import Layer


def layer() -> store.Made:
    """Return the layer of the fairing that runs this, made if it is not there.

    Raises:
        BuildError: The disk is full.
    """
    named = key()

    def make(folder: Path) -> None:
        for name, path, data in sources():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
            ready = bytecode.unchecked(path, data) if path.suffix == ".py" else None
            if ready is None and path.suffix == ".py" and path.parent.name == "runtime":
                ready = bytecode.fresh(data, str(target))  # every run starts with it, and may write none itself
            if ready is not None:
                made = folder / bytecode.name(target.relative_to(folder).as_posix())
                made.parent.mkdir(exist_ok=True)
                made.write_bytes(ready)

    new = not store.has_tree(named)
    return store.Made(Layer("fairing", named, store.tree(named, make)), new)


def key() -> str:
    """Return what changes with any of the sources, and with the Python that they are compiled for."""
    return _key(tuple(sorted(_files())))


def sources() -> Iterator[tuple[str, Path, bytes]]:
    """Give the files of the layer: the name of each in it, where it is here, and its bytes."""
    for name, path, *_ in sorted(_files()):
        if (data := _read(Path(path))) is not None:
            yield name, Path(path), data


@lru_cache(maxsize=2)
def _key(_: tuple[tuple[str, str, int, int], ...]) -> str:
    """Return the key of what is in the sources; they are read again when one has another time or size."""
    content = [(name, hashlib.sha256(data).hexdigest()) for name, _, data in sources()]
    return hashlib.sha256(canonical([sys.implementation.cache_tag, *content])).hexdigest()


def _files() -> Iterator[tuple[str, str, int, int]]:
    """Give the files of fairing and of its own builders and deployers, and what says where those are found.

    Each with its name in the layer, its path, its time and its size.
    """
    for name in ("fairing", "fairing_builders", "fairing_deployers"):
        for place in find_spec(name).submodule_search_locations or ():  # type: ignore[union-attr]
            for path, time, size in _package(place):
                yield name + path[len(place) :].replace(os.sep, "/"), path, time, size
    for name, file in _described():
        seen = file.stat()
        yield name, str(file), seen.st_mtime_ns, seen.st_size


@lru_cache(maxsize=1)
def _described() -> tuple[tuple[str, Path], ...]:
    return tuple(
        (f"{file.parent.name}/{file.name}", Path(str(file.locate())))
        for file in distribution("fairing").files or ()
        if file.parent.name.endswith(".dist-info") and file.name in {"METADATA", "entry_points.txt"}
    )


def _package(folder: str) -> Iterator[tuple[str, int, int]]:
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
