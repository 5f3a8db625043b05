"""A folder that is an OCI image layout: blobs by digest, and an index that names images.

Whatever is written is written aside, under ``parts``, and renamed into its place: a reader never sees half of it.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from fairing.errors import BuildError
from fairing.oci.config import INDEX, canonical
from fairing.oci.locks import locked

Descriptor: TypeAlias = dict[str, Any]
NAME = "org.opencontainers.image.ref.name"

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def prepare(root: Path) -> None:
    """Make a folder an image layout, where it is not one yet."""
    if (root / "index.json").is_file():
        return
    for folder in ("blobs/sha256", "parts"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    write(root, root / "oci-layout", canonical({"imageLayoutVersion": "1.0.0"}))
    with locked(root / "index.lock"):
        if not (root / "index.json").is_file():
            _store_index(root, [])


def blob(root: Path, digest: str) -> Path:
    """Return where a blob lies, or would.

    Raises:
        BuildError: The digest is not one.
    """
    if not _DIGEST.fullmatch(digest):
        raise BuildError(
            f"{digest!r} is not the digest of an image.",
            why="It is no hash of SHA-256 in hexadecimal.",
            fix="A digest looks like sha256:3fa9….",
        )
    return root / "blobs" / "sha256" / digest.removeprefix("sha256:")


def has(root: Path, digest: str, size: int) -> bool:
    """Return whether a blob is there, and whole: a machine that lost power may leave a short one."""
    try:
        return blob(root, digest).stat().st_size == size
    except FileNotFoundError:
        return False


@contextmanager
def part(root: Path) -> Iterator[Path]:
    """Give a name to write to, on the layout's disk; what is still there at the end is removed."""
    path = root / "parts" / secrets.token_hex(8)
    path.parent.mkdir(exist_ok=True)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def write(root: Path, path: Path, data: bytes) -> None:
    """Write a small file: whole, or not at all."""
    with part(root) as new:
        new.write_bytes(data)
        new.replace(path)


@contextmanager
def writing(root: Path) -> Iterator[tuple[BinaryIO, Callable[[str], None]]]:
    """Give a blob's file to write, and the function that names it when its digest is known."""
    with part(root) as new:
        out = new.open("wb")

        def done(digest: str) -> None:
            out.close()
            try:
                new.replace(blob(root, digest))
            except PermissionError:  # Windows, while somebody reads the same blob
                if not has(root, digest, new.stat().st_size):
                    raise

        with out:
            yield out, done


def put(root: Path, document: Any, media_type: str) -> Descriptor:
    """Write a document as a blob, unless it is there, and return its descriptor."""
    data = canonical(document)
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    if not has(root, digest, len(data)):
        write(root, blob(root, digest), data)
    return {"mediaType": media_type, "digest": digest, "size": len(data)}


def read(root: Path, digest: str) -> Any:
    """Read a document.

    Raises:
        BuildError: It is not there.
    """
    try:
        return json.loads(blob(root, digest).read_bytes())
    except FileNotFoundError:
        raise BuildError(
            f"There is no image {digest} on this machine.",
            why="It was never built here, or was removed.",
            fix="fairing images lists them.",
        ) from None


def index(root: Path) -> list[Descriptor]:
    """Return the images that the index names, oldest first."""
    try:
        manifests: list[Descriptor] = json.loads((root / "index.json").read_bytes())["manifests"]
    except ValueError:  # a machine that lost power: the blobs are there, and are named again as they are built again
        return []
    return manifests


def name(root: Path, descriptor: Descriptor, called: str) -> None:
    """Put an image into the index under a name; what had that name loses it."""

    def change(manifests: list[Descriptor]) -> list[Descriptor]:
        kept = [each for each in manifests if each.get("annotations", {}).get(NAME) != called]
        return [*kept, {**descriptor, "annotations": {NAME: called}}]

    change_index(root, change)


def change_index(root: Path, change: Callable[[list[Descriptor]], list[Descriptor]]) -> None:
    """Change the index, one writer at a time."""
    with locked(root / "index.lock"):
        before = index(root)
        after = change(before)
        if after != before:
            _store_index(root, after)


def _store_index(root: Path, manifests: list[Descriptor]) -> None:
    document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}
    write(root, root / "index.json", canonical(document))
