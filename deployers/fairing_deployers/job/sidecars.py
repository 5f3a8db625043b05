"""Containers that something else puts into a run's pods: a service mesh, a log collector.

A pod ends when all its containers have. One that goes on after the run's own code would keep its Job from ever ending,
so the pod is ended from here, when everything in it was read: a Job whose code returned is asked for no completions
more, and is complete; a pod whose code failed is deleted, and its exit code then fails the Job, or starts it again.
Sidecars in Kubernetes' own way, init containers that are restarted, end by themselves.
https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/
https://kubernetes.io/docs/concepts/workloads/controllers/job/#elastic-indexed-jobs
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from fairing.errors import AccessError, DeployError
from fairing.kube.connection import Connection
from fairing.kube.pods import CONTAINER
from fairing.kube.watch import Watch
from fairing.pod import Pod
from fairing_deployers.job import objects, status

_MOMENT = 3
"""Seconds that a sidecar has to end by itself, as those do that the runner tells."""

_INJECT = "sidecar.istio.io/inject"
_ISTIO = "istio-injection", "istio.io/rev"
"""Labels of namespaces whose pods get a sidecar of Istio. https://istio.io/latest/docs/setup/additional-setup/sidecar-injection/"""


def left_out(reached: Connection, pod: Pod) -> str:
    """Say that Istio would put a sidecar into a run's pods, and does not; nothing, where it would not, or is to.

    Args:
        reached: The way to the cluster.
        pod: What was said of the run's pods.
    """
    try:
        labels = reached.get(f"/api/v1/namespaces/{reached.namespace}")["metadata"].get("labels", {})
    except (AccessError, DeployError):  # who may not read it is not told
        return ""
    would = any(labels.get(name) not in {None, "", "disabled"} for name in _ISTIO)
    if not would or dict(pod.labels).get(_INJECT, "false") != "false":
        return ""
    return (
        f"Istio's sidecar is left out of its pods, since it goes on for ever: labels={{'{_INJECT}': 'true'}} lets it in"
    )


def kept(pod: dict[str, Any]) -> tuple[str, ...]:
    """Return the containers that go on although the code of a pod has ended; none, while it has not."""
    if "terminated" not in status.container(pod).get("state", {}):
        return ()
    return tuple(
        each["name"]
        for each in pod["status"].get("containerStatuses", ())
        if each["name"] != CONTAINER and "terminated" not in each.get("state", {})
    )


def failed(pod: dict[str, Any]) -> bool:
    """Whether the code of a pod has ended badly."""
    return bool(status.container(pod).get("state", {}).get("terminated", {}).get("exitCode"))


def goes_on(pods: Sequence[dict[str, Any]]) -> str:
    """Say which containers keep a run's pods although its code has ended; nothing, where none does."""
    names = dict.fromkeys(name for pod in pods for name in kept(pod))
    named = ", ".join(map(repr, names))
    return f"ended with it: {named}, which something had put into its pods" if names else ""


def end(reached: Connection, job: dict[str, Any], pods: Sequence[dict[str, Any]], *, well: bool) -> None:
    """End the pods that others keep although their code has ended.

    Args:
        reached: The way to the cluster.
        job: The run's Job.
        pods: Its pods.
        well: Whether all the code of the run has ended well.

    Raises:
        AccessError: The user may not.
    """
    kept_ = [pod for pod in pods if kept(pod) and not _ends_by_itself(reached, pod)]
    if kept_ and well:
        objects.change(reached, job, {"spec": {"completions": 0, "parallelism": 0}})
    elif kept_:
        for pod in filter(failed, kept_):  # the others go with the Job
            reached.delete(f"{status.path(reached)}/{pod['metadata']['name']}")


def end_all(reached: Connection, job: dict[str, Any], pods: Sequence[dict[str, Any]]) -> None:
    """Wait until the code in these pods has ended, as it was told to, and end those that others keep."""
    left = {pod["metadata"]["uid"] for pod in pods}
    for gone, pod in Watch(reached, status.path(reached), pods, labelSelector=status.selector(job)):
        if not gone and kept(pod):
            reached.delete(f"{status.path(reached)}/{pod['metadata']['name']}")
        if gone or pod["metadata"].get("deletionTimestamp") or status.over(pod):
            left.discard(pod["metadata"]["uid"])
        if not left:
            return


def _ends_by_itself(reached: Connection, pod: dict[str, Any]) -> bool:
    return any(not kept(each) for each in _changes(reached, pod))


def _changes(reached: Connection, pod: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Give a pod as it changes in the next moment; one that is deleted has no containers any more."""
    import urllib3

    query = {"fieldSelector": f"metadata.name={pod['metadata']['name']}", "timeoutSeconds": _MOMENT, "watch": True}
    answer = reached.stream(status.path(reached), _MOMENT + 5.0, **query)
    try:
        for line in answer:
            told = json.loads(line)
            yield told["object"] if told["type"] in {"ADDED", "MODIFIED"} else {"status": {}}
    except (urllib3.exceptions.HTTPError, OSError, ValueError):
        return
    finally:
        answer.close()
