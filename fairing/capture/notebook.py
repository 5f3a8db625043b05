"""Takes a notebook: its cells as they are, the modules and packages they import, and parameters as papermill does."""

from __future__ import annotations

import ast
import copy
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fairing.capture import cells, credentials, files, ipynb, modules, needs
from fairing.capture.bundle import bundle
from fairing.capture.installs import Installs
from fairing.capture.ipynb import Source
from fairing.config.options import Options
from fairing.errors import CaptureError
from fairing.spec import Captured, Entry, File, Report

_RUNNER = {"nbclient": "the runner executes notebooks with it", "ipykernel": "the notebook's kernel"}
_WIDGETS = frozenset({"ipywidgets", "tqdm"})
_INJECTED = "injected-parameters"


@dataclass(frozen=True, slots=True)
class Settings:
    """How the run executes the notebook.

    Args:
        cell_timeout: Seconds that a cell may take.
        start_timeout: Seconds that the kernel may take to start.
    """

    cell_timeout: float | None = None
    start_timeout: float | None = None


def capture(
    source: Source, parameters: Mapping[str, Any] | None, said: Options, settings: Settings = Settings()
) -> Captured:
    """Take a notebook.

    Args:
        source: The notebook.
        parameters: Values for its ``parameters`` cell.
        said: Options: ``include``, ``allow``, ``requirements``, ``groups``, ``dependencies``.
        settings: How the run executes it.

    Raises:
        CaptureError: It holds credentials, or a parameter cannot be written as Python.
    """
    document = copy.deepcopy(source.notebook)
    notes = [f"{cell}: {why}" for cell, why in unread(document)]
    if parameters:
        notes += [f"The notebook's parameters cell does not name {name!r}." for name in unknown(document, parameters)]
        document = _parameterized(document, dict(parameters))
    allow = said.allow or ()
    credentials.refuse(source.name, _suspects(document), allow)
    installs = Installs()
    shipped, beside = _split(document, installs, source.folder, settings)
    local, needed = _needed(document, source.folder, said, installs)
    credentials.refuse("your project", local.suspects, allow)
    data = files.take(said.include or (), modules.project(source.folder), source.folder)
    text = json.dumps(shipped, sort_keys=True).encode()
    entry = Entry("notebook", "entry.ipynb", hashlib.sha256(text).hexdigest(), source.name)
    report = Report(
        entry=source.name,
        kind="notebook",
        files=data.sizes(),
        modules=local.names,
        requirements=needed.reasons,
        left_out=(*source.left_out, *installs.left_out, *data.left_out, *needed.left_out),
        warnings=(*notes, *local.warnings),
    )
    inputs = (File("notebook.json", json.dumps(beside).encode()),)
    return Captured(bundle(entry, File(entry.path, text), local, data, needed), inputs, report, document)


def unread(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Give the code cells that are not Python, and what is wrong with them."""
    for number, cell in enumerate(document["cells"], 1):
        if cell["cell_type"] == "code":
            try:
                cells.python(cell["source"])
            except SyntaxError as wrong:
                yield f"cell {number}", f"{wrong.msg or 'it is not Python'} (line {wrong.lineno or 1})"
            except RecursionError:
                yield f"cell {number}", "it is nested too deep to be read"


def unknown(document: Mapping[str, Any], parameters: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the parameters that the notebook's ``parameters`` cell does not assign."""
    tagged = next((cell for cell in document["cells"] if "parameters" in cell["metadata"].get("tags", ())), None)
    assigned: set[str] = set()
    if tagged is not None:
        try:
            tree = ast.parse(cells.python(tagged["source"]))
        except SyntaxError:
            return ()
        assigned = {
            node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
    return tuple(name for name in parameters if name not in assigned)


def _parameterized(document: dict[str, Any], parameters: dict[str, Any]) -> dict[str, Any]:
    """Inject parameters with papermill's own functions."""
    wrong = next((name for name in parameters if not str(name).isidentifier()), None)
    if wrong is not None:
        raise CaptureError(f"{wrong!r} cannot be the name of a parameter.", fix="Parameters are Python names.")
    for name, value in parameters.items():
        _refuse_foreign(name, value)
    import nbformat
    from papermill.parameterize import parameterize_notebook

    node = nbformat.from_dict(document)
    node.metadata["papermill"] = nbformat.from_dict({})
    for cell in node.cells:
        cell.metadata.setdefault("tags", [])
    made = parameterize_notebook(node, parameters, kernel_name="python3", language="python")
    for cell in made.cells:
        if _INJECTED in cell.metadata["tags"]:
            cell["id"] = _INJECTED  # papermill draws one by lot, and the code layer would never be the same
    made.nbformat_minor = document["nbformat_minor"]
    ipynb.identify(made)
    return dict(made)


def _refuse_foreign(name: str, value: Any) -> None:
    """Refuse a value that papermill would write as other text than it is, and that no notebook can hold."""
    try:
        json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        raise CaptureError(
            f"The parameter {name!r} cannot be written into a notebook.",
            why=f"It is a {type(value).__name__}: notebooks hold text, numbers, True, False, None, lists and dicts.",
            fix="Pass it as one of those: int(n), float(x), str(path), values.tolist().",
        ) from None


def _split(
    document: Mapping[str, Any], installs: Installs, folder: Path, settings: Settings
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the notebook that lies in a layer, and what travels beside it: parameters are in no layer."""
    shipped: dict[str, Any] = {**document, "metadata": _known(document["metadata"]), "cells": []}
    beside: dict[str, Any] = {"cell_timeout": settings.cell_timeout, "start_timeout": settings.start_timeout}
    for index, cell in enumerate(document["cells"]):
        sent = dict(cell)
        if cell["cell_type"] == "code" and _INJECTED in cell["metadata"].get("tags", ()):
            beside["injected"] = [index, cell["source"]]
            sent["source"] = ""
        elif cell["cell_type"] == "code":
            sent["source"] = installs.take(cell["source"], folder)
        shipped["cells"].append(sent)
    return shipped, beside


def _needed(
    document: Mapping[str, Any], folder: Path, said: Options, installs: Installs
) -> tuple[modules.Modules, needs.Needs]:
    """Return the local modules behind a notebook's imports, and the packages behind both."""
    root = modules.project(folder)
    with modules.importable(folder):
        names = _imported(document)
        local = modules.collect(list(names), root)
        outer = {name: why for name, why in names.items() if name in local.external}
        outer |= dict.fromkeys(local.external - outer.keys(), "import in a local module")
        return local, needs.needs(outer, said, root, installs.requirements, {**_RUNNER, **_widgets(outer)})


def _known(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {name: metadata[name] for name in ("kernelspec", "language_info") if name in metadata}


def _imported(document: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, cell in enumerate(document["cells"], 1):
        if cell["cell_type"] == "code":
            for name in sorted(cells.imported(cell["source"])):
                found.setdefault(name, f"import in cell {number}")
    return found


def _widgets(outer: Mapping[str, str]) -> dict[str, str]:
    """Add ipywidgets for what draws with them when they are there: without them tqdm warns."""
    by = next((name for name in outer if name.partition(".")[0] in _WIDGETS), None)
    if by is None or modules.specification("ipywidgets") is None:
        return {}
    return {"ipywidgets": f"{by} draws with it"}


def _suspects(document: Mapping[str, Any]) -> Iterator[credentials.Suspect]:
    for number, cell in enumerate(document["cells"], 1):
        for line in cell["source"].splitlines():
            kind = credentials.form(line)
            if kind:
                yield credentials.Suspect(f"Cell {number}", (f"cell {number}",), kind)
