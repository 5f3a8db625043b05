"""Many blocking streams → one iterator, in the thread that iterates.

The only threads of the client that read: one for the outer stream, one a replica, into one bounded queue, so that a
slow cell slows its readers and holds little memory. For event loops there is one more, at the other end.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from fairing.events import Event
from fairing.ports import Stream

if TYPE_CHECKING:
    import asyncio

ROOM = 256
"""Events that are held between the readers and whoever iterates."""


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
        every: Seconds without an event after which ``None`` is given instead; never, if ``None``. It may be changed
            between two events.
    """

    def __init__(self, replicas: Stream[Stream[Event]], every: float | None = None) -> None:
        self._changed = threading.Condition()
        self._held: deque[Event] = deque()
        self._failed: BaseException | None = None
        self._closed = False
        self._reading = 0
        self._streams: list[Stream[Event]] = []
        self._threads: list[threading.Thread] = []
        self._replicas = replicas
        self.every = every
        self._start(self._outer)

    @property
    def closed(self) -> bool:
        """Whether it was closed before its end."""
        return self._closed

    def __iter__(self) -> Iterator[Event | None]:
        return self

    def __next__(self) -> Event | None:
        with self._changed:
            while not (self._closed or self._held or self._failed) and self._reading:
                if not self._changed.wait(self.every):
                    return None
            if self._held and not self._closed:
                event = self._held.popleft()
                if len(self._held) == ROOM - 1:
                    self._changed.notify_all()
                return event
            failed, self._failed = self._failed, None
        if failed is not None and not self._closed:
            raise failed
        raise StopIteration

    def close(self) -> None:
        """End every stream, and whoever iterates; from any thread. When it returns, nothing reads any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            streams = list(self._streams)
        self._replicas.close()
        for stream in streams:
            stream.close()
        for thread in self._threads:  # the outer stream's is the first; when it has ended, none is added
            thread.join()

    def _outer(self) -> None:
        for stream in self._replicas:
            with self._changed:
                if not self._closed:
                    self._streams.append(stream)
                    self._start(lambda stream=stream: self._inner(stream))  # type: ignore[misc]
                    continue
            stream.close()
            return

    def _inner(self, stream: Stream[Event]) -> None:
        for event in stream:
            with self._changed:
                while len(self._held) >= ROOM and not self._closed:
                    self._changed.wait()
                if self._closed:
                    return
                self._held.append(event)
                if len(self._held) == 1:
                    self._changed.notify_all()

    def _start(self, read: Callable[[], None]) -> None:
        with self._changed:
            self._reading += 1
        thread = threading.Thread(target=self._read, args=(read,), daemon=True, name="fairing-follow")
        self._threads.append(thread)
        thread.start()

    def _read(self, read: Callable[[], None]) -> None:
        failed: BaseException | None = None
        try:
            read()
        except BaseException as error:  # noqa: BLE001 - it is raised where the events are read
            failed = error
        with self._changed:
            self._reading -= 1
            self._failed = self._failed or failed
            self._changed.notify_all()


async def asynchronously(
    open_: Callable[[], Stream[Event | None]], left: Callable[[BaseException], None]
) -> AsyncIterator[Event]:
    """Give the events of an iterator that blocks, in an event loop: a thread iterates, and hands them over.

    Args:
        open_: Makes the iterator, whose ``None`` says that nothing came for a moment; it is closed when the caller
            stops, is cancelled or fails.
        left: Is given the cancellation, where one comes.
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
    except asyncio.CancelledError as cancelled:
        left(cancelled)
        raise
    finally:
        feed.stop()


class _Feed:
    """The thread behind an asynchronous iterator; it waits when the loop has ``ROOM`` events unread."""

    def __init__(self, blocking: Stream[Event | None], loop: asyncio.AbstractEventLoop) -> None:
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
                if event is None:
                    self._wake()
                elif not self._hand(event):
                    return
            self._hand(None)
        except BaseException as error:  # noqa: BLE001 - it is raised where the events are awaited
            self._hand(error)

    def _wake(self) -> None:
        """Let the loop look around: ipykernel notes an interrupt there, and does not wake it."""
        with suppress(RuntimeError):  # it was closed without waiting for us
            self._loop.call_soon_threadsafe(int)

    def _hand(self, thing: Event | BaseException | None) -> bool:
        self.room.acquire()
        if self._stopped:
            return False
        try:
            self._loop.call_soon_threadsafe(self.arrived.put_nowait, thing)
        except RuntimeError:  # the loop was closed without waiting for us
            return False
        return True
