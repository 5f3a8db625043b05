"""What is asked of a pod that still runs, and what was fetched from it while it did.

A pod keeps its files for as long as it runs. What a reader will want later is fetched while the log is followed, into
this user's own folder: values that are too large for the log, and the files that ``outputs`` names.
"""

from __future__ import annotations

import fnmatch
import json
import shutil
import tarfile
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from fairing import state
from fairing.errors import AccessError, DeployError, FairingError
from fairing.events import FINAL, Failure, FileInfo, Lost, Result
from fairing.kube.connection import Connection, Refused
from fairing.kube.execute import Forbidden, Output
from fairing.kube.pods import CONTAINER
from fairing.ports import Stream
from fairing.run.streams import Pieces
from fairing.runtime.kept import READING, RELEASED
from fairing.runtime.pod import OWN
from fairing.spec import Handle
from fairing.words import size
from fairing_deployers.job import objects, sidecars, status, stored

_STALE = 30 * 24 * 3600
"""Seconds after which nobody comes any more for what was fetched from a run."""

SMALL = 16 << 20
"""Bytes of files that are fetched although nobody named them."""

_HOLD = f"""
import fcntl
held = open("{OWN}/{READING}", "ab")
fcntl.flock(held, fcntl.LOCK_SH)
"""
"""What a pod sees that has ended and waits: it goes on waiting while somebody reads."""

_READ = f"""{_HOLD}
import os, shutil, sys
root, path = os.path.realpath(sys.argv[1]), os.path.realpath(os.path.join(sys.argv[1], sys.argv[2]))
if not path.startswith(root + os.sep):
    sys.exit("it leads out of the run's folder")
with open(path, "rb") as file:
    shutil.copyfileobj(file, sys.stdout.buffer)
"""
_LIST = """
import json, os, sys
root = os.path.realpath(sys.argv[1])
found = []
for folder, _, names in os.walk(root):
    for path in (os.path.join(folder, name) for name in names):
        if os.path.isfile(path) and os.path.realpath(path).startswith(root + os.sep):
            found.append([os.path.relpath(path, root), os.path.getsize(path)])
print(json.dumps(sorted(found)))
"""
_PACK = f"""{_HOLD}
import os, sys, tarfile
os.chdir(sys.argv[1])
with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as packed:
    for path in sys.argv[2:]:
        if os.path.isfile(path):
            packed.add(os.path.realpath(path), path, recursive=False)
"""
_END = """
import os, signal, sys, time
os.kill(1, signal.SIGTERM)
until = time.monotonic() + float(sys.argv[1])
while time.monotonic() < until:
    time.sleep(0.05)
os.kill(-1, signal.SIGKILL)
"""


def read(reached: Connection, job: dict[str, Any], handle: Handle, path: str) -> Stream[bytes]:
    """Give a file of a run: what was fetched, else out of the first pod.

    Raises:
        DeployError: It was not fetched, and the pod has ended or does not have it.
    """
    part, _, name = path.partition("/")
    if part not in {"work", "spool"} or not name or ".." in Path(path).parts or "\0" in path:
        raise DeployError(f"The run {handle} has no file {path!r}.", fix="Its files() lists those there are.")
    if (here := fetched(job) / path).is_file():
        return Pieces(here)
    source = name.partition("/")[0] if part == "spool" else ""
    try:
        pod = _pod(reached, job, handle, source, path)
    except DeployError:
        if stored.of(job) is None:
            raise
        return Given(stored.read(reached, job, path))
    return _output(reached, pod, _READ, f"{OWN}/{part}", name.partition("/")[2] if source else name)


def files(reached: Connection, job: dict[str, Any], handle: Handle) -> tuple[FileInfo, ...]:
    """List the working folder of the first pod; when it has ended, what was fetched of it."""
    try:
        pod = _pod(reached, job, handle, "", "")
        listed = json.loads(b"".join(_output(reached, pod, _LIST, f"{OWN}/work")))
        return tuple(FileInfo(path, size) for path, size in listed)
    except DeployError:
        work = fetched(job) / "work"
        found = {path.relative_to(work).as_posix(): path.stat().st_size for path in work.rglob("*") if path.is_file()}
        kept = stored.names(reached, job)
        found |= {name.removeprefix("work/"): octets for name, octets in kept.items() if name.startswith("work/")}
        return tuple(FileInfo(path, octets) for path, octets in sorted(found.items()))


