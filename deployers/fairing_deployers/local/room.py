"""What this machine has room for: refused in words before anything is made."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from fairing.errors import AccessError, CapacityError
from fairing.runtime import cgroup
from fairing.spec import Resources, Workload

if sys.platform != "win32":
    import resource

_OWN_FILES = 64
"""Files that a supervisor has open besides two for each worker."""


def check(workload: Workload) -> None:
    """Refuse what processes of this machine cannot be given.

    Raises:
        AccessError: Processes cannot be watched over here at all.
        CapacityError: More is asked for than there is, or a limit cannot be kept.
    """
    if sys.platform == "win32":
        raise AccessError("The local target runs on Linux and macOS.", fix="On Windows, start Jupyter inside WSL.")
    _workers(sum(group.count for group in workload.groups))
    for group in workload.groups:
        _gpus(group.role, group.count, group.resources)
        if workload.limits == "enforce":
            _limits(group.role, group.count, group.resources)


def limits(resources: Resources) -> dict[str, float]:
    """Return the limits that are asked for, by kind."""
    asked = {"cpu": resources.cpu, "memory": resources.memory}
    return {kind: float(value) for kind, value in asked.items() if value}


def unkept(workload: Workload) -> tuple[str, ...]:
    """Return the kinds of limits that are asked for and cannot be kept here."""
    asked = {kind for group in workload.groups for kind in limits(group.resources)}
    return tuple(sorted(asked - set(cgroup.homes(sorted(asked)))))


def gpus() -> tuple[str, ...]:
    """Return the GPUs of this machine that this process may use, as ``CUDA_VISIBLE_DEVICES`` names them."""
    try:
        there = sorted(name[6:] for name in os.listdir("/dev") if re.fullmatch(r"nvidia\d+", name))  # noqa: PTH208 - names are asked for
    except OSError:
        there = []
    said = os.environ.get("CUDA_VISIBLE_DEVICES")
    if said is None or not there:
        return tuple(there)
    return tuple(each.strip() for each in said.split(",") if each.strip() not in {"", "-1"})


def _workers(count: int) -> None:
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = (files - _OWN_FILES) // 2 if files != resource.RLIM_INFINITY else count
    if count > most:
        raise CapacityError(
            f"{count:,} workers are more than one run may have on this machine.",
            why=f"Its supervisor may have {files:,} files open (ulimit -n).",
            fix=f"Ask for workers={max(most, 1)} at most.",
        )


def _gpus(role: str, count: int, asked: Resources) -> None:
    there = len(gpus()) if asked.gpus else 0
    if asked.gpus * count <= there:
        return
    each = f"{count} {role}s with {asked.gpus} GPUs each were" if count > 1 else f"{asked.gpus} GPUs were"
    raise CapacityError(
        f"{each if asked.gpus * count > 1 else 'A GPU was'} asked for, and this machine has {there or 'none'}.",
        why="" if there else "No NVIDIA device was found.",
        fix=f"Ask for gpus={there // count} at most, or choose a target that has more."
        if there >= count
        else "Leave gpus= out, or choose a target that has some.",
    )


def _limits(role: str, count: int, asked: Resources) -> None:
    processors = os.cpu_count() or 1
    if asked.cpu and asked.cpu > processors:
        raise CapacityError(
            f"A {role} asks for {asked.cpu:g} processors, and this machine has {processors}.",
            fix=f"Ask for cpu={processors} at most, or use limits='best-effort'.",
        )
    memory = _memory()
    if asked.memory and memory and asked.memory * count > memory:
        whole = f"{count} {role}s ask for {_gibibytes(asked.memory)} of memory each"
        raise CapacityError(
            f"{whole if count > 1 else f'The run asks for {_gibibytes(asked.memory)} of memory'}, and this machine has "
            f"{_gibibytes(memory)}.",
            fix="Ask for less, or use limits='best-effort'.",
        )
    asked_kinds = limits(asked)
    missing = sorted(set(asked_kinds) - set(cgroup.homes(sorted(asked_kinds))))
    if missing:
        raise CapacityError(
            f"{' and '.join(missing)} cannot be limited on this machine.",
            why="This user may not make control groups."
            if Path("/sys/fs/cgroup").exists()
            else "It has no control groups.",
            fix=f"Leave {' and '.join(f'{each}=' for each in missing)} out, or run without: limits='best-effort'.",
        )


def _memory() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return 0


def _gibibytes(octets: int) -> str:
    return f"{octets / 2**30:.3g} GiB"
