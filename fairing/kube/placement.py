"""Where a pod may be, and what it may use there: requests and limits, node labels, taints, neighbours.

https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from fairing.pod import NVIDIA, Pod, Resources, Toleration

_ACCELERATOR, _TOPOLOGY = "cloud.google.com/gke-tpu-accelerator", "cloud.google.com/gke-tpu-topology"
_ARCH, _OS = "kubernetes.io/arch", "kubernetes.io/os"


def resources(asked: Resources) -> dict[str, Any]:
    """Return requests and limits, which are the same: what was asked for is there, and no more is taken."""
    found: dict[str, str] = {}
    if asked.cpu is not None:
        found["cpu"] = f"{math.ceil(asked.cpu * 1000)}m"
    if asked.memory is not None:
        found["memory"] = str(asked.memory)
    if asked.storage is not None:
        found["ephemeral-storage"] = str(asked.storage)
    if asked.gpus:
        found[asked.gpu.resource if asked.gpu else NVIDIA] = str(asked.gpus)
    if asked.tpu:
        found["google.com/tpu"] = str(asked.tpu.chips)
    found |= dict(asked.others)
    return {"requests": found, "limits": found} if found else {}


def placed(platforms: Sequence[str], pod: Pod, asked: Resources) -> dict[str, Any]:
    """Return the fields of a pod's spec that say where it may be: on a node for one of the platforms, if any."""
    selected = {**_platform(platforms), **_slice(asked), **dict(pod.node_selector)}
    wanted = _affinity(platforms, pod, asked)
    found = {
        "nodeSelector": selected,
        "affinity": wanted,
        "tolerations": [_toleration(each) for each in pod.tolerations],
        "priorityClassName": pod.priority_class,
    }
    return {field: value for field, value in found.items() if value}


def _platform(platforms: Sequence[str]) -> dict[str, str]:
    """Return what an image that was made for one platform needs of its node."""
    if len(platforms) != 1:
        return {}
    system, arch = platforms[0].split("/")[:2]
    return {_OS: system, _ARCH: arch}


def _slice(asked: Resources) -> dict[str, str]:
    return {_ACCELERATOR: asked.tpu.accelerator, _TOPOLOGY: asked.tpu.topology} if asked.tpu else {}


def _affinity(platforms: Sequence[str], pod: Pod, asked: Resources) -> dict[str, Any]:
    """Return what the user wants of nodes and neighbours, and of nodes that they have the right kind of machine."""
    wanted: dict[str, Any] = json.loads(pod.affinity) if pod.affinity else {}
    needed: list[list[dict[str, Any]]] = []
    if asked.gpu and asked.gpu.kinds:  # a node says what it has by the label of whoever runs it
        needed.append([_within(label, asked.gpu.kinds) for label in asked.gpu.labels])
    if len(platforms) > 1:
        needed.append([_within(_ARCH, [each.split("/")[1] for each in platforms])])
    for alternatives in needed:
        required = "requiredDuringSchedulingIgnoredDuringExecution"
        nodes = {**wanted.get("nodeAffinity", {})}
        terms = nodes.get(required, {}).get("nodeSelectorTerms") or [{}]
        nodes[required] = {"nodeSelectorTerms": [_both(term, each) for term in terms for each in alternatives]}
        wanted["nodeAffinity"] = nodes
    return wanted


def _both(term: dict[str, Any], expression: dict[str, Any]) -> dict[str, Any]:
    """Return a term that also asks for another thing: what is in a term holds together, and one of the terms has to."""
    return {**term, "matchExpressions": [*term.get("matchExpressions", ()), expression]}


def _within(label: str, values: Sequence[str]) -> dict[str, Any]:
    return {"key": label, "operator": "In", "values": list(values)}


def _toleration(given: Toleration) -> dict[str, Any]:
    fields = {"key": given.key, "operator": given.operator, "value": given.value, "effect": given.effect}
    found: dict[str, Any] = {field: value for field, value in fields.items() if value}
    return found if given.seconds is None else {**found, "tolerationSeconds": given.seconds}
