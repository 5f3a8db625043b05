"""How the cluster ended a pod that ran: for its memory or its disk, for a pod of higher priority, with its node.

https://kubernetes.io/docs/concepts/workloads/pods/disruptions/#pod-disruption-conditions
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from fairing.kube import quantity
from fairing.kube.pods import CONTAINER
from fairing.kube.reason import short
from fairing.kube.why import container
from fairing.words import size

_DISK = (
    (
        re.compile(r'Usage of EmptyDir volume "([^"]+)" exceeds the limit "([^"]+)"'),
        "its volume {0!r} grew over its limit of {1}",
    ),
    (
        re.compile(r"Pod ephemeral local storage usage exceeds the total limit of containers (\S+?)\.?(?: |$)"),
        "it wrote more to its disk than its limit of {0}",
    ),
    (
        re.compile(r"Container \S+ exceeded its local ephemeral storage limit \"([^\"]+)\""),
        "it wrote more to its disk than its limit of {0}",
    ),
)
_LOW = re.compile(r"The node was low on resource: ([\w.-]+)")


def disrupted(pod: dict[str, Any]) -> str:
    """Say why the cluster takes a pod away, or has; empty, where it does not."""
    for each in pod["status"].get("conditions", ()):
        if each["type"] == "DisruptionTarget" and each["status"] == "True":
            return _disruption(pod, each.get("reason", ""), each.get("message", ""))
    return ""


def evicted(pod: dict[str, Any]) -> str:
    """Say why the kubelet ended a pod that used more than it may; empty, where it did not."""
    if pod["status"].get("reason") != "Evicted":
        return ""
    return _evicted(pod["status"].get("message", ""))


def without_memory(pod: dict[str, Any]) -> str:
    """Say that a pod's container was ended for its memory, and its limit; empty, where it was not."""
    status = container(pod)
    ended = status.get("state", {}).get("terminated") or status.get("lastState", {}).get("terminated") or {}
    if ended.get("reason") != "OOMKilled":
        return ""
    limit = _limit(pod, "memory")
    return f"it used more than its limit of {limit} of memory" if limit else "its node had no memory left"


def silent(pod: dict[str, Any], events: Sequence[dict[str, Any]]) -> str:
    """Say that the node of a pod does not answer any more; empty, while it does."""
    ready: dict[str, Any] = next((each for each in pod["status"].get("conditions", ()) if each["type"] == "Ready"), {})
    told = any(each.get("reason") == "NodeNotReady" for each in events)
    return f"its node {_node(pod)} does not answer any more" if told and ready.get("status") == "False" else ""


def _disruption(pod: dict[str, Any], reason: str, said: str) -> str:
    if reason == "PreemptionByScheduler":
        return "a pod of a higher priority took its place"
    if reason == "DeletionByTaintManager":
        return f"its node {_node(pod)} does not answer any more, or was closed to it"
    if reason == "DeletionByPodGC":
        return f"its node {_node(pod)} is gone"
    if reason == "EvictionByEvictionAPI":
        return f"its node {_node(pod)} is being emptied"
    if reason == "TerminationByKubelet" and "shutdown" in said:
        return f"its node {_node(pod)} is being shut down"
    return _evicted(said) if said else "the cluster took it away"


def _evicted(said: str) -> str:
    for pattern, words in _DISK:
        if found := pattern.search(said):
            return words.format(*(_amount(each) for each in found.groups()))
    if found := _LOW.search(said):
        return f"its node had too little {found[1].replace('ephemeral-storage', 'disk')} left"
    return f"it was evicted: {short(said)}" if said else "it was evicted"


def _limit(pod: dict[str, Any], resource: str) -> str:
    for each in pod["spec"]["containers"]:
        if each["name"] == CONTAINER:
            limit = each["resources"].get("limits", {}).get(resource)
            return size(quantity.number(limit)) if limit else ""
    return ""


def _amount(text: str) -> str:
    octets = quantity.number(text)
    return size(octets) if octets else text


def _node(pod: dict[str, Any]) -> str:
    return str(pod["spec"].get("nodeName", ""))
