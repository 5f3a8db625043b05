"""Limits on processor time and memory, through Linux control groups, where this user may make one (version 2 or 1).

A replica has a group of its own (in version 1: one for each kind of limit), so that what the kernel ended for its
memory can be told from what was killed by somebody.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

MOUNTS = Path("/proc/self/mounts")
MINE = Path("/proc/self/cgroup")
PERIOD = 100_000  # microseconds in which a share of processor time is spent


def homes(wanted: Iterable[str], mounts: Path = MOUNTS, mine: Path = MINE) -> dict[str, Path]:
    """Return the group under which one may be made, for each kind of limit that can be kept here.

    Args:
        wanted: Kinds of limits: ``"cpu"``, ``"memory"``.
        mounts: The table of mounts.
        mine: Which groups this process is in.
    """
    found: dict[str, Path] = {}
    try:
        table = [line.split() for line in mounts.read_text().splitlines()]
        groups = [line.split(":", 2) for line in mine.read_text().splitlines()]
    except OSError:  # not Linux
        return found
    for kind in wanted:
        for _, mount, system, options, *_ in table:
            if system == "cgroup2":
                here = next((path for number, _, path in groups if number == "0"), "/")
                home = _delegated(Path(mount), here, kind)
            elif system == "cgroup" and kind in options.split(","):
                here = next((path for _, kinds, path in groups if kind in kinds.split(",")), "/")
                home = _writable(Path(mount), here)
            else:
                continue
            if home is not None:
                found[kind] = home
                break
    return found


def make(name: str, limits: dict[str, float]) -> list[str]:
    """Make the groups that keep these limits; return their folders. What cannot be kept is left out.

    Args:
        name: What to call them.
        limits: ``cpu`` in processors, ``memory`` in bytes.

    Raises:
        OSError: The kernel refused a limit; nothing is left behind.
    """
    made: list[str] = []
    try:
        for kind, home in homes(limits).items():
            folder = home / name
            if str(folder) not in made:
                folder.mkdir()
                made.append(str(folder))
            _limit(folder, kind, limits[kind])
    except OSError:
        remove(made)
        raise
    return made


def joins(folders: Iterable[str]) -> list[str]:
    """Return the files to which a process writes ``0`` to enter these groups."""
    return [f"{folder}/cgroup.procs" for folder in folders]


def remove(folders: Iterable[str]) -> None:
    """Remove groups whose processes have ended; the kernel keeps those that have some."""
    for folder in folders:
        with contextlib.suppress(OSError):
            os.rmdir(folder)  # noqa: PTH106 - they are kept as text


def killed(folders: Iterable[str]) -> int:
    """Return how many processes the kernel has ended in these groups for their memory.

    Without a group, those of the whole machine and of this process's own surroundings (a container) are counted: a
    number that grew while a process was killed is evidence.
    """
    folders = list(folders)
    files = [Path(folder) / name for folder in folders for name in ("memory.events", "memory.oom_control")]
    return sum(_counted(file) for file in files or (Path("/proc/vmstat"),))


def _counted(file: Path) -> int:
    with contextlib.suppress(OSError, ValueError):
        for line in file.read_text().splitlines():
            name, _, number = line.partition(" ")
            if name == "oom_kill":
                return int(number)
    return 0


def _writable(mount: Path, here: str) -> Path | None:
    """Return this process's own group of version 1; where its root is another's (a container), what is mounted."""
    for home in (mount / here.lstrip("/"), mount):
        if home.is_dir():
            return home if os.access(home, os.W_OK) else None
    return None


def _delegated(mount: Path, here: str, kind: str) -> Path | None:
    """Return the nearest group of version 2, from this process's own upward, that hands this kind on to others."""
    home = mount / here.lstrip("/")
    for group in (home, *home.parents):
        if not group.is_relative_to(mount):
            break
        try:
            handed = (group / "cgroup.subtree_control").read_text().split()
        except OSError:
            continue
        if kind in handed and os.access(group, os.W_OK) and os.access(group / "cgroup.procs", os.W_OK):
            return group
    return None


def _limit(folder: Path, kind: str, value: float) -> None:
    if kind == "cpu":
        quota = max(1000, int(value * PERIOD))
        if (folder / "cpu.max").exists():
            (folder / "cpu.max").write_text(f"{quota} {PERIOD}")
        else:
            (folder / "cpu.cfs_period_us").write_text(str(PERIOD))
            (folder / "cpu.cfs_quota_us").write_text(str(quota))
        return
    if (folder / "memory.max").exists():
        (folder / "memory.max").write_text(str(int(value)))
        swap = folder / "memory.swap.max"
        if swap.exists():
            swap.write_text("0")
        return
    (folder / "memory.limit_in_bytes").write_text(str(int(value)))
    with contextlib.suppress(OSError):  # swap is not accounted for on every machine
        (folder / "memory.memsw.limit_in_bytes").write_text(str(int(value)))
