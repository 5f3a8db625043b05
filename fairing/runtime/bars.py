"""``tqdm.notebook`` in a run: its bars are displays that are updated, with no widget and no browser behind them."""

from __future__ import annotations

import io
import time
from html import escape
from typing import Any

from fairing.runtime.displays import DisplayHandle, publish

EVERY = 0.5
"""Seconds between two states of a bar."""

_AS_PRINTED = "font-family:monospace;font-size:var(--jp-code-font-size,13px);white-space:pre-wrap;padding:0 .6em"
_COLOURS = {"success": "#4caf50", "danger": "#f44336", "": "#2196f3"}


def install(module: Any) -> None:
    """Put our bar where ``tqdm.notebook`` has its own."""
    from tqdm.std import tqdm

    class Bar(_Displayed, tqdm):  # type: ignore[misc,type-arg]
        """A bar as a display."""

    Bar.__name__ = Bar.__qualname__ = "tqdm_notebook"
    module.tqdm_notebook = module.tqdm = Bar
    module.trange = module.tnrange = lambda *args, **kwargs: Bar(range(*args), **kwargs)


class _Displayed:
    """What differs from a bar in a terminal."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["file"] = io.StringIO()  # a bar writes there what a terminal needs to make room
        shown = kwargs.pop("display", True)
        self._handle: DisplayHandle | None = None
        self._at = float("-inf")
        self._silent = not shown or kwargs.get("gui", False)
        super().__init__(*args, **kwargs)

    @staticmethod
    def status_printer(_: Any) -> Any:
        return lambda *_: None

    def display(self, msg: str | None = None, pos: int | None = None, **_: Any) -> bool:
        """Show the bar's state, twice a second at most, and at its end."""
        ended = bool(self.disable)  # type: ignore[attr-defined]
        now = time.monotonic()
        if self._silent or (not ended and now - self._at < EVERY):
            return False
        self._at = now
        data = self._state(ended) if msg != "" else {"text/plain": "", "text/html": ""}
        first = self._handle is None
        self._handle = self._handle or DisplayHandle()
        publish(data, None, self._handle.display_id, not first)
        return True

    def _state(self, ended: bool) -> dict[str, str]:
        said = dict(self.format_dict)  # type: ignore[attr-defined]
        total, done = said["total"], said["n"]
        style = ("danger" if total and done < total else "success") if ended else ""
        colour = said.get("colour") or _COLOURS[style]
        said["colour"] = None
        text = self.format_meter(**{**said, "ncols": 80, "ascii": False})  # type: ignore[attr-defined]
        around = self.format_meter(**{**said, "bar_format": "{l_bar}\0{r_bar}"} if total else said)  # type: ignore[attr-defined]
        left, _, right = around.partition("\0")
        attributes = f'value="{done}" max="{total}"' if total else 'value="1"' if ended else ""  # without one it moves
        bar = f'<progress {attributes} style="width:16em;accent-color:{escape(colour)}"></progress>'
        left, right = escape(left.rstrip("|")), escape(right.lstrip("|"))
        html = f'<div style="{_AS_PRINTED}">{left} {bar} {right}</div>'
        return {"text/plain": text, "text/html": html}
