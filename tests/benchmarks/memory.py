"""The memory of a kernel while a gigabyte of log flows through its cell."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks import kernel, remote
from tests.benchmarks.pairs import Figure

LINES = 1_000_000
_CELL = f"""%%fairing --builder inline
line = "x" * 990
for number in range({LINES}):
    print(f"{{number:09d}} {{line}}")
"""


def pairs(home: Path) -> Iterator[Figure]:
    """Give the figure.

    Raises:
        Missing: There is no cluster.
    """
    with remote.namespace() as (_, name), kernel.started(remote.variables(name)) as cells:
        cells.run("pass")
        before = _memory(cells.process, "VmRSS")
        cells.run("%load_ext fairing")

        def peak() -> float:
            cells.run(_CELL)
            _whole(cells.output)
            return _memory(cells.process, "VmHWM") - before

        yield Figure("a kernel's memory over its own, while 1 GB of log flows through a cell", peak, 150, "MB")


def _whole(output: str) -> None:
    """Check that all of it went through: a cell shows the beginning, and says how many lines it does not show."""
    shown, found = output.count("x\n"), re.search(r"… ([\d,]+) more lines", output)
    hidden = int(found[1].replace(",", "")) if found else 0
    if not LINES <= shown + hidden <= LINES + 1:  # the line that is cut is among both
        raise AssertionError(f"{LINES} lines were printed, {shown} are shown, and {hidden} are said not to be")


def _memory(process: int, name: str) -> float:
    """Return what the kernel says of a process, in megabytes."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise AssertionError(f"process {process} has no {name}")
