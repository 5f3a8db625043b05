"""The parent's side of a run: reads what the child writes, in order, and writes the log.

The child's descriptors 1 and 2 are two pipes. What Python writes to ``sys.stderr``, and everything richer than text,
goes through the first pipe as *marked* pieces, so that its order with ``print`` is exact; what C code or a subprocess
writes to descriptor 2 comes through the second.

    RS nonce size kind payload       nonce: 32 hex digits, this run's; size: 4 hex digits; kind: one letter

The nonce keeps marks apart from whatever the user's code prints. It is no secret: the parent lets the child say what
its code displays and returns, and nothing else.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from fairing.runtime import kept, leftovers, processes
from fairing.runtime.frames import LOG_LIMIT, Encoder
from fairing.runtime.lines import Lines
from fairing.runtime.segments import LIMIT, Copy

STDERR, MESSAGE, FILED = b"e", b"m", b"f"
ATOMIC = min(select.PIPE_BUF, 4096)
"""Bytes that one write puts into a pipe whole, even beside other writers."""

PARTIAL_EVERY = 0.5
PARTIAL_AFTER = 0.05
HEARTBEAT = 10.0
SETTLED = 0.1
"""Seconds after which plain lines of a long log are followed by a frame, for which its readers wait."""

NUDGE = 0.25
"""Seconds after which a child that was asked to end, and has not, is woken."""

DRAIN = 1.0
ROOM = 1 << 19
"""Bytes of a pipe."""

TURN = 16
"""Reads from one pipe before the others, and the clock, have their turn."""

TERMINATED = 128 + signal.SIGTERM
"""The exit code of a child that was asked to end, and did so as its ``finally:`` wanted."""
_TOLD = frozenset({"text", "display", "clear", "progress", "metric", "cellstatus", "files", "result", "failure"})


class Pipe:
    """A pipe with its two ends, of which each process keeps one."""

    def __init__(self) -> None:
        self.read, self.write = os.pipe()
        with contextlib.suppress(OSError, AttributeError):  # what is printed in a burst has room
            fcntl.fcntl(self.write, fcntl.F_SETPIPE_SZ, ROOM)

    def child(self) -> None:
        """Keep the writing end alone."""
        os.close(self.read)

    def parent(self) -> int:
        """Keep the reading end alone, and return it."""
        os.close(self.write)
        os.set_blocking(self.read, False)
        return self.read


def pipes() -> tuple[Pipe, Pipe, bytes]:
    """Return the pipes of descriptors 1 and 2, and the mark that begins a marked piece."""
    return Pipe(), Pipe(), b"\x1e" + os.urandom(16).hex().encode()


def marked(mark: bytes, kind: bytes, payload: bytes) -> bytes:
    """Return a marked piece; it has to fit into ``ATOMIC`` bytes."""
    return b"%s%04x%s%s" % (mark, len(payload), kind, payload)


def pump(spec: dict[str, Any], child: int, outputs: int, errors: int, mark: bytes, before: dict[str, int]) -> int:
    """Write the log until the child has ended and its output has been read; return the exit code to leave with.

    Args:
        spec: What is run.
        child: The process that runs it.
        outputs: The reading end of its descriptor 1.
        errors: That of its descriptor 2.
        mark: What begins a marked piece.
        before: The files of the working folder before it began.
    """
    spool = Path(spec["spool"])
    ended = _Ended(child)
    writing = encoder(spec, _spooler(spec, ended))
    log = Log(writing, mark, spool, lambda: ended.terminated)
    _read(log, ended, {outputs: "stdout", errors: "stderr"}, float(spec.get("heartbeat", HEARTBEAT)))
    code = ended.wait()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)
    left = leftovers.listed(spec["work"], before)
    told = log.close(code, ended.terminated, left, platform="outcome" in spec)
    kept.settle(spec, left, log.event, writing.checkpoint, lambda: ended.asked)
    log.end()
    if "outcome" in spec:
        Path(spec["outcome"]).write_text(json.dumps({"code": code, "told": told}))
    leaving = _leaving(code, bool(told), ended.terminated)
    if code != -signal.SIGKILL:  # what was killed may be started again; what ended by itself never is
        (spool / kept.ENDED).write_text(str(leaving))
    return leaving


def encoder(spec: dict[str, Any], spool: Callable[[int, bytes], str] | None = None) -> Encoder:
    """Return what writes the log of what is run, from where it stands now.

    Args:
        spec: What is run.
        spool: Keeps what is too long for the log.
    """
    key = Path(spec["key"]).read_bytes()
    limit = int(spec.get("log_limit", LOG_LIMIT))
    if "log" not in spec:
        return Encoder(key, spec["source"], _writer(1), spool, log_limit=limit)
    write = Copy(Path(spec["log"]), int(spec.get("log_kept", LIMIT)), _writer(1))
    return Encoder(key, spec["source"], write, spool, log_limit=limit, start=write.start)


def _leaving(code: int, told: bool, terminated: bool) -> int:
    """Return the exit code to leave with: one above 128 says that the code was killed, and platforms run that again."""
    if code < 0:
        return 128 - code
    return 1 if code > 128 and not terminated else code if told else code or 1


class Log:
    """What the child says, on its way into the log."""

    def __init__(self, encoder: Encoder, mark: bytes, spool: Path, stopped: Callable[[], bool] = lambda: False) -> None:
        self._encoder = encoder
        self._mark = mark
        self._spool = spool
        self._stopped = stopped
        self._lines = {"stdout": Lines(), "stderr": Lines()}
        self._since = dict.fromkeys(self._lines, 0.0)
        self._partial_at = dict.fromkeys(self._lines, 0.0)
        self._mark_at = float("inf")
        self._held = b""
        self._told: set[str] = set()

    def take(self, stream: str, descriptor: int) -> bool:
        """Read what a pipe holds now; return whether there may be more later."""
        for _ in range(TURN):
            try:
                data = os.read(descriptor, 1 << 18)
            except BlockingIOError:
                break
            if not data:
                return False
            self._texts(self._unmarked(data) if stream == "stdout" else ((stream, data),))
            if len(data) < 1 << 16:
                break
        return True

    def event(self, kind: str, body: dict[str, Any]) -> None:
        """Write an event."""
        self._encoder.event(kind, body)

    def due(self) -> float:
        """Return when the state of an unfinished line is to be written, or a mark, on the monotonic clock."""
        return min((self._mark_at, *(self._due(name) for name, lines in self._lines.items() if lines.changed)))

    def partials(self) -> None:
        """Write the state of unfinished lines, each at most twice a second, and the mark that readers wait for."""
        now = time.monotonic()
        for name, lines in self._lines.items():
            if lines.changed and now >= self._due(name):
                self._partial_at[name] = now
                self._encoder.partial(name, lines.state())
        if now >= self._mark_at:
            self._mark_at = float("inf")
            if self._encoder.waits:
                self._encoder.checkpoint()

    def heartbeat(self, memory: int) -> None:
        """Keep an idle connection open, say how much memory is used, and how much was written so far."""
        self._encoder.checkpoint()
        self.event("metric", {"name": "memory", "value": memory})

    def close(self, code: int, terminated: bool, files: list[dict[str, object]], platform: bool = False) -> str:
        """Write what is left; return what the child told of its end: ``result``, ``failure`` or nothing.

        Where no ``platform`` tells how a process ended whose code did not tell, it is told here.
        """
        for name, lines in self._lines.items():
            rest = lines.rest()
            if rest:
                self._encoder.text(name, rest, ended=False)
        self.event("files", {"files": files})
        told = next((each for each in ("failure", "result") if each in self._told), "")
        if terminated and not platform:
            self.event("failure", {"ename": "cancelled", "evalue": "", "code": code})
        elif not told and not platform:
            code = -signal.SIGTERM if code == TERMINATED else code
            name = signal.Signals(-code).name if code < 0 else ""
            self.event("failure", {"ename": "signal" if code < 0 else "exit", "evalue": name, "code": code})
        return told

    def end(self) -> None:
        """Write that nothing more comes."""
        self._encoder.end()

    def _due(self, name: str) -> float:
        return max(self._partial_at[name] + PARTIAL_EVERY, self._since[name] + PARTIAL_AFTER)

    def _texts(self, pieces: Iterable[tuple[str, bytes]]) -> None:
        """Take pieces of both streams, and messages; pieces of one stream that follow each other are one."""
        for name, each in itertools.groupby(pieces, lambda piece: piece[0]):
            if name in self._lines:
                self._text(name, b"".join(data for _, data in each))
                continue
            for _, payload in each:
                self._message(name, payload)

    def _text(self, stream: str, data: bytes) -> None:
        lines = self._lines[stream]
        was = lines.changed
        whole = lines.feed(data)
        if whole:
            self._encoder.text(stream, whole)
            if self._encoder.waits and self._mark_at == float("inf"):
                self._mark_at = time.monotonic() + SETTLED
        while head := lines.overflow():
            self._encoder.text(stream, head, ended=False)
        if lines.changed and (whole or not was):
            self._since[stream] = time.monotonic()

    def _unmarked(self, data: bytes) -> Iterator[tuple[str, bytes]]:
        data = self._held + data if self._held else data
        self._held = b""
        while (at := data.find(self._mark)) >= 0:
            start = at + len(self._mark) + 5
            size = int(data[start - 5 : start - 1], 16) if len(data) >= start else 0
            if len(data) < start + size:
                break
            if at:
                yield "stdout", data[:at]
            kind, payload = data[start - 1 : start], data[start : start + size]
            yield "stderr" if kind == STDERR else kind.decode(), payload
            data = data[start + size :]
        else:
            at = self._begun(data)
        if at:
            yield "stdout", data[:at]
        self._held = data[at:]

    def _begun(self, data: bytes) -> int:
        """Return where a mark that is not yet whole begins, else the end."""
        at = data.rfind(b"\x1e", max(0, len(data) - len(self._mark)))
        return at if at >= 0 and self._mark.startswith(data[at:]) else len(data)

    def _message(self, kind: str, payload: bytes) -> None:
        if kind == FILED.decode():
            file = self._spool / Path(payload.decode()).name  # whatever the child says, it is a file of the spool
            payload = file.read_bytes()
            file.unlink()
        message = json.loads(payload)
        name = message.pop("k")
        if name == "failure" and (self._stopped() or message.get("code") == TERMINATED):
            # What its code raised because it was asked to end is not why it ended; it is told as text.
            if message["ename"] not in {"SystemExit", "KeyboardInterrupt"}:
                self._text("stderr", "".join(message.get("traceback", ())).encode())
        elif name in _TOLD:
            self._told.add(name)
            self.event(name, message)


def _read(log: Log, ended: _Ended, names: dict[int, str], beat: float) -> None:
    """Read pipes, each by the name of its stream, until they are closed, or for long enough after the child's end."""
    poll = select.poll()
    for descriptor in (*names, ended.wakeup):
        poll.register(descriptor, select.POLLIN)
    heartbeat = time.monotonic() + beat
    deadline = float("inf")
    while names and time.monotonic() < deadline:
        timeout = min(log.due(), heartbeat, deadline, ended.nudge_at) - time.monotonic()
        for descriptor, _ in sorted(poll.poll(max(0.0, timeout) * 1000), reverse=True):
            if descriptor in names and not log.take(names[descriptor], descriptor):
                poll.unregister(descriptor)
                del names[descriptor]
        log.partials()
        ended.nudge()
        if ended.code() is not None and deadline == float("inf"):
            deadline = time.monotonic() + DRAIN  # a process left behind may keep the pipes open for ever
        if time.monotonic() >= heartbeat:
            heartbeat = time.monotonic() + beat
            log.heartbeat(_memory(ended.child))


