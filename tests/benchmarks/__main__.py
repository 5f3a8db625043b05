"""Measures everything, prints the table, keeps it in docs/benchmarks.md, and exits with 1 on a miss.

``python -m tests.benchmarks import loop`` measures those alone, and keeps nothing.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from pathlib import Path

from tests.benchmarks import lines, loop, memory, notebooks, push, remote, start
from tests.benchmarks.pairs import Missing, Row, measure, table

MODULES = {
    "start": start,
    "loop": loop,
    "lines": lines,
    "notebooks": notebooks,
    "push": push,
    "remote": remote,
    "memory": memory,
}
PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"


def main(chosen: list[str]) -> int:
    """Measure the chosen modules, or all; return the exit code."""
    for name in ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"):  # they would slow the peers alone
        os.environ.pop(name, None)
    rows: list[Row] = []
    missing = []
    with tempfile.TemporaryDirectory() as home:
        os.environ["FAIRING_HOME"] = home
        for name in chosen or MODULES:
            try:
                for pair in MODULES[name].pairs(Path(home)):
                    rows.append(measure(pair))
                    print(table(rows[-1:]).splitlines()[-1], flush=True)
            except Missing as lacking:
                missing.append(f"left out of {name}: {lacking}")
    print("\n" + table(rows), *missing, sep="\n")
    if not chosen and not missing:
        PAGE.write_text(_page(table(rows)), encoding="utf-8")
    return 1 if any(row.kept is False for row in rows) or (missing and os.environ.get("CI")) else 0


def _page(rows: str) -> str:
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return f"""# Benchmarks

`make bench` measures fairing beside a peer in the same run, alternating, and fails on a miss. The medians of the last
run that was kept ({machine}):

{rows}

*over* is the difference of the medians; *promise* is the most that fairing may take, as a multiple of the peer and
milliseconds on top. Machines are noisy: read ratios and differences, not single times.
"""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
