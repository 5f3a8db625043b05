"""Follows a run's folder: one stream a log, from its start, and then as what watches over the run tells of more."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from fairing.errors import DeployError
from fairing.events import Event, Failure, Payload, Result, Source, from_wire
from fairing.ports import Stream
from fairing.runtime.frames import Decoder
from fairing_deployers.local import folder as folders

_BLUR = 1.0
"""Seconds by which the time of a plain line may lag: it is that of the last frame, of which there is one a second."""


class Replicas:
    """One stream a log, as logs appear; the run's own first, then each replica's, and each attempt's."""

    def __init__(self, folder: Path, since: float | None) -> None:
        self._folder = folder
        self._since = since
        self._news = News(folder)

    def __iter__(self) -> Iterator[Stream[Event]]:
        seen: set[str] = set()
        more = True
        try:
            while more:
                more = self._news.wait()
                logs = [log for log in (self._folder / "logs").iterdir() if log.name not in seen]
                for log in sorted(logs, key=_order):
                    seen.add(log.name)
                    yield Log(self._folder, log, self._since)
        except FileNotFoundError:  # the run was deleted
            return
        finally:
            self._news.close()

    def close(self) -> None:
        """End it, from any thread."""
        self._news.close()


class Log:
    """The events of one log, from its start, then as it grows."""

    def __init__(self, folder: Path, log: Path, since: float | None) -> None:
        self._log = log
        self._since = since
        self._spool = folder / "spool" / log.stem
        self._key = folder / "key"
        name = log.stem.partition(".")[0]
        role, _, index = name.rpartition("-")
        self._source = Source(role, int(index)) if index.isdigit() and role else Source(name)
        self._news = News(folder)

    def __iter__(self) -> Iterator[Event]:
        try:
            decoder = Decoder(self._key.read_bytes(), str(self._source), self._fetch)
            with self._log.open("rb", buffering=0) as file:
                more = True
                while more:
                    more = self._news.wait()
                    while data := file.read(1 << 18):
                        for kind, body, at, seq in decoder.feed(data):
                            yield from self._event(kind, body, at, seq)
        except FileNotFoundError:  # the run was deleted
            return
        except PermissionError as wrong:
            raise DeployError(f"{self._log} cannot be read.", why=f"{wrong.strerror}.") from wrong
        finally:
            self._news.close()
        for kind, body, at, seq in decoder.end():
            yield from self._event(kind, body, at, seq)

    def close(self) -> None:
        """End it, from any thread."""
        self._news.close()

    def _event(self, kind: str, body: dict[str, object], at: float, seq: int | None) -> Iterator[Event]:
        if self._since is not None and at + (_BLUR if kind == "text" else 0.0) < self._since:
            return
        event = from_wire(kind, body, self._source, at, seq)
        if isinstance(event, Result):
            event = replace(event, payload=self._placed(event.payload))
        elif isinstance(event, Failure) and event.exception is not None:
            event = replace(event, exception=self._placed(event.exception))
        yield event

    def _placed(self, payload: Payload) -> Payload:
        """Return a payload whose file is named as ``read`` takes it: a runner knows its own spool alone."""
        if payload.path is None:
            return payload
        return replace(payload, path=f"spool/{self._log.stem}/{Path(payload.path).name}")

    def _fetch(self, path: str) -> bytes:
        return (self._spool / Path(path).name).read_bytes()


class News:
    """Tells when a run's folder has something new; one thread waits, and any may close."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._started = self._waiting = self._closed = False

    def wait(self) -> bool:
        """Wait for news (not the first time); return whether there may be more after it."""
        if not self._started:
            self._started = True
            return self._connect()
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
        # A supervisor that was killed may be started again; while that is open, the door still is.
        return not (self._folder / "end.json").exists() and self._connect()

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

    def _connect(self) -> bool:
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


class Pieces:
    """A file in pieces."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._closed = False

    def __iter__(self) -> Iterator[bytes]:
        with self._file.open("rb") as file:
            while not self._closed and (data := file.read(1 << 20)):
                yield data

    def close(self) -> None:
        """End it; reading a file never blocks for long."""
        self._closed = True


def _order(log: Path) -> tuple[bool, int, str]:
    name, _, attempt = log.stem.partition(".")
    return name != "run", int(attempt or 0), name
