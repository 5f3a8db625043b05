"""A run's folder as streams: its logs as events, its files in pieces, and what is there already."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Protocol, TypeVar

from fairing.errors import DeployError
from fairing.events import Event, Failure, Payload, Result, Source, from_wire
from fairing.runtime.frames import Decoder

T = TypeVar("T")

_BLUR = 1.0
"""Seconds by which the time of a plain line may lag: it is that of the last frame, of which there is one a second."""


class News(Protocol):
    """Tells whether more may have been written: by whatever a deployer has for it, a socket, a queue, a clock."""

    def wait(self) -> bool:
        """Wait until there may be more to read; return whether to come again once that is read.

        The first time it need not wait. It returns ``False`` when nobody writes any more, or when it is closed.
        """
        ...

    def close(self) -> None:
        """End a blocked wait, from any thread."""
        ...


class Log:
    """The events of one replica's log, from its start, then as it grows.

    Args:
        folder: The run's, as ``folder.fill`` made it.
        log: The file, named for its replica: ``logs/worker-0.log``, or ``logs/worker-0.1.log`` for a second attempt.
        news: Tells of more; it is closed with the log.
        since: Leave out what was said before, in seconds since 1970.

    Example:
        Log(folder, folder / "logs" / "worker-0.log", MyNews(folder))
    """

    def __init__(self, folder: Path, log: Path, news: News, since: float | None = None) -> None:
        self._log = log
        self._since = since
        self._spool = folder / "spool" / log.stem
        self._key = folder / "key"
        name = log.stem.partition(".")[0]
        role, _, index = name.rpartition("-")
        self._source = Source(role, int(index)) if index.isdigit() and role else Source(name)
        self._news = news

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


class Listed(list[T]):
    """A stream of what is there already: a run's replicas, where all start at once."""

    def close(self) -> None:
        """Nothing waits in it."""
