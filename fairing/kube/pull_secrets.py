"""Secrets of a namespace that hold credentials of registries: with which pods pull, and whoever may read them pushes.

https://kubernetes.io/docs/concepts/containers/images/#specifying-imagepullsecrets-on-a-pod
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NoReturn

from fairing.errors import AccessError
from fairing.kube.connection import Connection, Refused

ACCOUNT = "default"
"""The service account of a pod that names none."""

_KINDS = {"kubernetes.io/dockerconfigjson": ".dockerconfigjson", "kubernetes.io/dockercfg": ".dockercfg"}


@dataclass(frozen=True)
class PullSecret:
    """A Secret with credentials of registries; what it holds is never shown, and never pickled.

    Args:
        name: Its name.
        auths: What it holds, by registry, as Docker's configuration writes it.
        own: Whether the pods' service account has it, so that they pull with it in any case.
    """

    name: str
    auths: dict[str, Any] = field(repr=False)
    own: bool = False

    def __reduce__(self) -> NoReturn:
        raise TypeError("credentials of a registry are not pickled")


def found(reached: Connection, account: str = ACCOUNT) -> tuple[PullSecret, ...]:
    """Return the pull secrets of a namespace that the user may read; those of a service account come first.

    Args:
        reached: The way to the cluster.
        account: The service account of the pods.
    """
    named = _of_account(reached, account)
    secrets = sorted((each for kind in _KINDS for each in _listed(reached, kind, named)), key=_name)
    read = [PullSecret(_name(each), auths, _name(each) in named) for each in secrets if (auths := _auths(each))]
    return tuple(sorted(read, key=lambda each: not each.own))


def for_registry(secrets: Sequence[PullSecret], registry: str) -> tuple[PullSecret, ...]:
    """Return those that hold credentials of a registry."""
    return tuple(each for each in secrets if any(host(key) == registry for key in each.auths))


def to_name(reached: Connection, image: str, account: str = ACCOUNT) -> tuple[str, ...]:
    """Return the names of the Secrets that a pod has to name to pull an image: none, where its account has one.

    They are remembered, and asked for again when a run could not start.

    Args:
        reached: The way to the cluster.
        image: The image's name.
        account: The service account of the pod.
    """
    asked = (reached.namespace, account, registry(image))
    if asked not in reached.login.known:
        fitting = for_registry(found(reached, account), registry(image))
        own = any(each.own for each in fitting)
        reached.login.known[asked] = () if own else tuple(each.name for each in fitting)
    return tuple(reached.login.known[asked])


def registry(image: str) -> str:
    """Return the registry of an image's name.

    Example:
        >>> registry("python:3.11-slim"), registry("registry.test:5000/team/run@sha256:0a")
        ('docker.io', 'registry.test:5000')
    """
    first, slash, _ = image.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else "docker.io"


def host(key: str) -> str:
    """Return the registry that a key of Docker's configuration means.

    Example:
        >>> host("https://index.docker.io/v1/"), host("registry.test:5000/team")
        ('docker.io', 'registry.test:5000')
    """
    name = key.partition("://")[2] or key
    name = name.partition("/")[0].lower()
    return "docker.io" if name in {"index.docker.io", "registry-1.docker.io"} else name


def _name(secret: dict[str, Any]) -> str:
    return str(secret["metadata"]["name"])


def _of_account(reached: Connection, account: str) -> tuple[str, ...]:
    with suppress(AccessError, Refused):
        found = reached.get(f"/api/v1/namespaces/{reached.namespace}/serviceaccounts/{account}")
        return tuple(each["name"] for each in found.get("imagePullSecrets") or ())
    return ()


def _listed(reached: Connection, kind: str, named: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Give the Secrets of a kind; those that are named, where the user may not list them."""
    path = f"/api/v1/namespaces/{reached.namespace}/secrets"
    try:
        yield from reached.get(path, fieldSelector=f"type={kind}")["items"]
    except AccessError:
        for name in named:
            with suppress(AccessError, Refused):
                secret = reached.get(f"{path}/{name}")
                if secret.get("type") == kind:
                    yield {**secret, "type": kind}


def _auths(secret: dict[str, Any]) -> dict[str, Any]:
    """Return what a Secret holds; nothing, where it is broken."""
    with suppress(ValueError, KeyError, TypeError, AttributeError):
        held = json.loads(base64.b64decode(secret["data"][_KINDS[secret["type"]]]))
        auths = held.get("auths", {}) if secret["type"].endswith("json") else held
        return {str(key): value for key, value in auths.items() if isinstance(value, dict)}
    return {}
