"""Pod templates: written here alone, so that every kind of workload behaves alike.

Each passes the ``restricted`` Pod Security Standard.
https://kubernetes.io/docs/concepts/security/pod-security-standards/
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import Any

from fairing.errors import ConfigError
from fairing.kube import placement, volumes
from fairing.kube.merge import merged
from fairing.pod import Patch, Pod
from fairing.runtime.pod import GIVEN, HOME, INPUTS, OWN
from fairing.runtime.rendezvous import PORT
from fairing.runtime.stored import POD
from fairing.spec import BuiltImage, Group, Workload
from fairing.words import sentence

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

_START = "import sys; sys.path[:0] = sys.argv[1:]; from fairing.runtime import boot; sys.exit(boot.main())"
"""What a container runs: it finds fairing whatever has become of its variables on the way to the node."""


def template(
    name: str, image: BuiltImage, workload: Workload, group: Group, secrets: Sequence[str], mounts: Sequence[str]
) -> dict[str, Any]:
    """Return the template of a group's pods.

    Args:
        name: The run's name, which is also that of its first Secret, its ConfigMap and, for several, its Service.
        image: What they run.
        workload: How.
        group: The pods' own group.
        secrets: The Secrets that hold what travels beside the image, a piece each.
        mounts: The ConfigMaps that hold what the image has not and its pods find beside it.

    Raises:
        ConfigError: What the user changes of it cannot be applied, or takes away what runs their code.
    """
    pod = workload.pod
    found, mounted = volumes.mounts(pod.volumes, workload.secrets, name)
    account = {"serviceAccountName": pod.service_account} if pod.service_account else {}
    pulls = {"imagePullSecrets": [{"name": each} for each in pod.pull_secrets]} if pod.pull_secrets else {}
    made = {
        "metadata": marks(name, pod),
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": bool(account),
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": math.ceil(workload.grace) + 5,
            "securityContext": RESTRICTED,
            "containers": [{**_container(name, image, workload, group), "volumeMounts": [*_OWN_MOUNTS, *mounted]}],
            "volumes": [_given(name, secrets, mounts), {"name": "own", "emptyDir": {}}, *found],
            **({"subdomain": name} if group.count > 1 else {}),
            **account,
            **pulls,
            **placement.placed(image.platforms, pod, group.resources),
        },
    }
    return _changed(made, pod.pod)


def marks(name: str, pod: Pod) -> dict[str, Any]:
    """Return the labels and annotations of a run's pods."""
    own = {RUN: name, "sidecar.istio.io/inject": "false"}
    notes = {"sidecar.istio.io/inject": "false"}
    return {"labels": {**own, **dict(pod.labels)}, "annotations": {**notes, **dict(pod.annotations)}}


_OWN_MOUNTS = (
    {"name": "given", "mountPath": GIVEN, "readOnly": True},
    {"name": "own", "mountPath": OWN},
)


def paths(pod: dict[str, Any]) -> list[str]:
    """Return the folders in which a pod finds fairing."""
    return next((each["command"][3:] for each in pod["spec"]["containers"] if each["name"] == CONTAINER), [])


def _container(name: str, image: BuiltImage, workload: Workload, group: Group) -> dict[str, Any]:
    found = (f"{GIVEN}/runtime.zip",) if image.mounts else image.paths
    several = {"FAIRING_REPLICAS": str(group.count), "FAIRING_COORDINATOR": f"{name}-0.{name}:{PORT}"}
    own = {"HOME": HOME, "FAIRING_RUN": name, **(several if group.count > 1 else {})}
    said = (*own.items(), *(image.env if image.mounts else ()), *workload.env)
    named, whole = volumes.variables(workload.secrets, name)
    itself = [{"name": POD, "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}}] if workload.artifacts else []
    return {
        "name": CONTAINER,
        "image": image.ref,
        "command": ["python", "-c", _START, *found],
        "workingDir": OWN,
        "env": [*({"name": variable, "value": _literal(value)} for variable, value in said), *named, *itself],
        **({"envFrom": whole} if whole else {}),
        "resources": placement.resources(group.resources),
        "securityContext": UNPRIVILEGED,
    }


def _given(name: str, secrets: Sequence[str], mounts: Sequence[str]) -> dict[str, Any]:
    key = {"name": name, "items": [{"key": "key", "path": "key", "mode": 0o400}]}
    sources: list[dict[str, Any]] = [{"configMap": {"name": name}}, {"secret": key}]
    for number, secret in enumerate(secrets):
        piece = {"key": PIECE, "path": f"{INPUTS}.{number:03}", "mode": 0o400}
        sources.append({"secret": {"name": secret, "items": [piece]}})
    sources += [{"configMap": {"name": each}} for each in mounts]
    return {"name": "given", "projected": {"sources": sources}}


def _changed(made: dict[str, Any], patch: Patch) -> dict[str, Any]:
    """Return a template as the user changes it."""
    if not patch:
        return made
    changed: Any = _called(made, patch) if callable(patch) else merged(made, json.loads(patch))
    spec = changed.get("spec") if isinstance(changed, dict) else None
    containers = spec.get("containers") if isinstance(spec, dict) else None
    if not isinstance(containers, list) or not any(
        isinstance(each, dict) and each.get("name") == CONTAINER for each in containers
    ):
        raise ConfigError(
            f"pod= leaves no container {CONTAINER!r}.",
            why="It runs your code." if containers else "A function that changes a template returns it, as a table.",
            fix="Change that container, by its name, and add others beside it.",
        )
    return dict(changed)


def _called(made: dict[str, Any], patch: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    """Return what the user's function makes of a template, which has nothing then that is not JSON."""
    try:
        return json.loads(json.dumps(patch(json.loads(json.dumps(made)))))
    except Exception as wrong:
        raise ConfigError(
            f"pod= failed: {type(wrong).__name__}.", why=sentence(str(wrong)), fix="It is given a template, as a table."
        ) from wrong


def _literal(value: str) -> str:
    """Keep a value as it is written: Kubernetes reads ``$(NAME)`` as another variable's value, and ``$$`` as ``$``."""
    return value.replace("$", "$$")
