"""Base images, pinned: what a name stood for when it was first used, kept with all that a build needs to know of it.

bases/<key>.json        one a name and platform; ``fairing prune`` forgets those that are older than it is told
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from fairing import state
from fairing.errors import RegistryError
from fairing.oci import facts, layout, store
from fairing.oci.config import canonical, is_ours
from fairing.oci.facts import Facts
from fairing.oci.reference import Reference, parse
from fairing.oci.registry import Document
from fairing.oci.rules import places
from fairing.oci.transfer import Base, Transfer
from fairing.spec import RegistryRule

_GZIPPED = ("tar+gzip", "tar.gzip")


@dataclass(frozen=True)
class Pinned:
    """A base image for one platform, by digest.

    Args:
        name: What it was asked for by.
        base: Its manifest and configuration, and where it lies.
        facts: What it is known to have in it.
    """

    name: str
    base: Base
    facts: Facts

    @property
    def manifest(self) -> dict[str, Any]:
        """What its manifest says."""
        return self.base.manifest.content

    @property
    def config(self) -> dict[str, Any]:
        """What its configuration says."""
        config: dict[str, Any] = json.loads(self.base.config)
        return config


def find(name: str, platform: str) -> Pinned | None:
    """Return a base as it is pinned here, without asking anybody; ``None`` where it is not."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads(_file(name, platform).read_bytes())
        document = Document(kept["media_type"], kept["manifest"].encode(), kept["digest"])
        base = Base(Reference(**kept["reference"]), document, kept["config"].encode())
        return Pinned(name, base, Facts(**kept["facts"]))
    return None


def pin(name: str, platform: str, transfer: Transfer, rules: Sequence[RegistryRule] = ()) -> Pinned:
    """Ask what a name stands for now, and keep the answer.

    Args:
        name: The image's name, as people type it.
        platform: Such as ``"linux/amd64"``.
        transfer: What reads it.
        rules: How registries are spoken to, and which have mirrors.

    Raises:
        RegistryError: It is not there, cannot be read or built upon, or is not for that platform.
    """
    found = ask(name, platform, transfer, rules)
    kept = {
        "name": name,
        "platform": platform,
        "reference": asdict(found.base.reference),
        "digest": found.base.manifest.digest,
        "media_type": found.base.manifest.media_type,
        "manifest": found.base.manifest.data.decode(),
        "config": found.base.config.decode(),
        "facts": asdict(found.facts),
    }
    with store.using() as root:
        file = _file(name, platform)
        file.parent.mkdir(exist_ok=True)
        layout.write(root, file, json.dumps(kept, indent=1).encode())
    return found


def ask(name: str, platform: str, transfer: Transfer, rules: Sequence[RegistryRule] = ()) -> Pinned:
    """Ask what a name stands for now, as ``pin`` does, and keep nothing.

    Layers are read only where the configuration says neither which Python nor which C library is in them, and then as
    far as that takes; nothing is run.
    """
    base = _pulled(parse(name), platform, transfer, rules)
    config = json.loads(base.config)
    if len(base.manifest.content["layers"]) != len(config.get("rootfs", {}).get("diff_ids", ())):
        raise RegistryError(
            f"The image {name} cannot be built upon.",
            why="Its manifest and its configuration list different layers.",
            fix="Choose another image, or push it anew with the tool that made it.",
        )
    base, config = _below(base, config)
    known = facts.told(config)
    if not known.whole:
        path = facts.variables(config.get("config") or {}).get("PATH", "/usr/local/bin:/usr/bin:/bin")
        known = facts.found(known, path, _layers(base, transfer))
    return Pinned(name, replace(base, config=canonical(config)), known)


def _below(base: Base, config: dict[str, Any]) -> tuple[Base, dict[str, Any]]:
    """Return an image without the layers that fairing put into it: what is run next brings its own in their place."""
    content, history = base.manifest.content, config.get("history") or []
    layers = [each for each in history if not each.get("empty_layer")]
    if len(layers) != len(content["layers"]):
        return base, config
    kept = [at for at, each in enumerate(layers) if not is_ours(each)]
    content["layers"] = [content["layers"][at] for at in kept]
    diff_ids = [config["rootfs"]["diff_ids"][at] for at in kept]
    rest = [each for each in history if not is_ours(each)]
    document = replace(base.manifest, data=canonical(content))
    return replace(base, manifest=document), {
        **config,
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": rest,
    }


def _pulled(asked: Reference, platform: str, transfer: Transfer, rules: Sequence[RegistryRule]) -> Base:
    *mirrors, own = places(asked, rules)
    for mirror in mirrors:
        with suppress(RegistryError):  # one that has not everything is no reason to fail
            return transfer.pull(mirror, platform)
    return transfer.pull(own, platform)


def _layers(base: Base, transfer: Transfer) -> Iterator[Iterator[bytes]]:
    registry = transfer.registry(base.reference.registry)
    for each in base.manifest.content["layers"]:
        if each["mediaType"].endswith(_GZIPPED) and not each.get("urls"):
            yield registry.blob(base.reference.repository, each["digest"], each["size"])


def _file(name: str, platform: str) -> Path:
    key = hashlib.sha256(f"{name}\0{platform}".encode()).hexdigest()
    return state.store() / "bases" / f"{key[:32]}.json"
