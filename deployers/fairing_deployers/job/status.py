"""A Job and its pods, in our words."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

from fairing.events import Event, Failure, Phase, Source, Stamp, Status
from fairing.kube.connection import Connection
from fairing.kube.pods import CONTAINER
from fairing.kube.watch import Watch
from fairing.words import size
from fairing_deployers.job import objects

INDEX = "batch.kubernetes.io/job-completion-index"
_NAME = "batch.kubernetes.io/job-name"


def selector(job: dict[str, Any]) -> str:
    """Return what selects a Job's pods."""
    return f"{_NAME}={job['metadata']['name']}"


def pods(reached: Connection, job: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a Job's pods, in the order of their indexes, each index's oldest first."""
    found: list[dict[str, Any]] = reached.get(path(reached), labelSelector=selector(job))["items"]
    return sorted(found, key=lambda pod: (index(pod), pod["metadata"]["creationTimestamp"]))


def path(reached: Connection) -> str:
    """Return the path of the namespace's pods."""
    return f"/api/v1/namespaces/{reached.namespace}/pods"


def index(pod: dict[str, Any]) -> int:
    """Return which replica a pod is."""
    labels = pod["metadata"].get("labels", {})
    return int(labels.get(INDEX) or pod["metadata"].get("annotations", {}).get(INDEX, 0))


def of(job: dict[str, Any], there: Sequence[dict[str, Any]]) -> Status:
    """Return how a run is."""
    ended = finished(job) or _done(job, there)
    if ended is not None:
        phase, at = ended
        return Status(Stamp(Source("run"), at), phase)
    began = [start for pod in there if (start := started(pod)) is not None]
    if began:
        return Status(Stamp(Source("run"), min(began)), "running")
    at = _seconds(job["metadata"]["creationTimestamp"])
    return Status(Stamp(Source("run"), at), "pending", waits(there[0]) if there else "waiting for its pods")


def finished(job: dict[str, Any]) -> tuple[Phase, float] | None:
    """Return how a Job ended and when, if it has."""
    for each in job.get("status", {}).get("conditions", ()):
        if each["status"] != "True":
            continue
        at = _seconds(each.get("lastTransitionTime"))
        if each["type"] in {"Failed", "FailureTarget"} or (each["type"] == "Suspended" and _cancelled(job)):
            return ("cancelled" if _cancelled(job) else "failed"), at
        if each["type"] in {"Complete", "SuccessCriteriaMet"}:
            return "succeeded", at
    return None


def decided(job: dict[str, Any], there: Sequence[dict[str, Any]]) -> list[Event] | None:
    """Return how a run ends, once its pods settle that; its Job says it a second later."""
    return None if _done(job, there) is None else end(job, there)


def end(job: dict[str, Any], there: Sequence[dict[str, Any]]) -> list[Event]:
    """Return what is to be told of a run that has ended: what only the cluster knows of it, and how it ended."""
    failed = _failure(job, there)
    return [*([failed] if failed is not None else []), of(job, there)]


def _done(job: dict[str, Any], there: Sequence[dict[str, Any]]) -> tuple[Phase, float] | None:
    """Return how the pods of a run ended and when, where the Job cannot but follow: all well, or one's code failed."""
    ended = {index(pod): state for pod in there if (state := container(pod).get("state", {}).get("terminated"))}
    last = max((_seconds(state.get("finishedAt")) for state in ended.values()), default=0.0)
    if all(state["exitCode"] == 0 for state in ended.values()):
        return ("succeeded", last) if len(ended) == job["spec"]["completions"] else None
    failed = any(state["exitCode"] not in {0, *objects.KILLED} for state in ended.values())
    return ("failed", last) if failed and not _cancelled(job) else None


def wait(reached: Connection, job: dict[str, Any]) -> None:
    """Wait until a Job has ended."""
    path = f"/apis/batch/v1/namespaces/{reached.namespace}/jobs"
    watch = Watch(reached, path, [job], fieldSelector=f"metadata.name={job['metadata']['name']}")
    for gone, each in watch:
        if gone or finished(each) is not None:
            return


def _failure(job: dict[str, Any], there: Sequence[dict[str, Any]]) -> Event | None:
    """Return what only the cluster knows of a run's bad end: its own code did not tell, and could not."""
    ended = finished(job) or _done(job, there)
    if ended is None or ended[0] != "failed":
        return None
    reasons = {each.get("reason") for each in job.get("status", {}).get("conditions", ())}
    stamp = Stamp(Source("run"), ended[1])
    for pod in there:
        state = container(pod).get("state", {}).get("terminated", {})
        if state.get("reason") == "OOMKilled":
            return Failure(
                stamp,
                "memory",
                f"It used more than its limit of {_limit(pod)} of memory" if _limit(pod) else "Its node had none left",
                code=-9,
            )
        if pod["status"].get("reason") == "Evicted":
            return Failure(stamp, "exit", pod["status"].get("message", "evicted"), code=state.get("exitCode"))
    if "DeadlineExceeded" in reasons:
        return Failure(stamp, "timeout", f"it reached its timeout of {job['spec']['activeDeadlineSeconds']} s")
    return None


def waits(pod: dict[str, Any]) -> str:
    """Say what a pod that has not started waits for."""
    for each in pod["status"].get("conditions", ()):
        if each["type"] == "PodScheduled" and each["status"] != "True":
            return f"no node has room: {each.get('message', 'unschedulable')}"
    waiting = container(pod).get("state", {}).get("waiting", {})
    said = waiting.get("message", "")
    words = {
        "ContainerCreating": "its container is being made",
        "PodInitializing": "its container is being made",
        "ErrImagePull": f"its image cannot be pulled: {said}",
        "ImagePullBackOff": f"its image cannot be pulled: {said}",
        "InvalidImageName": f"its image's name is wrong: {said}",
        "CreateContainerConfigError": f"its container cannot be made: {said}",
        "CreateContainerError": f"its container cannot be made: {said}",
        "RunContainerError": f"its container cannot be started: {said}",
    }
    reason = waiting.get("reason", "")
    return words.get(reason, f"{reason}: {said}" if reason else "waiting for a node")


def container(pod: dict[str, Any]) -> dict[str, Any]:
    """Return the status of the container that runs the code; empty, while there is none."""
    for each in pod["status"].get("containerStatuses", ()):
        if each["name"] == CONTAINER:
            return dict(each)
    return {}


def started(pod: dict[str, Any]) -> float | None:
    """Return when a pod's container started, in seconds since 1970, if it has."""
    state = container(pod).get("state", {})
    for each in ("running", "terminated"):
        if state.get(each, {}).get("startedAt"):
            return _seconds(state[each]["startedAt"])
    return None


def over(pod: dict[str, Any]) -> bool:
    """Say whether a pod's container has ended for good."""
    return "terminated" in container(pod).get("state", {}) or pod["status"].get("phase") in {"Failed", "Succeeded"}


def _cancelled(job: dict[str, Any]) -> bool:
    return objects.CANCELLED in job["metadata"].get("annotations", {})


def _limit(pod: dict[str, Any]) -> str:
    for each in pod["spec"]["containers"]:
        if each["name"] == CONTAINER:
            limit = str(each["resources"].get("limits", {}).get("memory", ""))
            return size(int(limit)) if limit.isdigit() else limit
    return ""


def _seconds(text: str | None) -> float:
    if not text:
        return time.time()
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc).timestamp()
