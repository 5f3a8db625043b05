"""Follows a Job: its own state first, then the log of each pod, as they appear."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from fairing.errors import AccessError, DeployError
from fairing.events import Event, Failure, Source, Stamp, Status
from fairing.kube.connection import Connection
from fairing.kube.watch import Watch
from fairing.ports import Stream
from fairing_deployers.job import logs, objects, sidecars, status, waiting
from fairing_deployers.job.told import Fed, Told


class Replicas:
    """A run as streams: what the cluster says of it, and what each of its pods writes."""

    def __init__(self, reached: Connection, job: dict[str, Any], since: float | None) -> None:
        self._reached = reached
        self._job = job
        self._since = since
        self._key = objects.key(reached, job)
        self._pods = Watch(reached, status.path(reached), labelSelector=status.selector(job))
        path = f"/apis/batch/v1/namespaces/{reached.namespace}/jobs"
        self._jobs = Watch(reached, path, [job], fieldSelector=f"metadata.name={job['metadata']['name']}")
        self._events = Watch(reached, waiting.events(reached), keep=False, fieldSelector=waiting.EVENTS)
        self._told = Told(reached, job)
        self._there: dict[str, dict[str, Any]] = {}
        self._logs: dict[str, logs.PodLog] = {}
        self._closed = False

    def __iter__(self) -> Iterator[Stream[Event]]:
        yield self._told
        yield Fed(self._jobs, self._changed)
        yield Fed(self._events, self._told.event, optional=True)
        try:
            yield from self._gone()
            yield from self._followed()
        finally:
            self._jobs.close()
            self._events.close()

    def close(self) -> None:
        """End it, from any thread."""
        self._closed = True
        self._pods.close()

    def _gone(self) -> Iterator[Stream[Event]]:
        """Give what was read of pods that are gone, or is in the run's store."""
        if logs.any_read(self._job) or status.finished(self._job):
            left = {pod["metadata"]["uid"] for pod in status.pods(self._reached, self._job)}
            for pod in logs.gone(self._reached, self._job, left):
                yield logs.PodLog(self._reached, self._job, pod, self._key, self._since, there=False)

    def _followed(self) -> Iterator[Stream[Event]]:
        for gone, pod in self._pods:
            self._there[pod["metadata"]["uid"]] = pod
            self._told.pod(pod, gone)
            if not gone:
                yield from self._log(pod)
            there = tuple(self._there.values())
            if (ended := status.decided(self._job, there)) is not None:
                self._told.end(self._kept(ended, there))
                self._end(there)
                return
            if not gone and sidecars.kept(pod) and sidecars.failed(pod):
                self._end([pod])  # it was killed, and may be started again when its pod has ended
        for pod in status.pods(self._reached, self._job):  # those of a run that had ended before
            yield from self._log(pod)

    def _changed(self, job: dict[str, Any], gone: bool) -> None:
        """Take the Job as it is now: it says how it ended, where its pods do not say it sooner."""
        self._job = job
        self._told.job(job)
        if gone:
            self._told.end([Status(Stamp(Source("run"), time.time()), "lost", "its Job was deleted")])
        elif status.finished(job) is not None:
            self._told.end(status.end(job, status.pods(self._reached, job)))
        else:
            return
        self._jobs.close()
        self._pods.close()

    def _log(self, pod: dict[str, Any]) -> Iterator[Stream[Event]]:
        if status.started(pod) is None or pod["metadata"]["uid"] in self._logs:
            return
        log = self._logs[pod["metadata"]["uid"]] = logs.PodLog(self._reached, self._job, pod, self._key, self._since)
        yield Heard(log, self._reached, pod)

    def _kept(self, ended: list[Event], pods: Sequence[dict[str, Any]]) -> list[Event]:
        reason = sidecars.goes_on(pods)
        return [replace(event, reason=reason) if reason and isinstance(event, Status) else event for event in ended]

    def _end(self, pods: Sequence[dict[str, Any]]) -> None:
        """End pods whose code has ended and that other containers keep, once all of their logs is read."""
        kept = [pod for pod in pods if sidecars.kept(pod)]
        for pod in kept:
            self._logs[pod["metadata"]["uid"]].done.wait()
        if kept and not self._closed:
            sidecars.end(self._reached, self._job, kept, well=status.of(self._job, pods).phase == "succeeded")


class Heard:
    """A pod's log; where its runner never spoke, and its process ended badly, that is told at its end."""

    def __init__(self, log: Stream[Event], reached: Connection, pod: dict[str, Any]) -> None:
        self._log = log
        self._reached = reached
        self._pod = pod

    def __iter__(self) -> Iterator[Event]:
        heard = False
        for event in self._log:
            heard = heard or event.at.seq is not None
            yield event
        if not heard and (failed := self._unheard()) is not None:
            yield failed

    def close(self) -> None:
        """End it, from any thread."""
        self._log.close()

    def _unheard(self) -> Failure | None:
        """Return how the process ended that never spoke; the cluster itself says so where it ended it."""
        with suppress(DeployError, AccessError):  # it is gone
            return status.crashed(self._reached.get(f"{status.path(self._reached)}/{self._pod['metadata']['name']}"))
        return None
