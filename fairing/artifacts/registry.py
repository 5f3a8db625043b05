"""A registry as a store: each replica of a run has a manifest there, whose layers have names as their titles."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from fairing import state
from fairing.errors import RegistryError
from fairing.oci import rules
from fairing.oci.http import Refusal
from fairing.oci.reference import parse
from fairing.oci.registry import Registry
from fairing.runtime.registry import TITLE
from fairing.spec import RegistryRule, Target


def rule(url: str, target: Target) -> dict[str, Any]:
    """Return how a store's registry is spoken to, for those who do not have the target's rules: a pod, a later reader.

    Raises:
        RegistryError: The address is no repository.
    """
    named = _place({"url": url}).registry
    found = next((each for each in target.registries if each.registry == named), RegistryRule(named))
    return {"insecure": found.insecure, "ca": Path(found.ca).read_text() if found.ca else ""}


def names(store: dict[str, Any]) -> dict[str, int]:
    """Return the names and sizes of what a run put there."""
    with closing(_registry(store)) as registry:
        return {each["annotations"][TITLE]: int(each["size"]) for each in _layers(registry, store)}


def read(store: dict[str, Any], name: str) -> Iterator[bytes]:
    """Give one of them in pieces, whose digest is right."""
    with closing(_registry(store)) as registry:
        for each in _layers(registry, store):
            if each["annotations"][TITLE] == name:
                yield from registry.blob(_place(store).repository, each["digest"], int(each["size"]))
                return
    raise FileNotFoundError(name)


def remove(store: dict[str, Any]) -> None:
    """Remove its manifests; what only they name goes when the registry collects garbage."""
    with closing(_registry(store)) as registry:
        for tag in _tags(store):
            try:
                found = registry.manifest(_place(store).repository, tag)
                registry.delete_manifest(_place(store).repository, found.digest)
            except Refusal as refused:
                if refused.status != 404:
                    raise


def _layers(registry: Registry, store: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for tag in _tags(store):
        try:
            yield from registry.manifest(_place(store).repository, tag).content["layers"]
        except Refusal as refused:
            if refused.status != 404:
                raise


def _tags(store: dict[str, Any]) -> Iterator[str]:
    return (f"{store['run']}.{store['role']}-{number}" for number in range(store["count"]))


def _place(store: dict[str, Any]) -> Any:
    place = parse(str(store["url"]).removeprefix("oci://"))
    if place.digest or ":" in str(store["url"]).rpartition("/")[2]:
        raise RegistryError(
            f"{store['url']} is no repository.", fix="Write it without a tag: oci://registry/team/runs."
        )
    return place


def _registry(store: dict[str, Any]) -> Registry:
    named = _place(store).registry
    file = None
    if store["ca"]:
        folder = state.private(state.cache() / "authorities")
        file = folder / f"{hashlib.sha256(store['ca'].encode()).hexdigest()}.pem"
        with state.replacing(file) as part:
            part.write_text(store["ca"])
    own = RegistryRule(named, insecure=bool(store["insecure"]), ca=str(file) if file else None)
    return Registry(named, rules.settings([own]))
