"""Follows a Job: its own state first, then the log of each pod, as they appear."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from fairing.errors import DeployError
from fairing.events import Event, Failure, Files, Lost, Result, Source, Stamp, Status, from_wire
from fairing.kube.connection import Connection, Refused
from fairing.kube.logs import Lines
from fairing.kube.pods import CONTAINER
from fairing.kube.watch import Watch
from fairing.ports import Stream
from fairing.run.streams import Listed
from fairing.runtime.frames import Decoder
from fairing_deployers.job import inside, objects, sidecars, status


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
        self._logs: dict[str, PodLog] = {}
        self._closed = False
        self._said = ""

    def __iter__(self) -> Iterator[Stream[Event]]:
        yield _Told(self._reached, self._jobs, self._changed)
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
        log = PodLog(self._reached, self._job, pod, self._key, self._since)
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


class PodLog:
    """The events of one pod's log."""

    def __init__(
        self, reached: Connection, job: dict[str, Any], pod: dict[str, Any], key: bytes, since: float | None
    ) -> None:
        self._reached = reached
        self._job = job
        self._pod = pod
        self._path = f"{status.path(reached)}/{pod['metadata']['name']}"
        self._source = Source("worker", status.index(pod))
        self._since = since
        self._lines = Lines(reached, self._path, CONTAINER, self._over)
        self._decoder = Decoder(key, str(self._source), self._spooled)
        self._missing: list[Event] = []
        self.done = threading.Event()
        """Set when it was read, or is not to be read any further."""

    def __iter__(self) -> Iterator[Event]:
        try:
            yield from self._events()
        finally:
            self.done.set()

    def close(self) -> None:
        """End it, from any thread."""
        self.done.set()
        self._lines.close()

    def _events(self) -> Iterator[Event]:
        for piece in self._lines:
            for kind, body, at, seq in self._decoder.feed(piece):
                yield from self._event(kind, body, at, seq)
            if self._decoder.ended:
                self._release()
                yield from self._missing
                return
        for kind, body, at, seq in self._decoder.end():
            yield from self._event(kind, body, at, seq)
        yield from self._missing

    def _event(self, kind: str, body: dict[str, object], at: float, seq: int | None) -> Iterator[Event]:
        event = from_wire(kind, body, self._source, at, seq)
        if self._since is None or at >= self._since:
            yield from self._brought(event)

    def _brought(self, event: Event) -> Iterator[Event]:
        """Give an event, once what belongs to it and did not come through the log is here."""
        if isinstance(event, Result | Failure):
            told = list(inside.kept(self._reached, self._job, self._pod, event))
            if len(told) > 1:  # it cannot be had: whoever waits for it is told when all else was said
                self._missing += told
                return
            yield from told
            return
        if isinstance(event, Status):  # of the run, where its first replica says it
            event = replace(event, at=replace(event.at, source=Source("run")))
        elif isinstance(event, Files) and not self._source.index:
            try:
                inside.outputs(self._reached, self._job, self._pod, event.files)
            except DeployError as wrong:
                asked = ", ".join(sorted(inside.wanted(self._job, event.files)))
                yield Lost(event.at, f"{asked} of the working folder, so far. {wrong}")
        if not isinstance(event, Status) or not self._source.index:
            yield event

    def _spooled(self, path: str) -> bytes:
        try:
            return b"".join(inside.spooled(self._reached, self._pod, path))
        except DeployError:
            return b""  # it is told as lost, with its size

    def _over(self) -> bool:
        try:
            return status.over(self._reached.get(self._path))
        except Refused as refused:
            if refused.status == 404:
                return True
            raise

    def _release(self) -> None:
        """Let the pod go, which may wait for its reader: everything was read."""
        with suppress(DeployError):  # it has ended, or waits for as long as it was told to
            inside.release(self._reached, self._pod)