def kept(
    reached: Connection, job: dict[str, Any], pod: dict[str, Any], event: Result | Failure, *, unstored: bool = False
) -> Iterator[Result | Failure | Lost]:
    """Fetch a value that did not come through the log; give its event, with where it is now.

    What is in a store is read when it is asked for; ``unstored`` says that it could not be put there. Where it cannot
    be fetched, it waits in the pod for a while: the event says so, with the ways out.
    """
    payload = event.payload if isinstance(event, Result) else event.exception
    if payload is None or payload.path is None:
        yield event
        return
    path = f"spool/{event.at.source}/{Path(payload.path).name}"
    missing = ""
    try:
        if stored.of(job) is None or unstored:
            _fetch(job, path, spooled(reached, pod, payload.path))
    except Forbidden:
        missing = _ways(reached, pod, path)
        yield Lost(event.at, f"its value ({size(payload.size)}). {missing}")
    except DeployError:
        pass  # the pod has ended: whoever asks for the value is told so
    placed = replace(payload, path=path, missing=missing)
    yield replace(event, payload=placed) if isinstance(event, Result) else replace(event, exception=placed)


def outputs(
    reached: Connection,
    job: dict[str, Any],
    pod: dict[str, Any],
    there: tuple[FileInfo, ...],
    *,
    unstored: bool = False,
) -> None:
    """Fetch the files that are to be brought back, and with them as many of the small ones as are no burden.

    Raises:
        DeployError: The pod has ended before those were that are to be, or may not be asked.
    """
    if stored.of(job) is not None and not unstored:
        return
    asked = {path for path in wanted(job, there) if not (fetched(job) / "work" / path).exists()}
    small, room = set(), SMALL
    for file in sorted(there, key=lambda file: file.size):
        room -= file.size
        if room >= 0 and not (fetched(job) / "work" / file.path).exists():
            small.add(file.path)
    try:
        if asked | small:
            _unpack(job, _output(reached, pod, _PACK, f"{OWN}/work", *sorted(asked | small)))
    except DeployError:
        if asked:
            raise


def wanted(job: dict[str, Any], there: tuple[FileInfo, ...]) -> set[str]:
    """Return which files of a working folder are to be brought back."""
    asked = json.loads(job["metadata"].get("annotations", {}).get(objects.OUTPUTS, "[]"))
    return {file.path for file in there if any(_matches(file.path, pattern) for pattern in asked)}


def shown(reached: Connection, job: dict[str, Any], pod: dict[str, Any], path: str) -> bytes:
    """Return a message of a pod that was too long for its log; nothing, where it cannot be had.

    Args:
        reached: The way to the cluster.
        job: The run's Job.
        pod: The pod.
        path: The file, as the runner named it.
    """
    with suppress(DeployError):
        return b"".join(spooled(reached, pod, path))
    with suppress(FairingError):
        return b"".join(stored.read(reached, job, f"spool/worker-{status.index(pod)}/{Path(path).name}"))
    return b""


def spooled(reached: Connection, pod: dict[str, Any], path: str) -> Stream[bytes]:
    """Give a file of a pod's spool."""
    return _output(reached, pod, _READ, f"{OWN}/spool", Path(path).name)


def release(reached: Connection, pod: dict[str, Any]) -> None:
    """Let a pod end that waits for what it keeps to be read.

    Raises:
        DeployError: It cannot be told, or has ended.
    """
    b"".join(_output(reached, pod, "import pathlib, sys; pathlib.Path(sys.argv[1]).touch()", f"{OWN}/{RELEASED}"))


