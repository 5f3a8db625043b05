"""Pod templates: written here alone, so that every kind of workload behaves alike.

Each passes the ``restricted`` Pod Security Standard.
https://kubernetes.io/docs/concepts/security/pod-security-standards/
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from fairing.runtime.pod import GIVEN, HOME, INPUTS, OWN
from fairing.spec import BuiltImage, Group, Resources, Workload

CONTAINER = "fairing"
PIECE = "inputs"
"""The key of a Secret under which a piece of the inputs lies."""

RUN = "fairing/run"
"""The label of everything that was made for a run: its name."""

USER = 1000
RESTRICTED = {
    "runAsNonRoot": True,
    "runAsUser": USER,
    "runAsGroup": USER,
    "fsGroup": USER,
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""What the ``restricted`` profile asks of a pod."""

UNPRIVILEGED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
"""What it asks of each container."""

_GPU = "nvidia.com/gpu"
_START = "import sys; sys.path[:0] = sys.argv[1:]; from fairing.runtime import boot; sys.exit(boot.main())"
"""What a container runs: it finds fairing whatever has become of its variables on the way to the node."""


def template(
    name: str, image: BuiltImage, workload: Workload, group: Group, secrets: Sequence[str], mounts: Sequence[str]
) -> dict[str, Any]:
    """Return the template of a group's pods.

    Args:
        name: The run's name, which is also that of its first Secret and its ConfigMap.
        image: What they run.
        workload: How.
        group: The pods' own group.
        secrets: The Secrets that hold what travels beside the image, a piece each.
        mounts: The ConfigMaps that hold what the image has not and its pods find beside it.
    """
    marks = {RUN: name, "sidecar.istio.io/inject": "false"}
    return {
        "metadata": {"labels": marks, "annotations": {"sidecar.istio.io/inject": "false"}},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": math.ceil(workload.grace) + 5,
            "securityContext": RESTRICTED,
            "containers": [_container(name, image, workload, group.resources)],
            "volumes": [_given(name, secrets, mounts), {"name": "own", "emptyDir": {}}],
        },
    }


def _container(name: str, image: BuiltImage, workload: Workload, resources: Resources) -> dict[str, Any]:
    found = (f"{GIVEN}/runtime.zip",) if image.mounts else image.paths
    said = (*(image.env if image.mounts else ()), *workload.env)
    secret = [
        {"name": each, "valueFrom": {"secretKeyRef": {"name": name, "key": f"secret-{number}"}}}
        for number, each in enumerate(workload.secrets)
    ]
    return {
        "name": CONTAINER,
        "image": image.ref,
        "command": ["python", "-c", _START, *found],
        "workingDir": OWN,
        "env": [
            {"name": "HOME", "value": HOME},
            {"name": "FAIRING_RUN", "value": name},
            *({"name": variable, "value": _literal(value)} for variable, value in said),
            *secret,
        ],
        "resources": _resources(resources),
        "securityContext": UNPRIVILEGED,
        "volumeMounts": [
            {"name": "given", "mountPath": GIVEN, "readOnly": True},
            {"name": "own", "mountPath": OWN},
        ],
    }


def _given(name: str, secrets: Sequence[str], mounts: Sequence[str]) -> dict[str, Any]:
    key = {"name": name, "items": [{"key": "key", "path": "key", "mode": 0o400}]}
    sources: list[dict[str, Any]] = [{"configMap": {"name": name}}, {"secret": key}]
    for number, secret in enumerate(secrets):
        piece = {"key": PIECE, "path": f"{INPUTS}.{number:03}", "mode": 0o400}
        sources.append({"secret": {"name": secret, "items": [piece]}})
    sources += [{"configMap": {"name": each}} for each in mounts]
    return {"name": "given", "projected": {"sources": sources}}


def _resources(resources: Resources) -> dict[str, Any]:
    asked: dict[str, str] = {}
    if resources.cpu is not None:
        asked["cpu"] = f"{math.ceil(resources.cpu * 1000)}m"
    if resources.memory is not None:
        asked["memory"] = str(resources.memory)
    if resources.gpus:
        asked[_GPU] = str(resources.gpus)
    return {"requests": asked, "limits": asked} if asked else {}


def _literal(value: str) -> str:
    """Keep a value as it is written: Kubernetes reads ``$(NAME)`` as another variable's value, and ``$$`` as ``$``."""
    return value.replace("$", "$$")
