"""What is kept on this machine for later runs, images and dependency trees: shown, freed, handed out."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fairing import state
from fairing.edge import edge
from fairing.errors import BuildError
from fairing.oci import config, digests, known, layout, store
from fairing.oci.complete import complete
from fairing.oci.locks import Taken, held
from fairing.spec import BuiltImage
from fairing.words import counted, size

DAY = 86400.0

_JUST_NOW = 60.0
"""Seconds in which an image that was built may be on its way into a run that is not there yet."""


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image of this machine.

    Args:
        digest: Its manifest's.
        name: What it is called in the store, for other tools too: ``skopeo inspect oci:STORE:NAME``.
        created: When it was built, seconds since 1970.
        used: When it was last built or found built, to the half minute.
        size: Bytes of its own layers.
        trees: Keys of the folders it uses in place, its dependencies first.
        tree_size: Bytes of those folders; most are shared with the environment they were made from.
        running: Whether a run uses it now.
    """

    digest: str
    name: str
    created: float
    used: float
    size: int
    trees: tuple[str, ...]
    tree_size: int
    running: bool


class StoredImages(tuple[StoredImage, ...]):
    """Images that read well where they are shown."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "\n".join(map(_line, self)) or "no images"


def _line(image: StoredImage) -> str:
    used = time.strftime("%Y-%m-%d %H:%M", time.localtime(image.used))
    return f"{size(image.size + image.tree_size):>9}  {used}  {image.name}{'  (running)' if image.running else ''}"


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was removed, or would be: names of images, how many trees, and how many bytes of the disk that frees.

    Args:
        recent: How many images stay only because they were used lately.
    """

    images: tuple[str, ...]
    trees: int
    freed: int
    dry_run: bool = False
    recent: int = 0

    def __str__(self) -> str:
        if not self.recent:
            return self._done()
        stay = f"{counted(self.recent, 'image')} used lately {'stays' if self.recent == 1 else 'stay'}"
        return f"{self._done()} {stay}: older_than=0 (--older-than 0) takes what is a minute old."

    def _done(self) -> str:
        if self.dry_run:
            what = f"{counted(len(self.images), 'image')}, {counted(self.trees, 'tree')}"
            return f"Would remove {what}, and free {size(self.freed)}."
        return f"Removed {counted(len(self.images), 'image')}, {counted(self.trees, 'tree')}: {size(self.freed)} freed."


@edge
def images() -> StoredImages:
    """List the images of this machine, the last used first.

    Example:
        >>> [image.name for image in images()]  # doctest: +SKIP
        ['train-3fa91c0d22aa']
    """
    with store.using() as root:
        running = _running()
        sizes: dict[str, int] = {}
        rows = [row for each in layout.index(root) if (row := _row(root, each, running, sizes))]
    return StoredImages(sorted(rows, key=lambda row: row.used, reverse=True))


@edge
def prune(
    keep: int = 3, older_than: float = 7 * DAY, say: Callable[[str], None] | None = None, dry_run: bool = False
) -> Pruned:
    """Free what no run and no recent image needs.

    An image stays when a run uses it, when it is one of the ``keep`` last used, when it was used within the last
    ``older_than`` seconds, and in any case for a minute. What only a removed image needed goes with it.

    Args:
        keep: How many images stay in any case.
        older_than: Seconds since an image's last use after which it may go.
        say: Is told what is being waited for: nothing is removed while something is built.
        dry_run: Only say what would be removed.

    Example:
        >>> print(prune(keep=0, older_than=0))  # doctest: +SKIP
        Removed 2 images, 1 tree: 1.2 GB freed.
    """
    rows = images()
    with _alone(say) as root:
        rows = StoredImages(row for row in rows if layout.blob(root, row.digest).exists())
        running = _running()
        since = time.time() - max(older_than, _JUST_NOW)
        free = [row for row in rows[keep:] if row.digest not in running]
        gone = [row for row in free if row.used < since]
        gone = [row for row in gone if _used(root, row.digest) < since]
        pushed = [told for mark, told in known.images(root) if mark.stat().st_mtime >= since]
        trees = _unneeded(root, {row.digest for row in gone}, running, pushed)
        removed = [*_blobs(root, {row.digest for row in gone}, pushed), *trees, *_leftovers(root, since)]
        freed = sum(_freed(path) for path in removed)
        if not dry_run:
            _remove(root, {row.digest for row in gone}, removed)
    recent = len(free) - len(gone) if older_than > _JUST_NOW else 0
    return Pruned(tuple(row.name for row in gone), len(trees), freed, dry_run, recent)


