"""A notebook as a sink: what each cell puts out is merged into it as it comes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fairing.events import (
    CellStatus,
    Clear,
    Display,
    Event,
    Failure,
    Files,
    Lost,
    Metric,
    Progress,
    Result,
    Status,
    Text,
    assert_never,
)
from fairing.runtime.cells import Cells

_WORDS = {
    "signal": ("RunKilled", "the run was killed"),
    "start": ("RunNotStarted", "the run did not start"),
    "evicted": ("RunKilled", "the cluster ended the run"),
    "exit": ("RunFailed", "the run's process ended"),
    "memory": ("OutOfMemory", "the run used more memory than it may"),
    "timeout": ("RunTimedOut", "the run reached its timeout"),
    "cancelled": ("RunCancelled", "the run was cancelled"),
}


class NotebookSink:
    """Merges the events of a run's first replica into a notebook, by the cell they belong to.

    Args:
        notebook: A notebook of format 4, changed in place.
        node: Makes an output out of its fields; ``nbformat.from_dict`` for a notebook of nodes.

    Example:
        >>> sink = NotebookSink({"cells": [], "nbformat": 4})
        >>> sink.running is None
        True
    """

    def __init__(self, notebook: Any, node: Callable[[dict[str, Any]], Any] = dict) -> None:
        self.notebook = notebook
        self.running: int | None = None
        """The cell that runs now."""
        self.failed: int | None = None
        """The cell that failed."""
        self._cells = Cells(notebook, node)

    def show(self, event: Event) -> None:
        """Merge an event."""
        cell = event.at.cell
        if isinstance(event, Failure):
            self._fail(event)
        elif cell is None or event.at.source.index:
            return
        match event:
            case Text():
                self._cells.text(cell or 0, event.stream, event.text)
            case Display():
                self._display(cell or 0, event)
            case Clear():
                self._cells.clear(cell or 0, event.wait)
            case CellStatus():
                self._status(cell or 0, event)
            case Failure() | Progress() | Metric() | Status() | Files() | Result() | Lost():
                pass
            case _:
                assert_never(event)

    def settle(self) -> None:
        """Bring the notebook to what is known now; text waits to be joined until then."""
        self._cells.settle()

    def close(self) -> None:
        """Bring the notebook to its final state: a cell whose end was never told did not end well."""
        if self.running is not None:
            self._end_running("RunLost", "how the run ended is not known")
        self.settle()

    def interrupt(self, ename: str, evalue: str, cell: int | None = None) -> int | None:
        """Say in the running cell, or in another, why nothing more comes; return the cell."""
        self.running = cell if self.running is None else self.running
        self._end_running(ename, evalue)
        return self.failed

    def _display(self, cell: int, event: Display) -> None:
        self._cells.display(cell, event.data, event.metadata, event.display_id, event.update, event.result)

    def _status(self, cell: int, event: CellStatus) -> None:
        self._cells.count(cell, event.execution_count)
        if event.state == "started":
            self._cells.start(cell)
            self.running = cell
        else:
            self._cells.settle(cell)
            self.running = None
            if event.state == "failed":
                self.failed = cell

    def _fail(self, event: Failure) -> None:
        """Put what ended the run into the cell that it ended in."""
        cell = event.at.cell
        ename, said = _WORDS.get(event.ename, (event.ename, ""))
        detail = event.evalue or ("" if event.code is None else f"exit code {event.code}")
        evalue = f"{said} ({detail})" if said and detail else said or detail
        if cell is None:
            cell = self.failed if self.running is None else self.running
        if cell is not None and not self._raised(cell):
            self._cells.error(cell, ename, evalue, event.traceback or (f"{ename}: {evalue}",))
        if cell is not None:
            self.failed, self.running = cell, None

    def _end_running(self, ename: str, evalue: str) -> None:
        if self.running is not None:
            self._cells.error(self.running, ename, evalue, (f"{ename}: {evalue}",))
            self.failed, self.running = self.running, None

    def _raised(self, cell: int) -> bool:
        outputs = self.notebook["cells"][cell].get("outputs", ())
        return any(output["output_type"] == "error" for output in outputs)
