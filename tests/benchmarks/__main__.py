"""Measures everything, prints the table, keeps it in docs/benchmarks.md, and exits with 1 on a miss.

``python -m tests.benchmarks import loop`` measures those alone, and keeps nothing.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from pathlib import Path

from tests.benchmarks import lines, loop, notebooks, push, start
from tests.benchmarks.pairs import measure, table

MODULES = {"start": start, "loop": loop, "lines": lines, "notebooks": notebooks, "push": push}
PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"


def main(chosen: list[str]) -> int:
    """Measure the chosen modules, or all; return the exit code."""
    for name in ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"):  # they would slow the peers alone
        os.environ.pop(name, None)
    rows = []
    with tempfile.TemporaryDirectory() as home:
        os.environ["FAIRING_HOME"] = home
        for name in chosen or MODULES:
            for pair in MODULES[name].pairs(Path(home)):
                rows.append(measure(pair))
                print(table(rows[-1:]).splitlines()[-1], flush=True)
    print("\n" + table(rows))
    if not chosen:
        PAGE.write_text(_page(table(rows)), encoding="utf-8")
    return 0 if all(row.kept for row in rows) else 1


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
