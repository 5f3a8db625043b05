"""The child's ``sys.stdout``: a line is out as soon as it is printed, and a million of them are not a million writes.

What is printed is kept in a queue and written at the end of each line, so that a crash loses none. A thread writes what
has no end yet, as a notebook shows it: soon, although nobody flushed it. When thousands of lines come faster than
anyone reads, the thread writes them too, every 10 ms, which is then what a kill can lose. What is kept is written
before whatever could lose, double or overtake it: a fork, a new program, ``os._exit``.
"""

from __future__ import annotations

import functools
import io
import os
import posix
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from fairing.runtime import imports

BURST = 4096
"""Lines after which the clock is read: a burst that is shorter is written line by line."""

FAST = 20_000
"""Lines a second that are a flood."""

EVERY = 0.01
"""Seconds between two writes in a flood."""

IDLE = 0.1
"""Seconds after which a line that has no end yet is written."""

CALM = 5
"""Writes with next to nothing to write that end a flood."""

BACKLOG = 4 * 1024 * 1024
"""Bytes that wait to be written before whoever prints has to wait too."""


class Output:
    """Descriptor 1.

    ``text`` is for ``sys.stdout``. It hands its bytes to a deque's own ``append``, and not to a buffer that may wait
    for the descriptor: a text stream of Python before 3.12.4 loses text where one thread prints while another waits.
    """

    def __init__(self, descriptor: int = 1) -> None:
        self._descriptor = descriptor
        self._queue: deque[bytes] = deque()
        self._lock = threading.RLock()
        self._lines = 0
        self._since = time.monotonic()
        self._flood = False
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._inner = _Inner(self, descriptor)
        self.text = _Text(self, self._inner)
        self._calm()
        self.begin()

    def begin(self) -> None:
        """Start the thread."""
        self._stop.clear()
        self._thread = threading.Thread(target=self._tend, name="fairing-output", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # the interpreter is ending
            self._thread = None

    def settle(self) -> None:
        """Write everything, and leave no thread of ours."""
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            self._stop.set()
            thread.join()
        self._calm()
        self.write()

    def append(self, data: bytes) -> None:
        """Take bytes, to be written after what was printed before."""
        self._queue.append(data)

    def write(self) -> int:
        """Write what was printed; return how much that was."""
        with self._lock:
            data = b"".join([self._queue.popleft() for _ in range(len(self._queue))])
            view = memoryview(data)
            while view:
                view = view[os.write(self._descriptor, view) :]
        return len(data)

    def hold(self) -> None:
        """Be ready for a fork: nothing is kept, and nobody writes."""
        self.settle()
        self._lock.acquire()

    def release(self) -> None:
        """Go on after a fork."""
        self._lock.release()
        self.begin()

    def _calm(self) -> None:
        self._flood = False
        self._inner.flush = self._line  # type: ignore[method-assign]

    def _line(self) -> None:
        self._lines += 1
        if self._lines >= BURST:
            now = time.monotonic()
            if now - self._since < BURST / FAST and self._thread is not None:
                self._flood = True
                self._inner.flush = _nothing  # type: ignore[method-assign]
                self._stop.set()  # the thread wakes for it
            self._lines, self._since = 0, now
        self.write()

    def _tend(self) -> None:
        quiet = 0
        while True:
            self._stop.wait(EVERY if self._flood else IDLE)
            if self._thread is not threading.current_thread():
                return
            self._stop.clear()
            if not self._flood:
                if self._queue:
                    self.write()
                continue
            started = time.monotonic()
            written = self.write()
            quiet = quiet + 1 if written < 1024 else 0
            slow = time.monotonic() - started > 0.1 and sum(map(len, tuple(self._queue))) > BACKLOG
            if quiet >= CALM or slow:
                quiet = 0
                self._calm()
                self.write()


class _Inner(io.BufferedIOBase):
    """What the text stream writes into: two methods in C, and no more than those."""

    mode = "wb"

    def __init__(self, output: Output, descriptor: int) -> None:
        self.name = "<stdout>"
        self._descriptor = descriptor
        self.write = output._queue.append  # type: ignore[method-assign,assignment]

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor


class _Bytes(io.BufferedIOBase):
    """``sys.stdout.buffer``, as users know it."""

    mode = "wb"
    name = "<stdout>"

    def __init__(self, output: Output) -> None:
        self._output = output

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._output._descriptor

    def write(self, data: Any) -> int:
        kept = bytes(data)
        self._output.append(kept)
        if len(kept) > 1 << 16:
            self._output.write()
        return len(kept)

    def flush(self) -> None:
        self._output.write()


class _Text(io.TextIOWrapper):
    """``sys.stdout``."""

    def __init__(self, output: Output, inner: _Inner) -> None:
        super().__init__(inner, "utf-8", "backslashreplace", "\n", line_buffering=True, write_through=True)
        self._output = output
        self._bytes = _Bytes(output)

    @property
    def buffer(self) -> Any:
        """The stream of bytes below."""
        return self._bytes

    def flush(self) -> None:
        super().flush()
        self._output.write()


def guard(output: Output) -> None:
    """Write first, before whatever could lose, double or overtake what is kept."""
    os.register_at_fork(before=output.hold, after_in_parent=output.release, after_in_child=output.release)
    os._exit = posix._exit = _after(output.write, posix._exit)
    for name in ("system", "execv", "execve", "posix_spawn"):
        setattr(os, name, _after(output.write, getattr(os, name)))

    def programs(module: Any) -> None:
        module.Popen._execute_child = _after(output.write, module.Popen._execute_child)

    imports.after("subprocess", programs)


def _after(first: Callable[[], object], then: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(then)
    def both(*args: Any, **kwargs: Any) -> Any:
        first()
        return then(*args, **kwargs)

    return both


_nothing = deque[bytes]().clear
"""Does nothing, in C."""
