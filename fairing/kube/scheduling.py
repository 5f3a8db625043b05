"""Why no node takes a pod: what it asks for, and the scheduler's own reasons in words.

https://kubernetes.io/docs/concepts/scheduling-eviction/kube-scheduler/
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from fairing.kube import quantity
from fairing.kube.reason import Why, missing, short
from fairing.words import counted

Nodes = Callable[[], Sequence[dict[str, Any]]]
"""Gives the cluster's nodes; none, where they may not be listed."""

_SAID: tuple[tuple[str, str], ...] = (
    (
        r"node\(s\) didn't match Pod's node affinity/selector",
        "not what it asks of its node (node_selector=, affinity=)",
    ),
    (r"node\(s\) didn't match PersistentVolume's node affinity", "away from its volume"),
    (r"node\(s\) had volume node affinity conflict", "in another zone than its volume"),
    (r"node\(s\) didn't find available persistent volumes to bind", "without the volume it asks for"),
    (r"node\(s\) were unschedulable", "closed to new pods"),
    (r"node\(s\) didn't match pod (anti-)?affinity.*", "beside pods that it must not, or must, be with"),
    (r"node\(s\) didn't have free ports.*", "without the free port it asks for"),
    (r"node\(s\) exceed max volume count", "full of volumes"),
    (r"Too many pods", "full of pods"),
    (
        r"node\(s\) had (?:untolerated|taint).*?\{(?P<taint>[^}]*)\}.*",
        "kept for others (taint {taint}; see tolerations=)",
    ),
    (r"node\(s\) had untolerated taint\(s\)", "kept for others (by a taint; see tolerations=)"),
)
_GONE = re.compile(r'persistentvolumeclaim "([^"]+)" (not found|is being deleted)')
_UNBOUND = "unbound immediate PersistentVolumeClaims"


def failed(pod: dict[str, Any], said: str, nodes: Nodes) -> Why:
    """Return why no node takes a pod.

    Args:
        pod: The pod.
        said: What the scheduler says.
        nodes: Gives the nodes there are.
    """
    if found := _GONE.search(said):
        return missing("volume claim", found[1])
    if _UNBOUND in said:
        return Why(f"its volume claim ({', '.join(_claims(pod))}) has no volume yet: its storage class makes none")
    if "no nodes available" in said:
        return Why("the cluster has no node")
    text = said.partition("nodes are available: ")[2].partition(". preemption:")[0].rstrip(". ") or said
    pieces = re.findall(r"(?:^|, )(\d+) (.+?)(?=, \d+ |$)", text)
    short_of = [reason.removeprefix("Insufficient ") for _, reason in pieces if reason.startswith("Insufficient ")]
    others = [_piece(int(count), reason) for count, reason in pieces if not reason.startswith("Insufficient ")]
    lacking = _lacking(pod, short_of, nodes) if short_of else Why("")
    parts = [part for part in (lacking.what, *others) if part] or [short(text)]
    return Why(f"no node can take it: {'; '.join(parts)}", lacking.fix)


def asked(pod: dict[str, Any]) -> dict[str, float]:
    """Return what a pod asks for, by resource."""
    total: dict[str, float] = {}
    for container in pod["spec"]["containers"]:
        for resource, amount in container.get("resources", {}).get("requests", {}).items():
            total[resource] = total.get(resource, 0.0) + quantity.number(amount)
    return total


def _lacking(pod: dict[str, Any], resources: list[str], nodes: Nodes) -> Why:
    """Say what there is too little of, and how much the largest node has."""
    wanted = asked(pod)
    there = nodes()
    for resource in resources:
        needed = wanted.get(resource, 0.0)
        name, most = _largest(there, resource)
        if there and needed > most:
            return _over(resource, needed, name, most)
    listed = " and ".join(quantity.words(resource, wanted.get(resource, 0.0)) for resource in resources)
    if not there:
        return Why(f"it asks for {listed}, and no node has as much free", "It starts when one has; or ask for less.")
    name, most = _largest(there, resources[0])
    return Why(
        f"it asks for {listed}, and no node has as much free now (the largest, {name}, has "
        f"{quantity.words(resources[0], most)} in all)",
        "It starts when others end; or ask for less.",
    )


def _over(resource: str, needed: float, name: str, most: float) -> Why:
    option = quantity.option(resource)
    words = quantity.words(resource, needed)
    if not most:
        return Why(
            f"it asks for {words} and no node has any", f"Leave {option or resource} out, or choose another context=."
        )
    what = f"it asks for {words} and the largest node ({name}) has {quantity.again(resource, most)}"
    if not option:
        return Why(what, "Ask for less.")
    if not quantity.is_gpu(resource):
        return Why(what, f"Ask for less with {option}.")
    each, times = int(most), int(needed // most)
    split = f", or for workers={times} with gpus={each} each" if times * each == needed else ""
    return Why(what, f"Ask for gpus={each}{split}.")


def _largest(nodes: Sequence[dict[str, Any]], resource: str) -> tuple[str, float]:
    found = [(quantity.number(node["status"].get("allocatable", {}).get(resource, 0)), node) for node in nodes]
    if not found:
        return "", 0.0
    most, node = max(found, key=lambda each: each[0])
    return str(node["metadata"]["name"]), most


def _piece(count: int, reason: str) -> str:
    for pattern, words in _SAID:
        if found := re.fullmatch(pattern, reason):
            return f"{counted(count, 'node')} {'is' if count == 1 else 'are'} {words.format(**found.groupdict())}"
    return f"{counted(count, 'node')}: {reason}"


def _claims(pod: dict[str, Any]) -> list[str]:
    claims = (each.get("persistentVolumeClaim", {}).get("claimName") for each in pod["spec"].get("volumes", ()))
    return [claim for claim in claims if claim] or ["one of its own"]
