"""Why a Job or its pods do not go on, in words of a data scientist: out of the cluster's objects and Events.

    scheduling   no node takes it            pulling   its image does not come
    admitting    it may not be made          ends      the cluster ended it

What no waiting helps is *hopeless*: an image that is not there, a name that nobody has given to anything, a pod that
may never be made. What somebody or something else may still mend (room on a node, a registry that does not answer, a
volume that is being made) goes on, with its reason shown.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from fairing.kube import admitting, pulling, scheduling
from fairing.kube.around import Around
from fairing.kube.pods import CONTAINER
from fairing.kube.reason import Why, missing, short

_NO_NODE = Why("waiting for a node")
_MADE = Why("its container is being made")
_MISSING = re.compile(r'\b(secret|configmap|persistentvolumeclaim) "([^"]+)" not found', re.IGNORECASE)
_KEY = re.compile(
    r"couldn't find key (\S+) in (ConfigMap|Secret) [^/\s]+/(\S+)|references non-existent (\w+) key: (\S+)"
)
_KINDS = {"secret": "Secret", "configmap": "ConfigMap", "persistentvolumeclaim": "volume claim"}
_PULLS = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"})
_STARTS = frozenset({"StartError", "ContainerCannotRun", "RunContainerError", "CreateContainerError"})
_VOLUMES = frozenset({"FailedMount", "FailedAttachVolume", "FailedMapVolume"})


def container(pod: dict[str, Any]) -> dict[str, Any]:
    """Return the status of the container that runs the code; empty, while there is none."""
    for each in pod["status"].get("containerStatuses", ()):
        if each["name"] == CONTAINER:
            return dict(each)
    return {}


def pending(pod: dict[str, Any], events: Sequence[dict[str, Any]], around: Around) -> Why:
    """Return what a pod waits for whose container has not started.

    Args:
        pod: The pod.
        events: Those of the pod, oldest first.
        around: Knows what else is there.
    """
    said = _pending(pod, events, around)
    return said if said.names is None else _known(said, around) or _MADE


def _pending(pod: dict[str, Any], events: Sequence[dict[str, Any]], around: Around) -> Why:
    for each in pod["status"].get("conditions", ()):
        if each["type"] == "PodScheduled" and each["status"] != "True":
            if each.get("reason") == "SchedulingGated":
                return Why("whoever queues runs has not let it go to a node yet")
            return _unplaced(scheduling.failed(pod, each.get("message", ""), around.nodes), events)
    if not pod["spec"].get("nodeName"):
        return _NO_NODE
    for init in pod["status"].get("initContainerStatuses", ()):
        if init.get("state", {}).get("waiting", {}).get("reason") in _PULLS:
            return _waiting(pod, init, events)
    status = container(pod)
    reason = status.get("state", {}).get("waiting", {}).get("reason", "")
    if reason in {"", "ContainerCreating", "PodInitializing"}:
        return _prepared(pod, events)
    return _waiting(pod, status, events)


def refused(events: Sequence[dict[str, Any]], around: Around) -> Why | None:
    """Return why a Job's pods cannot be made, where the newest of its Events say so."""
    for each in reversed(events):
        if each.get("reason") == "FailedCreate":
            said = admitting.refused(each.get("message", ""))
            return said if said.names is None else _known(said, around)
        if each.get("reason") == "SuccessfulCreate":
            return None
    return None


def started_badly(pod: dict[str, Any]) -> Why | None:
    """Return why a pod's container could not be started at all, where it ended so."""
    ended = container(pod).get("state", {}).get("terminated", {})
    return _unstarted(ended.get("message", "")) if ended.get("reason") in _STARTS else None


def last(event: dict[str, Any]) -> str:
    """Return when an Event last came, as the cluster writes times."""
    series = (event.get("series") or {}).get("lastObservedTime")
    times = (series, event.get("lastTimestamp"), event.get("eventTime"), event["metadata"].get("creationTimestamp"))
    return str(next(filter(None, times), ""))


def _unplaced(why: Why, events: Sequence[dict[str, Any]]) -> Why:
    """Add what an autoscaler says, where there is one."""
    said = {each.get("reason") for each in events}
    if "TriggeredScaleUp" in said:
        return Why(f"{why.what}; the cluster adds a node", why.fix, why.hopeless)
    return why


