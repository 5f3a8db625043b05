"""Follows a run's folder: one stream a log, from its start, and then as what watches over the run tells of more."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

from fairing.events import Event
from fairing.oci import locks
from fairing.ports import Stream
from fairing.run.streams import Log
from fairing_deployers.local import folder as folders


class Replicas:
    """One stream a log, as logs appear; the run's own first, then each replica's, and each attempt's."""

    def __init__(self, folder: Path, since: float | None) -> None:
        self._folder = folder
        self._since = since
        self._told = Told(folder)

    def __iter__(self) -> Iterator[Stream[Event]]:
        seen: set[str] = set()
        more = True
        try:
            while more:
                more = self._told.wait()
                logs = [log for log in (self._folder / "logs").iterdir() if log.name not in seen]
                for log in sorted(logs, key=_order):
                    seen.add(log.name)
                    yield Log(self._folder, log, Told(self._folder), self._since)
        except FileNotFoundError:  # the run was deleted
            return
        finally:
            self._told.close()

    def close(self) -> None:
        """End it, from any thread."""
        self._told.close()


class Told:
    """What watches over a run tells when there is something new; one thread waits, and any may close."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._came = self._waiting = self._closed = False

    def wait(self) -> bool:
        """Wait for news (not the first time); return whether there may be more after it.

        Where there may not, how the run ended is known.
        """
        if self._told():
            return True
        known = (self._folder / "end.json").exists()
        # A supervisor that was killed may be started again; while that is open, the door still is. Who comes first to
        # one that has ended goes there too, and so waits until nothing of it is left.
        if not (known and self._came) and self._connect():
            return True
        if not (known or self._closed):  # the kernel may close the door of who was killed before it frees their lock
            locks.free(self._folder / "lock")
        return False

    def close(self) -> None:
        """End a blocked wait. Who waits closes the socket then, since it may not be pulled from under it."""
        with self._lock:
            self._closed = True
            if self._socket is None:
                return
            if not self._waiting:
                self._release()
                return
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def _told(self) -> bool:
        with self._lock:
            connection = self._socket
            self._waiting = connection is not None
        if connection is None:
            return False
        try:
            told = connection.recv(4096)
        except OSError:
            told = b""
        with self._lock:
            self._waiting = False
            if told and not self._closed:
                return True
            self._release()
        return False

    def _connect(self) -> bool:
        self._came = True
        with self._lock:
            if self._closed:
                return False
            with contextlib.suppress(OSError):
                self._socket = folders.connected(self._folder)
            return self._socket is not None

    def _release(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _order(log: Path) -> tuple[bool, int, str]:
    name, _, attempt = log.stem.partition(".")
    return name != "run", int(attempt or 0), name
