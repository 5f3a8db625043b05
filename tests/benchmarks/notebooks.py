"""A notebook of twenty cells, by papermill."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import nbformat
import papermill

from tests.benchmarks.pairs import Pair


def pairs(home: Path) -> Iterator[Pair]:
    """Give the comparisons."""
    written = home.parent / f"{home.name}-in.ipynb"
    cells = [nbformat.v4.new_code_cell(f"print({number})\n{number}") for number in range(20)]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), written)
    out = written.with_name(f"{home.name}-out.ipynb")

    def run(engine: str | None) -> None:
        papermill.execute_notebook(written, out, engine_name=engine, progress_bar=False)

    yield Pair(
        "papermill, 20 cells", lambda: run("fairing"), lambda: run(None), "papermill's own engine", times=1.1, plus=1.0
    )
