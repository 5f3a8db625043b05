"""Runs images on this machine, as processes: no Docker, no cluster, the same layers and the same runner.

A run is a folder of this user's (``state.runs()``), described in ``fairing.runtime.supervisor``; everything that is
asked of a run is read from there, so any process of this user can ask.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fairing import state
from fairing.errors import DeployError
from fairing.events import Event, FileInfo, Source, Stamp, Status, from_wire
from fairing.oci.layer import PLACES
from fairing.oci.unpack import unpack
from fairing.ports import Report, Stream
from fairing.runtime.frames import Decoder
from fairing.spec import BuiltImage, Destination, Handle, Target, Workload


class LocalDeployer:
    """Supervised process trees on this machine."""

    takes: Destination = "layers"

    def check(self, workload: Workload, target: Target) -> None:
        """Refuse what processes here cannot be given."""

    def deploy(self, image: BuiltImage, workload: Workload, target: Target, report: Report) -> Handle:
        """Lay out the run's folder and start its supervisor."""
        name = f"{workload.name}-{secrets.token_hex(4)}"
        folder = state.runs() / name
        layers = {layer.kind: layer for layer in image.layers}
        fairing, dependencies = layers["fairing"].folder, layers["dependencies"].folder
        assert fairing is not None and dependencies is not None  # noqa: S101 - by contract of "layers"
        try:
            for part in ("", "logs", "spool", "work", "inputs", "image"):
                (folder / part).mkdir(mode=0o700)
            for layer in image.layers:
                if layer.kind in {"code", "files"} and layer.digest:
                    unpack(state.store() / "blobs" / layer.digest.replace(":", "/"), folder / "image")
            for file in workload.inputs:
                (folder / "inputs" / file.path).write_bytes(file.read())
            _write_private(folder / "key", secrets.token_bytes(32))
            _write_private(
                folder / "run.json", json.dumps(_spec(folder, image, workload, fairing, dependencies)).encode()
            )
            _start(folder, fairing)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        report(Status(Stamp(Source("run"), time.time()), "pending", "starting on this machine"))
        return Handle("local", (name,))

    def status(self, handle: Handle) -> Status:
        """Read how the run is from its folder."""
        folder = _folder(handle)
        stamp = Stamp(Source("run"), time.time())
        alive = _alive(folder)
        with contextlib.suppress(FileNotFoundError):
            end = json.loads((folder / "end.json").read_bytes())
            return Status(Stamp(Source("run"), end["time"]), end["phase"], end["reason"])
        if alive:
            return Status(stamp, "running")
        return Status(stamp, "lost", "what watched over it was killed, and how it ended is not known")

    def streams(self, handle: Handle, since: float | None = None) -> Stream[Stream[Event]]:
        """Follow the run's logs: its own first, then each replica's."""
        return _Replicas(_folder(handle), since)

    def read(self, handle: Handle, path: str) -> Stream[bytes]:
        """Read a file of the run's folder."""
        folder = _folder(handle)
        file = (folder / path).resolve()
        if not any(file.is_relative_to(folder.resolve() / part) for part in ("work", "spool")) or not file.is_file():
            raise DeployError(f"The run {handle} has no file {path!r}.")
        return _Pieces(file)

    def files(self, handle: Handle) -> tuple[FileInfo, ...]:
        """List the working folder."""
        work = _folder(handle) / "work"
        return tuple(
            FileInfo(path.relative_to(work).as_posix(), path.stat().st_size)
            for path in sorted(work.rglob("*"))
            if path.is_file()
        )

    def list(self, target: Target) -> tuple[Handle, ...]:
        """List this user's runs."""
        folders = sorted(state.runs().iterdir(), key=lambda folder: folder.stat().st_mtime, reverse=True)
        return tuple(Handle("local", (folder.name,)) for folder in folders)

    def cancel(self, handle: Handle) -> None:
        """Ask the supervisor to end the run, and wait until it has."""
        folder = _folder(handle)
        with contextlib.suppress(OSError), _connected(folder) as asked:
            asked.sendall(b"cancel\n")
            while asked.recv(4096):
                pass

    def delete(self, handle: Handle) -> None:
        """Cancel the run and remove its folder."""
        with contextlib.suppress(DeployError):
            folder = _folder(handle)
            self.cancel(handle)
            shutil.rmtree(folder)


class _Replicas:
    """One stream a log, as logs appear."""

    def __init__(self, folder: Path, since: float | None) -> None:
        self._folder = folder
        self._since = since
        self._news = _News(folder)

    def __iter__(self) -> Iterator[Stream[Event]]:
        seen: set[Path] = set()
        while True:
            more = self._news.wait()
            for log in sorted((self._folder / "logs").iterdir(), key=lambda log: (log.name != "run.log", log.name)):
                if log not in seen:
                    seen.add(log)
                    yield _Log(self._folder, log, self._since)
            if not more:
                return

    def close(self) -> None:
        self._news.close()


