"""A notebook's run: its outputs gathered while it goes on, and the executed notebook at its end."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat

from fairing import plugins, state
from fairing.edge import edge
from fairing.errors import CellFailed, ConfigError, FairingError
from fairing.events import CellStatus, Clear, Display, Event, Failure, Text
from fairing.output.notebook import NotebookSink
from fairing.run.failures import Hint
from fairing.run.job import Beats, Job
from fairing.spec import Handle, Report
from fairing.words import sentence

WRITE_EVERY = 1.0
_SPOOLED = "spool/worker-0/notebook.ipynb"


@dataclass(frozen=True, slots=True)
class Executed:
    """An executed notebook.

    Args:
        notebook: The notebook, with its outputs: a node of nbformat.
        path: Where it was written.
        job: The run.
    """

    notebook: Any = field(repr=False)
    path: Path | None = None
    job: Job | None = field(default=None, repr=False)


class NotebookJob(Job):
    """The run of a notebook: its value is the executed notebook.

    Args:
        handle: The run.
        report: What was captured.
        document: The notebook, without outputs; they are merged into it.
        hint: Finds the option for what a cell missed.
    """

    def __init__(
        self, handle: Handle, report: Report | None, document: dict[str, Any], hint: Hint | None = None
    ) -> None:
        super().__init__(handle, report, hint)
        self.notebook = nbformat.from_dict(document)
        self.path: Path | None = None
        """Where the executed notebook is written, as far as it is, when a cell ends."""
        self._merging = NotebookSink(self.notebook, nbformat.from_dict)

    def events(self, since: float | None = None) -> Iterator[Event]:
        """Follow it; what its cells put out goes into the notebook, and the rest comes out here."""
        if since is not None:
            yield from super().events(since)
            return
        beats = self.beats(None)
        try:
            for event in beats:
                if event is not None:
                    yield event
        finally:
            beats.close()

    def beats(self, every: float | None) -> Beats:
        """Follow it from its start, as ``events`` does; ``None`` says that nothing came for ``every`` seconds."""
        return _Merging(self, every)

    @edge
    def result(self, timeout: float | None = None, *, raw: bool = False, trust: bool | None = None) -> Any:
        """Wait for its end and return the executed notebook.

        Raises:
            CellFailed: A cell raised.
            RunFailed: It ended badly in another way.
        """
        self.wait(timeout)
        failure, status = self._view.failure, self._view.status
        if failure is not None and failure.at.cell is not None and failure.ename not in {"signal", "exit"}:
            raise self._cell_failed(failure.at.cell, failure)
        if raw or status is None or status.phase != "succeeded":
            return super().result(timeout, raw=raw, trust=trust)
        return Executed(self.notebook, self.path, self)

    def write(self) -> None:
        """Write the notebook as it is now, if it has a place."""
        self._merging.settle()
        if self.path is not None:
            write(self.notebook, self.path)

    def _cell_failed(self, cell: int, failure: Failure) -> CellFailed:
        name = self.report.entry if self.report else "the notebook"
        advice = (self._hint(failure.missing) or "") if self._hint and failure.missing else ""
        written = f"The notebook as far as it ran is {self.path}." if self.path else ""
        count = self.notebook.cells[cell].get("execution_count")
        return CellFailed(
            f"Cell {cell + 1} of {name}" + (f", In [{count}]," if count else "") + " failed.",
            sentence(f"{failure.ename}: {failure.evalue}".rstrip(": ")),
            " ".join(filter(None, (advice, written))),
            cell,
            failure.traceback,
        )


class _Merging(Beats):
    """Takes out of a job's events what goes into its notebook."""

    def __init__(self, job: NotebookJob, every: float | None) -> None:
        super().__init__(job, every)
        self._notebook = job
        self._written = 0.0
        self._changed = False

    def __next__(self) -> Event | None:
        while True:
            try:
                event = super().__next__()
            except StopIteration:
                self._notebook._merging.close()
                gather(self._notebook.handle, self._notebook.notebook)
                raise
            if event is None:
                self._write()
                return None
            self._notebook._merging.show(event)
            self._changed = True
            if isinstance(event, CellStatus):
                self._write()
            if event.at.cell is None or not isinstance(event, Text | Display | Clear):
                return event

    def _write(self) -> None:
        if self._changed and time.monotonic() - self._written > WRITE_EVERY:
            self._notebook.write()
            self._written = time.monotonic()
            self._changed = False

    def close(self) -> None:
        """Stop following; what is known is written."""
        super().close()
        self._notebook.write()


def gather(handle: Handle, notebook: Any) -> None:
    """Take from the run's own copy what no event tells: the state of widgets, times, the language's version."""
    with suppress(FairingError, OSError, ValueError):
        stream = plugins.deployer(handle.deployer).read(handle, _SPOOLED)
        theirs = json.loads(b"".join(stream))
        for key in ("widgets", "language_info"):
            if key in theirs["metadata"]:
                notebook["metadata"][key] = nbformat.from_dict(theirs["metadata"][key])
        for mine, ran in zip(notebook["cells"], theirs["cells"], strict=False):
            if "execution" in ran["metadata"]:
                mine["metadata"]["execution"] = nbformat.from_dict(ran["metadata"]["execution"])


def destination(output: str | os.PathLike[str] | None, name: str, folder: Path) -> Path:
    """Return where the executed notebook will be written.

    Args:
        output: Where the person wants it; a name of its own beside the notebook if not given.
        name: The notebook's file name.
        folder: Its folder.

    Raises:
        ConfigError: It cannot be written there.
    """
    path = folder / f"{Path(name).stem}-output.ipynb" if output is None else Path(output).expanduser().absolute()
    if path.is_dir():
        path /= f"{Path(name).stem}-output.ipynb"
    if not path.parent.is_dir():
        raise ConfigError(f"There is no folder {path.parent} to write {path.name} to.", fix="Create it first.")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise ConfigError(f"{path} cannot be written.", fix="Name another place with output=.")
    return path


def write(notebook: Any, path: Path) -> None:
    """Write a notebook file; whoever reads it meanwhile sees the old one or the new one."""
    with state.replacing(path) as part:
        part.write_bytes(f"{nbformat.writes(notebook)}\n".encode("utf-8", "replace"))
