"""Many blocking streams become one iterator, and closing it leaves nothing behind."""

import contextlib
import os
import signal
import sys
import threading

import pytest

from fairing.events import Source, Stamp, Text
from fairing.run.follow import ROOM, Merged, follow


class Pipe:
    """A stream over a real pipe: a blocked read ends when it is closed."""

    def __init__(self, *items):
        self._items = list(items)
        self._read, self._write = os.pipe()
        self.blocked = threading.Event()
        self.closed = threading.Event()
        self._lock = threading.Lock()

    def __iter__(self):
        yield from self._items
        self.blocked.set()
        os.read(self._read, 1)
        os.close(self._read)

    def close(self):
        with self._lock:
            if not self.closed.is_set():
                self.closed.set()
                os.close(self._write)


class Ended(Pipe):
    """A stream that ends by itself."""

    def __iter__(self):
        self.close()
        yield from super().__iter__()


def text(words, index=0):
    return Text(Stamp(Source("worker", index), 0.0), words)


def readers():
    return [thread for thread in threading.enumerate() if thread.name == "fairing-follow"]


@contextlib.contextmanager
def interrupting():
    """Interrupt the main thread once it waits for an event."""
    main = threading.main_thread().ident

    def interrupt():
        while not _waits(sys._current_frames()[main]):
            os.sched_yield()
        signal.pthread_kill(main, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def _waits(frame):
    names = []
    while frame is not None:
        names.append(frame.f_code.co_name)
        frame = frame.f_back
    return names[0] == "wait" and "__next__" in names


def test_every_replicas_events_come_in_its_order():
    replicas = Ended(*[Ended(*[text(str(n), index) for n in range(500)]) for index in range(3)])
    seen = {0: [], 1: [], 2: []}
    for event in follow(replicas):
        seen[event.at.source.index].append(int(event.text))
    assert seen == {index: list(range(500)) for index in range(3)}
    assert readers() == []


def test_closing_ends_blocked_reads_and_leaves_no_thread():
    inner = [Pipe(text("a")), Pipe(text("b"))]
    outer = Pipe(*inner)
    events = follow(outer)
    assert {next(events).text, next(events).text} == {"a", "b"}
    for each in (outer, *inner):
        each.blocked.wait()
    events.close()
    assert all(each.closed.is_set() for each in (outer, *inner))
    assert readers() == []


def test_another_thread_may_close_and_ends_a_blocked_next():
    outer = Pipe(Pipe())
    merged = Merged(outer)
    ended = threading.Event()

    def read():
        for _ in merged:
            pass
        ended.set()

    reader = threading.Thread(target=read)
    reader.start()
    outer.blocked.wait()
    merged.close()
    reader.join()
    assert ended.is_set()
    assert merged.closed
    assert readers() == []


def test_closing_ends_readers_that_wait_for_room():
    inner = Pipe(*[text("x")] * (ROOM * 3))
    events = follow(Ended(inner))
    next(events)
    events.close()
    assert not inner.blocked.is_set()  # it never got to its end: the queue was full
    assert readers() == []


def test_a_slow_cell_holds_little_memory():
    made = []

    class Counted(Pipe):
        def __iter__(self):
            for n in range(ROOM * 10):
                made.append(n)
                yield text(str(n))

    merged = Merged(Ended(Counted()))
    taken = 0
    for event in merged:
        taken += event is not None
        assert len(made) - taken <= ROOM + 1
    assert taken == ROOM * 10


def test_a_readers_error_is_raised_where_events_are_read_and_the_rest_is_closed():
    class Broken(Ended):
        def __iter__(self):
            yield text("before")
            raise ConnectionResetError("gone")

    healthy = Pipe()
    events = follow(Ended(healthy, Broken()))
    assert next(events).text == "before"
    with pytest.raises(ConnectionResetError, match="gone"):
        next(events)
    assert healthy.closed.is_set()
    assert readers() == []


def test_an_error_of_the_outer_stream_is_raised_too():
    class Broken(Ended):
        def __iter__(self):
            yield Ended(text("one"))
            raise PermissionError("refused")

    with pytest.raises(PermissionError, match="refused"):
        list(follow(Broken()))
    assert readers() == []


def test_an_interrupt_closes_everything():
    inner = Pipe(text("ready"))
    events = follow(Ended(inner))
    next(events)
    with pytest.raises(KeyboardInterrupt), interrupting():
        next(events)
    assert inner.closed.is_set()
    assert readers() == []


def test_following_goes_on_after_an_interrupt():
    gate_read, gate_write = os.pipe()

    class Gated(Ended):
        def __iter__(self):
            yield text("one")
            self.blocked.set()
            os.read(gate_read, 1)
            yield text("two")

    gated = Gated()
    merged = Merged(Ended(gated))
    assert next(merged).text == "one"
    with pytest.raises(KeyboardInterrupt), interrupting():
        next(merged)
    os.write(gate_write, b".")
    assert next(merged).text == "two"
    assert list(merged) == []
    merged.close()
    os.close(gate_read)
    os.close(gate_write)


def test_quiet_is_told_where_it_is_asked_for():
    inner = Pipe()
    merged = Merged(Ended(inner), every=0.01)
    assert next(merged) is None
    merged.close()
    assert list(merged) == []


def test_a_stream_that_appears_while_closing_is_closed_too():
    late = Pipe()

    class Late(Pipe):
        def __iter__(self):
            self.blocked.set()
            self.closed.wait()
            yield late

    outer = Late()
    merged = Merged(outer)
    outer.blocked.wait()
    merged.close()
    assert late.closed.is_set()
    assert readers() == []
