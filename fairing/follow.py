"""Many blocking streams → one iterator, in the thread that iterates.

The only threads of the client that read: one for the outer stream, one a replica, into one bounded queue, so that a
slow cell slows its readers and holds little memory. For event loops there is one more, at the other end.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Protocol

from fairing.events import Event
from fairing.ports import Stream

if TYPE_CHECKING:
    import asyncio

ROOM = 256

_CLOSED = object()


class Closable(Protocol):
    """An iterator that any thread may end."""

    def __iter__(self) -> Iterator[Event | None]:
        """Iterate; ``None`` says that nothing came for a moment."""
        ...

    def close(self) -> None:
        """End it."""
        ...


def follow(replicas: Stream[Stream[Event]]) -> Iterator[Event]:
    """Give the events of every replica as they come, until all have ended; closing the iterator closes them all."""
    merged = Merged(replicas)
    try:
        for event in merged:
            if event is not None:
                yield event
    finally:
        merged.close()


class Merged:
    """The events of every replica as they come; it can be iterated on after an interrupt, where a generator has ended.

    Args:
        replicas: One stream a replica.
        every: Seconds without an event after which ``None`` is given instead; never, if ``None``.
    """

    def __init__(self, replicas: Stream[Stream[Event]], every: float | None = None) -> None:
        self._queue: queue.Queue[Event | BaseException | object | None] = queue.Queue(ROOM)
        self._streams: list[Stream[Event]] = []
        self._replicas = replicas
        self._every = every
        self._closed = threading.Event()
        self._threads: list[threading.Thread] = []
        self._running = 0
        self._lock = threading.Lock()
        self._start(self._outer)

    def __iter__(self) -> Iterator[Event | None]:
        return self

    @property
    def closed(self) -> bool:
        """Whether it was closed before its end."""
        return self._closed.is_set()

    def __next__(self) -> Event | None:
        while self._running and not self._closed.is_set():
            try:
                got = self._queue.get(timeout=self._every)
            except queue.Empty:
                return None
            if got is None:
                self._running -= 1
            elif isinstance(got, BaseException):
                raise got
            elif got is not _CLOSED:
                return got  # type: ignore[return-value]
        raise StopIteration

    def close(self) -> None:
        """End every stream, and whoever iterates; from any thread."""
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
        self._queue.put(_CLOSED)

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


async def asynchronously(open_: Callable[[], Closable]) -> AsyncIterator[Event]:
    """Give the events of an iterator that blocks, in an event loop: a thread iterates, and hands them over.

    Args:
        open_: Makes the iterator; it is closed when the caller stops, is cancelled or fails.
    """
    import asyncio

    feed = _Feed(open_(), asyncio.get_running_loop())
    feed.thread.start()
    try:
        while True:
            got = await feed.arrived.get()
            feed.room.release()
            if got is None:
                return
            if isinstance(got, BaseException):
                raise got
            yield got
    finally:
        feed.stop()


class _Feed:
    """The thread behind an asynchronous iterator; it waits when the loop has ``ROOM`` events unread."""

    def __init__(self, blocking: Closable, loop: asyncio.AbstractEventLoop) -> None:
        from asyncio import Queue

        self.arrived: Queue[Event | BaseException | None] = Queue()
        self.room = threading.Semaphore(ROOM)
        self.thread = threading.Thread(target=self._read, daemon=True, name="fairing-follow-async")
        self._blocking = blocking
        self._loop = loop
        self._stopped = False

    def stop(self) -> None:
        self._stopped = True
        self.room.release()
        self._blocking.close()

    def _read(self) -> None:
        try:
            for event in self._blocking:
                if event is not None and not self._hand(event):
                    return
            self._hand(None)
        except BaseException as error:  # noqa: BLE001 - it is raised where the events are awaited
            self._hand(error)

    def _hand(self, thing: Event | BaseException | None) -> bool:
        self.room.acquire()
        if self._stopped:
            return False
        try:
            self._loop.call_soon_threadsafe(self.arrived.put_nowait, thing)
        except RuntimeError:  # the loop was closed without waiting for us
            return False
        return True
