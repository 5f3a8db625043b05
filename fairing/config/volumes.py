"""Reads ``volumes=``: where something is mounted, and what, in a short form or as the API has it.

https://kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/volume/
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fairing.config.kubernetes import compact, mounted, name, structured
from fairing.config.values import nearest, octets, pairs, wrong
from fairing.errors import ConfigError
from fairing.pod import Volume

SOURCES = (
    *("persistentVolumeClaim", "emptyDir", "configMap", "secret", "projected", "downwardAPI", "csi", "ephemeral"),
    *("hostPath", "nfs", "image", "iscsi", "fc", "cephfs", "glusterfs", "rbd", "cinder", "flocker", "flexVolume"),
    *("awsElasticBlockStore", "gcePersistentDisk", "azureDisk", "azureFile", "gitRepo", "quobyte", "scaleIO"),
    *("storageos", "portworxVolume", "vsphereVolume", "photonPersistentDisk"),
)
"""What the API mounts, by its words."""

MOUNTS = ("readOnly", "subPath", "subPathExpr", "mountPropagation", "recursiveReadOnly")
"""What the API says of how it is mounted."""

_NOT = "It is not possible."
_WRITE = "Write PLACE=KIND:NAME, such as /data=pvc:data, /scratch=emptydir:10Gi, /dev/shm=memory:1Gi."


def volumes(option: str, value: Any, where: str) -> tuple[Volume, ...]:
    """Read volumes.

    Example:
        >>> str(volumes("volumes", "/data=pvc:data:ro", "")[0])
        '/data={"persistentVolumeClaim": {"claimName": "data"}, "readOnly": true}'
    """
    given = structured(option, value, where) if isinstance(value, str) else value
    if isinstance(given, Volume):
        given = [given]
    if isinstance(given, list | tuple) and all(isinstance(each, Volume) for each in given):
        return tuple(given)
    found = tuple(_volume(option, place, what, where) for place, what in pairs(option, given, where, _WRITE))
    for at, each in enumerate(found):
        if any(each.path == other.path for other in found[:at]):
            raise wrong(option, each.path, where, why="It is there twice.", fix="Mount one thing at one place.")
    return found


def _volume(option: str, place: str, what: Any, where: str) -> Volume:
    path = mounted(option, place, where)
    table = structured(option, what, where) if isinstance(what, str) else what
    if isinstance(table, str):
        table = _short(option, table, where)
    if not isinstance(table, Mapping):
        raise wrong(option, what, where, fix=_WRITE)
    source = {key: each for key, each in table.items() if key not in MOUNTS}
    unknown = [str(key) for key in source if key not in SOURCES]
    if unknown or len(source) != 1:
        fix = nearest(unknown[0], (*SOURCES, *MOUNTS)) if unknown else f"Name one of {', '.join(SOURCES[:10])}."
        raise wrong(option, what, where, fix=fix)
    mount = {key: each for key, each in table.items() if key in MOUNTS}
    return Volume(path, compact(option, source, where), compact(option, mount, where))


def _short(option: str, text: str, where: str) -> dict[str, Any]:
    kind, _, rest = text.strip().partition(":")
    if kind.lower() not in _KINDS:
        raise wrong(option, text, where, fix=f"{nearest(kind.lower(), tuple(_KINDS))} {_WRITE}")
    mount: dict[str, Any] = {}
    if rest == "ro" or rest.endswith(":ro"):
        rest, mount["readOnly"] = rest.removesuffix("ro").removesuffix(":"), True
    try:
        source, inside = _KINDS[kind.lower()](rest)
    except ConfigError as refused:
        raise wrong(option, text, where, why=refused.why, fix=refused.fix or _WRITE) from None
    return {**source, **({"subPath": inside} if inside else {}), **mount}


def _named(kind: str, field: str, **more: Any) -> Callable[[str], tuple[dict[str, Any], str]]:
    """Return what reads ``NAME`` or ``NAME/PATH``: an object, or a part of it alone."""

    def read(rest: str) -> tuple[dict[str, Any], str]:
        called, _, inside = rest.partition("/")
        if ".." in inside.split("/"):
            raise ConfigError(_NOT, "It leads out.", "Name what is in it.")
        return {kind: {field: name("volumes", called, ""), **more}}, inside

    return read


def _empty(memory: bool) -> Callable[[str], tuple[dict[str, Any], str]]:
    def read(rest: str) -> tuple[dict[str, Any], str]:
        limit = {"sizeLimit": str(octets(rest))} if rest else {}
        return {"emptyDir": {**({"medium": "Memory"} if memory else {}), **limit}}, ""

    return read


def _host(rest: str) -> tuple[dict[str, Any], str]:
    if not rest.startswith("/"):
        raise ConfigError(_NOT, "A folder of the node is a whole path.", "Write /data=host:/mnt/data.")
    return {"hostPath": {"path": rest}}, ""


def _nfs(rest: str) -> tuple[dict[str, Any], str]:
    server, _, path = rest.partition(":")
    if not server or not path.startswith("/"):
        raise ConfigError(_NOT, "NFS has a server and a path.", "Write /data=nfs:server.example.com:/export.")
    return {"nfs": {"server": server, "path": path}}, ""


def _csi(rest: str) -> tuple[dict[str, Any], str]:
    return {"csi": {"driver": name("volumes", rest, "")}}, ""


_KINDS: Mapping[str, Callable[[str], tuple[dict[str, Any], str]]] = {
    "pvc": _named("persistentVolumeClaim", "claimName"),
    "configmap": _named("configMap", "name"),
    "secret": _named("secret", "secretName", defaultMode=0o400),
    "emptydir": _empty(memory=False),
    "memory": _empty(memory=True),
    "host": _host,
    "nfs": _nfs,
    "csi": _csi,
}
"""The kinds that have a short form: what it stands for, and which part of it is mounted."""
