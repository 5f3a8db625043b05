"""The log of a container, each line once, over whatever cuts the connection.

The API server gives lines from a *second* on, with their exact times before them. So after a cut the lines of the last
second are asked for again, and those that were read are left out: as many as there were, or, where the log was rotated
meanwhile, those that are not newer. https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

from fairing.errors import AccessError
from fairing.kube.connection import Connection, Refused, Unreachable
from fairing.kube.watch import end

_CUT = 45.0
"""Seconds without a byte after which a log counts as cut: a runner speaks at least every ten."""

_PAUSES = (0.0, 0.2, 0.5, 1.0, 2.0, 5.0)
_SECOND = len("2026-01-01T00:00:00")


class Lines:
    """A container's log in pieces of whole lines, from its start until it has ended.

    Args:
        connection: The way to the cluster.
        pod: The path of the pod.
        container: The container's name.
        ended: Says whether the container has ended, and everything that it wrote is in its log.
    """

    def __init__(self, connection: Connection, pod: str, container: str, ended: Callable[[], bool]) -> None:
        self._connection = connection
        self._pod = pod
        self._container = container
        self._ended = ended
        self._closed = threading.Event()
        self._open: Any = None
        self._place = _Place()

    def __iter__(self) -> Iterator[bytes]:
        failures = 0
        while not self._closed.wait(_PAUSES[min(failures, len(_PAUSES) - 1)]):
            try:
                over = failures > 0 and self._ended()  # asked before the log is read: then the log is whole
                for piece in self._pieces(follow=not over):
                    failures = 0
                    yield piece
                if over:
                    return
            except Refused as refused:
                if refused.status == 404:
                    return  # the pod is gone, and its log with it
            except AccessError as wrong:  # just started, an API server knows nobody's rights for a moment
                if not self._open or (not isinstance(wrong, Unreachable) and failures >= len(_PAUSES)):
                    raise
            failures += 1

    def close(self) -> None:
        """End it, from any thread."""
        self._closed.set()
        end(self._open)

    def _pieces(self, *, follow: bool) -> Iterator[bytes]:
        import urllib3

        since = {"sinceTime": f"{self._place.second}Z"} if self._place.second else {}
        query = {"container": self._container, "timestamps": True, "follow": follow, **since}
        self._open = self._connection.stream(f"{self._pod}/log", _CUT, **query)
        if self._closed.is_set():
            end(self._open)
        self._place.again()
        rest = b""
        try:
            for data in self._open.stream(1 << 16):
                whole, newline, rest = (rest + data).rpartition(b"\n")
                if newline and (piece := self._place.new(whole + newline)):
                    yield piece
            if rest and not follow:  # of a process that was killed in the middle of a line
                yield self._place.new(rest)
        except (urllib3.exceptions.HTTPError, OSError, ValueError):
            return  # cut
        finally:
            self._open.close()


class _Place:
    """How far a log was read."""

    def __init__(self) -> None:
        self.second = ""
        self._first = self._last = b""
        self._read = 0
        self._skip = 0
        self._older = False

    def again(self) -> None:
        """The last second is read again from its beginning."""
        self._skip, self._older = self._read, False

    def new(self, lines: bytes) -> bytes:
        """Return the lines that were not read yet, without their times."""
        return b"".join(filter(None, (self._line(line) for line in lines.splitlines(keepends=True))))

    def _line(self, line: bytes) -> bytes | None:
        time, _, text = line.partition(b" ")
        if self._skip and self._skip == self._read and time != self._first:
            self._skip, self._older = 0, True  # rotated away
        if self._skip:
            self._skip -= 1
            return None
        if self._older and time <= self._last:
            return None
        second = time[:_SECOND].decode("ascii", "replace")
        if second != self.second:
            self.second, self._first, self._read = second, time, 0
        self._read += 1
        self._last = time
        return text
