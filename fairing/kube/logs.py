"""The log of a runner's container, each byte once, over whatever cuts the connection.

The API server gives lines from a *second* on, out of the file that the node has not rotated away. So after a cut the
log is asked for from the second of the last frame that was read, and ``kube.whole`` finds out what of it is new, and
what is missing. https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Any

from fairing.errors import AccessError
from fairing.kube.connection import Connection, Refused, Unreachable
from fairing.kube.watch import end
from fairing.kube.whole import Gap, Piece, Whole

_CUT = 15.0
"""Seconds without a byte after which a log counts as cut: a runner speaks at least every ten."""

_PAUSES = (0.0, 0.2, 0.5, 1.0, 2.0, 5.0)


class Lines:
    """A container's log in pieces of whole lines, from where it was read to, until it has ended.

    Args:
        connection: The way to the cluster.
        pod: The path of the pod.
        container: The container's name.
        whole: Where the log was read to, and what makes it whole.
        ended: Says whether the container has ended, and everything that it wrote is in its log.
    """

    def __init__(
        self, connection: Connection, pod: str, container: str, whole: Whole, ended: Callable[[], bool]
    ) -> None:
        self._connection = connection
        self._pod = pod
        self._container = container
        self._whole = whole
        self._ended = ended
        self._closed = threading.Event()
        self._open: Any = None
        self._whole_answer = False
        self.gone = False
        """Whether the pod is gone, and its log with it."""

    def __iter__(self) -> Iterator[Piece | Gap]:
        failures = 0
        while not self._closed.wait(_PAUSES[min(failures, len(_PAUSES) - 1)]):
            try:
                over = failures > 0 and self._ended()  # asked before the log is read: then the log is whole
                before = self._whole.position
                for data in self._data(follow=not over):
                    failures = 0
                    yield from self._whole.feed(data)
                if over and self._whole_answer:
                    break
                if self._whole.position == before and not self._closed.is_set():
                    # Rotated away, with nothing after it; or a second holds more than one connection brings.
                    yield from self._whole.catch_up()
            except Refused as refused:
                if refused.status == 404:
                    self.gone = True
                    break
            except AccessError as wrong:  # just started, an API server knows nobody's rights for a moment
                if not self._open or (not isinstance(wrong, Unreachable) and failures >= len(_PAUSES)):
                    raise
            failures += 1
        if not self._closed.is_set():
            yield from self._whole.rest()

    def close(self) -> None:
        """End it, from any thread."""
        self._closed.set()
        end(self._open)

    def _data(self, *, follow: bool) -> Iterator[bytes]:
        import urllib3

        query: dict[str, Any] = {"container": self._container, "follow": follow}
        if self._whole.since:
            second = datetime.fromtimestamp(int(self._whole.since), timezone.utc)
            query["sinceTime"] = f"{second:%Y-%m-%dT%H:%M:%SZ}"
        self._open = self._connection.stream(f"{self._pod}/log", _CUT, **query)
        if self._closed.is_set():
            end(self._open)
        self._whole.again()
        self._whole_answer = False
        try:
            yield from self._open.stream(1 << 16)
            self._whole_answer = True
        except (urllib3.exceptions.HTTPError, OSError, ValueError):
            return  # cut
        finally:
            self._open.close()
