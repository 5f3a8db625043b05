"""Writes the layers of folders that are used in place, when something needs them: a push, an export."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

from fairing.errors import BuildError
from fairing.oci import config, folders, layout, store
from fairing.oci.layer import Link
from fairing.spec import File, Layer, LayerKind

_BELOW: tuple[LayerKind, ...] = ("dependencies", "fairing")


def complete(digest: str) -> str:
    """Write what a local image lacks into the store, and return the digest of the whole image, which other tools run.

    Bytecode is added where the image's Python is this one; nothing is held in memory, whatever the size.

    Args:
        digest: The local image's.

    Raises:
        BuildError: The image, or a folder of it, is not there, or the disk is full.
    """
    with store.using() as root:
        manifest = layout.read(root, digest)
        settings = layout.read(root, manifest["config"]["digest"])
        below = [
            packed(kind, manifest["annotations"][f"{config.TREE}{kind}"], manifest["annotations"][config.PYTHON])
            for kind in _BELOW
            if f"{config.TREE}{kind}" in manifest["annotations"]
        ]
        settings, manifest = config.completed(settings, manifest, below)
        described = layout.put(root, settings, config.CONFIG)
        whole: str = layout.put(root, {**manifest, "config": described}, config.MANIFEST)["digest"]
        return whole


def packed(
    kind: LayerKind, key: str, python: str, interpreter: str = "python", writing: Callable[[], None] | None = None
) -> Layer:
    """Return the layer of a folder, written unless it is there.

    Args:
        kind: What is in it.
        key: The folder's name among the trees.
        python: The image's Python version: bytecode is added where it is this one's.
        interpreter: What the image's Python is called.
        writing: Is called if it has to be written, which may take a while.

    Raises:
        BuildError: The folder is not there, or the disk is full.
    """
    with store.using() as root:
        folder = root / "trees" / key
        if not folder.is_dir():
            raise BuildError(
                f"The {kind} of this image are not on this machine any more.",
                why="They were removed, as fairing prune does.",
                fix="Build it again.",
            )
        same = python.split(".")[:2] == [str(part) for part in sys.version_info[:2]]
        named = f"{key}-{sys.implementation.cache_tag}" if same else key
        if kind == "dependencies":
            named += f"-{interpreter}"

        def entries() -> Iterator[File | Link]:
            if writing:
                writing()
            return folders.entries(folder, kind, same, interpreter)

        return store.put_entries(root, kind, named, entries).layer
