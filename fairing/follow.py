"""Many blocking streams → one iterator, in the thread that iterates.

The only threads of the client that read: one for the outer stream, one a replica, into one bounded queue, so that a
slow cell slows its readers and holds little memory.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator

from fairing.events import Event
from fairing.ports import Stream

ROOM = 256


def follow(replicas: Stream[Stream[Event]]) -> Iterator[Event]:
    """Give the events of every replica as they come, until all have ended; closing the iterator closes them all."""
    merged = _Merged(replicas)
    try:
        yield from merged
    finally:
        merged.close()


class _Merged:
    def __init__(self, replicas: Stream[Stream[Event]]) -> None:
        self._queue: queue.Queue[Event | BaseException | None] = queue.Queue(ROOM)
        self._streams: list[Stream[Event]] = []
        self._replicas = replicas
        self._closed = threading.Event()
        self._threads: list[threading.Thread] = []
        self._running = 0
        self._lock = threading.Lock()
        self._start(self._outer)

    def __iter__(self) -> Iterator[Event]:
        while True:
            got = self._queue.get()
            if got is None:
                self._running -= 1
                if not self._running:
                    return
            elif isinstance(got, BaseException):
                raise got
            else:
                yield got

    def close(self) -> None:
        self._closed.set()
        self._replicas.close()
        with self._lock:
            streams = list(self._streams)
        for stream in streams:
            stream.close()
        while any(thread.is_alive() for thread in self._threads):
            try:
                self._queue.get(timeout=0.01)  # make room for a reader that waits for it
            except queue.Empty:
                continue

    def _outer(self) -> None:
        for stream in self._replicas:
            with self._lock:
                self._streams.append(stream)
            if self._closed.is_set():
                stream.close()
                return
            self._start(lambda stream=stream: self._inner(stream))

    def _inner(self, stream: Stream[Event]) -> None:
        for event in stream:
            if self._closed.is_set():
                return
            self._queue.put(event)

    def _start(self, read: object) -> None:
        self._running += 1
        thread = threading.Thread(target=self._read, args=(read,), daemon=True, name="fairing-follow")
        self._threads.append(thread)
        thread.start()

    def _read(self, read: object) -> None:
        try:
            read()  # type: ignore[operator]
        except BaseException as error:  # noqa: BLE001 - it is raised where the events are read
            self._queue.put(error)
        finally:
            self._queue.put(None)
