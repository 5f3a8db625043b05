"""The kernel's own record of the cells that were run: the current notebook, where no file can be known.

A front end may not say where its notebook lies, and what lies there may be older than what is on the screen. The kernel
knows what it was given: the text of each cell, and in most front ends the cell's id.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from fairing.capture import ipynb
from fairing.capture.ipynb import Source
from fairing.errors import CaptureError
from fairing.shell import current

_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_PLACE = "_fairing_journal"
"""Where a shell holds its journal, which is told of its cells alone and ends with it."""


@dataclass(slots=True)
class _Entry:
    text: str
    id: str | None = None
    tags: tuple[str, ...] = ()
    number: int | None = None
    failed: str = ""


class Journal:
    """What one kernel ran: the last text of each cell in order of first execution; without ids, every cell as it ran.

    Args:
        shell: The kernel's shell. What it ran before is taken from its history, where cells have no ids.
    """

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        history = list(getattr(shell.history_manager, "input_hist_raw", ()))[1:]
        raised = getattr(shell.history_manager, "exceptions", None) or {}  # since IPython 9
        self._entries = [
            _Entry(text, number=number, failed=_name(raised.get(number))) for number, text in enumerate(history, 1)
        ]
        self._current: _Entry | None = None
        if history and _asked(shell).get("content", {}).get("code") == history[-1]:  # the cell that runs now
            self._current = self._entries[-1]
            metadata = _asked(shell)["metadata"]
            self._current.id, self._current.tags, self._current.failed = metadata.get("cellId"), _tags(metadata), ""
        shell.events.register("pre_run_cell", self._before)
        shell.events.register("post_run_cell", self._after)

    def source(self) -> Source:
        """Return the notebook.

        Raises:
            CaptureError: Nothing was run yet.
        """
        left_out = []
        cells = []
        for entry in self._entries:
            if entry.id is None and entry.failed:
                left_out.append((f"cell [{entry.number}]", f"it raised {entry.failed} when it ran"))
            elif entry.text.strip():
                cells.append(_cell(entry))
        if not cells:
            raise CaptureError("No cell was run in this notebook yet.", fix="Run its cells, then call this again.")
        notebook: dict[str, Any] = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        ipynb.identify(notebook)
        tagged = any(entry.tags for entry in self._entries)  # not every front end sends the tags of a cell
        return Source(notebook, _file_name(self.shell), Path.cwd(), tuple(left_out), tagged)

    def _before(self, info: Any) -> None:
        if info.silent or not info.store_history:
            return
        cell_id = getattr(info, "cell_id", None)
        entry = self._known(cell_id, info.raw_cell)
        if entry is None:
            entry = _Entry(info.raw_cell)
            self._entries.append(entry)
        entry.id, entry.text, entry.failed = cell_id, info.raw_cell, ""
        entry.tags, entry.number = _tags(_asked(self.shell).get("metadata", {})), self.shell.execution_count
        self._current = entry

    def _after(self, result: Any) -> None:
        error = result.error_before_exec or result.error_in_exec
        if self._current is not None and error is not None:
            self._current.failed = type(error).__name__
        self._current = None

    def _known(self, cell_id: str | None, text: str) -> _Entry | None:
        """Return the entry of a cell that ran before, perhaps when its id was not yet known."""
        if cell_id is None:
            return None
        same = next((entry for entry in self._entries if entry.id == cell_id), None)
        return same or next((entry for entry in self._entries if entry.id is None and entry.text == text), None)


def start(shell: Any = None) -> Journal | None:
    """Begin the journal of this kernel, unless it has begun; outside IPython do nothing.

    Args:
        shell: The shell; the current one if not given.
    """
    shell = shell or current()
    if shell is None:
        return None
    journal: Journal | None = getattr(shell, _PLACE, None)
    if journal is None:
        journal = Journal(shell)
        setattr(shell, _PLACE, journal)
    return journal


def source() -> Source:
    """Return the notebook that this kernel runs.

    Raises:
        CaptureError: This is no notebook, or nothing was run in it yet.
    """
    journal = start()
    if journal is None:
        raise CaptureError(
            "There is no current notebook: this is not Jupyter.",
            fix="Name the file: fairing.run_notebook('train.ipynb').",
        )
    return journal.source()


def _cell(entry: _Entry) -> dict[str, Any]:
    cell: dict[str, Any] = {
        "cell_type": "code",
        "source": entry.text,
        "metadata": {"tags": list(entry.tags)} if entry.tags else {},
        "execution_count": None,
        "outputs": [],
    }
    if entry.id and _ID.fullmatch(entry.id):
        cell["id"] = entry.id
    return cell


def _asked(shell: Any) -> dict[str, Any]:
    """Return the front end's request to run the cell that runs; JupyterLab says the cell's id and tags in it."""
    try:
        request = shell.get_parent()
    except (AttributeError, LookupError):  # a terminal
        return {}
    return request if isinstance(request, dict) else {}


def _tags(metadata: dict[str, Any]) -> tuple[str, ...]:
    tags = metadata.get("tags")
    return tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list | tuple) else ()


def _name(raised: Any) -> str:
    return str(raised.get("ename", "an error")) if isinstance(raised, dict) else ""


def _file_name(shell: Any) -> str:
    """Return what the notebook is called, where the front end says it; only its name is used, never the file."""
    said = shell.user_ns.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME") or ""
    name = PurePath(str(said)).name
    return name if name.endswith(".ipynb") else "notebook.ipynb"
