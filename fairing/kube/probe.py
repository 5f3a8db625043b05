"""What an image has: asked of a pod that runs it for a moment, and remembered by the image's digest."""

from __future__ import annotations

import json
import secrets
from base64 import b64decode
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from fairing import state
from fairing.errors import BuildError
from fairing.kube import beside, here, placement, pods, scheduling
from fairing.kube import pull_secrets as pulling
from fairing.kube.connection import Connection
from fairing.kube.watch import Watch
from fairing.pod import Pod, Resources
from fairing.words import sentence

_SECONDS = 120
_ANYWHERE = Pod()
_LIBRARY = """
import base64, importlib._bootstrap_external, marshal, os, sys, zlib
import contextlib, copyreg, ctypes, dataclasses, dis, enum, errno, functools, hashlib, hmac, json
import itertools, linecache, logging, opcode, pathlib, pickle, platform, re, reprlib
import select, signal, stat, struct, threading, traceback, types, typing, uuid, warnings, weakref
made = {}
for each in list(sys.modules.values()):
    spec = getattr(each, "__spec__", None)
    path = getattr(spec, "origin", None) or ""
    ours = path.startswith(os.path.dirname(os.__file__)) and path.endswith(".py")
    if ours and not os.path.exists(spec.cached or path):
        code = spec.loader.source_to_code(spec.loader.get_data(path), path)
        seen = os.stat(path)
        bytecode = importlib._bootstrap_external._code_to_timestamp_pyc(code, int(seen.st_mtime), seen.st_size)
        made[path] = bytes(bytecode)
print(base64.b64encode(zlib.compress(marshal.dumps(made), 9)).decode() if made else "")
"""
"""Prints the bytecode that an image lacks of what its runs start with: ``fairing.runtime.library``."""

_PROGRAM = (
    _LIBRARY
    + """
import importlib.metadata, importlib.util, json, platform, re, shutil
named = [each for each in importlib.metadata.distributions() if each.metadata["Name"]]
names = {re.sub(r"[-_.]+", "-", each.metadata["Name"]).lower(): each.version for each in named}
installer = "pip" if importlib.util.find_spec("pip") else "uv" if shutil.which("uv") else ""
print(json.dumps({"python": platform.python_version(), "packages": names, "installer": installer}))
"""
)
_HOPELESS = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "CreateContainerError", "RunContainerError"}
)


@dataclass(frozen=True, slots=True)
class Contents:
    """What an image has.

    Args:
        ref: Its name, with its digest.
        python: The version of the ``python`` on its path.
        packages: The versions of the distributions that this Python finds, by their names as PEP 503 writes them.
        installer: What installs packages there: ``pip``, ``uv`` or nothing.
    """

    ref: str
    python: str
    packages: dict[str, str]
    installer: str = ""


def contents(reached: Connection, image: str, like: Pod = _ANYWHERE, patience: float = _SECONDS) -> Contents:
    """Return what an image has; one that was asked before is not asked again.

    Args:
        reached: The way to the cluster whose nodes pull it.
        image: Its name; one without a digest is pinned to the one that is found now.
        like: Where it may be asked, and with which Secrets it is pulled; else those that the namespace has for it.
        patience: Seconds that it is waited for.

    Raises:
        BuildError: It cannot be pulled there, has no Python, or no node takes the pod that would say it.
    """
    known = _known(image)
    if known.exists():
        return Contents(**json.loads(known.read_text()))
    pulls = like.pull_secrets or pulling.to_name(reached, image)
    found, compiled = _ask(reached, image, replace(like, pull_secrets=tuple(pulls)), patience)
    with state.replacing(_library(image)) as part:
        part.write_bytes(compiled)
    with state.replacing(known) as part:
        part.write_text(json.dumps(asdict(found)))
    return found


def library(image: str) -> bytes:
    """Return the bytecode that an image lacks and its runs start with, as ``fairing.runtime.library`` takes it.

    Args:
        image: Its name, as its contents were asked for; of one that was not, nothing is known.
    """
    with suppress(FileNotFoundError):
        return _library(image).read_bytes()
    return b""


def _known(image: str) -> Path:
    import hashlib

    return state.private(state.cache() / "images") / f"{hashlib.sha256(f'2 {image}'.encode()).hexdigest()}.json"


def _library(image: str) -> Path:
    return _known(image).with_suffix(".library")


def _ask(reached: Connection, image: str, like: Pod, patience: float) -> tuple[Contents, bytes]:
    path = f"/api/v1/namespaces/{reached.namespace}/pods"
    name = f"fairing-asks-{secrets.token_hex(4)}"
    pod = reached.post(path, _pod(name, image, like))
    try:
        for gone, each in Watch(reached, path, [pod], seconds=patience, fieldSelector=f"metadata.name={name}"):
            pod = each
            status = _own(each)  # others may be there, and go on when it has ended
            waiting, ended = (status.get("state", {}).get(state, {}) for state in ("waiting", "terminated"))
            failed = bool(ended.get("exitCode")) or each["status"].get("phase") == "Failed"
            if gone or waiting.get("reason") in _HOPELESS or failed:
                why = waiting.get("message") or each["status"].get("message") or _log(reached, f"{path}/{name}")
                raise BuildError(
                    f"The image {image} cannot be run on {reached.context!r}.",
                    why=f"{' '.join(str(why).split()).rstrip('.') or 'It has no python'}.",
                    fix="Check its name, that the cluster may pull it, and that it has a python.",
                )
            if ended:
                compiled, _, said = _log(reached, f"{path}/{name}").partition("\n")
                told = json.loads(said)
                found = Contents(
                    here.pinned(image, status.get("imageID", "")),
                    told["python"],
                    {
                        name.lower().replace("_", "-").replace(".", "-"): version
                        for name, version in told["packages"].items()
                    },
                    told["installer"],
                )
                return found, b64decode(compiled)
        raise BuildError(
            f"The image {image} could not be asked what it has, on {reached.context!r}.",
            why=_unplaced(pod) or f"Its pod said nothing in {patience:g} s.",
            fix="Say where pods may be (node_selector=, tolerations=), or use builder='append', which asks nothing.",
        )
    finally:
        reached.delete(f"{path}/{name}", gracePeriodSeconds=0)


def _own(pod: dict[str, Any]) -> dict[str, Any]:
    return next((each for each in pod["status"].get("containerStatuses", ()) if each["name"] == pods.CONTAINER), {})


def _pod(name: str, image: str, like: Pod) -> dict[str, Any]:
    marks = beside.unowned(name)
    marks["labels"]["sidecar.istio.io/inject"] = "false"
    return {
        "metadata": {"name": name, **marks},
        "spec": {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": _SECONDS,
            "automountServiceAccountToken": False,
            "imagePullSecrets": [{"name": each} for each in like.pull_secrets],
            "securityContext": pods.RESTRICTED,
            **placement.placed((), like, Resources()),
            "containers": [
                {
                    "name": pods.CONTAINER,
                    "image": image,
                    "command": ["python", "-c", _PROGRAM],
                    "securityContext": pods.UNPRIVILEGED,
                }
            ],
        },
    }


def _unplaced(pod: dict[str, Any]) -> str:
    """Return why no node takes a pod."""
    for each in pod["status"].get("conditions", ()):
        if each["type"] == "PodScheduled" and each["status"] != "True":
            return sentence(scheduling.failed(pod, str(each.get("message", "")), tuple).what)
    return ""


def _log(reached: Connection, pod: str) -> str:
    answer = reached.stream(f"{pod}/log", 10.0, container=pods.CONTAINER)
    try:
        return answer.read().decode("utf-8", "replace")
    finally:
        answer.close()
