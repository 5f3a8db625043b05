"""A million lines, from the writer to a file."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import fairing
from tests.benchmarks.pairs import Pair

COUNT = 1_000_000


def talk(count):
    """Print that many lines."""
    for number in range(count):
        print("line", number)


def pairs(home: Path) -> Iterator[Pair]:
    """Give the comparisons."""
    ours, theirs = home.parent / f"{home.name}-ours.txt", home.parent / f"{home.name}-theirs.txt"

    def follow() -> None:
        job = fairing.submit(talk, args=(COUNT,))
        job.logs(ours)
        if ours.read_bytes().count(b"\n") != COUNT:
            raise AssertionError("lines were lost")

    def pipe() -> None:
        code = f"for number in range({COUNT}): print('line', number)"
        with (
            theirs.open("w") as out,
            subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process,
        ):
            for line in process.stdout or ():
                out.write(line)

    yield Pair("1,000,000 lines to a file", follow, pipe, "a `subprocess` pipe reader", times=2.0)
