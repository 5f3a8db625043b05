"""Reads notebook files, whatever wrote them, and brings them to one form."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from fairing.errors import CaptureError


@dataclass(frozen=True, slots=True)
class Source:
    """A notebook to capture.

    Args:
        notebook: Its document, of format 4, as ``normal`` returns it.
        name: Its file name.
        folder: Where its relative paths and its modules start from.
        left_out: Cells that are not in it, and why.
        tagged: Whether the tags of its cells are known.
    """

    notebook: dict[str, Any]
    name: str
    folder: Path
    left_out: tuple[tuple[str, str], ...] = ()
    tagged: bool = True

    def said(self) -> Mapping[str, Any]:
        """Return the options that its metadata holds, under ``fairing``."""
        said = self.notebook["metadata"].get("fairing")
        return said if isinstance(said, Mapping) else {}


def read(path: str | PathLike[str]) -> Source:
    """Read a notebook file.

    Raises:
        CaptureError: There is no such file, or it is not a Python notebook with code.
    """
    path = Path(path).expanduser().absolute()
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        beside = sorted(each.name for each in path.parent.glob("*.ipynb"))[:5]
        raise CaptureError(
            f"There is no notebook {path}.", fix=f"Beside it are: {', '.join(beside)}." if beside else ""
        ) from None
    except OSError as error:
        raise CaptureError(f"{path} cannot be read.", why=f"{error.strerror}.") from None
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _not_one(path.name, f"it is not JSON ({error})") from None
    return Source(normal(document, path.name), path.name, path.parent)


def normal(document: Any, name: str) -> dict[str, Any]:
    """Return a notebook of format 4 without outputs, and without what changes with each run of it.

    Args:
        document: The notebook, as it was read.
        name: Its file name, for errors.

    Raises:
        CaptureError: It is not a Python notebook with code.
    """
    if not isinstance(document, Mapping) or not isinstance(document.get("nbformat"), int):
        raise _not_one(name, "it has no nbformat")
    if document["nbformat"] < 4:
        document = _upgraded(document, name)
    cells = document.get("cells")
    if not isinstance(cells, list):
        raise _not_one(name, "it has no list of cells")
    minor = document.get("nbformat_minor")
    minor = minor if isinstance(minor, int) and 0 <= minor <= 99 else 5
    notebook = {
        "cells": [_cell(cell, number, name) for number, cell in enumerate(cells)],
        "metadata": _metadata(document.get("metadata"), "widgets", "papermill"),
        "nbformat": 4,
        "nbformat_minor": minor,
    }
    identify(notebook)
    _check(notebook, name)
    return notebook


def identify(notebook: dict[str, Any]) -> None:
    """Give each cell an id of its own where the format has ids: made from the cell, so that it is always the same."""
    seen: set[str] = set()
    for number, cell in enumerate(notebook["cells"]):
        if notebook["nbformat_minor"] < 5:
            cell.pop("id", None)
            continue
        known = cell.get("id")
        if not known or known in seen or len(known) > 64 or not known.replace("-", "").replace("_", "").isalnum():
            cell["id"] = hashlib.sha256(f"{number}\0{cell['source']}".encode()).hexdigest()[:8]
        seen.add(cell["id"])


def _cell(cell: Any, number: int, name: str) -> dict[str, Any]:
    kind = cell.get("cell_type") if isinstance(cell, Mapping) else None
    source = cell.get("source", "") if isinstance(cell, Mapping) else None
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if kind not in {"code", "markdown", "raw"} or not isinstance(source, str):
        raise _not_one(name, f"cell {number + 1} is not a cell")
    made: dict[str, Any] = {
        "cell_type": kind,
        "source": source.encode("utf-8", "replace").decode(),  # half of a surrogate pair cannot be written anywhere
        "metadata": _metadata(cell.get("metadata"), "execution", "ExecuteTime", "papermill"),
    }
    tags = made["metadata"].get("tags")
    if tags is not None:
        made["metadata"]["tags"] = [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []
    if isinstance(cell.get("id"), str):
        made["id"] = cell["id"]
    if kind == "code":
        made |= {"execution_count": None, "outputs": []}
    elif isinstance(cell.get("attachments"), Mapping):
        made["attachments"] = cell["attachments"]
    return made


def _metadata(given: Any, *volatile: str) -> dict[str, Any]:
    return {key: value for key, value in given.items() if key not in volatile} if isinstance(given, Mapping) else {}


def _check(notebook: dict[str, Any], name: str) -> None:
    if not any(cell["cell_type"] == "code" and cell["source"].strip() for cell in notebook["cells"]):
        raise CaptureError(f"{name} has no code.", why="All of its code cells are empty, or there are none.")
    metadata = notebook["metadata"]
    for place, key in (("language_info", "name"), ("kernelspec", "language")):
        said = metadata[place].get(key) if isinstance(metadata.get(place), Mapping) else None
        if isinstance(said, str) and said.lower() not in {"python", "python3", "ipython", ""}:
            raise CaptureError(
                f"{name} is written in {said}, and only Python notebooks can be run.", fix="Set its kernel to Python."
            )


def _upgraded(document: Mapping[str, Any], name: str) -> Any:
    import nbformat

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return nbformat.reads(json.dumps(document), as_version=4)
    except Exception as error:  # noqa: BLE001 - what is wrong in an old notebook can show in any way
        raise _not_one(name, f"its format, {document['nbformat']}, cannot be upgraded ({error!r:.200})") from None


def _not_one(name: str, why: str) -> CaptureError:
    return CaptureError(f"{name} is not a notebook: {why}.", fix="Name a file that Jupyter has saved.")
