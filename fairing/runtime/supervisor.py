"""Watches over a run on this machine, from a process of its own: it is started detached and outlives the kernel.

Two processes watch. The *supervisor* starts one runner a replica, keeps their logs, tells followers over a Unix socket
when there is more to read, ends the run at its timeout or when asked to, and leaves how it ended. The *guard* is its
parent and does nothing, until the supervisor ends: then it ends whatever is left of the run, starts a supervisor that
was killed again (if the run may be), and else leaves word that the run is lost.

    run.json     what to run               lock       held for as long as either lives
    logs/        run.log, worker-0.log, …  socket     followers connect here; ``cancel`` is asked for here
    spool/       what the runners keep     end.json   how the run ended
    work/        the working folder
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import socket
import time
from typing import Any

from fairing.runtime import cgroup, processes
from fairing.runtime.replica import End, Replica

_RETRIED = {"signal", "memory"}
_TELLING = 3.0  # seconds for a runner to tell that its process was killed


def main(folder: str, ready: int) -> None:
    """Run a folder's run; say on a descriptor when followers can connect. It returns in nobody's process."""
    if os.fork():
        os._exit(0)  # whoever started this waits for it, and is to keep no zombie
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # they are for the supervisor
    os.chdir(folder)  # a socket's path may have about 100 bytes, and this folder's may have more
    listener = socket.socket(socket.AF_UNIX)
    listener.bind("socket")
    listener.listen(64)
    listener.setblocking(False)
    # After the socket: whoever cannot connect may wait for the lock, and then knows how the run ended.
    fcntl.flock(os.open("lock", os.O_CREAT | os.O_RDWR, 0o600), fcntl.LOCK_EX)
    os.write(ready, b"ready")
    os.close(ready)
    with open("run.json", "rb") as file:
        spec = json.load(file)
    processes.adopt()
    _guard(folder, spec, listener)


def _guard(folder: str, spec: dict[str, Any], listener: socket.socket) -> None:
    deadline = time.monotonic() + spec["timeout"] if spec["timeout"] else float("inf")
    groups = [group for each in spec["replicas"] for group in each["groups"]]
    while True:
        supervisor = os.fork()
        if not supervisor:
            processes.adopt()
            Supervisor(folder, spec, listener, deadline).run()
            os._exit(0)
        code = processes.wait(supervisor)
        processes.end_all()
        if os.path.exists("end.json"):
            break
        if code >= 0 or _attempts(spec) > spec["retries"]:
            why = "was killed" if code < 0 else "failed: supervisor.log in its folder says why"
            _leave("lost", f"what watched over it {why}, and how it ended is not known", code)
            break
    cgroup.remove(groups)
    os._exit(0)


class Supervisor:
    """One run, from its start to its end."""

    def __init__(self, folder: str, spec: dict[str, Any], listener: socket.socket, deadline: float) -> None:
        self._folder = folder
        self._spec = spec
        self._listener = listener
        self._deadline = deadline
        self._kill_at = float("inf")
        self._killed = False
        self._stopping = ""
        self._followers: dict[int, socket.socket] = {}
        self._running: dict[int, Replica] = {}
        self._open: dict[int, Replica] = {}
        self._first_bad: End | None = None
        begun = _attempts(self._spec)  # a supervisor that was killed has begun some
        name = f"logs/run.{begun}.log" if begun else "logs/run.log"
        self._log = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._encoder: Any = None
        self._woken, wake = os.pipe()
        os.set_blocking(self._woken, False)
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake)
        signal.signal(signal.SIGCHLD, _wake)
        signal.signal(signal.SIGTERM, self._terminated)
        self._poll = select.poll()
        for descriptor in (listener.fileno(), self._woken):
            self._poll.register(descriptor, select.POLLIN)

    def run(self) -> None:
        """Run to the end, in as many attempts as it takes and may take."""
        while True:
            attempt = _attempts(self._spec)
            self._begin(attempt)
            self._status("running", "" if not attempt else f"attempt {attempt + 1} of {self._spec['retries'] + 1}")
            while self._running:
                self._turn()
            processes.end_all()
            bad = self._first_bad
            if self._stopping or bad is None or bad.kind not in _RETRIED or attempt >= self._spec["retries"]:
                break
            self._status("pending", f"{bad.why}; it starts again")
        self._end()

    def _begin(self, attempt: int) -> None:
        self._first_bad = None
        self._killed = False
        self._kill_at = float("inf")
        count = len(self._spec["replicas"])
        ports = _free_ports(count + 2) if count > 1 else []
        for index in range(count):
            replica = Replica(self._folder, self._spec, index, attempt, ports)
            self._running[replica.pid] = self._open[replica.output] = replica
            self._poll.register(replica.output, select.POLLIN)

    def _turn(self) -> None:
        """Wait for something to happen, and do what it asks for."""
        now = time.monotonic()
        if now >= self._kill_at:
            self._kill()
        if now >= self._deadline and not self._stopping and self._first_bad is None:
            self._stop("timeout")
        due = min(self._kill_at, self._deadline if now < self._deadline else float("inf")) - now
        news = False
        for descriptor, _ in self._poll.poll(None if due == float("inf") else max(0.0, due) * 1000 + 1):
            if descriptor in self._open:
                news = True
                if not self._open[descriptor].read():
                    self._silent(descriptor)
            elif descriptor == self._woken:
                self._wakened()
            elif descriptor == self._listener.fileno():
                self._accept()
            else:
                self._asked(descriptor)
        if news:
            self._tell()

    def _silent(self, descriptor: int) -> None:
        """A replica's output has ended, and so has the replica, or it is about to."""
        self._poll.unregister(descriptor)
        replica = self._open.pop(descriptor)
        if replica.code is None:
            replica.code = processes.wait(replica.pid)
        replica.close()
        del self._running[replica.pid]
        end = replica.end()
        if end.kind != "done" and self._first_bad is None:
            self._first_bad = end
            if self._running:
                self._stop("")

    def _wakened(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._woken, 512)
        if self._stopping == "terminated":
            self._stopping = ""
            self._stop("cancelled")
        for pid, code in processes.reap().items():
            if pid in self._running:
                self._running[pid].code = code

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            follower, _ = self._listener.accept()
            follower.setblocking(False)
            self._followers[follower.fileno()] = follower
            self._poll.register(follower.fileno(), select.POLLIN)

    def _asked(self, descriptor: int) -> None:
        follower = self._followers[descriptor]
        try:
            said = follower.recv(64)
        except OSError:
            said = b""
        if said.startswith(b"cancel"):
            self._stop("cancelled")
        elif not said:
            self._poll.unregister(descriptor)
            del self._followers[descriptor]
            follower.close()

    def _tell(self) -> None:
        for follower in self._followers.values():
            with contextlib.suppress(OSError):  # it has yet to read of the last time, or is gone
                follower.send(b".")

    def _stop(self, reason: str) -> None:
        """Ask every replica to end; ``reason`` is the run's as a whole, or empty where one of them ended badly."""
        if self._stopping:
            return
        self._stopping = reason
        self._kill_at = min(self._kill_at, time.monotonic() + self._spec["grace"])
        for replica in self._running.values():
            replica.terminate()

    def _kill(self) -> None:
        """Kill what did not end when asked: first the user's processes, so that the runners can tell; then all."""
        spared = set() if self._killed else set(self._running)
        for pid in processes.descendants(os.getpid()):
            if pid not in spared:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
        self._kill_at = float("inf") if self._killed else time.monotonic() + _TELLING
        self._killed = True

    def _terminated(self, *_: Any) -> None:
        self._stopping = self._stopping or "terminated"

    def _event(self, kind: str, **body: Any) -> None:
        if self._encoder is None:
            from fairing.runtime.frames import Encoder  # while the first runner starts: it takes as long as that

            with open("key", "rb") as key:
                self._encoder = Encoder(key.read(), "run-0", lambda data: os.write(self._log, data))
        self._encoder.event(kind, body)
        self._tell()

    def _status(self, phase: str, reason: str) -> None:
        self._event("status", phase=phase, reason=reason)

    def _end(self) -> None:
        """Say once how the run ended: what no replica's own code has told is told here."""
        bad = self._first_bad
        code = bad.code if bad else 0
        said: str | None = None
        if self._stopping == "cancelled":
            phase, reason, ename = "cancelled", "", "cancelled"
        elif self._stopping == "timeout":
            phase, reason, ename = "failed", f"it reached its timeout of {self._spec['timeout']:g} s", "timeout"
        elif bad is not None:
            phase, reason, ename = "failed", bad.why, bad.kind
            said = bad.said
        else:
            phase, reason, ename = "succeeded", "", ""
        if ename and ename != "code":
            self._event("failure", ename=ename, evalue=reason if said is None else said, code=code)
        self._status(phase, reason)
        _leave(phase, reason, code)


def _attempts(spec: dict[str, Any]) -> int:
    """Return how many attempts have begun."""
    first = f"{spec['replicas'][0]['name']}."
    return sum(name.startswith(first) for name in os.listdir("logs"))


def _leave(phase: str, reason: str, code: int) -> None:
    with open(os.open("end.json.part", os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
        json.dump({"phase": phase, "reason": reason, "code": code, "time": time.time()}, file)
    os.rename("end.json.part", "end.json")


def _free_ports(count: int) -> list[int]:
    """Return ports of this machine that nobody listens on; all are held at once, so that they differ."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports


def _wake(*_: Any) -> None:
    """A handler, so that the signal wakes the poll."""
