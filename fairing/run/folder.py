"""A run as a folder of this machine: what any deployer needs that runs layers there.

    image/     the image's code, unpacked          work/      the working folder, with the image's data
    inputs/    what travels beside the image       key        signs what the runners say
    spool/     what the runners keep               logs/      what they say: worker-0.log, …
    run.json   the deployer's own notes; it is written last, and from then on the run is known

``fill`` makes all but the last. A runner is started by ``python(image) -m fairing.runtime FILE``, with ``environment``
as its variables and its output in its log; ``replicas`` makes those files. ``streams`` reads the rest back.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
from pathlib import Path
from typing import Any

from fairing import state
from fairing.errors import DeployError
from fairing.events import FileInfo
from fairing.run.runner import told
from fairing.run.streams import Pieces
from fairing.spec import BuiltImage, Handle, Workload

_OURS = ("PYTHON", "FAIRING_", "VIRTUAL_ENV", "CONDA_", "_CONDA_", "JPY_", "__PYVENV_LAUNCHER__", "MPLBACKEND")
"""Variables that describe the kernel's own interpreter, or ours: the run has another."""


def fill(folder: Path, image: BuiltImage, workload: Workload) -> dict[str, Any]:
    """Fill a run's folder: its code, its inputs, its data and its key.

    Args:
        folder: It is there, and empty.
        image: One of layers.
        workload: How it is run.

    Returns:
        What every runner of the run reads; ``replicas`` adds what is one replica's alone.

    Raises:
        DeployError: The image is not one that can be run here.
    """
    from fairing.oci.layer import PLACES
    from fairing.oci.layout import blob
    from fairing.oci.unpack import unpack

    for part in ("logs", "spool", "work", "inputs", "image"):
        (folder / part).mkdir(mode=0o700)
    code = folder / "image" / PLACES["code"]
    for layer in image.layers:
        if layer.kind in {"code", "files"}:
            if layer.digest is None:
                raise DeployError(
                    f"The image's layer {layer.kind!r} has no blob.", fix="Build it with another builder."
                )
            unpack(blob(state.store(), layer.digest), folder / "image")
    for path in image.data:
        _lay(code / path, folder / "work" / path)
    for file in workload.inputs:
        write(folder / "inputs" / file.path, file.read())
    write(folder / "key", secrets.token_bytes(32))
    return {
        **told(image, workload),
        "code": str(code),
        "work": str(folder / "work"),
        "inputs": str(folder / "inputs"),
    }


def replicas(folder: Path, runner: dict[str, Any], workload: Workload) -> dict[str, Path]:
    """Make what is each replica's alone, its spool and its log; return the file that its runner reads, by its name.

    Args:
        folder: The run's.
        runner: What ``fill`` returned.
        workload: The replicas are its groups', the first first: ``worker-0``, ``worker-1``.
    """
    names = [f"{group.role}-{index}" for group in workload.groups for index in range(group.count)]
    files = {name: folder / "spool" / f"{name}.json" for name in names}
    for name, file in files.items():
        (spool := folder / "spool" / name).mkdir(mode=0o700)
        write(folder / "logs" / f"{name}.log", b"")
        write(file, json.dumps({**runner, "source": name, "spool": str(spool), "key": str(folder / "key")}).encode())
    return files


def python(image: BuiltImage) -> str:
    """Return the interpreter that an image of layers runs in."""
    return str(layer(image, "dependencies") / "bin" / "python")


def environment(folder: Path, image: BuiltImage, workload: Workload) -> dict[str, str]:
    """Return a run's variables: the user's, without what describes the kernel's interpreter, and those asked for."""
    kept = {name: value for name, value in os.environ.items() if name == "FAIRING_HOME" or not name.startswith(_OURS)}
    own = {str(Path(sys.prefix) / "bin"), str(Path(sys.executable).parent)} if sys.prefix != sys.base_prefix else set()
    secret = {each.to: os.environ[each.variable] for each in workload.secrets if each.variable and each.to[:1] != "/"}
    path = [part for part in kept.get("PATH", os.defpath).split(os.pathsep) if part not in own]
    return {
        **kept,
        "PATH": os.pathsep.join([str(Path(python(image)).parent), *path]),
        "PYTHONPATH": str(layer(image, "fairing")),
        "PYTHONNOUSERSITE": "1",
        "FAIRING_RUN": folder.name,
        **dict(image.env),
        **dict(workload.env),
        **secret,
    }


def layer(image: BuiltImage, kind: str) -> Path:
    """Return where one of an image's layers lies on this machine.

    Raises:
        DeployError: It does not.
    """
    found = next((each.folder for each in image.layers if each.kind == kind), None)
    if found is None:
        raise DeployError(
            f"The image has no layer {kind!r} on this machine.", fix="Build it with builder='append' to run it here."
        )
    return found


def place(runs: Path, handle: Handle) -> Path | None:
    """Return where a run's folder is, or would be; nowhere, for a name that could not be one.

    Args:
        runs: The folder of a deployer's runs.
        handle: A handle of one part, the folder's name.
    """
    name = handle.parts[0]
    if len(handle.parts) != 1 or name in {".", ".."} or {"/", "\\", "\0"} & set(name):
        return None
    return runs / name


def find(runs: Path, handle: Handle) -> Path:
    """Return a run's folder.

    Raises:
        DeployError: There is no such run.
        AccessError: The folder belongs to another user.
    """
    folder = place(runs, handle)
    if folder is None or not folder.is_dir():
        raise DeployError(f"There is no run {handle} on this machine.", fix="fairing.jobs() lists those there are.")
    return state.private(folder)


def every(runs: Path, deployer: str) -> tuple[Handle, ...]:
    """Return the handles of all runs in a folder, newest first."""
    found = []
    for folder in runs.iterdir():
        try:
            found.append(((folder / "run.json").stat().st_mtime_ns, folder.name))
        except OSError:  # on its way in or out, or not a run
            continue
    return tuple(Handle(deployer, (name,)) for _, name in sorted(found, reverse=True))


def files(folder: Path) -> tuple[FileInfo, ...]:
    """List the files of a run's working folder that ``read`` gives: no pipes, and no links that lead out of it."""
    work = (folder / "work").resolve()
    return tuple(
        FileInfo(path.relative_to(work).as_posix(), path.stat().st_size)
        for path in sorted(work.rglob("*"))
        if path.is_file() and path.resolve().is_relative_to(work)
    )


def read(handle: Handle, folder: Path, path: str) -> Pieces:
    """Give a file of a run's working folder (``work/…``) or spool, and nothing else, wherever links lead.

    Raises:
        DeployError: There is no such file.
    """
    folder = folder.resolve()
    file = (folder / path.replace("\0", "")).resolve()
    if not any(file.is_relative_to(folder / part) for part in ("work", "spool")) or not file.is_file():
        raise DeployError(f"The run {handle} has no file {path!r}.", fix="Its files() lists those there are.")
    return Pieces(file)


def write(path: Path, data: bytes) -> None:
    """Write a new file that only its owner can read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123 - a descriptor
        file.write(data)


def _lay(source: Path, target: Path) -> None:
    """Let a file of the code layer lie in the working folder too; both are this run's alone."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)
