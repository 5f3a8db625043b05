"""Lets what a run leaves be put into an artifact store, and says how that went.

It is put there before the run's end is published: whoever has read the end finds it.
"""

from __future__ import annotations

import fnmatch
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

POD = "FAIRING_POD"
"""The variable that holds the uid of the pod: each attempt of a replica has a log of its own."""

WHOLE = "whole"
"""The thing beside a log in a store that says that all of it is there."""

SMALL = 16 << 20
"""Bytes of files that are brought back although nobody named them."""

_LAST = 4.0
"""Seconds that are left when a run is asked to end: its grace is over soon, and then it is killed."""


def gathered(spec: dict[str, Any], files: Iterable[dict[str, Any]], but: str) -> Iterator[tuple[str, str]]:
    """Give the files of a run that has ended, each with its name in a store.

    Args:
        spec: What was run.
        files: What it left in its working folder: paths and sizes.
        but: The file of its spool that is of no use elsewhere.
    """
    for each in sorted(Path(spec["spool"]).iterdir()):
        if each.is_file() and each.name != but:
            yield str(each), f"spool/{spec['source']}/{each.name}"
    if spec["source"].endswith("-0"):  # who reads a run's files reads those of its first replica
        for path in wanted(files, spec["outputs"]):
            yield str(Path(spec["work"], path)), f"work/{path}"
    if "log" in spec:
        folder, place = Path(spec["log"]), f"log/{spec['source']}/{os.environ.get(POD, 'pod')}"
        yield from ((str(each), f"{place}/{each.name}") for each in sorted(folder.glob("0*")))
        (folder / WHOLE).touch()
        yield str(folder / WHOLE), f"{place}/{WHOLE}"  # the last: where it is, the others are


def wanted(files: Iterable[dict[str, Any]], outputs: Iterable[str]) -> list[str]:
    """Return which files of a working folder are brought back: those that are asked for, and some small ones."""
    found, room = [], SMALL
    for file in sorted(files, key=lambda file: int(file["size"])):
        room -= file["size"]
        path = str(file["path"])
        name = path.rpartition("/")[2]
        if room >= 0 or any(fnmatch.fnmatchcase(path, each) or fnmatch.fnmatchcase(name, each) for each in outputs):
            found.append(path)
    return found


def put(spec: dict[str, Any], items: Iterable[tuple[str, str]], asked: Callable[[], bool]) -> str:
    """Put files into the store of a run; return why they could not be, or nothing.

    Nothing is written into the log meanwhile, which may be among them.

    Args:
        spec: What was run.
        items: The files, each with its name in the store.
        asked: Says whether the run was asked to end; then little time is left.
    """
    told = {"store": spec["artifacts"], "source": spec["source"], "items": list(items)}
    with tempfile.TemporaryFile() as said:
        command = [sys.executable, "-m", "fairing.runtime.upload"]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=said, stderr=said)
        assert process.stdin is not None  # noqa: S101 - it was asked for
        with process.stdin as stdin:
            stdin.write(json.dumps(told).encode())
        until = float("inf")
        while process.poll() is None and time.monotonic() < until:
            if asked() and until == float("inf"):
                until = time.monotonic() + _LAST
            time.sleep(0.05)
        if process.poll() is None:
            process.kill()
            process.wait()
            return "the run was asked to end meanwhile"
        said.seek(0)
        lines = said.read().decode("utf-8", "replace").strip().splitlines()
    return "" if process.returncode == 0 else lines[-1] if lines else f"it ended with {process.returncode}"
