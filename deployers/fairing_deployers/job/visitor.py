"""Reads and clears a volume that pods alone can mount: in a pod of a moment, with the run's own image and volumes."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import Any

from fairing.errors import DeployError
from fairing.kube import pods
from fairing.kube.beside import reference
from fairing.kube.connection import Connection
from fairing.kube.execute import Forbidden, Output
from fairing.kube.watch import Watch
from fairing_deployers.job import status

_SECONDS = 3600
_SLICE = 6 << 20
"""Bytes that come through the log of one pod: a node may rotate a longer one away."""

_KEPT = (
    "securityContext",
    "imagePullSecrets",
    "nodeSelector",
    "tolerations",
    "affinity",
    "priorityClassName",
    "runtimeClassName",
)
_WAIT = "import signal; signal.signal(signal.SIGTERM, signal.SIG_DFL); signal.pause()"
_READ = """
import shutil, sys
with open(sys.argv[1], "rb") as file:
    shutil.copyfileobj(file, sys.stdout.buffer)
"""
_PART = """
import base64, sys
with open(sys.argv[1], "rb") as file:
    file.seek(int(sys.argv[2]))
    left = int(sys.argv[3])
    while left > 0 and (piece := file.read(min(left, 6000))):
        left -= len(piece)
        print(base64.b64encode(piece).decode())
"""
_LIST = """
import json, os, sys
found = {}
for folder, _, names in os.walk(sys.argv[1]):
    for path in (os.path.join(folder, name) for name in names):
        if os.path.isfile(path) and not os.path.islink(path):
            found[os.path.relpath(path, sys.argv[1])] = os.path.getsize(path)
print(json.dumps(found))
"""
_REMOVE = """
import os, shutil, sys
if os.path.isdir(sys.argv[1]):
    shutil.rmtree(sys.argv[1])
"""
_HOPELESS = frozenset({"ErrImagePull", "ImagePullBackOff", "CreateContainerConfigError", "CreateContainerError"})


def read(reached: Connection, job: dict[str, Any], path: str) -> Iterator[bytes]:
    """Give a file of a run's volume in pieces.

    Raises:
        DeployError: There is no such file, or no pod can be made that has the volume.
    """
    try:
        with _pod(reached, job, path, _WAIT) as pod:
            _until(reached, pod, "Running")
            yield from Output(reached, pod, pods.CONTAINER, ["python", "-I", "-c", _READ, path])
            return
    except Forbidden:
        pass
    at = 0
    while part := base64.b64decode(_said(reached, job, path, _PART, path, str(at), str(_SLICE))):
        yield part
        at += len(part)
        if len(part) < _SLICE:
            return


def names(reached: Connection, job: dict[str, Any], path: str) -> dict[str, int]:
    """Return the files below a folder of a run's volume, with their sizes."""
    found: dict[str, int] = json.loads(_said(reached, job, path, _LIST, path))
    return found


def remove(reached: Connection, job: dict[str, Any], path: str) -> None:
    """Remove a folder of a run's volume."""
    _said(reached, job, path, _REMOVE, path)


def _said(reached: Connection, job: dict[str, Any], path: str, program: str, *arguments: str) -> bytes:
    """Run a program beside the volume and return what it printed."""
    with _pod(reached, job, path, program, *arguments) as pod:
        _until(reached, pod, "Succeeded")
        answer = reached.stream(f"{pod}/log", 60.0)
        try:
            return answer.read().replace(b"\n", b"")
        finally:
            answer.close()


@contextmanager
def _pod(reached: Connection, job: dict[str, Any], path: str, program: str, *arguments: str) -> Iterator[str]:
    """Give the path of a pod that mounts what the run's pods have at a path; it goes afterwards."""
    name = f"{job['metadata']['name'][:48]}-reads-{secrets.token_hex(3)}"
    body = _body(name, job, path, ["python", "-I", "-c", program, *arguments])
    reached.post(status.path(reached), body)
    try:
        yield f"{status.path(reached)}/{name}"
    finally:
        reached.delete(f"{status.path(reached)}/{name}", gracePeriodSeconds=0)


def _body(name: str, job: dict[str, Any], path: str, command: list[str]) -> dict[str, Any]:
    spec = job["spec"]["template"]["spec"]
    (own,) = [each for each in spec["containers"] if each["name"] == pods.CONTAINER]
    mounts = [each for each in own["volumeMounts"] if PurePosixPath(path).is_relative_to(each["mountPath"])]
    named = {each["name"] for each in mounts}
    return {
        "metadata": {
            "name": name,
            "labels": {"sidecar.istio.io/inject": "false"},
            "annotations": {"sidecar.istio.io/inject": "false"},
            "ownerReferences": [reference(job)],
        },
        "spec": {
            **{each: spec[each] for each in _KEPT if each in spec},
            "restartPolicy": "Never",
            "activeDeadlineSeconds": _SECONDS,
            "automountServiceAccountToken": False,
            "containers": [
                {
                    "name": pods.CONTAINER,
                    "image": own["image"],
                    "command": command,
                    "securityContext": own["securityContext"],
                    "volumeMounts": mounts,
                }
            ],
            "volumes": [each for each in spec.get("volumes", ()) if each["name"] in named],
        },
    }


def _until(reached: Connection, pod: str, wanted: str) -> None:
    """Wait until a pod runs, or has ended well."""
    listed, _, name = pod.rpartition("/")
    for gone, each in Watch(reached, listed, fieldSelector=f"metadata.name={name}"):
        phase = each["status"].get("phase")
        if phase == wanted:
            return
        waiting = status.container(each).get("state", {}).get("waiting", {})
        if gone or phase in {"Failed", "Succeeded"} or waiting.get("reason") in _HOPELESS:
            raise DeployError(
                "What lies in the run's volume cannot be read.",
                why=f"{waiting.get('message') or each['status'].get('message') or 'It is not there'}.",
                fix="Look whether the volume is still there, and whether pods may mount it.",
            )
