"""What is told of a run as a whole, in order: what it waits for, that it runs, how it ended.

Three watches know of it, the Job's, the pods' and the Events'; one stream tells it. A run that no waiting helps, or
that did not start in time, is given up here: its Job is marked with the reason and ended, for everybody to see.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from fairing.errors import AccessError, FairingError
from fairing.events import Event, Phase, Source, Stamp, Status
from fairing.kube.connection import Connection
from fairing.kube.reason import Why
from fairing.kube.watch import Watch
from fairing.oci import known
from fairing_deployers.job import objects, status
from fairing_deployers.job.waiting import Situation, Waiting

_MOMENT = 2.0
"""Seconds that whoever comes late to a run takes to learn what it waits for, before it gives it up."""


class Told:
    """The events of a run as a whole, out of what the watches bring.

    Args:
        reached: The way to the cluster.
        job: The run's Job.
    """

    def __init__(self, reached: Connection, job: dict[str, Any]) -> None:
        self._reached = reached
        self._job = job
        self._lock = threading.Lock()
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._waiting = Waiting(reached, job)
        self._said: tuple[Phase, str] | None = None
        self._situation: Situation | None = None
        self._over = self._given_up = False
        self._until = _until(reached, job)

    def __iter__(self) -> Iterator[Event]:
        while True:
            try:
                event = self._events.get(timeout=self._left())
            except queue.Empty:
                self._late()
                continue
            if event is None:
                return
            yield event

    def close(self) -> None:
        """End it, from any thread."""
        self._events.put(None)

    def job(self, job: dict[str, Any]) -> None:
        """Take the Job as it is now."""
        self._job = job
        self._take(lambda: self._waiting.job(job))

    def pod(self, pod: dict[str, Any], gone: bool) -> None:
        """Take a pod as it is now, or that it is gone."""
        self._take(lambda: self._waiting.pod(pod, gone), status.started(pod))

    def event(self, event: dict[str, Any], gone: bool) -> None:
        """Take an Event."""
        self._take(lambda: self._waiting.event(event, gone))

    def end(self, events: Sequence[Event]) -> None:
        """Tell how it ended; the first who says it is believed."""
        with self._lock:
            if not self._over:
                self._over = True
                for event in (*events, None):
                    self._events.put(event)

    def _take(self, change: Callable[[], object], began: float | None = None) -> None:
        with self._lock:
            if change() is False or self._over:
                return
            now = self._situation = self._waiting.now()
            if now.why.hopeless and not self._waiting.any_started:
                self._give_up(now.why)
            if (said := (now.phase, str(now.why))) != self._said:
                first = now.phase == "running" and (self._said is None or self._said[0] != "running")
                at = began if first and began is not None else time.time()
                self._said = said
                self._events.put(Status(Stamp(Source("run"), at), *said))

    def _left(self) -> float | None:
        """Return the seconds until it has to have started; ``None`` where it has, or need not."""
        if self._until is None or self._given_up or self._over or (self._situation and self._situation.begun):
            return None
        return max(0.0, self._until - time.monotonic())

    def _late(self) -> None:
        with self._lock:
            if self._over or self._given_up or (self._situation and self._situation.begun):
                return
            waited = f"{self._job['metadata']['annotations'][objects.STARTS]} s"
            waits = self._situation.why if self._situation else Why("waiting for its pods")
            self._give_up(Why(f"it did not start within its start_timeout of {waited}: {waits.what}", waits.fix))

    def _give_up(self, why: Why) -> None:
        if self._given_up:
            return
        self._given_up = True
        with suppress(FairingError):  # who may not end it goes on being told what it waits for
            give_up(self._reached, self._job, why)


class Fed:
    """A watch whose objects are given away as they come: a stream of no events of its own."""

    def __init__(self, watch: Watch, take: Callable[[dict[str, Any], bool], None], *, optional: bool = False) -> None:
        self._watch = watch
        self._take = take
        self._optional = optional

    def __iter__(self) -> Iterator[Event]:
        try:
            for gone, each in self._watch:
                self._take(each, gone)
        except AccessError:
            if not self._optional:
                raise
        return iter(())

    def close(self) -> None:
        """End it, from any thread."""
        self._watch.close()


def give_up(reached: Connection, job: dict[str, Any], why: Why) -> None:
    """End a run that has not started, with the reason for everybody to see; what the cluster said of it is kept.

    Its Job is given a deadline that has passed: so it is Failed, its pods are removed, and it goes when its time comes.
    A suspended Job has no time that passes, and would stay for ever.

    Raises:
        FairingError: The user may not change it.
    """
    reached.login.known.clear()
    if why.absent:
        for each in job["spec"]["template"]["spec"]["containers"]:
            with suppress(FairingError):
                known.forget(each["image"])  # what was pushed is not there any more: the next run pushes it again
    objects.change(
        reached,
        job,
        {"metadata": {"annotations": {objects.REASON: str(why)}}, "spec": {"activeDeadlineSeconds": 1}},
    )


def _until(reached: Connection, job: dict[str, Any]) -> float | None:
    """Return when a run has to have started, on this machine's monotonic clock."""
    allowed = job["metadata"].get("annotations", {}).get(objects.STARTS)
    if allowed is None:
        return None
    age = reached.now() - status.made(job)  # both by the cluster's clock: this machine's may be wrong
    return time.monotonic() + max(_MOMENT, float(allowed) - age)
