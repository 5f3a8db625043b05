"""The log of one pod as events, and what was read of it: that is kept here, since a pod does not stay."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from fairing.errors import DeployError
from fairing.events import Event, Failure, Files, Lost, Result, Source, Stamp, Status, from_wire
from fairing.kube.connection import Connection, Refused
from fairing.kube.execute import Forbidden, Output
from fairing.kube.logs import Lines
from fairing.kube.pods import CONTAINER, paths
from fairing.kube.whole import Gap, Piece, Whole
from fairing.oci import locks
from fairing.runtime.frames import Decoder
from fairing.runtime.kept import NOT_STORED
from fairing.runtime.pod import LOG
from fairing.runtime.segments import Segments, read
from fairing_deployers.job import inside, status, stored

_PAUSES = (0.0, 0.2, 1.0, 2.0, 5.0)
"""Seconds between tries to reach a pod that runs."""

_PATIENCE = 60.0
"""Seconds that a pod is tried to be reached which the cluster says runs: its node may be starting again."""

_CUT = 25.0
"""Seconds without a byte after which what is fetched counts as cut."""

_POD = "pod.json"
_READ = """
import sys
sys.path[:0] = sys.argv[1].split(":")
from fairing.runtime.segments import write
write(*sys.argv[2:])
"""


class PodLog:
    """The events of one pod's log.

    Args:
        reached: The way to its cluster.
        job: Its Job.
        pod: The pod, as the cluster says, or as it was when it was read for the last time.
        key: The run's key.
        since: Leave out what was said before, in seconds since 1970.
        there: Whether there still is a pod.
    """

    def __init__(
        self,
        reached: Connection,
        job: dict[str, Any],
        pod: dict[str, Any],
        key: bytes,
        since: float | None,
        *,
        there: bool = True,
    ) -> None:
        self._reached = reached
        self._job = job
        self._pod = pod
        self._path = f"{status.path(reached)}/{pod['metadata']['name']}"
        self._source = Source("worker", status.index(pod))
        self._since = since
        self._there = there
        self._kept = _Copy(inside.fetched(job) / "log" / str(pod["metadata"]["uid"]), pod)
        self._whole = Whole(key, str(self._source), self._elsewhere)
        self._lines = Lines(reached, self._path, CONTAINER, self._whole, self._over)
        self._decoder = Decoder(key, str(self._source), self._spooled)
        self._missing: list[Event] = []
        self._by_itself = False
        self._left: list[Event] = []
        self._closed = threading.Event()
        self.done = threading.Event()
        """Set when it was read, or is not to be read any further."""
        self._fetching: Output | None = None

    def __iter__(self) -> Iterator[Event]:
        try:
            yield from self._events()
        finally:
            self.done.set()

    def close(self) -> None:
        """End it, from any thread."""
        self._closed.set()
        self.done.set()
        self._lines.close()
        if self._fetching is not None:
            self._fetching.close()

    def _events(self) -> Iterator[Event]:
        for given in self._given():
            if isinstance(given, Gap):
                self._decoder.gap(given.stream)
                continue
            for kind, body, at, seq in self._decoder.feed(given.data):
                yield from self._event(kind, body, at, seq)
            if self._decoder.ended:
                self._release()
                yield from self._missing
                return
        if not self._closed.is_set():
            for kind, body, at, seq in self._decoder.end():
                yield from self._event(kind, body, at, seq)
            if self._gone() and not stored.whole(self._reached, self._job, self._pod):
                yield Lost(Stamp(self._source, time.time()), f"what {self._source} wrote last: its pod is gone")
            yield from self._missing

    def _given(self) -> Iterator[Piece | Gap]:
        """Give what was read before, by whoever it was, then what the pod has."""
        after = 0
        for at, data in self._kept.read(0, None):
            if self._closed.is_set():
                return
            if at != after:
                self._whole.again()
            yield from self._whole.feed(data)
            after = at + len(data)
        if self._there:
            for given in self._lines:
                if isinstance(given, Piece):
                    self._kept.add(given)
                yield given
        if self._gone():
            yield from self._whole.catch_up()
            yield from self._whole.rest()

    def _gone(self) -> bool:
        return (self._lines.gone or not self._there) and not self._closed.is_set()

    def _elsewhere(self, start: int, end: int | None) -> Iterator[tuple[int, bytes]]:
        """Give a part of the log: what another reader here has got meanwhile, else from the runner's own copy."""
        at, failures, until = start, 0, time.monotonic() + _PATIENCE
        for where, data in self._kept.read(start, end):
            if where != at:
                break
            yield where, data
            at = where + len(data)
        while self._there and (end is None or at < end) and not self._closed.wait(_PAUSES[failures]):
            before = at
            try:
                for where, data in self._copied(at, end):
                    yield where, data
                    at = where + len(data)
                if at == before or end is None:
                    break
            except Forbidden:
                break
            except DeployError:
                failures = min(failures + 1, len(_PAUSES) - 1)
                if at > before:
                    failures, until = 1, time.monotonic() + _PATIENCE
                if time.monotonic() >= until or self._over():
                    break
        if not self._closed.is_set():
            yield from stored.log(self._reached, self._job, self._pod, at, end)

    def _copied(self, start: int, end: int | None) -> Iterator[tuple[int, bytes]]:
        where = [LOG, str(start), *([str(end)] if end is not None else [])]
        command = ["python", "-I", "-c", _READ, ":".join(paths(self._pod)), *where]
        self._fetching = Output(self._reached, self._path, CONTAINER, command, quiet=_CUT)
        head = b""
        at: int | None = None
        for data in self._fetching:
            if self._closed.is_set():
                return
            if at is None:
                head += data
                first, newline, data = head.partition(b"\n")
                if not newline:
                    continue
                at = int(first)
            if data:
                yield at, data
                at += len(data)

    def _event(self, kind: str, body: dict[str, object], at: float, seq: int | None) -> Iterator[Event]:
        event = from_wire(kind, body, self._source, at, seq)
        if self._since is None or at >= self._since:
            yield from self._brought(event)

    def _brought(self, event: Event) -> Iterator[Event]:
        """Give an event, once what belongs to it and did not come through the log is here."""
        if isinstance(event, Result | Failure | Files):
            self._left.append(event)
        if isinstance(event, Lost) and event.what.startswith(NOT_STORED):
            self._rescue()
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

    def _rescue(self) -> None:
        """Fetch out of the pod, which waits for that, what could not be put into its store."""
        for event in self._left:
            with suppress(DeployError):
                if isinstance(event, Files):
                    inside.outputs(self._reached, self._job, self._pod, event.files, unstored=True)
                elif isinstance(event, Result | Failure):
                    list(inside.kept(self._reached, self._job, self._pod, event, unstored=True))

    def _spooled(self, path: str) -> bytes:
        return inside.shown(self._reached, self._job, self._pod, path)

    def _over(self) -> bool:
        try:
            pod = self._reached.get(self._path)
        except Refused as refused:
            if refused.status == 404:
                return True
            raise
        ended = status.container(pod).get("state", {}).get("terminated", {})
        self._by_itself = ended.get("exitCode", 128) < 128  # by itself: then it has said that nothing more comes
        return status.over(pod)

    def _release(self) -> None:
        """Let the pod go, which may wait for its reader: everything was read."""
        if self._there:
            with suppress(DeployError):  # it has ended, or waits for as long as it was told to
                inside.release(self._reached, self._pod)


