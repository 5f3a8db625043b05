"""Takes a notebook: its cells as they are, the modules and packages they import, and parameters as papermill does."""

from __future__ import annotations

import ast
import copy
import hashlib
import json
import logging
import symtable
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
_PARAMETERS = "parameters"
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
        notes += [] if source.tagged else _tag(document, parameters)
        notes += unused(document, parameters)
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


def unused(document: Mapping[str, Any], parameters: Mapping[str, Any]) -> Iterator[str]:
    """Say which parameters the notebook does not take up: those that its ``parameters`` cell does not assign.

    Where no cell is tagged, papermill's parameters come first, and a cell that assigns one again takes it back.
    """
    tagged = _tagged(document)
    numbered = [(number, _assigned(cell)) for number, cell in enumerate(document["cells"], 1)]
    for name in parameters:
        if tagged is not None:
            if name not in _assigned(tagged):
                yield f"The notebook's parameters cell does not name {name!r}."
            continue
        again = next((number for number, names in numbered if name in names), None)
        if again is None:
            yield f"No cell is tagged 'parameters': {name!r} is set before the first."
        else:
            yield f"Cell {again} sets {name!r} again, after the parameters. Tag it 'parameters' and they come after it."


def _tagged(document: Mapping[str, Any]) -> Mapping[str, Any] | None:
    return next((cell for cell in document["cells"] if _PARAMETERS in cell["metadata"].get("tags", ())), None)


def _tag(document: Mapping[str, Any], parameters: Mapping[str, Any]) -> list[str]:
    """Tag the cell that must be meant, where tags are not known: the first that does nothing but assign, these too."""
    for number, cell in enumerate(document["cells"], 1):
        if parameters.keys() <= _assigned(cell, alone=True):
            cell["metadata"]["tags"] = [_PARAMETERS]
            return [f"No cell is known to be tagged 'parameters': they come after cell {number}, which only assigns."]
    return []


def _assigned(cell: Mapping[str, Any], *, alone: bool = False) -> set[str]:
    """Return the names that a cell assigns; none if it must do that alone and does more."""
    try:
        source = cells.python(cell["source"]) if cell["cell_type"] == "code" else ""
        names = {
            each.get_name() for each in symtable.symtable(source, "cell", "exec").get_symbols() if each.is_assigned()
        }
    except (SyntaxError, ValueError, RecursionError):
        return set()
    statements = ast.parse(source).body if alone else []
    return (
        names if all(isinstance(each, ast.Assign | ast.AnnAssign) or _comment(each) for each in statements) else set()
    )


def _comment(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


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
    log = logging.getLogger("papermill")
    said, log.disabled = log.disabled, True  # that no cell is tagged is in the report
    try:
        made = parameterize_notebook(node, parameters, kernel_name="python3", language="python")
    finally:
        log.disabled = said
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
