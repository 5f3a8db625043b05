"""A Job and its pods, in our words."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

from fairing.events import Event, Failure, Phase, Source, Stamp, Status
from fairing.kube import ends, why
from fairing.kube.connection import Connection
from fairing.kube.watch import Watch
from fairing.kube.why import container as container
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
    """Return how a run is, as far as its Job and its pods say it."""
    ended = finished(job) or _done(job, there)
    if ended is not None:
        phase, at = ended
        failed = _failure(job, there)
        return Status(Stamp(Source("run"), at), phase, failed.evalue if failed else "")
    began = [start for pod in there if (start := started(pod)) is not None]
    if began:
        return Status(Stamp(Source("run"), min(began)), "running")
    return Status(Stamp(Source("run"), made(job)), "pending")


def made(job: dict[str, Any]) -> float:
    """Return when a Job was made, in seconds since 1970 by the cluster's clock."""
    return _seconds(job["metadata"]["creationTimestamp"])


def finished(job: dict[str, Any]) -> tuple[Phase, float] | None:
    """Return how a Job ended and when, if it has."""
    for each in job.get("status", {}).get("conditions", ()):
        if each["status"] != "True":
            continue
        at = _seconds(each.get("lastTransitionTime"))
        if each["type"] in {"Failed", "FailureTarget"} or (
            each["type"] == "Suspended" and (_cancelled(job) or given_up(job))
        ):
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
    ended = {index(pod): state for pod in there if not _again(pod) and (state := _terminated(pod))}
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


def _failure(job: dict[str, Any], there: Sequence[dict[str, Any]]) -> Failure | None:
    """Return what only the cluster knows of a run's bad end: its own code did not tell, and could not."""
    ended = finished(job) or _done(job, there)
    if ended is None or ended[0] != "failed":
        return None
    stamp = Stamp(Source("run"), ended[1])
    if said := given_up(job):
        return Failure(stamp, "start", said)
    for pod in there:
        if said := ends.without_memory(pod):
            return Failure(stamp, "memory", said, code=-9)
        if said := ends.evicted(pod):
            return Failure(stamp, "evicted", said, code=_terminated(pod).get("exitCode"))
        if unstarted := why.started_badly(pod):
            return Failure(stamp, "start", str(unstarted), code=_terminated(pod).get("exitCode"))
    reasons = {each.get("reason") for each in job.get("status", {}).get("conditions", ())}
    if "DeadlineExceeded" in reasons:
        return Failure(stamp, "timeout", f"it reached its timeout of {job['spec']['activeDeadlineSeconds']} s")
    return None


def crashed(pod: dict[str, Any]) -> Failure | None:
    """Return how a pod's process ended before the runner in it spoke, where it is that process's own doing."""
    ended = _terminated(pod)
    code = ended.get("exitCode", 0)
    if not code or ends.disrupted(pod) or ends.evicted(pod) or ends.without_memory(pod):
        return None
    said = f"its process ended with exit code {code} before the runner in it said anything"
    return Failure(Stamp(Source("run"), _seconds(ended.get("finishedAt"))), "start", said, code=code)


def given_up(job: dict[str, Any]) -> str:
    """Return why a run was given up before it started; empty, where it was not."""
    return str(job["metadata"].get("annotations", {}).get(objects.REASON, ""))


def started(pod: dict[str, Any]) -> float | None:
    """Return when a pod's container started, in seconds since 1970, if it has."""
    state = container(pod).get("state", {})
    for each in ("running", "terminated"):
        at = state.get(each, {}).get("startedAt")
        if at and not at.startswith("1970-"):  # of one that could not be started
            return _seconds(at)
    return None


def well(pod: dict[str, Any]) -> bool:
    """Say whether a pod's container has ended well."""
    return _terminated(pod).get("exitCode") == 0


def killed(pod: dict[str, Any]) -> bool:
    """Say whether a pod's container was killed, or never told how it ended."""
    return _terminated(pod).get("exitCode", objects.KILLED[0]) in objects.KILLED


def over(pod: dict[str, Any]) -> bool:
    """Say whether a pod's container has ended for good."""
    return bool(_terminated(pod)) or pod["status"].get("phase") in {"Failed", "Succeeded"}


def _cancelled(job: dict[str, Any]) -> bool:
    return objects.CANCELLED in job["metadata"].get("annotations", {})


def _terminated(pod: dict[str, Any]) -> dict[str, Any]:
    return dict(container(pod).get("state", {}).get("terminated") or {})


def _again(pod: dict[str, Any]) -> bool:
    """Say whether the cluster took a pod away that had not ended well: then another takes its place."""
    return bool(ends.disrupted(pod)) and not well(pod)


def _seconds(text: str | None) -> float:
    if not text:
        return time.time()
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc).timestamp()
