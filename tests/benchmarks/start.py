"""What ``import fairing`` costs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.pairs import Pair


def pairs(home: Path) -> Iterator[Pair]:
    """Give the comparisons."""
    yield Pair(
        "`import fairing`",
        lambda: subprocess.run([sys.executable, "-c", "import fairing"], check=True),
        lambda: subprocess.run([sys.executable, "-c", "pass"], check=True),
        "`python -c pass`",
        plus=0.060,
    )
