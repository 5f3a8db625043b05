"""Follows a Job: its own state first, then the log of each pod, as they appear."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
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
from fairing_deployers.job import inside, objects, status


class Replicas:
    """A run as streams: what the cluster says of it, and what each of its pods writes."""

    def __init__(self, reached: Connection, job: dict[str, Any], since: float | None) -> None:
        self._reached = reached
        self._job = job
        self._since = since
        self._key = objects.key(reached, job)
        self._pods = Watch(reached, status.path(reached), labelSelector=status.selector(job))

    def __iter__(self) -> Iterator[Stream[Event]]:
        yield _Told(self._reached, self._job, self._pods.close)
        followed: set[str] = set()
        said = ""
        for gone, pod in self._pods:
            if status.started(pod) is not None and not gone:
                yield from self._log(pod, followed)
            elif not followed and not gone and (reason := status.waits(pod)) != said:
                said = reason
                yield Listed([Status(Stamp(Source("run"), time.time()), "pending", reason)])
        for pod in status.pods(self._reached, self._job):  # those of a run that had ended before
            yield from self._log(pod, followed)

    def close(self) -> None:
        """End it, from any thread."""
        self._pods.close()

    def _log(self, pod: dict[str, Any], followed: set[str]) -> Iterator[Stream[Event]]:
        if pod["metadata"]["uid"] in followed or status.started(pod) is None:
            return
        if not followed:
            at = status.started(pod) or time.time()
            yield Listed([Status(Stamp(Source("run"), at), "running")])
        followed.add(pod["metadata"]["uid"])
        yield PodLog(self._reached, self._job, pod, self._key, self._since)


class _Told:
    """What the cluster says of a run, until it has ended."""

    def __init__(self, reached: Connection, job: dict[str, Any], ended: Any) -> None:
        self._reached = reached
        self._job = job
        self._ended = ended
        path = f"/apis/batch/v1/namespaces/{reached.namespace}/jobs"
        self._watch = Watch(reached, path, [job], fieldSelector=f"metadata.name={job['metadata']['name']}")

    def __iter__(self) -> Iterator[Event]:
        try:
            for gone, job in self._watch:
                if gone or job["metadata"]["uid"] != self._job["metadata"]["uid"]:
                    yield Status(Stamp(Source("run"), time.time()), "lost", "its Job was deleted")
                    return
                if status.finished(job) is not None:
                    there = status.pods(self._reached, job)
                    if (failed := status.failure(job, there)) is not None:
                        yield failed
                    yield status.of(job, there)
                    return
        finally:
            self._ended()

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
        self._told = False
        self._released = threading.Event()

    def __iter__(self) -> Iterator[Event]:
        for piece in self._lines:
            for kind, body, at, seq in self._decoder.feed(piece):
                yield from self._event(kind, body, at, seq)
            if self._decoder.ended:
                self._release()
        for kind, body, at, seq in self._decoder.end():
            yield from self._event(kind, body, at, seq)

    def close(self) -> None:
        """End it, from any thread."""
        self._lines.close()

    def _event(self, kind: str, body: dict[str, object], at: float, seq: int | None) -> Iterator[Event]:
        event = from_wire(kind, body, self._source, at, seq)
        if isinstance(event, Result) or (isinstance(event, Failure) and event.exception is not None):
            event = inside.kept(self._reached, self._job, self._pod, event)
        elif isinstance(event, Files) and not self._source.index:
            try:
                inside.outputs(self._reached, self._job, self._pod, event.files)
            except DeployError:
                yield Lost(event.at, "files of the working folder: the pod ended before they were fetched")
        if self._since is None or at >= self._since:
            yield event

    def _spooled(self, path: str) -> bytes:
        return b"".join(inside.spooled(self._reached, self._pod, path))

    def _over(self) -> bool:
        try:
            return status.over(self._reached.get(self._path))
        except Refused as refused:
            if refused.status == 404:
                return True
            raise

    def _release(self) -> None:
        """Let the pod go: everything that it kept for this reader was read."""
        if not self._released.is_set():
            self._released.set()
            try:
                inside.release(self._reached, self._pod)
            except DeployError:  # it waits for as long as it was told to, then
                return
