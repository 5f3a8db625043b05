"""Watches objects: their state now, then each change, over whatever cuts the connection.

https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

from fairing.errors import AccessError
from fairing.kube.connection import Connection, Refused, Unreachable

_CUT = 330.0
"""Seconds without a byte after which a watch counts as cut: servers send a bookmark about once a minute."""

_PAUSES = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Seconds to wait before a cut watch is opened again, the last from then on."""


class Watch:
    """The objects of a list as they are, then as they change; deleted ones come once more, marked.

    Args:
        connection: The way to the cluster.
        path: Of the list.
        known: Objects that were there: one that is not any more comes as gone.
        keep: Whether to tell of those that went while the watch was cut; to know it, all are kept in memory.
        seconds: After which it ends by itself.
        selector: ``labelSelector`` or ``fieldSelector``.

    Each item is ``(gone, object)``. After a cut, objects may come again as they are.
    """

    def __init__(
        self,
        connection: Connection,
        path: str,
        known: Sequence[dict[str, Any]] = (),
        *,
        keep: bool = True,
        seconds: float = math.inf,
        **selector: str,
    ) -> None:
        self._connection = connection
        self._path = path
        self._selector = selector
        self._until = time.monotonic() + seconds
        self._keep = keep
        self._known = {each["metadata"]["uid"]: each for each in known}
        self._closed = threading.Event()
        self._open: Any = None

    def __iter__(self) -> Iterator[tuple[bool, dict[str, Any]]]:
        failures = 0
        version = ""
        while not self._closed.wait(_PAUSES[min(failures, len(_PAUSES) - 1)]) and time.monotonic() < self._until:
            try:
                if not version:
                    listed = self._connection.get(self._path, **self._selector)
                    version = listed["metadata"]["resourceVersion"]
                    found = {each["metadata"]["uid"]: each for each in listed["items"]}
                    yield from ((True, each) for uid, each in self._known.items() if uid not in found)
                    self._known = found if self._keep else {}
                    yield from ((False, each) for each in found.values())
                for change, each in self._changes(version):
                    failures = 0
                    version = each["metadata"]["resourceVersion"]
                    if change == "BOOKMARK":
                        continue
                    if self._keep:
                        self._known[each["metadata"]["uid"]] = each
                    yield change == "DELETED", each
            except Refused as refused:
                if refused.status != 410:
                    raise
                version = ""
            except AccessError as wrong:  # just started, an API server knows nobody's rights for a moment
                if not version or (not isinstance(wrong, Unreachable) and failures >= len(_PAUSES)):
                    raise
            failures += 1

    def close(self) -> None:
        """End it, from any thread."""
        self._closed.set()
        end(self._open)

    def _changes(self, version: str) -> Iterator[tuple[str, dict[str, Any]]]:
        import urllib3

        query = {**self._selector, "watch": True, "resourceVersion": version, "allowWatchBookmarks": True}
        if self._until < math.inf:  # the server ends it then
            query["timeoutSeconds"] = max(1, math.ceil(self._until - time.monotonic()))
        self._open = self._connection.stream(self._path, _CUT, **query)
        if self._closed.is_set():
            end(self._open)
        rest = b""
        try:
            for data in self._open.stream(1 << 16):
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    told = json.loads(line)
                    if told["type"] == "ERROR":
                        raise Refused("The watch has ended.", status=int(told["object"].get("code", 0)))
                    yield told["type"], told["object"]
        except (urllib3.exceptions.HTTPError, OSError, ValueError):
            return  # cut
        finally:
            self._open.close()


def end(response: Any) -> None:
    """End whoever reads an answer, from any thread."""
    if response is None:
        return
    try:
        response.shutdown()
    except (ValueError, OSError, RuntimeError, AttributeError):  # it has ended already
        response.close()
