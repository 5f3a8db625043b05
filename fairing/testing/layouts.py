"""Holds an OCI image layout against the specification, digest by digest."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_MEDIA = "application/vnd.oci.image"


def problems(layout: Path) -> tuple[str, ...]:
    """Return what is wrong with an image layout: nothing, if every image in it is whole and is what its digest says.

    Args:
        layout: The folder.

    Example:
        >>> problems(store)  # doctest: +SKIP
        ()
    """
    return tuple(_layout(layout))


def members(blob: Path) -> dict[str, tuple[int, bytes]]:
    """Return the files of a layer, with mode and content."""
    with tarfile.open(blob) as tar:
        return {
            entry.name: (entry.mode, _content(tar, entry).read()) for entry in tar.getmembers() if not entry.isdir()
        }


def _layout(root: Path) -> Iterator[str]:
    if json.loads((root / "oci-layout").read_bytes()) != {"imageLayoutVersion": "1.0.0"}:
        yield "oci-layout: not version 1.0.0"
    index = json.loads((root / "index.json").read_bytes())
    if index.get("schemaVersion") != 2:
        yield "index.json: not schema version 2"
    for blob in (root / "blobs" / "sha256").iterdir():
        with blob.open("rb") as file:
            if _sha256(file) != blob.name:
                yield f"{blob.name}: has another content than its name says"
    names = [each.get("annotations", {}).get("org.opencontainers.image.ref.name") for each in index["manifests"]]
    if len(set(names)) != len(names):
        yield "index.json: a name stands for two images"
    for each in index["manifests"]:
        yield from _image(root, each)


def _image(root: Path, descriptor: dict[str, Any]) -> Iterator[str]:
    if (wrong := _described(root, descriptor, f"{_MEDIA}.manifest.v1+json")) is not None:
        yield wrong
        return
    manifest = json.loads(_blob(root, descriptor).read_bytes())
    if manifest["schemaVersion"] != 2 or manifest["mediaType"] != descriptor["mediaType"]:
        yield f"{descriptor['digest']}: is not what it is described as"
    if (wrong := _described(root, manifest["config"], f"{_MEDIA}.config.v1+json")) is not None:
        yield wrong
        return
    config = json.loads(_blob(root, manifest["config"]).read_bytes())
    layers, diff_ids = manifest["layers"], config["rootfs"]["diff_ids"]
    history = [each for each in config["history"] if not each.get("empty_layer")]
    if not layers or not len(layers) == len(diff_ids) == len(history):
        yield f"{descriptor['digest']}: {len(layers)} layers, {len(diff_ids)} diff_ids, {len(history)} in the history"
    if config["rootfs"]["type"] != "layers" or not config["os"] or not config["architecture"]:
        yield f"{descriptor['digest']}: says no platform"
    for layer, diff_id in zip(layers, diff_ids, strict=False):
        wrong = _described(root, layer, f"{_MEDIA}.layer.v1.tar+gzip")
        yield from _layer(_blob(root, layer), diff_id) if wrong is None else [wrong]


def _described(root: Path, descriptor: dict[str, Any], media_type: str) -> str | None:
    blob = _blob(root, descriptor)
    if not blob.is_file():
        return f"{descriptor['digest']}: is not there"
    if blob.stat().st_size != descriptor["size"]:
        return f"{descriptor['digest']}: has {blob.stat().st_size} bytes, not {descriptor['size']}"
    if descriptor["mediaType"] != media_type:
        return f"{descriptor['digest']}: is a {descriptor['mediaType']}, not a {media_type}"
    return None


def _layer(blob: Path, diff_id: str) -> Iterator[str]:
    with gzip.open(blob) as plain:
        if f"sha256:{_sha256(plain)}" != diff_id:
            yield f"{blob.name}: its tar is not the diff_id"
    if blob.read_bytes()[4:8] != bytes(4):
        yield f"{blob.name}: holds the time at which it was packed"
    before: list[str] = []
    folders = {""}
    with tarfile.open(blob) as tar:
        for entry in tar:
            parts = entry.name.split("/")
            if parts <= before:
                yield f"{blob.name}: {entry.name} is not in order, or comes twice"
            if entry.name.startswith("/") or ".." in parts:
                yield f"{blob.name}: {entry.name} leads out"
            if "/".join(parts[:-1]) not in folders:
                yield f"{blob.name}: the folder of {entry.name} is missing"
            if (entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname) != (0, 0, 0, "", ""):
                yield f"{blob.name}: {entry.name} says who packed it, or when"
            if not (entry.isreg() or entry.isdir() or entry.issym()):
                yield f"{blob.name}: {entry.name} is no file, folder or symbolic link"
            before = parts
            folders |= {entry.name} if entry.isdir() else set()


def _blob(root: Path, descriptor: dict[str, Any]) -> Path:
    return root / "blobs" / "sha256" / str(descriptor["digest"]).removeprefix("sha256:")


def _content(tar: tarfile.TarFile, entry: tarfile.TarInfo) -> Any:
    return tar.extractfile(entry) if entry.isreg() else io.BytesIO(entry.linkname.encode())


def _sha256(file: Any) -> str:
    content = hashlib.sha256()
    while piece := file.read(1 << 20):
        content.update(piece)
    return content.hexdigest()
