"""The two documents of an image, its configuration and its manifest, in canonical JSON: equal images, equal bytes.

local       lists the layers that are blobs, and names the folders that are used in place by annotations
complete    lists every layer, and is what other tools run
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from fairing.oci.layer import PLACES
from fairing.spec import Layer, LayerKind, Recipe

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
INDEX = "application/vnd.oci.image.index.v1+json"

TREE = "dev.fairing.tree."
"""Prefix of the annotations that name folders: ``dev.fairing.tree.dependencies``."""
ENTRY = "dev.fairing.entry"
PYTHON = "dev.fairing.python"
KIND = "dev.fairing.kind"
RUN = "dev.fairing.run"
"""The label that says how the image is run: its entry, and its folders of code and data, in JSON."""

_EPOCH = "1970-01-01T00:00:00Z"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def canonical(document: Any) -> bytes:
    """Return JSON that depends on the document's meaning alone.

    Example:
        >>> canonical({"b": 1, "a": "ü"}).decode()
        '{"a":"ü","b":1}'
    """
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def platform(text: str) -> dict[str, str]:
    """Return a platform as the specification writes it in parts.

    Example:
        >>> platform("linux/amd64")
        {'os': 'linux', 'architecture': 'amd64'}
    """
    return dict(zip(("os", "architecture", "variant"), text.split("/"), strict=False))


def configuration(recipe: Recipe, layers: Sequence[Layer]) -> dict[str, Any]:
    """Return the configuration of the image that has these layers, bottom to top."""
    minor = ".".join(recipe.python.split(".")[:2])
    site = f"/{PLACES['dependencies']}/lib/python{minor}/site-packages"
    given = dict(recipe.env)
    paths = [f"/{PLACES['fairing']}", site, *([given["PYTHONPATH"]] if given.get("PYTHONPATH") else [])]
    env = {"PATH": _PATH, **given, "PYTHONPATH": ":".join(paths)}
    return {
        **platform(recipe.platform),
        "created": _EPOCH,
        "config": {
            "Entrypoint": ["python", "-m", "fairing.runtime"],
            "Env": [f"{name}={value}" for name, value in sorted(env.items())],
            "Labels": {ENTRY: recipe.entry.name, PYTHON: recipe.python, RUN: canonical(_run(recipe)).decode()},
        },
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in _written(layers)]},
        "history": [_history(layer.kind) for layer in _written(layers)],
    }


def manifest(recipe: Recipe, layers: Sequence[Layer], config: dict[str, Any]) -> dict[str, Any]:
    """Return the manifest of the image that has these layers, bottom to top; ``config`` is its descriptor."""
    trees = {f"{TREE}{layer.kind}": layer.key for layer in layers if layer.folder is not None}
    return {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config,
        "layers": [_descriptor(layer) for layer in _written(layers)],
        "annotations": {**trees, ENTRY: recipe.entry.name, PYTHON: recipe.python},
    }


def completed(
    config: dict[str, Any], manifest: dict[str, Any], below: Sequence[Layer]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Put written layers below those of a local image; return its configuration and manifest, less the descriptor."""
    rootfs = {"type": "layers", "diff_ids": [*(layer.diff_id for layer in below), *config["rootfs"]["diff_ids"]]}
    history = [*(_history(layer.kind) for layer in below), *config["history"]]
    annotations = {name: value for name, value in manifest["annotations"].items() if not name.startswith(TREE)}
    layers = [*(_descriptor(layer) for layer in below), *manifest["layers"]]
    return (
        {**config, "rootfs": rootfs, "history": history},
        {**manifest, "layers": layers, "annotations": annotations},
    )


def _run(recipe: Recipe) -> dict[str, Any]:
    entry = {each.name: getattr(recipe.entry, each.name) for each in fields(recipe.entry)}
    return {"entry": entry, "roots": recipe.roots, "data": recipe.data}


def _written(layers: Sequence[Layer]) -> list[Layer]:
    return [layer for layer in layers if layer.digest is not None]


def _descriptor(layer: Layer) -> dict[str, Any]:
    return {"mediaType": LAYER, "digest": layer.digest, "size": layer.size, "annotations": {KIND: layer.kind}}


def _history(kind: LayerKind) -> dict[str, Any]:
    return {"created": _EPOCH, "created_by": f"fairing: {kind}"}