@edge
def export(image: BuiltImage | str, to: Path) -> str:
    """Write a whole image, dependencies included, to a folder for ``skopeo copy`` and others, and return its digest.

    Args:
        image: The image, or its digest or name or the beginning of one; the name of what it runs means its latest.
        to: A folder that is empty, not there yet, or an OCI image layout already.

    Raises:
        BuildError: There is no such image, or the folder holds something else.

    Example:
        >>> export("train", Path("image"))  # doctest: +SKIP
        'sha256:…'
    """
    to = Path(to).expanduser()
    if to.exists() and not (to / "oci-layout").is_file() and (not to.is_dir() or any(to.iterdir())):
        raise BuildError(f"{to} is not empty, and not an OCI image layout.", fix="Name a folder that is not there yet.")
    with store.using() as root:
        found = _find(root, image.digest if isinstance(image, BuiltImage) else image)
        whole = complete(found["digest"])
        manifest = layout.read(root, whole)
        with store.disk(to.absolute().parent):
            layout.prepare(to)
            for each in (manifest["config"], *manifest["layers"], {"digest": whole}):
                _hand_out(layout.blob(root, each["digest"]), layout.blob(to, each["digest"]))
            size = layout.blob(root, whole).stat().st_size
            descriptor = {"mediaType": config.MANIFEST, "digest": whole, "size": size}
            layout.name(to, descriptor, found["annotations"][layout.NAME])
            for aside in ("index.lock", "parts"):
                path = to / aside
                path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)
    return whole


def _row(root: Path, named: dict[str, Any], running: dict[str, Any], sizes: dict[str, int]) -> StoredImage | None:
    try:
        manifest = layout.read(root, named["digest"])
        created = layout.blob(root, named["digest"]).stat().st_mtime
    except (BuildError, ValueError, OSError):
        return None  # a machine that lost power: it is built again when it is needed
    trees = _trees(manifest)
    for key in trees:
        if key not in sizes:
            sizes[key] = sum(each.stat(follow_symlinks=False).st_size for each in _files(root / "trees" / key))
    return StoredImage(
        digest=named["digest"],
        name=named["annotations"][layout.NAME],
        created=created,
        used=_used(root, named["digest"]),
        size=sum(each["size"] for each in manifest["layers"]),
        trees=trees,
        tree_size=sum(sizes[key] for key in trees),
        running=named["digest"] in running,
    )


def _trees(manifest: dict[str, Any]) -> tuple[str, ...]:
    return tuple(key for name, key in sorted(manifest["annotations"].items()) if name.startswith(config.TREE))


def _used(root: Path, digest: str) -> float:
    try:
        return (root / "used" / digest.removeprefix("sha256:")).stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _running() -> dict[str, tuple[str, ...]]:
    """Return the images that runs use now, with their trees."""
    found: dict[str, tuple[str, ...]] = {}
    for folder in state.runs().iterdir():
        with suppress(OSError, ValueError, KeyError, TypeError):
            image = json.loads((folder / "run.json").read_bytes())["image"]
            starting = time.time() - (folder / "run.json").stat().st_mtime < _JUST_NOW
            if (held(folder / "lock") or starting) and not (folder / "end.json").exists():
                found[image["digest"]] = (*found.get(image["digest"], ()), *image["trees"])
    return found


@contextmanager
def _alone(say: Callable[[str], None] | None) -> Iterator[Path]:
    with suppress(Taken), store.alone(wait=False) as root:
        yield root
        return
    if say:
        say("waiting for an image that is being built")
    with store.alone() as root:
        yield root


