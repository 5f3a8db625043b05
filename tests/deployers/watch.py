"""What the tests of runs wait for and look at: text of a job, the end of a process, the processes of a run."""

from __future__ import annotations

import contextlib

import psutil

from fairing import state
from fairing.events import Failure, Text


def said(job, wanted: str) -> str:
    """Follow a job until it has said something; return the line."""
    events = job.events()
    try:
        for event in events:
            if isinstance(event, Text):
                for line in event.text.splitlines():
                    if wanted in line:
                        return line
    finally:
        events.close()
    raise AssertionError(f"{job} never said {wanted!r}")


def failures(job) -> list[Failure]:
    """Return every failure that a whole run tells of."""
    return [event for event in job.events() if isinstance(event, Failure)]


def folder(job):
    """Return a run's folder."""
    return state.runs() / job.handle.parts[0]


def gone(pid: int) -> bool:
    """Wait until a process has ended."""
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(pid).wait(60)
    return True


def watchers(job) -> tuple[psutil.Process, psutil.Process]:
    """Return the guard and the supervisor of a run."""
    found = [each for each in psutil.process_iter() if _names(each, "fairing.runtime.supervisor", str(folder(job)))]
    supervisor = next(each for each in found if each.ppid() in {other.pid for other in found})
    return supervisor.parent(), supervisor


def _names(process: psutil.Process, *texts: str) -> bool:
    try:
        line = " ".join(process.cmdline())
    except psutil.Error:
        return False
    return all(text in line for text in texts)
