"""What a run leaves that did not go through its log: it waits until that is read.

Where a pod's files can be read (``fetched``), that is whatever lies in its working folder and its spool; where nobody
can, only a value or a display that was too large for the log is worth waiting for: somebody may still come for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
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

STORED = "stored"
"""The file beside the spool that says that all of it is in the artifact store."""

NOT_STORED = "what it left, so far"
"""How the loss is called of what could not be put into a store: it may still be fetched while the pod waits."""

_LOOK = 0.1
_PATIENCE = 5
"""How many times as long whoever reads is waited for: they may have gone to sleep over it."""


def settle(
    spec: dict[str, Any],
    files: Sequence[dict[str, Any]],
    say: Callable[[str, dict[str, Any]], None],
    mark: Callable[[], None],
    asked: Callable[[], bool],
) -> None:
    """Put what a run leaves into its artifact store, if it has one; else, or where that fails, say that it waits.

    Args:
        spec: What was run.
        files: What it left in its working folder.
        say: Writes an event into the log.
        mark: Writes how much there is of it, so that whoever reads only as far knows that nothing is missing.
        asked: Says whether the run was asked to end.
    """
    if "artifacts" in spec:
        from fairing.runtime import stored

        url = spec["artifacts"]["url"]
        say("status", {"phase": "running", "reason": f"putting what it leaves into {url}"})
        mark()
        items = list(stored.gathered(spec, files, ENDED))
        if wrong := stored.put(spec, items, asked) if items else "":
            say("lost", {"what": f"{NOT_STORED}: it could not be put into {url} ({wrong})"})
        else:
            (Path(spec["spool"]).parent / STORED).touch()
    if not asked() and (seconds := waits(spec)):
        say("status", {"phase": "running", "reason": said(seconds)})


def waits(spec: dict[str, Any]) -> float:
    """Return how many seconds a run that has ended waits at most, for what it left to be read."""
    if not spec.get("linger") or (Path(spec["spool"]).parent / STORED).exists():
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
    import fcntl  # here, since a client on Windows reads the names above

    with lock.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