def _unneeded(
    root: Path, gone: set[str], running: dict[str, tuple[str, ...]], pushed: list[dict[str, Any]]
) -> list[Path]:
    needed = {key for trees in running.values() for key in trees} | {key for told in pushed for key in told["trees"]}
    for each in layout.index(root):
        if each["digest"] not in gone:
            with suppress(BuildError, ValueError):
                needed.update(_trees(layout.read(root, each["digest"])))
    return [tree for tree in _children(root / "trees") if tree.name not in needed]


def _blobs(root: Path, gone: set[str], pushed: list[dict[str, Any]]) -> list[Path]:
    needed = {digest for told in pushed for digest in told["blobs"]}
    for each in layout.index(root):
        if each["digest"] not in gone:
            with suppress(BuildError, ValueError):
                manifest = layout.read(root, each["digest"])
                needed.update((each["digest"], manifest["config"]["digest"]))
                needed.update(layer["digest"] for layer in manifest["layers"])
    return [blob for blob in _children(root / "blobs" / "sha256") if f"sha256:{blob.name}" not in needed]


def _leftovers(root: Path, since: float) -> list[Path]:
    """Return what killed builds left, locks that nobody can hold while the store is held alone, and old answers.

    Answers are those of uv, those of registries about bases, and what was seen in repositories.
    """
    answers = [*_children(root / "resolved"), *_children(root / "bases")]
    answers += [mark for repository in _children(root / "pushed") for mark in _children(repository)]
    old = [answer for answer in answers if answer.stat().st_mtime < since]
    return [*_children(root / "parts"), *_children(root / "locks"), *old]


def _remove(root: Path, gone: set[str], paths: list[Path]) -> None:
    # Marks and index go first: a prune that is killed leaves blobs that nothing names, and no name without its blobs.
    for digest in gone:
        (root / "used" / digest.removeprefix("sha256:")).unlink(missing_ok=True)
    layout.change_index(root, lambda manifests: [each for each in manifests if _stays(root, each["digest"], gone)])
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            aside = root / "parts" / f"gone-{path.name}"  # nobody finds a tree that is half removed
            state.remove(path if path.parent == aside.parent else path.rename(aside))
        else:
            path.unlink(missing_ok=True)
    for note in _children(root / "layers"):
        with suppress(OSError, ValueError, IndexError):
            digest, _, size = json.loads(note.read_bytes())
            if layout.has(root, digest, size):
                continue
        note.unlink(missing_ok=True)
    digests.forget(root)


def _stays(root: Path, digest: str, gone: set[str]) -> bool:
    return digest not in gone and layout.blob(root, digest).exists()


def _find(root: Path, text: str) -> dict[str, Any]:
    named = layout.index(root)

    def fitting(fits: Callable[[str, str], bool]) -> list[dict[str, Any]]:
        return [each for each in named if fits(each["digest"], each["annotations"][layout.NAME])]

    if latest := fitting(lambda digest, name: text in {digest, name, name.rpartition("-")[0]}):
        return latest[-1]
    found = fitting(lambda digest, name: any(full.startswith(text or "-") for full in (digest, digest[7:], name)))
    if len(found) == 1:
        return found[0]
    names = ", ".join(each["annotations"][layout.NAME] for each in (found or named)[-5:])
    if found:
        raise BuildError(f"{text!r} fits {len(found)} images of this machine.", fix=f"Write one in full: {names}.")
    raise BuildError(f"There is no image {text!r} on this machine.", fix=f"There is: {names or 'none'}.")


def _hand_out(source: Path, target: Path) -> None:
    if target.exists():
        return
    try:
        os.link(source, target)
    except OSError:
        part = target.parents[2] / "parts" / target.name
        shutil.copyfile(source, part)
        part.replace(target)


def _children(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _files(folder: Path) -> Iterator[os.DirEntry[str]]:
    if folder.is_dir():
        with os.scandir(folder) as inside:
            for each in inside:
                if each.is_dir(follow_symlinks=False):
                    yield from _files(Path(each.path))
                else:
                    yield each


def _freed(path: Path) -> int:
    """Return what the disk gains without a path: a file that has another name too, outside, gives nothing."""
    if path.is_dir() and not path.is_symlink():
        found = [each.stat(follow_symlinks=False) for each in _files(path)]
    else:
        found = [path.lstat()]
    return sum(each.st_size for each in found if each.st_nlink == 1)
