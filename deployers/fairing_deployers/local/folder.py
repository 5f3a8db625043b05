"""A run's folder, as other processes see it: which runs there are, whether one lives, how it is, and how to reach it.

Who may read the folder may ask; nothing of a run is known elsewhere.
"""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path
from typing import Any

from fairing import state
from fairing.errors import DeployError
from fairing.events import FINAL, Source, Stamp, Status
from fairing.oci.locks import held
from fairing.run import folder as run_folder
from fairing.runtime import cgroup
from fairing.spec import Handle

_RUN = Source("run")


def find(handle: Handle) -> Path:
    """Return a run's folder.

    Raises:
        DeployError: There is no such run, or what is left of it cannot be used.
        AccessError: The folder belongs to another user.
    """
    folder = run_folder.find(state.runs(), handle)
    missing = [name for name in ("run.json", "key", "logs", "work", "spool") if not (folder / name).exists()]
    if missing:
        raise _damaged(handle, f"{missing[0]} is missing from its folder, {folder}")
    return folder


def status(handle: Handle, folder: Path) -> Status:
    """Read how a run is.

    Raises:
        DeployError: What its folder says cannot be read.
    """
    alive = held(folder / "lock")
    if (folder / "end.json").exists():  # looked for last: it is written before the lock is let go of
        end = _read(handle, folder / "end.json")
        if end.get("phase") not in FINAL:
            raise _damaged(handle, "end.json does not say how it ended")
        return Status(Stamp(_RUN, float(end.get("time", 0.0))), end["phase"], str(end.get("reason", "")))
    stamp = Stamp(_RUN, time.time())
    if alive:
        return Status(stamp, "running")
    return Status(stamp, "lost", "what watched over it was killed, and how it ended is not known")


def connected(folder: Path) -> socket.socket:
    """Connect to what watches over a run.

    Raises:
        OSError: Nothing does any more.
    """
    connection = socket.socket(socket.AF_UNIX)
    directory = os.open(folder, os.O_RDONLY)
    try:
        # A socket's path may have about 100 bytes, and this folder's may have more.
        near = Path(f"/proc/self/fd/{directory}/socket")
        connection.connect(str(near if near.parent.exists() else folder / "socket"))
    except OSError:
        connection.close()
        raise
    finally:
        os.close(directory)
    return connection


def cancel(folder: Path) -> None:
    """Ask for a run's end, and wait until nothing of it is left."""
    while True:
        try:
            with connected(folder) as asked:
                asked.sendall(b"cancel\n")
                while asked.recv(4096):
                    pass
        except ConnectionResetError:
            continue  # it ended, or its supervisor did, before it read that; the next connection tells
        except OSError:
            return


def remove(folder: Path) -> None:
    """Remove a run's folder and its control groups; it must have ended."""
    try:
        described = json.loads((folder / "run.json").read_bytes())
        groups = [str(group) for each in described["replicas"] for group in each["groups"]]
    except (OSError, ValueError, KeyError, TypeError):
        groups = []
    cgroup.remove(group for group in groups if group.startswith("/sys/fs/cgroup/"))
    state.remove(folder)


def _read(handle: Handle, file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError) as wrong:
        raise _damaged(handle, f"{file.name} cannot be read ({type(wrong).__name__})") from wrong
    if not isinstance(content, dict):
        raise _damaged(handle, f"{file.name} is not what was written")
    return content


def _damaged(handle: Handle, why: str) -> DeployError:
    return DeployError(
        f"The run {handle} is damaged.", why=f"{why[:1].upper()}{why[1:]}.", fix="Its delete() removes what is left."
    )
