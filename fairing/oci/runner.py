"""The layer of fairing itself: the runner, and what ``import fairing`` needs in a run.

The same sources everywhere, keyed by their content, with bytecode beside them that is never checked, for a quick start.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
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
    sources = {path: data for path in sorted(_package(package)) if (data := _read(path)) is not None}
    content = [
        (path.relative_to(package).as_posix(), hashlib.sha256(data).hexdigest()) for path, data in sources.items()
    ]
    key = hashlib.sha256(canonical([sys.implementation.cache_tag, *content])).hexdigest()

    def make(folder: Path) -> None:
        for path, data in sources.items():
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