def cancel(reached: Connection, job: dict[str, Any]) -> None:
    """End a run's processes, with its grace, and wait until they have ended; pods that have not started are removed."""
    there = status.pods(reached, job)
    if (phase := status.of(job, there).phase) in FINAL:  # its pods settle that a second before its Job says it
        sidecars.end(reached, job, there, well=phase == "succeeded")
        return
    note: dict[str, Any] = {"metadata": {"annotations": {objects.CANCELLED: "true"}}}
    running = [pod for pod in there if "running" in status.container(pod).get("state", {})]
    if not running:  # nor is it in a queue from then on, which would resume it
        note["metadata"]["labels"] = {objects.QUEUE: None}
        objects.change(reached, job, {**note, "spec": {"suspend": True}})
    else:
        objects.change(reached, job, {**note, "spec": {"backoffLimit": 0}})
        grace = job["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] - 5
        for pod in running:
            try:
                _end(reached, pod, grace)
            except AccessError:  # nor may its deadline be set; what is removed, with its grace, leaves no log
                objects.change(reached, job, {"spec": {"suspend": True}})
                break
        sidecars.end_all(reached, job, running)
        if len(running) < job["spec"].get("completions", 1):  # of the others a Job would wait for ever
            objects.change(reached, job, {"spec": {"suspend": True}})
    status.wait(reached, job)


def _end(reached: Connection, pod: dict[str, Any], grace: float) -> None:
    """Ask a pod to end; its log is kept."""
    try:
        b"".join(_output(reached, pod, _END, str(grace)))
    except Forbidden:
        # Its node ends a pod whose deadline has passed as one that is deleted, with its grace, and keeps it.
        deadline = {"spec": {"activeDeadlineSeconds": 1}}
        with suppress(Refused):  # it has ended meanwhile
            reached.patch(f"{status.path(reached)}/{pod['metadata']['name']}", deadline)
    except DeployError:
        pass  # it ended, and the command with it


def forget(job: dict[str, Any]) -> None:
    """Remove what was fetched."""
    shutil.rmtree(fetched(job), ignore_errors=True)


def sweep() -> None:
    """Remove what was fetched from runs that nobody has followed for so long that their clusters do not know them."""
    for folder in state.fetched().iterdir():
        with suppress(OSError):  # another removes it
            newest = max(path.stat().st_mtime for path in (folder, *folder.rglob("*")))
            if newest < time.time() - _STALE:
                shutil.rmtree(folder, ignore_errors=True)


def _pod(reached: Connection, job: dict[str, Any], handle: Handle, source: str, path: str) -> dict[str, Any]:
    index = int(source.rpartition("-")[2]) if source else 0
    for pod in reversed(status.pods(reached, job)):
        if status.index(pod) == index and "running" in status.container(pod).get("state", {}):
            return dict(pod)
    raise DeployError(
        f"The file {path!r} of {handle} cannot be had.",
        why="Its pod has ended, and its files with it.",
        fix="Name files in outputs=[…] and they are brought here before it ends.",
    )


def _ways(reached: Connection, pod: dict[str, Any], path: str) -> str:
    """Say why somebody who may not execute in a pod cannot have a file of it, and what they can do about that."""
    name = Path(path).name
    copied = f"kubectl cp {reached.namespace}/{pod['metadata']['name']}:{OWN}/spool/{name} {name}"
    waits = "its pod has ended" if status.over(pod) else f"it waits in its pod until linger= is over ({copied})"
    return (
        f"You may not execute in pods of {reached.namespace}, and it is too large for the log; {waits}. "
        "Next time, artifacts= keeps it in a store, log_limit= lets larger values through the log, and linger= waits "
        "longer for somebody who may copy it."
    )


def _output(reached: Connection, pod: dict[str, Any], program: str, *arguments: str) -> Output:
    path = f"{status.path(reached)}/{pod['metadata']['name']}"
    return Output(reached, path, CONTAINER, ["python", "-I", "-c", program, *arguments])


def _unpack(job: dict[str, Any], packed: Iterable[bytes]) -> None:
    with tarfile.open(fileobj=_Joined(packed), mode="r|") as archive:  # type: ignore[call-overload]
        for entry in archive:
            if entry.isreg() and (content := archive.extractfile(entry)):
                _fetch(job, f"work/{entry.name}", iter(lambda: content.read(1 << 18), b""))


def _fetch(job: dict[str, Any], path: str, pieces: Iterable[bytes]) -> None:
    file = fetched(job) / path
    if ".." in Path(path).parts or Path(path).is_absolute() or file.exists():
        return
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with state.replacing(file) as part, part.open("wb") as out:
        for piece in pieces:
            out.write(piece)


def fetched(job: dict[str, Any]) -> Path:
    """Return where what was fetched from a run's pods is kept."""
    return state.fetched() / str(job["metadata"]["uid"])


def _matches(path: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(path, pattern) or fnmatch.fnmatchcase(path.rpartition("/")[2], pattern)


class Given:
    """Pieces that come from elsewhere, as a stream."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = pieces
        self._closed = False

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            if self._closed:
                return
            yield piece

    def close(self) -> None:
        """End it, at the next piece."""
        self._closed = True


class _Joined:
    """Pieces as a file that is read once, from its beginning to its end."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces: Iterator[bytes] = iter(pieces)
        self._held = b""

    def read(self, size: int) -> bytes:
        """Return so many bytes, or what there is at the end."""
        held = [self._held]
        room = size - len(self._held)
        while room > 0 and (piece := next(self._pieces, b"")):
            held.append(piece)
            room -= len(piece)
        data = b"".join(held)
        self._held = data[size:]
        return data[:size]