class _Log:
    """The events of one log, from its start, then as it grows."""

    def __init__(self, folder: Path, log: Path, since: float | None) -> None:
        self._folder = folder
        self._log = log
        self._since = since or 0.0
        self._news = _News(folder)

    def __iter__(self) -> Iterator[Event]:
        role, _, index = self._log.stem.partition("-")
        source = Source(role, int(index or 0))
        spool = self._folder / "spool" / str(source)
        decoder = Decoder(
            (self._folder / "key").read_bytes(), str(source), lambda path: (spool / Path(path).name).read_bytes()
        )
        with self._log.open("rb", buffering=0) as file:
            while True:
                more = self._news.wait()
                while data := file.read(1 << 18):
                    for kind, body, at, seq in decoder.feed(data):
                        if at >= self._since:
                            yield from_wire(kind, body, source, at, seq)
                if not more:
                    break
        for kind, body, at, seq in decoder.end():
            yield from_wire(kind, body, source, at, seq)

    def close(self) -> None:
        self._news.close()


class _News:
    """Tells when a run's folder has something new."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._started = self._closed = False

    def wait(self) -> bool:
        """Wait for news (not the first time); return whether there may be more after it."""
        if not self._started:
            return self._start()
        if self._socket is None:
            return False
        try:
            more = bool(self._socket.recv(4096)) and not self._closed
        except OSError:
            more = False
        if not more:
            with self._lock:
                self._socket.close()
                self._socket = None
        return more

    def close(self) -> None:
        """End a blocked wait; it closes the socket, which may not be pulled from under it."""
        with self._lock:
            self._closed = True
            if self._socket is not None:
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)

    def _start(self) -> bool:
        self._started = True
        with self._lock:
            if self._closed:
                return False
            with contextlib.suppress(OSError):
                self._socket = _connected(self._folder)
            return self._socket is not None


class _Pieces:
    """A file in pieces."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __iter__(self) -> Iterator[bytes]:
        with self._file.open("rb") as file:
            while data := file.read(1 << 20):
                yield data

    def close(self) -> None:
        """Reading a file never blocks for long."""


def _spec(folder: Path, image: BuiltImage, workload: Workload, fairing: Path, dependencies: Path) -> dict[str, Any]:
    """Return what the supervisor reads."""
    entry = image.entry
    group = workload.groups[0]
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "FAIRING_", "VIRTUAL_ENV"))
    }
    path = f"{dependencies / 'bin'}{os.pathsep}{kept.get('PATH', os.defpath)}"
    env = {
        **kept,
        "PATH": path,
        "PYTHONPATH": str(fairing),
        "PYTHONNOUSERSITE": "1",
        "MPLBACKEND": "agg",
        "FAIRING_RUN": folder.name,
        **dict(image.env),
        **dict(workload.env),
    }
    return {
        "python": [str(dependencies / "bin" / "python")],
        "env": env,
        "count": group.count,
        "timeout": workload.timeout,
        "grace": workload.grace,
        # What this run needs for as long as it runs: fairing prune leaves it.
        "image": {"digest": image.digest, "trees": [layer.key for layer in image.layers if layer.folder]},
        "runner": {
            "entry": {
                "kind": entry.kind,
                "path": entry.path,
                "sha256": entry.sha256,
                "name": entry.name,
                "arguments": list(entry.arguments),
            },
            "code": str(folder / "image" / PLACES["code"]),
            "roots": list(image.roots),
            "work": str(folder / "work"),
            "inputs": str(folder / "inputs"),
            "outputs": list(workload.outputs),
            "log_level": workload.log_level,
        },
    }


def _start(folder: Path, fairing: Path) -> None:
    """Start the supervisor, detached, and wait until it answers."""
    ready, told = os.pipe()
    program = fairing / "fairing" / "runtime" / "supervisor.py"
    with (folder / "supervisor.log").open("wb") as log:
        subprocess.Popen(
            [getattr(sys, "_base_executable", sys.executable), "-I", "-S", str(program), str(folder), str(told)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[told],
            start_new_session=True,
            cwd="/",
        ).wait()
    os.close(told)
    with open(ready, "rb") as waiting:  # noqa: PTH123 - a descriptor
        if not waiting.read():
            raise DeployError("The run could not be started.", why=(folder / "supervisor.log").read_text()[-2000:])


def _folder(handle: Handle) -> Path:
    (name,) = handle.parts
    folder = state.runs() / name
    if "/" in name or name in {".", ".."} or not (folder / "run.json").is_file():
        raise DeployError(f"There is no run {handle} on this machine.", fix="fairing.jobs() lists those there are.")
    return folder


def _alive(folder: Path) -> bool:
    lock = os.open(folder / "lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(lock)


def _connected(folder: Path) -> socket.socket:
    """Connect to the supervisor; through the folder's descriptor, since a socket's path has about 100 bytes at most."""
    connection = socket.socket(socket.AF_UNIX)
    directory = os.open(folder, os.O_RDONLY)
    try:
        near = Path(f"/proc/self/fd/{directory}/socket")
        connection.connect(str(near if near.parent.exists() else folder / "socket"))
    except OSError:
        connection.close()
        raise
    finally:
        os.close(directory)
    return connection


def _write_private(path: Path, data: bytes) -> None:
    with open(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123 - a descriptor
        file.write(data)
