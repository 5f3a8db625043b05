"""What a run leaves that did not go through its log: it waits until that is read.

Where a pod's files can be read (``fetched``), that is whatever lies in its working folder and its spool; where nobody
can, only a value or a display that was too large for the log is worth waiting for: somebody may still come for it.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ENDED = "ended"
"""The file of the spool that says that the user's code has run, and with which exit code the runner left."""

RELEASED = "released"
"""The file beside the spool that whoever has read everything makes."""

READING = "reading"
"""The file beside the spool that whoever reads has a shared lock of."""

ALONE = "alone"
"""The file beside the runner's copy of its log that says that there is more of it than a node gives."""

_LOOK = 0.1
_PATIENCE = 5
"""How many times as long whoever reads is waited for: they may have gone to sleep over it."""


def waits(spec: dict[str, Any]) -> float:
    """Return how many seconds a run that has ended waits at most, for what it left to be read."""
    if not spec.get("linger"):
        return 0.0
    spool = [each for each in Path(spec["spool"]).iterdir() if each.name != ENDED]
    left = [*spool, *Path(spec["work"]).iterdir(), *log(spec)] if spec.get("fetched", True) else spool
    return float(spec["linger"]) if left else 0.0


def log(spec: dict[str, Any]) -> list[Path]:
    """Return the runner's own copy of its log, where that is longer than what a node gives of it."""
    return [alone] if "log" in spec and (alone := Path(spec["log"], ALONE)).exists() else []


def said(seconds: float) -> str:
    """Say that a run waits."""
    return f"waiting up to {seconds:g} s for what is unread to be fetched"


def wait(spec: dict[str, Any], asked: Callable[[], bool]) -> None:
    """Wait until everything was read, or for long enough; whoever reads at that moment is waited for.

    Args:
        spec: What was run.
        asked: Says whether it was asked to end.
    """
    seconds = waits(spec)
    until = time.monotonic() + seconds
    beside = Path(spec["spool"]).parent
    while not asked():
        if (beside / RELEASED).exists():  # by one who has read everything; another may not have yet
            until = min(until, time.monotonic())
        now = time.monotonic()
        if now >= until + _PATIENCE * seconds or (now >= until and not _read(beside / READING)):
            return
        time.sleep(_LOOK)  # a volume has nothing better to wait for, and nobody waits for this


def _read(lock: Path) -> bool:
    """Say whether somebody reads at this moment."""
    with lock.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
