"""What a run waits for: its Job, its pods and their Events, put together as they change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fairing.errors import FairingError
from fairing.events import Phase
from fairing.kube import ends, why
from fairing.kube.around import Around
from fairing.kube.connection import Connection
from fairing.kube.reason import Why
from fairing_deployers.job import status

EVENTS = ",".join(f"reason!={each}" for each in ("Created", "Started", "Completed", "Killing", "SuccessfulDelete"))
"""Selects the Events that may say why a run waits: there are many of others in a namespace."""


@dataclass(frozen=True, slots=True)
class Situation:
    """How a run is that has not ended.

    Args:
        phase: Whether any of it runs.
        why: What it, or a worker of it, waits for.
        begun: Whether each worker has started, now or before.
    """

    phase: Phase
    why: Why
    begun: bool


class Waiting:
    """Knows what is there of a run, and says what it waits for.

    Args:
        reached: The way to the cluster.
        job: Its Job.
    """

    def __init__(self, reached: Connection, job: dict[str, Any]) -> None:
        self._job = job
        self._pods: dict[str, dict[str, Any]] = {}
        self._events: dict[str, dict[str, Any]] = {}
        self._around = Around(reached)
        self._ended: dict[int, str] = {}
        self._started: set[int] = set()

    @property
    def any_started(self) -> bool:
        """Whether a worker has started: then what hinders another may pass."""
        return bool(self._started)

    def job(self, job: dict[str, Any]) -> None:
        """Take the Job as it is now."""
        self._job = job

    def pod(self, pod: dict[str, Any], gone: bool = False) -> None:
        """Take a pod as it is now, or forget one that is gone."""
        index = status.index(pod)
        if status.started(pod) is not None:
            self._started.add(index)
        if said := ends.disrupted(pod) or ends.evicted(pod) or ends.without_memory(pod):
            self._ended[index] = said
        if gone:
            self._pods.pop(pod["metadata"]["uid"], None)
        else:
            self._pods[pod["metadata"]["uid"]] = pod

    def event(self, event: dict[str, Any], gone: bool = False) -> bool:
        """Take an Event; return whether it is about this run."""
        name, own = event["involvedObject"].get("name", ""), self._job["metadata"]["name"]
        if gone or (name != own and not name.startswith(f"{own}-")):
            return False
        uid = event["metadata"]["uid"]
        self._events.pop(uid, None)  # what came last is last
        self._events[uid] = event
        return True

    def now(self) -> Situation:
        """Return how the run is."""
        newest = self._newest()
        count = self._job["spec"].get("completions") or 1
        waits = {index: said for index in range(count) if (said := self._waits(index, newest.get(index))) is not None}
        runs = any(status.started(pod) is not None and not _failed(pod) for pod in newest.values())
        begun = len(self._started) >= count
        ending = begun and not waits  # its pods have ended, and its Job is about to say how
        return Situation("running" if runs or ending else "pending", _summed(waits, count), begun)

    def _newest(self) -> dict[int, dict[str, Any]]:
        pods = sorted(self._pods.values(), key=lambda pod: str(pod["metadata"]["creationTimestamp"]))
        return {status.index(pod): pod for pod in pods}

    def _waits(self, index: int, pod: dict[str, Any] | None) -> Why | None:
        """Return what a worker waits for; ``None`` where it runs, or is done."""
        if pod is None:
            said = self._unmade()
        elif status.started(pod) is None and not status.over(pod):
            said = why.pending(pod, self._of(pod["metadata"]["uid"]), self._around)
        elif _failed(pod) or (index in self._ended and ends.disrupted(pod)):
            return self._again(index, pod)
        else:
            quiet = ends.silent(pod, self._of(pod["metadata"]["uid"]))
            return Why(quiet) if quiet and not status.over(pod) else None
        before = self._ended.get(index)
        return Why(f"{before}; it starts again: {said.what}", said.fix) if before else said

    def _again(self, index: int, pod: dict[str, Any]) -> Why | None:
        """Say how a worker was ended that starts again; ``None`` where it does not."""
        failures = self._job.get("status", {}).get("failed", 0)
        if ends.disrupted(pod):
            return Why(f"{self._ended[index]}; it starts again")
        if status.killed(pod) and failures <= self._job["spec"].get("backoffLimit", 0):
            return Why(f"{self._ended.get(index, 'it was killed')}; it starts again")
        return None

    def _unmade(self) -> Why:
        if self._job["spec"].get("suspend"):
            return Why("whoever queues runs has not let it start yet")
        return why.refused(self._of(self._job["metadata"]["uid"]), self._around) or Why("waiting for its pods")

    def _of(self, uid: str) -> list[dict[str, Any]]:
        """Return the Events of an object, oldest first."""
        own = (event for event in self._events.values() if event["involvedObject"].get("uid") == uid)
        return sorted(own, key=why.last)


def now(reached: Connection, job: dict[str, Any], pods: Sequence[dict[str, Any]]) -> Situation:
    """Ask the cluster what a run waits for."""
    waiting = Waiting(reached, job)
    for pod in pods:
        waiting.pod(pod)
    situation = waiting.now()
    if not situation.why.what:
        return situation
    unstarted = [pod for pod in pods if status.started(pod) is None][:1]
    for each in (job, *unstarted):
        try:
            path, selector = events(reached), f"involvedObject.uid={each['metadata']['uid']}"
            for event in reached.get(path, fieldSelector=selector)["items"]:
                waiting.event(event)
        except FairingError:  # who may not read them is told less
            break
    return waiting.now()


def events(reached: Connection) -> str:
    """Return the path of the namespace's Events."""
    return f"/api/v1/namespaces/{reached.namespace}/events"


def _failed(pod: dict[str, Any]) -> bool:
    return status.over(pod) and pod["status"].get("phase") != "Succeeded" and not status.well(pod)


def _summed(waits: dict[int, Why], count: int) -> Why:
    """Return one reason for all: what no waiting helps first, else the first worker's."""
    if not waits:
        return Why("")
    index, said = next((each for each in waits.items() if each[1].hopeless), next(iter(waits.items())))
    if count == 1:
        return said
    alike = sum(1 for each in waits.values() if each.what == said.what)
    who = (
        f"worker-{index}" if alike == 1 else f"all {count} workers" if alike == count else f"{alike} of {count} workers"
    )
    return Why(f"{who}: {said.what}", said.fix, said.hopeless, said.absent)
