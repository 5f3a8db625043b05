"""The images on this machine: a valid OCI layout, content-addressed, safe for many writers.

oci-layout  index.json  blobs/sha256/…      the layout that other tools read
trees/<key>                                 folders that are used in place, by what they were made from
layers/<key>                                which blob a layer's files gave: equal files are not packed twice
used/<digest>                               an empty file for each image that is whole; its time is the image's last use
resolved/<key>.txt                          what uv answered, by what it was asked
bases/<key>.json                            what a base image's name stood for, and what is in it
pushed/<repository>/<digest>                what repositories were seen to have
digests/  locks/  parts/                    digests of large files; one lock for each tree; what is being written

Everyone who makes or looks for something shares ``lock``; whoever removes something holds it alone. So when it can be
had alone, nobody is writing, and whatever lies in ``parts`` was left by a process that was killed.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from fairing import state
from fairing.errors import BuildError
from fairing.oci import config, digests, layout
from fairing.oci.layer import FULL, PLACES, WRITER, Link, Written, check, order, write
from fairing.oci.locks import Taken, locked
from fairing.spec import File, Layer, LayerKind, Recipe
from fairing.words import size

_held = threading.local()


class Made(NamedTuple):
    """What was asked for, and whether it had to be made."""

    layer: Layer
    new: bool


class Image(NamedTuple):
    """An image in the store: its manifest's digest, what it is called there, and whether it had to be made."""

    digest: str
    name: str
    new: bool


@contextmanager
def using() -> Iterator[Path]:
    """Hold the store, with others that do, so that nothing in it is removed; gives its folder.

    Raises:
        BuildError: The disk is full.
    """
    root = state.store()
    if getattr(_held, "root", None) == root:
        yield root
        return
    with disk(root), ExitStack() as stack:
        _sweep(root)
        stack.enter_context(locked(root / "lock", shared=True))
        layout.prepare(root)
        _held.root = root
        stack.callback(setattr, _held, "root", None)
        yield root


@contextmanager
def alone(wait: bool = True) -> Iterator[Path]:
    """Hold the store alone, to remove from it; gives its folder.

    Raises:
        Taken: Somebody is building, and ``wait`` is false.
    """
    root = state.store()
    with locked(root / "lock", wait=wait):
        layout.prepare(root)
        yield root


def put_layer(kind: LayerKind, files: Iterable[File]) -> Made:
    """Write a layer's blob, unless a layer of equal files is there.

    Args:
        kind: What is in it: it says where in an image the files lie.
        files: The files, in any order, with paths relative to that place.

    Raises:
        BuildError: A file cannot be read or changes meanwhile, a path leads out, or the disk is full.

    Example:
        >>> put_layer("code", [File("main.py", b"print()")]).layer.kind
        'code'
    """
    files = sorted(files, key=order)
    for file in files:
        check(file.path)
    with using() as root:
        known = {file.path: digests.digest(root, file) for file in files}
        listing = [(file.path, file.mode & 0o777, known[file.path]) for file in files]
        key = hashlib.sha256(config.canonical([PLACES[kind], *listing])).hexdigest()
        return put_entries(root, kind, key, lambda: files, known)


def put_entries(
    root: Path,
    kind: LayerKind,
    key: str,
    entries: Callable[[], Iterable[File | Link]],
    expected: dict[str, str] | None = None,
) -> Made:
    """Write a layer's blob into a layout, unless the one with this key is there; only then is asked what goes in."""
    note = root / "layers" / f"{kind}-{WRITER}-{key}"
    with suppress(OSError, ValueError, TypeError):
        written = Written(*json.loads(note.read_bytes()))
        if layout.has(root, written.digest, written.size):
            return Made(Layer(kind, key, None, *written), False)
    with layout.writing(root) as (out, done):
        written = write(entries(), out, PLACES[kind], expected)
        done(written.digest)
    note.parent.mkdir(exist_ok=True)
    layout.write(root, note, json.dumps(written).encode())
    return Made(Layer(kind, key, None, *written), True)


def has_tree(key: str) -> bool:
    """Return whether the folder with this key is there."""
    return (state.store() / "trees" / key).is_dir()


def tree(key: str, make: Callable[[Path], None]) -> Path:
    """Return the folder with this key, and make it first if it is not there: whole, or not at all.

    Of two kernels that want it at once, one makes it and the other waits.

    Raises:
        BuildError: The disk is full.
    """
    with using() as root:
        folder = root / "trees" / key
        if folder.is_dir():
            return folder
        for needed in ("trees", "locks", "parts"):
            (root / needed).mkdir(exist_ok=True)
        with locked(root / "locks" / key):
            if folder.is_dir():
                return folder
            part = root / "parts" / secrets.token_hex(8)
            part.mkdir()
            try:
                make(part)
                part.rename(folder)
            finally:
                state.remove(part)
        return folder


def put_image(recipe: Recipe, layers: Sequence[Layer]) -> Image:
    """Write the configuration and the manifest of an image of these layers, bottom to top, and name it in the index."""
    with using() as root:
        settings = layout.put(root, config.configuration(recipe, layers), config.CONFIG)
        manifest = layout.put(root, config.manifest(recipe, layers, settings), config.MANIFEST)
        digest = manifest["digest"]
        called = name(recipe.entry.name, digest)
        new = not (root / "used" / digest.removeprefix("sha256:")).exists()
        if new:
            layout.name(root, manifest, called)
        touch(root, digest)
    return Image(digest, called, new)


def name(entry: str, digest: str) -> str:
    """Return what an image is called in the index: the entry's name, as far as a tag can hold it, and its digest."""
    words = "".join(letter if letter.isascii() and letter.isalnum() else " " for letter in entry).split()
    return "-".join([*words, digest.removeprefix("sha256:")[:12]])[-100:].lstrip("-")


def touch(root: Path, digest: str) -> None:
    """Note that an image is used now; not more than twice a minute, so that building again writes nothing."""
    mark = root / "used" / digest.removeprefix("sha256:")
    try:
        if abs(time.time() - mark.stat().st_mtime) > 30:
            os.utime(mark)
    except FileNotFoundError:
        mark.parent.mkdir(exist_ok=True)
        mark.touch()


@contextmanager
def disk(root: Path, what: str = "image") -> Iterator[None]:
    """Say in words that a disk is full.

    Args:
        root: A folder of that disk.
        what: What is written there.

    Raises:
        BuildError: It is.
    """
    try:
        yield
    except OSError as wrong:
        if wrong.errno not in FULL:
            raise
        free = shutil.disk_usage(root).free
        why = {
            errno.EFBIG: "A file may not grow any further: this process has a limit (ulimit -f).",
            errno.EDQUOT: "Your quota on that disk is used up.",
        }.get(wrong.errno, "")
        raise BuildError(
            f"There is no room for the {what} on the disk of {root}, which has {size(free)} free.",
            why=why,
            fix="Free some with fairing prune or fairing delete, or set FAIRING_HOME to a folder on a larger disk.",
        ) from wrong


def _sweep(root: Path) -> None:
    """Remove what killed builds left, unless somebody may still be writing it."""
    try:
        if not os.listdir(root / "parts"):  # noqa: PTH208 - a list is what is asked
            return
    except FileNotFoundError:
        return
    with suppress(Taken), locked(root / "lock", wait=False):
        for part in (root / "parts").iterdir():
            if part.is_dir() and not part.is_symlink():
                state.remove(part)
            else:
                part.unlink()
