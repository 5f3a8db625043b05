"""How the child tells its parent: Python's stderr, and events, in exact order with what is printed."""

from __future__ import annotations

import io
import itertools
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fairing.runtime.pump import ATOMIC, FILED, MESSAGE, STDERR, marked


class Teller:
    """Writes marked pieces into the pipe of descriptor 1.

    Args:
        descriptor: A descriptor of that pipe which no user code knows.
        mark: What begins a marked piece.
        spool: Where a message goes that is too long for one atomic write.
        flush: Writes what was printed before.
    """

    def __init__(self, descriptor: int, mark: bytes, spool: Path, flush: Callable[[], object]) -> None:
        self._descriptor = descriptor
        self._mark = mark
        self._spool = spool
        self._flush = flush
        self._numbers = itertools.count()
        self._room = ATOMIC - len(mark) - 5

    def __call__(self, kind: str, body: dict[str, Any]) -> None:
        """Tell an event, after everything printed before it."""
        self._flush()
        data = json.dumps({"k": kind, **body}, default=str).encode()
        if len(data) <= self._room:
            os.write(self._descriptor, marked(self._mark, MESSAGE, data))
            return
        name = f"message-{os.getpid()}-{next(self._numbers)}.json"
        (self._spool / name).write_bytes(data)
        os.write(self._descriptor, marked(self._mark, FILED, name.encode()))

    def stderr(self) -> io.TextIOWrapper:
        """Return a text stream for ``sys.stderr``."""
        return io.TextIOWrapper(
            _Marked(self),
            "utf-8",
            "backslashreplace",
            "\n",
            line_buffering=True,
        )

    def error(self, data: bytes) -> None:
        """Tell bytes of stderr, after everything printed before them."""
        self._flush()
        for at in range(0, len(data), self._room):
            os.write(self._descriptor, marked(self._mark, STDERR, data[at : at + self._room]))


class _Marked(io.BufferedIOBase):
    """The binary side of ``sys.stderr``."""

    name = "<stderr>"
    mode = "wb"

    def __init__(self, tell: Teller) -> None:
        self._tell = tell

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return 2

    def write(self, data: Any) -> int:
        self._tell.error(bytes(data))
        return len(data)
