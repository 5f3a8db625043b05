"""Starts processes, finds everything that descends from them, and ends it.

No process of a run may outlive it. On Linux a watcher *adopts* what its descendants leave behind (a child subreaper),
so that a process which called ``setsid`` or forked twice is still found; and a child can be made to end with its
parent. Elsewhere the table of processes is asked for.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterable
from typing import Any

_ADOPT, _DIE_WITH_PARENT = 36, 1  # PR_SET_CHILD_SUBREAPER, PR_SET_PDEATHSIG of prctl(2)
_LINUX: bool = sys.platform == "linux"
_PATIENCE = 5  # seconds for the kernel to end what was sent SIGKILL


def adopt() -> None:
    """Become the parent of descendants whose own parent ends, so that none is lost from sight."""
    _prctl(_ADOPT, 1)


def die_with(parent: int) -> None:
    """Let this process be killed when its parent ends, however that ends."""
    _prctl(_DIE_WITH_PARENT, int(signal.SIGKILL))
    if os.getppid() != parent:  # it has ended already, and nobody will tell
        os.kill(os.getpid(), signal.SIGKILL)


def start(command: list[str], environment: dict[str, str], folder: str, output: int, joins: Iterable[str] = ()) -> int:
    """Start a program that ends with this process; return its id.

    Args:
        command: The program's path and its arguments.
        environment: All of its variables.
        folder: Where it starts.
        output: Where its stdout and stderr go.
        joins: Files of control groups to enter, such as ``/sys/fs/cgroup/mine/cgroup.procs``.
    """
    parent = os.getpid()
    child = os.fork()
    if child:
        return child
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        die_with(parent)
        for file in joins:
            with open(file, "w") as group:
                group.write("0")
        os.chdir(folder)
        os.execve(command[0], command, environment)  # noqa: S606 - no shell is the point
    except BaseException as wrong:  # noqa: BLE001 - two processes must not go on from here
        os.write(2, f"{command[0]} cannot be started: {wrong}\n".encode())
    finally:
        os._exit(127)


def end_all() -> dict[int, int]:
    """Kill everything that descends from this process and wait until it is gone; return the exit codes of children."""
    codes: dict[int, int] = {}
    signal.signal(signal.SIGALRM, _give_up)  # something may wait in the kernel for a disk, or belong to root
    signal.alarm(_PATIENCE)
    try:
        while True:
            for pid in descendants(os.getpid()):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            pid, status = os.waitpid(-1, 0)  # what was killed is adopted, so its end shows here
            codes[pid] = os.waitstatus_to_exitcode(status)
    except (ChildProcessError, TimeoutError):
        return codes
    finally:
        signal.alarm(0)


def wait(pid: int) -> int:
    """Wait for a child and return its exit code; negative is a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def reap() -> dict[int, int]:
    """Return the exit codes of the children that have ended."""
    codes: dict[int, int] = {}
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                break
            codes[pid] = os.waitstatus_to_exitcode(status)
    return codes


def descendants(pid: int) -> list[int]:
    """Return the ids of all processes below one, parents first."""
    if os.path.exists(f"/proc/{pid}/task/{pid}/children"):
        return _below(pid)
    parents = _table()
    found = [pid]
    for known in found:
        found += [each for each, parent in parents.items() if parent == known]
    return found[1:]


def _below(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{thread}/children") as children:
                for child in map(int, children.read().split()):
                    found += [child, *_below(child)]
    return found


def _table() -> dict[int, int]:
    """Return every process's parent, where the kernel keeps no list of children (macOS, gVisor)."""
    import subprocess

    listed = subprocess.run(["ps", "-axo", "pid=,ppid="], stdout=subprocess.PIPE, check=False)
    rows = (line.split() for line in listed.stdout.decode().splitlines())
    return {int(row[0]): int(row[1]) for row in rows if len(row) == 2}


def _give_up(*_: Any) -> None:
    raise TimeoutError


def _prctl(option: int, value: int) -> Any:
    if _LINUX:
        import ctypes

        return ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
    return None
