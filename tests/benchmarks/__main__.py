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
milliseconds on top; where there is none the row is there to be read. Machines are noisy: read ratios and differences,
not single times.

**On a cluster.** `make cluster` brings up the one that is measured on, and `tests/cluster/up trainer` Kubeflow's
Trainer; what has no cluster, or a peer that is not there, is left out and said. A cell is run in a kernel, as a front
end does it, and the clock stops when the first line that the code prints is in the cell's output. What is written by
hand is run in the same kernel: by the `kubernetes` package over a connection that is open, with a watch until the pod
runs, then its log; the image is ours and on the node. It has no bytecode of the standard library, as the official ones
of Python have none: a run with its code beside the image was asked for that before, as the first such run always is,
and pushed images of the same base profit. The Kubeflow SDK comes from PyPI into an environment that is
thrown away; it is asked for its log all the time, where its own wait asks every two seconds. For a gigabyte of log the
memory is the most that the kernel ever had resident, less what it had before `fairing` was loaded. The log goes through
it whole: the cell counts the lines that it does not show.

**Pushing.** Fifty files of 130 kB, of which one is another each time, to a registry of its own on this machine.
buildah and Docker build the same files from two lines, `FROM` and `COPY`, with their caches warm, and push.
"""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
