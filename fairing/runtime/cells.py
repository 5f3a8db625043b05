"""What cells put out, merged into a notebook: for the run, which keeps one, and for the side that watches it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fairing.runtime.lines import Lines

ERROR = "application/vnd.jupyter.error"
"""The MIME type of an error that did not end the run: name, value and traceback, as JSON."""

HELD = 1 << 20
"""Characters of a stream that may wait to be joined to what is there."""


class Cells:
    """The code cells of a notebook, as they are run.

    Outputs are merged as JupyterLab merges them: text that follows text of the same stream continues it, a line that a
    carriage return overwrites shows its last state, an update of a display changes that display, in whichever cell.

    Args:
        notebook: A notebook of format 4, changed in place.
        node: Makes an output out of its fields, for notebooks whose nodes are more than dictionaries.
    """

    def __init__(self, notebook: Any, node: Callable[[dict[str, Any]], Any] = dict) -> None:
        self.notebook = notebook
        self._node = node
        self._streams: dict[int, _Stream] = {}
        self._displays: dict[str, list[Any]] = {}
        self._clearing: set[int] = set()

    def start(self, cell: int) -> None:
        """Begin a cell: what it put out before is gone."""
        if (code := self._code(cell)) is not None:
            code["outputs"] = []
            code["execution_count"] = None
        self._streams.pop(cell, None)
        self._clearing.discard(cell)

    def count(self, cell: int, number: int | None) -> None:
        """Set a cell's execution count."""
        if number is not None and (code := self._code(cell)) is not None:
            code["execution_count"] = number

    def text(self, cell: int, stream: str, text: str) -> None:
        """Add text of a stream."""
        outputs = self._ready(cell)
        if outputs is None:
            return
        open_ = self._streams.get(cell)
        if open_ is None or not outputs or outputs[-1] is not open_.output or open_.output["name"] != stream:
            self.settle(cell)
            outputs.append(self._node({"output_type": "stream", "name": stream, "text": ""}))
            open_ = self._streams[cell] = _Stream(outputs[-1])
        open_.add(text)

    def display(
        self,
        cell: int,
        data: dict[str, Any],
        metadata: dict[str, Any],
        display_id: str | None = None,
        update: bool = False,
        result: int | None = None,
    ) -> None:
        """Add a display or a cell's value, or update the displays of that id."""
        if ERROR in data:
            self.error(cell, **data[ERROR])
            return
        shown = self._displays.setdefault(display_id, []) if display_id else []
        for output in shown:
            output["data"], output["metadata"] = self._node(data), self._node(metadata)
        if update or (outputs := self._ready(cell)) is None:
            return
        fields: dict[str, Any] = {"output_type": "display_data", "data": data, "metadata": metadata}
        if result is not None:
            fields |= {"output_type": "execute_result", "execution_count": result}
        outputs.append(self._node(fields))
        shown.append(outputs[-1])

    def clear(self, cell: int, wait: bool = False) -> None:
        """Clear what a cell put out, or (``wait``) do so when it next puts something out."""
        if wait:
            self._clearing.add(cell)
        elif (code := self._code(cell)) is not None:
            code["outputs"] = []
            self._streams.pop(cell, None)

    def error(self, cell: int, ename: str, evalue: str, traceback: Sequence[str] = ()) -> None:
        """Add an error."""
        if (outputs := self._ready(cell)) is not None:
            fields = {"output_type": "error", "ename": ename, "evalue": evalue, "traceback": list(traceback)}
            outputs.append(self._node(fields))

    def settle(self, cell: int | None = None) -> None:
        """Bring the text of a cell, or of all, to what it is now."""
        for stream in self._streams.values() if cell is None else filter(None, (self._streams.get(cell),)):
            stream.settle()

    def _ready(self, cell: int) -> Any | None:
        if cell in self._clearing:
            self._clearing.discard(cell)
            self.clear(cell)
        code = self._code(cell)
        return None if code is None else code["outputs"]

    def _code(self, cell: int) -> Any | None:
        cells = self.notebook["cells"]
        return cells[cell] if 0 <= cell < len(cells) and cells[cell]["cell_type"] == "code" else None


class _Stream:
    """A stream output and the lines that are not yet joined to it: joining each as it comes would be quadratic."""

    def __init__(self, output: Any) -> None:
        self.output = output
        self._lines = Lines()
        self._whole = ""
        self._pieces: list[str] = []
        self._size = 0

    def add(self, text: str) -> None:
        whole = self._lines.feed(text.encode("utf-8", "replace"))
        if whole:
            self._pieces.append(whole.decode())
            self._size += len(whole)
        if self._size > max(HELD, len(self._whole)):
            self.settle()

    def settle(self) -> None:
        if self._pieces:
            self._whole = "".join((self._whole, *self._pieces))
            self._pieces = []
            self._size = 0
        self.output["text"] = self._whole + self._lines.state()
