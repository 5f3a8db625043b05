"""Follows a Job: its own state first, then the log of each pod, as they appear."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from fairing.events import Event, Source, Stamp, Status
from fairing.kube.connection import Connection
from fairing.kube.watch import Watch
from fairing.ports import Stream
from fairing.run.streams import Listed
from fairing_deployers.job import logs, objects, sidecars, status


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
        self._there: dict[str, dict[str, Any]] = {}
        self._followed: set[str] = set()
        self._logs: dict[str, logs.PodLog] = {}
        self._closed = False
        self._said = ""

    def __iter__(self) -> Iterator[Stream[Event]]:
        yield _Told(self._reached, self._jobs, self._changed)
        if logs.gone(self._job, set()):
            left = {pod["metadata"]["uid"] for pod in status.pods(self._reached, self._job)}
            for pod in logs.gone(self._job, left):
                yield logs.PodLog(self._reached, self._job, pod, self._key, self._since, there=False)
        for gone, pod in self._pods:
            self._there[pod["metadata"]["uid"]] = pod
            if not gone:
                yield from self._seen(pod)
            there = tuple(self._there.values())
            if (ended := status.decided(self._job, there)) is not None:
                self._jobs.close()
                yield Listed(self._kept(ended, there))
                self._end(there)
                return
            if (
                not gone and sidecars.kept(pod) and sidecars.failed(pod)
            ):  # it was killed, and may be started again when its pod has ended
                self._end([pod])
        for pod in status.pods(self._reached, self._job):  # those of a run that had ended before
            yield from self._log(pod)

    def close(self) -> None:
        """End it, from any thread."""
        self._closed = True
        self._pods.close()

    def _changed(self, job: dict[str, Any], ended: bool) -> None:
        self._job = job
        if ended:
            self._pods.close()

    def _seen(self, pod: dict[str, Any]) -> Iterator[Stream[Event]]:
        if status.started(pod) is not None:
            yield from self._log(pod)
        elif not self._followed and (reason := status.waits(pod)) != self._said:
            self._said = reason
            yield Listed([Status(Stamp(Source("run"), time.time()), "pending", reason)])

    def _log(self, pod: dict[str, Any]) -> Iterator[Stream[Event]]:
        began = status.started(pod)
        if began is None or pod["metadata"]["uid"] in self._followed:
            return
        if not self._followed:
            yield Listed([Status(Stamp(Source("run"), began), "running")])
        self._followed.add(pod["metadata"]["uid"])
        log = logs.PodLog(self._reached, self._job, pod, self._key, self._since)
        self._logs[pod["metadata"]["uid"]] = log
        yield log

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


class _Told:
    """What the Job says of a run's end, where its pods do not say it sooner."""

    def __init__(self, reached: Connection, watch: Watch, changed: Callable[[dict[str, Any], bool], None]) -> None:
        self._reached = reached
        self._watch = watch
        self._changed = changed

    def __iter__(self) -> Iterator[Event]:
        for gone, job in self._watch:
            self._changed(job, gone or status.finished(job) is not None)
            if gone:
                yield Status(Stamp(Source("run"), time.time()), "lost", "its Job was deleted")
                return
            if status.finished(job) is not None:
                yield from status.end(job, status.pods(self._reached, job))
                return

    def close(self) -> None:
        """End it, from any thread."""
        self._watch.close()
