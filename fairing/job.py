"""A run, by its handle: everything that can be asked of it."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

from fairing import plugins
from fairing.errors import RunFailed
from fairing.events import Event, Failure, Result, Status
from fairing.follow import follow
from fairing.spec import Handle, Report


class Job:
    """A run that was started, here or elsewhere."""

    def __init__(self, handle: Handle, report: Report | None = None) -> None:
        self.handle = handle
        self.report = report
        self._deployer = plugins.deployer(handle.deployer)
        self._end: Result | Failure | None = None

    @property
    def status(self) -> Status:
        """How it is now."""
        return self._deployer.status(self.handle)

    def events(self, since: float | None = None) -> Iterator[Event]:
        """Follow it from its start, or from ``since``."""
        for event in follow(self._deployer.streams(self.handle, since)):
            if isinstance(event, Result | Failure):
                self._end = event
            yield event

    def result(self) -> Any:
        """Wait for its end and return its value, or raise its exception."""
        if self._end is None:
            for _ in self.events():
                pass
        if isinstance(self._end, Result):
            assert self._end.payload.inline is not None  # noqa: S101
            return pickle.loads(self._end.payload.inline)  # noqa: S301
        if self._end is None:
            raise RunFailed(f"{self.handle} ended without a value.", why=self.status.reason)
        failed = RunFailed(f"{self.handle} failed.", why=f"{self._end.ename}: {self._end.evalue}")
        if self._end.exception is not None and self._end.exception.inline is not None:
            raise pickle.loads(self._end.exception.inline) from failed  # noqa: S301
        raise failed

    def cancel(self) -> None:
        """Stop it; its output stays."""
        self._deployer.cancel(self.handle)

    def delete(self) -> None:
        """Remove it and everything that was made for it."""
        self._deployer.delete(self.handle)
