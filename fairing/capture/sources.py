"""The source lines of code that travels by value, so that a traceback in the run can show them."""

from __future__ import annotations

import json
import linecache
import os
import re
from collections.abc import Iterable
from pathlib import Path
from types import CodeType

from fairing.capture import credentials, modules
from fairing.capture.imports import nested

LARGEST = 256 * 1024  # characters of one file
_KERNEL_CELL = re.compile(r".*[/\\]ipykernel_\d+[/\\](\w+)\.py")


def lines(codes: Iterable[CodeType], besides: Iterable[str] = ()) -> dict[str, str]:
    """Return the text of the files that code came from: its own lines alone, the others empty.

    What else a cell holds was not asked to travel.

    Args:
        codes: Code that travels by value.
        besides: Files that travel anyway.
    """
    skip = {os.path.abspath(path) for path in besides}  # noqa: PTH100 - as linecache and code objects have it
    kept: dict[str, dict[int, str]] = {}
    for code in codes:
        if os.path.abspath(code.co_filename) in skip:  # noqa: PTH100 - as above
            continue
        text = linecache.getlines(code.co_filename)
        if text:
            last = min(max(map(_last, nested(code))), len(text))
            numbers = range(code.co_firstlineno - 1, last)
            kept.setdefault(filename(code), {}).update((at, text[at]) for at in numbers if at < len(text))
    texts = {name: _text(found) for name, found in kept.items()}
    return {name: text for name, text in texts.items() if len(text) < LARGEST and not credentials.form(text, LARGEST)}


def filename(code: CodeType) -> str:
    """Return what the run calls the file of some code, the same wherever a kernel or a project is.

    A kernel's cells lie in a folder with the number of its process: the run knows them by their text alone. It knows
    the user's own files as its code layer has those that travel whole, by their place in their project.
    """
    found = _KERNEL_CELL.fullmatch(code.co_filename)
    if found:
        return f"<cell {found[1]}>"
    path = Path(code.co_filename)
    if not path.is_absolute() or not os.path.isfile(path) or not modules.local(path):  # noqa: PTH113 - it never raises
        return code.co_filename
    folder = path.parent.resolve()
    return (folder / path.name).relative_to(modules.project(folder)).as_posix()


def wire(texts: dict[str, str]) -> bytes:
    """Return the sources as they travel."""
    return json.dumps(texts, sort_keys=True, separators=(",", ":")).encode()


def _text(found: dict[int, str]) -> str:
    return "".join(found.get(at, "\n") for at in range(max(found, default=-1) + 1))


def _last(code: CodeType) -> int:
    """Return the number of the last line of some code."""
    if hasattr(code, "co_positions"):  # Python 3.11
        return max((end for _, end, _, _ in code.co_positions() if end), default=code.co_firstlineno)
    return max((line for _, _, line in code.co_lines() if line), default=code.co_firstlineno)
