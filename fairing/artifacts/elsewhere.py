"""A store that fsspec knows: an object store, a file server, a folder.

https://filesystem-spec.readthedocs.io
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_PIECE = 1 << 20


def names(store: dict[str, Any]) -> dict[str, int]:
    """Return the names and sizes of what a run put there."""
    system, root = _opened(store)
    try:
        found = system.find(root, detail=True)
    except FileNotFoundError:
        return {}
    return {path[len(root) :].lstrip("/"): int(each["size"]) for path, each in found.items()}


def read(store: dict[str, Any], name: str) -> Iterator[bytes]:
    """Give one of them in pieces."""
    system, root = _opened(store)
    with system.open(f"{root}/{name}", "rb") as file:
        while piece := file.read(_PIECE):
            yield piece


def remove(store: dict[str, Any]) -> None:
    """Remove all of them."""
    system, root = _opened(store)
    try:
        system.rm(root, recursive=True)
    except FileNotFoundError:
        return


def _opened(store: dict[str, Any]) -> tuple[Any, str]:
    """Return the file system, which remembers nothing of an earlier look, and where the run's things lie in it."""
    import fsspec

    url = f"{store['url'].rstrip('/')}/{store['run']}"
    system, root = fsspec.core.url_to_fs(url, skip_instance_cache=True, use_listings_cache=False)
    return system, str(root).rstrip("/")