class _Ended:
    """Knows when the child has ended, and passes a SIGTERM on to it."""

    def __init__(self, child: int) -> None:
        self.child = child
        self._code: int | None = None
        self.terminated = False
        """Whether it was asked to end while its code ran."""
        self.asked = False
        """Whether it was asked to end, at any time."""
        self.nudge_at = float("inf")
        self.wakeup, write = os.pipe()
        os.set_blocking(self.wakeup, False)
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._before = signal.signal(signal.SIGTERM, self._terminate)
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def code(self) -> int | None:
        with contextlib.suppress(BlockingIOError):
            os.read(self.wakeup, 512)
        if self._code is None:
            pid, status = os.waitpid(self.child, os.WNOHANG)
            if pid:
                self._code = os.waitstatus_to_exitcode(status)
        return self._code

    def wait(self) -> int:
        if self._code is None:
            self._code = os.waitstatus_to_exitcode(os.waitpid(self.child, 0)[1])
        return self._code

    def nudge(self) -> None:
        """Wake a child that was about to wait when SIGTERM came: its handler runs when a system call is interrupted."""
        if self._code is not None:
            self.nudge_at = float("inf")
        elif time.monotonic() >= self.nudge_at:
            self.nudge_at = time.monotonic() + NUDGE
            os.kill(self.child, signal.SIGURG)  # it is there, or a zombie, for as long as nobody has waited for it

    def _terminate(self, *which: Any) -> None:
        if callable(self._before):
            self._before(*which)
        self.asked = True
        self.nudge_at = time.monotonic() + NUDGE
        if self._code is None:
            self.terminated = True
            try:  # its own processes too, as a terminal would: it may be waiting in C code for one of them
                os.killpg(self.child, signal.SIGTERM)
            except (ProcessLookupError, PermissionError):  # it has no group of its own yet
                os.kill(self.child, signal.SIGTERM)


def _writer(descriptor: int) -> Callable[[bytes], None]:
    def write(data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]

    return write


def _spooler(spec: dict[str, Any], ended: _Ended) -> Callable[[int, bytes], str]:
    def keep(number: int, data: bytes) -> str:
        name = f"frame-{number}.json"
        file = Path(spec["spool"], name)
        file.write_bytes(data)
        if "artifacts" in spec and not spec["fetched"]:  # whoever reads it now finds it in the store alone
            from fairing.runtime import stored

            stored.put(spec, [(str(file), f"spool/{spec['source']}/{name}")], lambda: ended.asked)
        return f"spool/{name}"

    return keep


def _memory(pid: int) -> int:
    """Return the bytes of memory that a process and what descends from it hold; 0 where that cannot be read."""
    pages = 0
    for each in (pid, *processes.descendants(pid)):
        with contextlib.suppress(OSError, IndexError):
            pages += int(Path(f"/proc/{each}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


if sys.platform == "win32":
    raise ImportError("the runtime runs on Linux and macOS; on Windows, use WSL")
