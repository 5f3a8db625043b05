"""Watches over a run on this machine: ``python -I -S supervisor.py RUN_FOLDER DESCRIPTOR``.

It is started detached from the kernel and outlives it. It starts one runner a replica, keeps their logs, tells
followers over a Unix socket when there is more to read, ends the run at its timeout or when asked to, and leaves how it
ended.

    run.json     what to run (read once)            lock       held for as long as the supervisor lives
    logs/        run.log, worker-0.log, …           socket     followers connect here; ``cancel`` is asked for here
    work/        the working folder                 end.json   how the run ended
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from fairing.runtime.frames import Encoder


class Supervisor:
    """One run, from its start to its end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._spec: dict[str, Any] = json.loads((folder / "run.json").read_bytes())
        self._select = selectors.DefaultSelector()
        self._followers: set[socket.socket] = set()
        self._workers: dict[int, Worker] = {}
        self._codes: list[int] = []
        self._stopping: str | None = None
        self._kill_at = float("inf")
        key = (folder / "key").read_bytes()
        self._log = (folder / "logs" / "run.log").open("ab", buffering=0)
        self._encoder = Encoder(key, "run-0", self._log.write)

    def listen(self) -> None:
        """Open the socket."""
        listener = socket.socket(socket.AF_UNIX)
        os.chdir(self._folder)  # a socket's path may have about 100 bytes, and this folder's may have more
        listener.bind("socket")
        listener.listen(64)
        listener.setblocking(False)
        self._select.register(listener, selectors.EVENT_READ, self._accept)

    def run(self) -> None:
        """Run to the end."""
        self._status("running", "")
        timeout = self._spec["timeout"]
        deadline = time.monotonic() + timeout if timeout else float("inf")
        for index in range(self._spec["count"]):
            self._start(index)
        while self._workers:
            now = time.monotonic()
            if now >= self._kill_at:
                _kill(signal.SIGKILL)
                self._kill_at = float("inf")
            if now >= deadline and not self._stopping:
                self._stop("timeout")
            wait = min(deadline if not self._stopping else float("inf"), self._kill_at) - now
            for chosen, _ in self._select.select(None if wait == float("inf") else max(0.0, wait)):
                chosen.data(chosen.fileobj)
        self._end()

    def _start(self, index: int) -> None:
        worker = Worker(self._folder, self._spec, index)
        self._workers[index] = worker
        self._select.register(worker.output, selectors.EVENT_READ, lambda _: self._read(worker))

    def _read(self, worker: Worker) -> None:
        data = os.read(worker.output, 1 << 18)
        if data:
            worker.log.write(data)
            self._tell()
            return
        self._select.unregister(worker.output)
        self._codes.append(worker.end())
        del self._workers[worker.index]

    def _accept(self, listener: Any) -> None:
        follower, _ = listener.accept()
        follower.setblocking(False)
        self._followers.add(follower)
        self._select.register(follower, selectors.EVENT_READ, self._asked)

    def _asked(self, follower: Any) -> None:
        try:
            said = follower.recv(64)
        except OSError:
            said = b""
        if not said:
            self._select.unregister(follower)
            self._followers.discard(follower)
            follower.close()
        elif said.startswith(b"cancel"):
            self._stop("cancelled")

    def _tell(self) -> None:
        for follower in self._followers:
            with contextlib.suppress(OSError):  # it has yet to read of the last time, or is gone
                follower.send(b".")

    def _stop(self, reason: str) -> None:
        if self._stopping:
            return
        self._stopping = reason
        self._kill_at = time.monotonic() + self._spec["grace"]
        for worker in self._workers.values():
            worker.terminate()

    def _status(self, phase: str, reason: str) -> None:
        self._encoder.event("status", {"phase": phase, "reason": reason})
        self._tell()

    def _end(self) -> None:
        _kill(signal.SIGKILL)
        code = next((code for code in self._codes if code), 0)
        if self._stopping == "cancelled":
            phase, reason = "cancelled", "it was cancelled"
        elif self._stopping == "timeout":
            phase, reason = "failed", f"it reached its timeout of {self._spec['timeout']:g} s"
        else:
            phase, reason = ("failed", f"exit code {code}") if code else ("succeeded", "")
        self._status(phase, reason)
        end = self._folder / "end.json.part"
        end.write_text(json.dumps({"phase": phase, "reason": reason, "code": code, "time": time.time()}))
        end.rename(self._folder / "end.json")


class Worker:
    """One replica: its runner's process and its log."""

    def __init__(self, folder: Path, spec: dict[str, Any], index: int) -> None:
        self.index = index
        source = f"worker-{index}"
        spool = folder / "spool" / source
        spool.mkdir(parents=True, mode=0o700, exist_ok=True)
        runner = {**spec["runner"], "source": source, "spool": str(spool), "key": str(folder / "key")}
        description = folder / f"{source}.json"
        description.write_text(json.dumps(runner))
        self.log = (folder / "logs" / f"{source}.log").open("ab", buffering=0)
        self._process = subprocess.Popen(
            [*spec["python"], "-m", "fairing.runtime", str(description)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=spec["env"],
            cwd=folder / "work",
        )
        assert self._process.stdout is not None  # noqa: S101 - a pipe was asked for
        self.output = self._process.stdout.fileno()

    def terminate(self) -> None:
        """Ask it to end."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()

    def end(self) -> int:
        """Wait for it and return its exit code."""
        self.log.close()
        return self._process.wait()


def _kill(number: int) -> None:
    """Send a signal to everything that descends from here, also what has left its session."""
    mine = os.getpid()
    for pid in _descendants(mine):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, children.read_text().split()):
                found += [child, *_descendants(child)]
    return found


def _adopt() -> None:
    """Become the parent of descendants whose own parent ends, so that none escapes (Linux: PR_SET_CHILD_SUBREAPER)."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)


def main(folder: Path, ready: int) -> None:
    """Run a folder's run; say on a descriptor when followers can connect."""
    if os.fork():
        os._exit(0)  # whoever started this has waited for it, and keeps no zombie
    lock = os.open(folder / "lock", os.O_CREAT | os.O_RDWR, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    _adopt()
    supervisor = Supervisor(folder)
    supervisor.listen()
    os.write(ready, b"ready")
    os.close(ready)
    supervisor.run()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
