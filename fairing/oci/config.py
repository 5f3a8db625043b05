"""The two documents of an image, its configuration and its manifest, in canonical JSON: equal images, equal bytes.

local       lists the layers that are blobs, and names the folders that are used in place by annotations
complete    lists every layer, and is what other tools run
on a base   lists the base's layers below ours; what the base says of itself holds, as far as its rules go
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from fairing.oci.layer import PLACES
from fairing.spec import Layer, LayerKind, Recipe

if TYPE_CHECKING:
    from fairing.oci.pinned import Pinned

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"

TREE = "dev.fairing.tree."
"""Prefix of the annotations that name folders: ``dev.fairing.tree.dependencies``."""
ENTRY = "dev.fairing.entry"
PYTHON = "dev.fairing.python"
KIND = "dev.fairing.kind"
RUN = "dev.fairing.run"
"""The label that says how the image is run: its entry, and its folders of code and data, in JSON."""

BASE_NAME = "org.opencontainers.image.base.name"
BASE_DIGEST = "org.opencontainers.image.base.digest"

_OF_ANOTHER = ("container", "container_config", "docker_version", "id", "parent")
"""What Docker noted of how the base itself was made."""
_REPLACED = ("ArgsEscaped", "Cmd", "Entrypoint", "OnBuild")
"""A command is that of its entrypoint; a trigger is for a build that starts from an image, not for what comes of it."""
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


def configuration(recipe: Recipe, layers: Sequence[Layer], base: Pinned | None = None) -> dict[str, Any]:
    """Return the configuration of the image that has these layers, bottom to top.

    Args:
        recipe: What is in it.
        layers: Its own layers.
        base: The image below them. Its user, working folder, ports, volumes and all that nobody here knows of are kept,
            variables and labels too where the recipe has no others; its entrypoint and its command are replaced.
    """
    below = {name: value for name, value in (base.config if base else {}).items() if name not in _OF_ANOTHER}
    settings = {name: value for name, value in (below.get("config") or {}).items() if name not in _REPLACED}
    labels = {ENTRY: recipe.entry.name, PYTHON: recipe.python, RUN: canonical(_run(recipe)).decode()}
    diff_ids = below.get("rootfs", {}).get("diff_ids", [])
    return {
        "created": _EPOCH,
        **below,
        **platform(recipe.platform),
        "config": {
            **settings,
            "Entrypoint": [base.facts.interpreter if base else "python", "-m", "fairing.runtime"],
            "Env": [f"{name}={value}" for name, value in sorted(_environment(recipe, settings).items())],
            "Labels": {**(settings.get("Labels") or {}), **labels},
        },
        "rootfs": {"type": "layers", "diff_ids": [*diff_ids, *(layer.diff_id for layer in _written(layers))]},
        "history": [*_told(below, len(diff_ids)), *(_history(layer.kind) for layer in _written(layers))],
    }


def config_type(base: Pinned | None) -> str:
    """Return the media type of a configuration: OCI's, or Docker's on an image of Docker's."""
    return DOCKER_CONFIG if base and base.base.manifest.media_type == DOCKER_MANIFEST else CONFIG


def manifest(
    recipe: Recipe, layers: Sequence[Layer], config: dict[str, Any], base: Pinned | None = None
) -> dict[str, Any]:
    """Return the manifest of the image that has these layers, bottom to top.

    Args:
        recipe: What is in it.
        layers: Its own layers.
        config: The descriptor of its configuration.
        base: The image below them: its layers are described as they were, and ours in its kind, OCI's or Docker's.
    """
    below = base.manifest["layers"] if base else []
    if base and base.base.manifest.media_type == DOCKER_MANIFEST:
        own = [
            {"mediaType": DOCKER_LAYER, "digest": layer.digest, "size": layer.size}  # it knows no annotations
            for layer in _written(layers)
        ]
        return {"schemaVersion": 2, "mediaType": DOCKER_MANIFEST, "config": config, "layers": [*below, *own]}
    trees = {} if base else {f"{TREE}{layer.kind}": layer.key for layer in layers if layer.folder is not None}
    origin = {BASE_NAME: base.name, BASE_DIGEST: base.base.manifest.digest} if base else {}
    return {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config,
        "layers": [*below, *(_descriptor(layer) for layer in _written(layers))],
        "annotations": {**trees, **origin, ENTRY: recipe.entry.name, PYTHON: recipe.python},
    }


def is_ours(entry: Mapping[str, Any]) -> bool:
    """Return whether an entry of a history tells of a layer that fairing made."""
    return str(entry.get("created_by", "")) in {_history(kind)["created_by"] for kind in PLACES}


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


def paths(python: str) -> list[str]:
    """Return the folders of an image where a Python of this version finds fairing and the dependencies."""
    minor = ".".join(python.split(".")[:2])
    return [f"/{PLACES['fairing']}", f"/{PLACES['dependencies']}/lib/python{minor}/site-packages"]


def _environment(recipe: Recipe, settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the variables of an image: the base's, over them the recipe's, and where Python finds what we put in."""
    below = dict(each.partition("=")[::2] for each in settings.get("Env") or ())
    env = {"PATH": _PATH, "PYTHONPATH": "", **below, **dict(recipe.env)}
    first = {
        "PATH": [f"/{PLACES['dependencies']}/bin"],
        "PYTHONPATH": paths(recipe.python),
    }
    return env | {name: ":".join(_first(ours, env[name])) for name, ours in first.items()}


def _first(folders: list[str], path: str) -> list[str]:
    return [*folders, *(each for each in path.split(":") if each and each not in folders)]


def _told(config: Mapping[str, Any], layers: int) -> list[dict[str, Any]]:
    """Return the history of a base, with an entry for each layer: some tools leave out what they do not know."""
    history = list(config.get("history") or ())
    told = sum(not each.get("empty_layer") for each in history)
    if told > layers:
        history, told = [], 0
    return [*history, *({"created": _EPOCH, "created_by": "base"} for _ in range(layers - told))]


def _run(recipe: Recipe) -> dict[str, Any]:
    entry = {each.name: getattr(recipe.entry, each.name) for each in fields(recipe.entry)}
    return {"entry": entry, "roots": recipe.roots, "data": recipe.data}


def _written(layers: Sequence[Layer]) -> list[Layer]:
    return [layer for layer in layers if layer.digest is not None]


def _descriptor(layer: Layer) -> dict[str, Any]:
    return {"mediaType": LAYER, "digest": layer.digest, "size": layer.size, "annotations": {KIND: layer.kind}}


def _history(kind: LayerKind) -> dict[str, Any]:
    return {"created": _EPOCH, "created_by": f"fairing: {kind}"}
