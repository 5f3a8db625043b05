"""The layer of fairing itself: the runner, and what ``import fairing`` needs in a run.

The same sources everywhere, keyed by their content, with bytecode beside them that is never checked, for a quick start.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
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
    sources = {name: (path, data) for name, path in sorted(_sources()) if (data := _read(path)) is not None}
    content = [(name, hashlib.sha256(data).hexdigest()) for name, (_, data) in sources.items()]
    key = hashlib.sha256(canonical([sys.implementation.cache_tag, *content])).hexdigest()

    def make(folder: Path) -> None:
        for name, (path, data) in sources.items():
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

    new = not store.has_tree(key)
    return store.Made(Layer("fairing", key, store.tree(key, make)), new)


def _sources() -> Iterator[tuple[str, Path]]:
    """Give the files of fairing and of its own builders and deployers, and what says where those are found."""
    for name in ("fairing", "fairing_builders", "fairing_deployers"):
        for place in find_spec(name).submodule_search_locations or ():  # type: ignore[union-attr]
            yield from ((f"{name}/{path.relative_to(place).as_posix()}", path) for path in _package(Path(place)))
    for file in distribution("fairing").files or ():
        if file.parent.name.endswith(".dist-info") and file.name in {"METADATA", "entry_points.txt"}:
            yield f"{file.parent.name}/{file.name}", Path(str(file.locate()))


def _package(folder: Path) -> Iterator[Path]:
    with os.scandir(folder) as inside:
        for each in inside:
            if each.is_dir() and each.name != "__pycache__":
                yield from _package(Path(each.path))
            elif each.is_file() and not each.name.startswith("."):
                yield Path(each.path)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None  # an editor that writes aside: it was there a moment ago
