"""What a pod mounts, and what reaches it out of sight.

https://kubernetes.io/docs/concepts/storage/volumes/, https://kubernetes.io/docs/concepts/configuration/secret/
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from fairing.pod import Secret, Volume

OWNER_ALONE = 0o400
"""The mode of files that hold a secret; the pod's own group reads them too, since a pod does not run as their owner."""

_HANDED = "handed-over"


def key(number: int) -> str:
    """Return under which key of the run's own Secret the value of one of its secrets lies."""
    return f"secret-{number}"


def mounts(volumes: Sequence[Volume], secrets: Sequence[Secret], own: str) -> tuple[list[Any], list[Any]]:
    """Return a pod's volumes, and how its container mounts them.

    Args:
        volumes: What the user mounts.
        secrets: What is handed over; files are mounted one by one, so that what lies beside them stays.
        own: The run's own Secret, which has the values that come from the client.
    """
    found: list[Any] = []
    mounted: list[Any] = []
    for number, volume in enumerate(volumes):
        name = f"volume-{number}"
        found.append({"name": name, **json.loads(volume.source)})
        mounted.append({"name": name, "mountPath": volume.path, **json.loads(volume.mount)})
    files = [(number, each) for number, each in enumerate(secrets) if each.to.startswith("/")]
    for holder in dict.fromkeys(each.secret for _, each in files):
        name = f"{_HANDED}-{len(found)}" if holder else _HANDED
        wanted = {_key(number, each): each.to for number, each in files if each.secret == holder}
        items = [{"key": held, "path": held} for held in wanted]
        source = {"secretName": holder or own, "defaultMode": OWNER_ALONE, "items": items}
        found.append({"name": name, "secret": source})
        places = [(_key(number, each), each.to) for number, each in files if each.secret == holder]
        mounted += [{"name": name, "mountPath": to, "subPath": held, "readOnly": True} for held, to in places]
    return found, mounted


def variables(secrets: Sequence[Secret], own: str) -> tuple[list[Any], list[Any]]:
    """Return the variables of a container that hold what is handed over, and the Secrets all of whose keys are some."""
    named = [
        {"name": each.to, "valueFrom": {"secretKeyRef": {"name": each.secret or own, "key": _key(number, each)}}}
        for number, each in enumerate(secrets)
        if each.to and not each.to.startswith("/")
    ]
    return named, [{"secretRef": {"name": each.secret}} for each in secrets if not each.to]


def values(secrets: Iterable[Secret]) -> Iterator[tuple[str, str]]:
    """Give what the run's own Secret holds: the keys, and the variables of this process that have their values."""
    return ((key(number), each.variable) for number, each in enumerate(secrets) if each.variable)


def _key(number: int, secret: Secret) -> str:
    return secret.key if secret.secret else key(number)
