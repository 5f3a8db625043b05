"""Lays out a run's folder and starts what watches over it."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from fairing.errors import CapacityError, DeployError
from fairing.run import folder as run_folder
from fairing.runtime import cgroup
from fairing.spec import BuiltImage, Workload
from fairing_deployers.local import room

_PROGRAM = """import sys
sys.path.insert(0, sys.argv[1])
from fairing.runtime.supervisor import main
main(sys.argv[2], int(sys.argv[3]))"""


def lay_out(folder: Path, image: BuiltImage, workload: Workload) -> None:
    """Fill a run's folder, and describe the run for its supervisor.

    Raises:
        DeployError: The image is not one that can be run here.
        CapacityError: The kernel refused a limit.
    """
    described = {
        "runner": run_folder.fill(folder, image, workload),
        "python": [run_folder.python(image)],
        "timeout": workload.timeout,
        "retries": workload.retries,
        "grace": workload.grace,
        # What this run needs for as long as it runs: fairing prune leaves it.
        "image": {"digest": image.digest, "trees": [layer.key for layer in image.layers if layer.folder]},
        "replicas": _replicas(folder, workload),
    }
    run_folder.write(folder / "run.json", json.dumps(described).encode())


def start(folder: Path, image: BuiltImage, workload: Workload) -> None:
    """Start the supervisor, detached, and wait until it answers.

    The run's variables are the supervisor's own: their values are in no file.

    Raises:
        DeployError: It did not start.
    """
    ready, told = os.pipe()
    if told < 3:  # of a program that was started without output; the supervisor's own output would be in its place
        low, told = told, fcntl.fcntl(told, fcntl.F_DUPFD_CLOEXEC, 3)
        os.close(low)
    fairing = run_folder.layer(image, "fairing")
    interpreter = getattr(sys, "_base_executable", None) or sys.executable
    with (folder / "supervisor.log").open("wb") as log:
        subprocess.Popen(
            [interpreter, "-I", "-S", "-c", _PROGRAM, str(fairing), str(folder), str(told)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[told],
            start_new_session=True,
            cwd="/",
            env=run_folder.environment(folder, image, workload),
        ).wait()
    os.close(told)
    with open(ready, "rb") as waiting:  # noqa: PTH123 - a descriptor
        if not waiting.read():
            raise DeployError("The run could not be started.", why=(folder / "supervisor.log").read_text()[-2000:])


def _replicas(folder: Path, workload: Workload) -> list[dict[str, Any]]:
    """Return each replica's name, variables and limits; the groups that keep the limits are made here."""
    found: list[dict[str, Any]] = []
    free = list(room.gpus())
    try:
        for group in workload.groups:
            limits = room.limits(group.resources)
            for index in range(group.count):
                name = f"{group.role}-{index}"
                mine, free = free[: group.resources.gpus], free[group.resources.gpus :]
                replica: dict[str, Any] = {
                    "name": name,
                    "env": {"CUDA_VISIBLE_DEVICES": ",".join(mine)} if mine else {},
                    "memory": group.resources.memory,
                    "groups": [],
                }
                found.append(replica)
                replica["groups"] = cgroup.make(f"fairing-{folder.name}-{name}", limits) if limits else []
    except OSError as refused:
        cgroup.remove(path for each in found for path in each["groups"])
        if workload.limits == "best-effort":
            return [{**each, "groups": []} for each in found]
        raise CapacityError(
            "The limits of the run cannot be kept on this machine.",
            why=f"The kernel refused them ({refused.strerror}).",
            fix="Leave cpu= and memory= out, or use limits='best-effort' to run without.",
        ) from refused
    return found