def _known(said: Why, around: Around) -> Why | None:
    """Believe that something is not there, if it is not: who says so may not have heard of it yet."""
    lacks = around.lacks(*said.names) if said.names else True
    return None if lacks is False else replace(said, hopeless=said.hopeless and lacks is True)


def _waiting(pod: dict[str, Any], status: dict[str, Any], events: Sequence[dict[str, Any]]) -> Why:
    waiting = status["state"]["waiting"]
    reason, said = waiting.get("reason", ""), waiting.get("message", "")
    if reason in _PULLS:
        image = next((each["image"] for each in _containers(pod) if each["name"] == status["name"]), status["image"])
        if "ErrImagePull" not in said and reason == "ImagePullBackOff":  # before Kubernetes 1.30 it gives no cause
            pulls = [each for each in events if each.get("message", "").startswith("Failed to pull image")]
            said = pulls[-1]["message"] if pulls else said
        return pulling.failed(image, said)
    if reason in _STARTS:
        return _unstarted(said)
    if reason == "CreateContainerConfigError":
        return _named(said) or _unmade(said)
    return Why(f"its container waits: {reason}{f': {short(said)}' if said else ''}")


def _prepared(pod: dict[str, Any], events: Sequence[dict[str, Any]]) -> Why:
    """Return what is done between a pod's coming to a node and its start, by the newest of its Events."""
    for each in reversed(events):
        reason, said = each.get("reason", ""), each.get("message", "")
        if reason in _VOLUMES:
            return _named(said) or _unmounted(reason, said)
        if reason == "FailedCreatePodSandBox":
            return Why(
                f"its node {pod['spec'].get('nodeName', '')} cannot start pods: {short(said)}; it is tried again"
            )
        if reason == "Pulling":
            return Why(f"its image is being pulled: {short(said).partition(chr(34))[2].rstrip(chr(34))}")
        if reason in {"Pulled", "Created", "Started"}:
            return _MADE
    return _MADE


def _named(said: str) -> Why | None:
    """Return which thing that a pod names is not there."""
    if found := _MISSING.search(said):
        return missing(_KINDS[found[1].lower()], found[2])
    if found := _KEY.search(said):
        where = f"the {found[2]} {found[3]!r}" if found[2] else f"a {found[4]} that it mounts"
        fix = "Add it, or name another key."
        return Why(f"{where} has no key {(found[1] or found[5])!r}", fix, hopeless=True)
    return None


def _unmounted(reason: str, said: str) -> Why:
    volume = re.search(r'volume "([^"]+)"', said)
    called = f"its volume {volume[1]!r}" if volume else "a volume"
    cause = re.sub(r'^.*?(SetUp|MountDevice|Attach) failed for volume "[^"]*" ?: ?', "", said, flags=re.DOTALL)
    if "Multi-Attach" in said:
        return Why(f"{called} is used on another node, and can be used on one at a time; it is tried again")
    if found := re.search(r"driver name (\S+) not found in the list of registered CSI drivers", said):
        return Why(f"{called} cannot be mounted: its node has no driver {found[1]}; it is tried again")
    done = "attached to its node" if reason == "FailedAttachVolume" else "mounted"
    output = re.search(r"Output: (.*)", cause)
    return Why(f"{called} cannot be {done}: {short(output[1] if output else cause, 300)}; it is tried again")


def _unmade(said: str) -> Why:
    if "runAsNonRoot" in said or "non-numeric user" in said:
        return Why(
            "its image runs as root, which its security context forbids",
            "Name a user (runAsUser) in pod=, or choose another image=.",
            hopeless=True,
        )
    return Why(f"its container cannot be made: {short(said)}; it is tried again")


def _unstarted(said: str) -> Why:
    cause = said.rpartition("unable to start container process: ")[2]
    cause = re.sub(r"^(failed to \w+ \w+ task: |failed to create shim task: |OCI runtime \w+ failed: )+", "", cause)
    if found := re.search(r'exec: "([^"]+)": (executable file not found|stat \S+: no such file)', cause):
        return Why(f"its image has no program {found[1]!r}", "Name an image= with Python in it.", hopeless=True)
    if "exec format error" in cause:
        return Why(
            "its image is made for another platform than the node's (exec format error)",
            "Name the node's with platform=, or choose another image=.",
            hopeless=True,
        )
    if "name is reserved" in cause or "context deadline exceeded" in cause:
        return Why(f"its container cannot be made: {short(cause)}; it is tried again")
    return Why(f"its container cannot be started: {short(cause)}", hopeless=True)


def _containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]]
