"""Lays out a run's folder and starts what watches over it."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from fairing import state
from fairing.errors import CapacityError, DeployError
from fairing.oci.layer import PLACES
from fairing.oci.unpack import unpack
from fairing.runtime import cgroup
from fairing.spec import BuiltImage, Workload
from fairing_deployers.local import room

_PROGRAM = """import sys
sys.path.insert(0, sys.argv[1])
from fairing.runtime.supervisor import main
main(sys.argv[2], int(sys.argv[3]))"""
_OURS = ("PYTHON", "FAIRING_", "VIRTUAL_ENV", "CONDA_", "_CONDA_", "JPY_", "__PYVENV_LAUNCHER__", "MPLBACKEND")
"""Variables that describe the kernel's own interpreter, or ours: the run has another."""


def lay_out(folder: Path, image: BuiltImage, workload: Workload) -> None:
    """Fill a run's folder: its code, its inputs, its key, its data, and its description.

    Raises:
        DeployError: The image is not one that can be run here.
        CapacityError: The kernel refused a limit.
    """
    for part in ("logs", "spool", "work", "inputs", "image"):
        (folder / part).mkdir(mode=0o700)
    for layer in image.layers:
        if layer.kind in {"code", "files"}:
            if layer.digest is None:
                raise DeployError(
                    f"The image's layer {layer.kind!r} has no blob.", fix="Build it with another builder."
                )
            unpack(state.store() / "blobs" / layer.digest.replace(":", "/"), folder / "image")
    for path in image.data:
        _data(folder, path)
    for file in workload.inputs:
        _write(folder / "inputs" / file.path, file.read())
    _write(folder / "key", secrets.token_bytes(32))
    described = {**_spec(folder, image, workload), "replicas": _replicas(folder, workload)}
    _write(folder / "run.json", json.dumps(described).encode())


def start(folder: Path, image: BuiltImage, workload: Workload) -> None:
    """Start the supervisor, detached, and wait until it answers.

    The run's variables are the supervisor's own: their values are in no file.

    Raises:
        DeployError: It did not start.
    """
    ready, told = os.pipe()
    fairing = _layer(image, "fairing")
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
            env=_environment(folder, image, workload),
        ).wait()
    os.close(told)
    with open(ready, "rb") as waiting:  # noqa: PTH123 - a descriptor
        if not waiting.read():
            raise DeployError("The run could not be started.", why=(folder / "supervisor.log").read_text()[-2000:])


def _layer(image: BuiltImage, kind: str) -> Path:
    found = next((layer.folder for layer in image.layers if layer.kind == kind), None)
    if found is None:
        raise DeployError(
            f"The image has no layer {kind!r} on this machine.", fix="Build it with builder='append' to run it here."
        )
    return found


def _environment(folder: Path, image: BuiltImage, workload: Workload) -> dict[str, str]:
    """Return the run's variables: the user's, without what describes the kernel's interpreter, and those asked for."""
    dependencies = _layer(image, "dependencies")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    own = {str(Path(sys.prefix) / "bin"), str(Path(sys.executable).parent)} if sys.prefix != sys.base_prefix else set()
    path = [part for part in kept.get("PATH", os.defpath).split(os.pathsep) if part not in own]
    return {
        **kept,
        "PATH": os.pathsep.join([str(dependencies / "bin"), *path]),
        "PYTHONPATH": str(_layer(image, "fairing")),
        "PYTHONNOUSERSITE": "1",
        "FAIRING_RUN": folder.name,
        **dict(image.env),
        **dict(workload.env),
    }


def _spec(folder: Path, image: BuiltImage, workload: Workload) -> dict[str, Any]:
    """Return what the supervisor reads, and (``runner``) what each runner does."""
    entry = image.entry
    return {
        "python": [str(_layer(image, "dependencies") / "bin" / "python")],
        "timeout": workload.timeout,
        "retries": workload.retries,
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
            "data": list(image.data),
            "log_level": workload.log_level,
        },
    }


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


def _data(folder: Path, path: str) -> None:
    """Let a file of the code layer lie in the working folder too; both are this run's alone."""
    source, target = folder / "image" / PLACES["code"] / path, folder / "work" / path
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123 - a descriptor
        file.write(data)
