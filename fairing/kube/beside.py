"""What pods mount: Secrets and ConfigMaps, made before the object that owns them, and given to it after.

An owner is known by its uid, which it has when it is made; so there is a moment in which they belong to nobody. Until
it is over each has a label that says so and the time until which it is to be left alone: what a client that died in
that moment leaves is removed by the next run in the namespace, or given to its owner, if that was made.
https://kubernetes.io/docs/concepts/overview/working-with-objects/owners-dependents/
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from fairing.errors import AccessError, FairingError
from fairing.kube.connection import Connection, Refused
from fairing.kube.pods import RUN
from fairing.spec import File

OURS = "app.kubernetes.io/managed-by"
UNOWNED = "fairing/unowned"
"""The label of what nobody owns yet."""

EXPIRES = "fairing/expires"
"""The annotation that says until when such a thing is to be left alone."""

_LEFT_ALONE = timedelta(hours=1)
"""Much longer than any client takes, and than clocks differ."""

_LARGE = 64 << 10
"""Bytes from which it is quicker to ask whether a thing is there than to send it in vain."""

_KINDS = ("secrets", "configmaps", "pods")
_FOUND, _GONE = 409, 404


@dataclass(frozen=True, slots=True)
class Thing:
    """A Secret or a ConfigMap that pods mount.

    Args:
        kind: ``secrets`` or ``configmaps``.
        name: Its name.
        run: The run that it is made for.
        data: What it holds.
        shared: It has its name from its content, so that runs of the same content may have it together.
    """

    kind: str
    name: str
    run: str
    data: dict[str, bytes]
    shared: bool = False

    def body(self) -> dict[str, Any]:
        """Return the object, as it is before somebody owns it."""
        encoded = {key: b64encode(value).decode() for key, value in self.data.items()}
        texts = {key: value.decode() for key, value in self.data.items() if value.isascii()}
        held: dict[str, Any] = {"data": encoded}
        if self.kind == "configmaps":  # of which people read what can be read
            held = {"data": texts, "binaryData": {key: encoded[key] for key in encoded.keys() - texts}}
        return {"metadata": {"name": self.name, **unowned(self.run)}, "immutable": True, **held}


def shared(file: File, run: str) -> Thing:
    """Return the ConfigMap of a file, named by its content."""
    data = file.read()
    digest = hashlib.sha256(b"\0".join((file.path.encode(), data))).hexdigest()
    return Thing("configmaps", f"fairing-{digest[:32]}", run, {file.path: data}, shared=True)


def unowned(run: str) -> dict[str, Any]:
    """Return the labels and annotations of a thing that nobody owns yet."""
    until = (datetime.now(timezone.utc) + _LEFT_ALONE).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"labels": {OURS: "fairing", RUN: run, UNOWNED: "true"}, "annotations": {EXPIRES: until}}


@contextmanager
def placed(reached: Connection, things: Sequence[Thing]) -> Iterator[None]:
    """Make things, or find made what may be shared; where the block fails, what was made is removed again."""
    made: list[tuple[Thing, dict[str, str]]] = []
    try:
        for thing in things:
            if not thing.shared:  # it has no other's name, and may be there although no answer came
                made.append((thing, {}))
                reached.post(_path(reached, thing.kind), thing.body(), bare=True)
            elif version := _placed(reached, thing):
                made.append((thing, {"resourceVersion": version}))
        yield
    except BaseException:
        for thing, only in made:
            with suppress(FairingError):  # it expires
                reached.delete(f"{_path(reached, thing.kind)}/{thing.name}", only)
        raise


def give(reached: Connection, things: Iterable[Thing], owner: dict[str, str]) -> None:
    """Give things to their owner, which takes them along when it is deleted; a shared one may have several.

    Args:
        reached: The way to the cluster.
        things: The things.
        owner: A reference to their owner.
    """
    for thing in things:
        body = thing.body()
        body["metadata"] = {"name": thing.name, "labels": {OURS: "fairing", RUN: thing.run}, "ownerReferences": [owner]}
        while not _given(reached, thing.kind, thing.name, owner):
            # the last owner of a shared one was deleted meanwhile, or this client slept for an hour
            try:
                reached.post(_path(reached, thing.kind), body, bare=True)
                break
            except Refused as refused:
                if refused.status != _FOUND:  # another run was quicker
                    raise
        if thing.shared:
            reached.login.known[reached.namespace, thing.name] = True


def sweep(reached: Connection, owners: Callable[[], Iterable[dict[str, Any]]]) -> None:
    """Remove what clients that died have left, and give to its owner what has one; what may not be done is left.

    Args:
        reached: The way to the cluster.
        owners: Gives the objects that may own something, with their kinds; called only where something has expired.
    """
    expired = [(kind, each) for kind in _KINDS for each in _expired(reached, kind)]
    with suppress(FairingError):
        there = [(owner, _mounted(owner)) for owner in owners()] if expired else []
        for kind, each in expired:
            name, version = each["metadata"]["name"], each["metadata"]["resourceVersion"]
            using = [owner for owner, mounted in there if (kind, name) in mounted]
            for owner in using:
                _given(reached, kind, name, reference(owner))
            if not using:
                with suppress(Refused):  # somebody uses it since it was listed
                    reached.delete(f"{_path(reached, kind)}/{name}", {"resourceVersion": version})


def reference(owner: dict[str, Any]) -> dict[str, str]:
    """Return a reference to an owner."""
    name, uid = owner["metadata"]["name"], owner["metadata"]["uid"]
    return {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": name, "uid": uid}


def _placed(reached: Connection, thing: Thing) -> str:
    """Make what may be shared; return its version, or nothing where it is there and was kept."""
    ask = sum(map(len, thing.data.values())) > _LARGE
    while True:
        if ask and _kept(reached, thing):
            return ""
        try:
            made = reached.post(_path(reached, thing.kind), thing.body(), bare=True)
            return str(made["metadata"]["resourceVersion"])
        except Refused as refused:
            if refused.status != _FOUND:
                raise
            ask = True


def _kept(reached: Connection, thing: Thing) -> bool:
    """Have what is there left alone from now on, if it is there; whoever would remove it knows another version.

    What has an owner is left alone as it is, and need not be written, which takes long for a large one; what was given
    to one from here need not be asked for. Should its last owner be deleted in this moment, it is made again when it is
    given to the new one.
    """
    if (reached.namespace, thing.name) in reached.login.known:
        return True
    with suppress(AccessError):  # whoever may make them need not be able to list them
        there = reached.metadata(_path(reached, thing.kind), fieldSelector=f"metadata.name={thing.name}")
        if any(each["metadata"].get("ownerReferences") for each in there):
            return True
    until = {"metadata": {"annotations": unowned(thing.run)["annotations"]}}
    try:
        reached.patch(f"{_path(reached, thing.kind)}/{thing.name}", until, bare=True)
    except Refused as refused:
        if refused.status != _GONE:
            raise
        return False
    return True


def _given(reached: Connection, kind: str, name: str, owner: dict[str, str]) -> bool:
    """Give a thing to its owner; say whether it is there."""
    changes = {"ownerReferences": [owner], "labels": {UNOWNED: None}, "annotations": {EXPIRES: None}}
    try:
        reached.patch(f"{_path(reached, kind)}/{name}", {"metadata": changes}, bare=True)
    except Refused as refused:
        if refused.status != _GONE:
            raise
        return False
    return True


def _expired(reached: Connection, kind: str) -> list[dict[str, Any]]:
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    try:
        there = reached.metadata(_path(reached, kind), labelSelector=UNOWNED)
    except FairingError:  # somebody else may list them
        return []
    return [each for each in there if each["metadata"].get("annotations", {}).get(EXPIRES, now) < now]


def _mounted(owner: dict[str, Any]) -> set[tuple[str, str]]:
    """Return the kinds and names of what the pods of an owner mount."""
    volumes = owner["spec"]["template"]["spec"].get("volumes", ())
    sources = [each for volume in volumes for each in (volume, *volume.get("projected", {}).get("sources", ()))]
    secrets = (each["secret"] for each in sources if "secret" in each)
    maps = (each["configMap"] for each in sources if "configMap" in each)
    named = {("secrets", each.get("name") or each.get("secretName", "")) for each in secrets}
    return named | {("configmaps", each["name"]) for each in maps}


def _path(reached: Connection, kind: str) -> str:
    return f"/api/v1/namespaces/{reached.namespace}/{kind}"
