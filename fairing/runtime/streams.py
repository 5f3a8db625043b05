"""The child's ``sys.stdout``: a line is out as soon as it is printed, and a million of them are not a million writes.

What is printed is kept in a queue and written at the end of each line, so that a crash loses none. A thread writes what
has no end yet, as a notebook shows it: soon, although nobody flushed it. When thousands of lines come faster than
anyone reads, the thread writes them too, every 10 ms, which is then what a kill can lose. What is kept is written
before whatever could lose, double or overtake it: a fork, a new program, ``os._exit``.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import posix
import select
import threading
import time
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

PIECE = min(select.PIPE_BUF, 4096)
"""Bytes that a pipe which is ready takes at once."""

BACKLOG = 4 * 1024 * 1024
"""Bytes that wait to be written before whoever prints has to wait too."""


class Output:
    """Descriptor 1.

    ``text`` is for ``sys.stdout``. It hands its bytes to a bytearray's own ``extend``, and not to a buffer that may
    wait for the descriptor: a text stream of Python before 3.12.4 loses text where one thread prints while another
    waits.
    """

    def __init__(self, descriptor: int = 1) -> None:
        self._descriptor = descriptor
        self._kept = bytearray()
        self._lock = threading.RLock()
        self._lines = 0
        self._since = time.monotonic()
        self._flood = False
        self._over = 0
        self._thread: threading.Thread | None = None
        below = _Below(descriptor, self._kept, self._line)
        self.text = io.TextIOWrapper(below, "utf-8", "backslashreplace", "\n", line_buffering=True)
        self.begin()

    def begin(self) -> None:
        """Start the thread."""
        self._stop = threading.Event()  # another: in a fork, a thread that is not there may hold the last one's lock
        self._thread = threading.Thread(target=self._tend, name="fairing-output", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # the interpreter is ending
            self._thread = None

    def settle(self) -> None:
        """Write everything, and leave no thread of ours."""
        self._over += 1  # counted, since two threads may fork at once
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            self._stop.set()
            thread.join()
            _gone(thread)
        self._calm()
        self.flush()
        self._over -= 1

    def flush(self) -> None:
        """Write everything that was printed, the beginning of a line too."""
        with contextlib.suppress(ValueError):  # the user's code has closed it
            self.text.flush()

    def hold(self) -> None:
        """Be ready for a fork: nothing is kept, and nobody writes."""
        self.settle()
        self._lock.acquire()

    def release(self) -> None:
        """Go on after a fork; the thread starts with the next line, as Python warns of forks beside threads."""
        self._lock.release()

    def end(self) -> None:
        """Write everything; from here on no thread starts."""
        self._over += 1
        self.settle()

    def _line(self) -> None:
        """Write, at the end of a line or when asked to, and look at the clock from time to time."""
        self._lines += 1
        if self._thread is None and not self._over:
            self.begin()
        if self._lines >= BURST:
            now = time.monotonic()
            if now - self._since < BURST / FAST and self._thread is not None:
                self._flood = True
                self._stop.set()  # the thread wakes for it
            self._lines, self._since = 0, now
        self._write(1 << 20)

    def _write(self, most: int) -> None:
        with self._lock:
            while self._kept:
                data = memoryview(bytes(self._kept[:most]))
                del self._kept[:most]  # first, since a signal's handler may print while this is written
                while data:
                    data = data[os.write(self._descriptor, data) :]

    def _tend(self) -> None:
        """Flush from time to time what nobody flushes."""
        while True:
            stop = self._stop
            stop.wait(IDLE)
            if self._thread is not threading.current_thread():
                return
            stop.clear()
            if self._flood:
                self._flooded()
            else:
                self.flush()

    def _flooded(self) -> None:
        """Write in place of those who print, for as long as they print much and are not ahead of who reads."""
        with contextlib.suppress(ValueError):
            self.text.reconfigure(line_buffering=False)
        ready = select.poll()
        ready.register(self._descriptor, select.POLLOUT)
        quiet = 0
        while quiet < CALM and len(self._kept) < BACKLOG and not self._stop.wait(EVERY):
            size = len(self._kept)
            while self._kept and ready.poll(0):
                with self._lock:
                    data = bytes(self._kept[:PIECE])
                    del self._kept[:PIECE]
                    os.write(self._descriptor, data)
            quiet = quiet + 1 if size < 1024 else 0
        self._calm()
        self.flush()

    def _calm(self) -> None:
        self._flood = False
        with contextlib.suppress(ValueError):
            self.text.reconfigure(line_buffering=True)


class _Below(io.BufferedIOBase):
    """``sys.stdout.buffer``."""

    name = "<stdout>"
    mode = "wb"

    def __init__(self, descriptor: int, kept: bytearray, flush: Callable[[], None]) -> None:
        self._descriptor = descriptor
        self.write = kept.extend  # type: ignore[method-assign,assignment]
        self.flush = flush  # type: ignore[method-assign]

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor


def _gone(thread: threading.Thread) -> None:
    """Wait out the moment for which a thread that was joined is still there: Python 3.12 counts those of the kernel."""
    until = time.monotonic() + IDLE
    while os.path.exists(f"/proc/self/task/{thread.native_id}") and time.monotonic() < until:  # noqa: PTH110 - no pathlib here
        os.sched_yield()


def guard(output: Output) -> None:
    """Write first, before whatever could lose, double or overtake what is kept."""
    os.register_at_fork(before=output.hold, after_in_parent=output.release, after_in_child=output.release)
    os._exit = posix._exit = _after(output.flush, posix._exit)
    for name in ("system", "execv", "execve", "posix_spawn"):
        setattr(os, name, _after(output.flush, getattr(os, name)))

    def programs(module: Any) -> None:
        module.Popen._execute_child = _after(output.flush, module.Popen._execute_child)

    imports.after("subprocess", programs)


def _after(first: Callable[[], object], then: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(then)
    def both(*args: Any, **kwargs: Any) -> Any:
        first()
        return then(*args, **kwargs)

    return both
