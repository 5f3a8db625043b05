"""What a run put into its artifact store: from here, or, where that is a volume of pods, out of one that mounts it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from fairing import state
from fairing.artifacts import stores
from fairing.artifacts.stores import Store
from fairing.errors import FairingError
from fairing.kube.connection import Connection
from fairing.runtime import segments
from fairing.runtime.stored import WHOLE
from fairing_deployers.job import status, visitor

STORE = "fairing/artifacts"
"""The annotation of a Job that says which store it has: an address, and how it is spoken to."""


def of(job: dict[str, Any]) -> Store | None:
    """Return the store of a run, if it has one."""
    said = job["metadata"].get("annotations", {}).get(STORE)
    return dict(json.loads(said)) if said else None


def read(reached: Connection, job: dict[str, Any], name: str) -> Iterator[bytes]:
    """Give what a run put there under a name, in pieces.

    Raises:
        FairingError: It cannot be had.
    """
    store = of(job)
    if store is None:
        return
    if stores.here(store):
        yield from stores.read(store, name)
    else:
        yield from visitor.read(reached, job, f"{_folder(store)}/{name}")


def names(reached: Connection, job: dict[str, Any]) -> dict[str, int]:
    """Return the names and sizes of what a run put there.

    Raises:
        FairingError: It cannot be read.
    """
    store = of(job)
    if store is None:
        return {}
    return stores.names(store) if stores.here(store) else visitor.names(reached, job, _folder(store))


def pods(reached: Connection, job: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the pods whose logs are in a run's store, where none that ran is there any more."""
    if of(job) is None or status.pods(reached, job):
        return []
    found = {tuple(name.split("/")[1:3]) for name in names(reached, job) if name.startswith("log/")}
    return [
        {
            "metadata": {
                "name": job["metadata"]["name"],
                "uid": uid,
                "labels": {status.INDEX: source.rpartition("-")[2]},
                "creationTimestamp": job["metadata"]["creationTimestamp"],
            },
            "status": {},
        }
        for source, uid in sorted(found)
    ]


def log(
    reached: Connection, job: dict[str, Any], pod: dict[str, Any], start: int, end: int | None
) -> Iterator[tuple[int, bytes]]:
    """Give a part of a pod's log as its store has it: pieces, each with the number of its first byte.

    The log is there when its code has ended; it is fetched once.
    """
    if of(job) is None:
        return
    folder = state.fetched() / str(job["metadata"]["uid"]) / "stored" / str(pod["metadata"]["uid"])
    with suppress(FairingError):
        if not (folder / WHOLE).exists():
            _fetch(reached, job, _place(pod), folder)
    yield from segments.read(folder, start, end)


def whole(reached: Connection, job: dict[str, Any], pod: dict[str, Any]) -> bool:
    """Say whether all of a pod's log is in the run's store."""
    with suppress(FairingError):
        return f"{_place(pod)}/{WHOLE}" in names(reached, job)
    return False


def _fetch(reached: Connection, job: dict[str, Any], place: str, folder: Path) -> None:
    there = [name for name in names(reached, job) if name.startswith(f"{place}/")]
    for name in sorted(there):  # what says that it is whole comes last
        file = folder / name.rpartition("/")[2]
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with state.replacing(file) as part, part.open("wb") as out:
            for piece in read(reached, job, name):
                out.write(piece)


def _place(pod: dict[str, Any]) -> str:
    return f"log/worker-{status.index(pod)}/{pod['metadata']['uid']}"


def remove(reached: Connection, job: dict[str, Any]) -> None:
    """Remove all that a run put there.

    Raises:
        FairingError: It cannot be removed.
    """
    store = of(job)
    if store is not None and stores.here(store):
        stores.remove(store)
    elif store is not None:
        visitor.remove(reached, job, _folder(store))


def _folder(store: Store) -> str:
    return f"{str(store['url']).removeprefix('file://').rstrip('/')}/{store['run']}"