def any_read(job: dict[str, Any]) -> bool:
    """Whether something was read here of the logs of a run's pods."""
    return any((inside.fetched(job) / "log").glob(f"*/{_POD}"))


def gone(reached: Connection, job: dict[str, Any], there: set[str]) -> list[dict[str, Any]]:
    """Return the pods of a run whose logs were read here, or are in its store, and that are not there any more."""
    found = [pod for pod in stored.pods(reached, job) if pod["metadata"]["uid"] not in there]
    there = there | {pod["metadata"]["uid"] for pod in found}
    for described in (inside.fetched(job) / "log").glob(f"*/{_POD}"):
        with suppress(OSError, ValueError):
            pod: dict[str, Any] = json.loads(described.read_bytes())
            if pod["metadata"]["uid"] not in there:
                found.append(pod)
    return sorted(found, key=lambda pod: (status.index(pod), pod["metadata"]["creationTimestamp"]))


class _Copy:
    """What was read of one pod's log by anybody on this machine; each adds what the others do not have yet."""

    def __init__(self, folder: Path, pod: dict[str, Any]) -> None:
        self._folder = folder
        self._pod = pod

    def read(self, start: int, end: int | None) -> Iterator[tuple[int, bytes]]:
        return read(self._folder, start, end)

    def add(self, piece: Piece) -> None:
        with suppress(OSError):  # no room for it: it is shown all the same
            if not (described := self._folder / _POD).exists():
                inside.sweep()
                self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                known = ("name", "uid", "labels", "annotations", "creationTimestamp")
                metadata = {name: each for name, each in self._pod["metadata"].items() if name in known}
                described.write_text(json.dumps({"metadata": metadata, "status": {}}))
            with locks.locked(self._folder / "lock"):
                kept = Segments(self._folder)
                new = piece.data[max(0, kept.end - piece.at) :]
                if new:
                    kept.append(new, piece.at + len(piece.data) - len(new))
                kept.close()
