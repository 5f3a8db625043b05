"""Takes the text of a cell, with the names that it reads from the notebook."""

from __future__ import annotations

import ast
import builtins
import json
import linecache
import re
import textwrap
import types
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fairing.capture import credentials, reads
from fairing.capture import function as functions
from fairing.config.options import Options, nearest
from fairing.errors import CaptureError
from fairing.spec import Captured, File

RUNS = frozenset({"time", "timeit", "env", "set_env", "cd"})
"""Line magics that the run has too."""
NEEDLESS = frozenset({"matplotlib", "load_ext", "reload_ext", "autoreload"})
"""Line magics that set up a notebook, and change nothing in a run."""
_OWN = frozenset({"get_ipython", "display", "exit", "quit", "open", "In", "Out"})
"""What IPython puts among the names of a notebook; the run has its own, or can have none."""


def capture(source: str, namespace: Mapping[str, Any], bring: tuple[str, ...], said: Options) -> Captured:
    """Take a cell's text and the names that it reads.

    Args:
        source: The text; empty lines above it count, so that the lines of a traceback are the notebook's.
        namespace: The names of the notebook.
        bring: Names that are to come back; ``"*"`` for all that can.
        said: What else to take along, and what to allow.

    Raises:
        CaptureError: It is not Python, it has a magic that cannot run elsewhere, or what it reads cannot be taken
            or looks like a credential.
    """
    label = f"In[{len(namespace['In']) - 1}]" if isinstance(namespace.get("In"), list) else "cell"
    text = python(source, label)
    tree = _parse(text, label)
    _refuse_magics(tree)
    known = reads.names(tree)
    _refuse_unset(bring, known)
    carrier = _carrier(tree, [name for name in known.read if _taken(name, namespace)], namespace, label)
    code = compile(tree, label, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    credentials.refuse(label, credentials.in_code(code, label), said.allow or ())
    captured = functions.capture(carrier, (), {}, said)
    cell = {
        "source": source,
        "text": text,
        "label": label,
        "bring": list(bring),
        "quiet": _quiet(text),
        "shell": text != source,
    }
    bundle = replace(captured.bundle, entry=replace(captured.bundle.entry, kind="cell", name="cell"))
    report = replace(captured.report, entry=label, kind="cell")
    return Captured(bundle, (*captured.inputs, File("cell.json", json.dumps(cell).encode())), report)


def python(source: str, label: str = "cell") -> str:
    """Return a cell's text as Python, with its ``!`` and ``%`` lines as calls of ``get_ipython()``, line for line.

    Raises:
        CaptureError: There is nothing in it.
    """
    if not source.strip():
        raise CaptureError("The cell has no code.", fix="Write the code below the line with %%fairing.")
    try:
        ast.parse(source, label)
        return source
    except (SyntaxError, ValueError):
        from IPython.core.inputtransformer2 import TransformerManager

    above = len(source) - len(source.lstrip("\n"))
    return "\n" * above + str(TransformerManager().transform_cell(source[above:]))


def _parse(text: str, label: str) -> ast.Module:
    try:
        tree = ast.parse(text, label)
        compile(tree, label, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except (SyntaxError, ValueError) as wrong:
        line = getattr(wrong, "lineno", None)
        raise CaptureError(
            f"{label} is not Python{f' (line {line})' if line else ''}.",
            why=f"{getattr(wrong, 'msg', wrong)}: {(getattr(wrong, 'text', None) or '').strip()}".strip(": ") + ".",
        ) from None
    return tree


def _refuse_magics(tree: ast.Module) -> None:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == "get_ipython":
            break
    else:
        return
    allowed: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _is_shell(node.func.value):
            what, first = node.func.attr, node.args[0] if node.args else None
            name = str(first.value) if isinstance(first, ast.Constant) else ""
            if what == "run_line_magic":
                _refuse_magic(name, str(getattr(node.args[-1], "value", "")))
            elif what == "run_cell_magic":
                raise CaptureError(
                    f"The cell magic %%{name} cannot run elsewhere.", fix="Leave it out, or write it in Python."
                )
            elif what not in {"system", "getoutput"}:
                continue
            allowed.add(id(node.func.value.func))  # type: ignore[attr-defined]
    if any(
        isinstance(each, ast.Name) and each.id == "get_ipython" and id(each) not in allowed for each in ast.walk(tree)
    ):
        raise CaptureError(
            "get_ipython() is this notebook's shell, and the run has none.",
            fix="Leave it out, or write what it does in Python.",
        )


def _is_shell(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "get_ipython"


def _refuse_magic(name: str, line: str) -> None:
    if name in RUNS | NEEDLESS:
        return
    if name in {"pip", "conda", "mamba", "uv"}:
        packages = " ".join(word for word in line.split()[1:] if not word.startswith("-"))
        raise CaptureError(
            f"%{name} cannot install into a run that has begun.",
            fix=f"Use %%fairing --requirements {packages or 'NAME'}.",
        )
    raise CaptureError(
        f"The magic %{name} cannot run elsewhere.",
        why=f"A run knows {', '.join('%' + each for each in sorted(RUNS))} and !commands.",
        fix="Leave it out, or write it in Python.",
    )


def _refuse_unset(bring: tuple[str, ...], known: reads.Names) -> None:
    possible = known.set | set(known.read)
    for name in bring:
        if name != "*" and name not in possible and not known.star:
            raise CaptureError(
                f"The cell does not set {name!r}, which is to be brought back.",
                fix=nearest(name, tuple(sorted(known.set))) if known.set else "It sets no name.",
            )


def _taken(name: str, namespace: Mapping[str, Any]) -> bool:
    if name not in namespace or name in _OWN:
        return False
    return getattr(builtins, name, None) is not namespace[name]


def _carrier(tree: ast.Module, taken: list[str], namespace: Mapping[str, Any], label: str) -> types.FunctionType:
    """Return a function that reads those names and imports what the cell imports, so that it is taken like any other.

    Its globals are the notebook's own, so that the notebook's functions, which share them, share them in the run too.
    """
    imports = [each for each in ast.walk(tree) if isinstance(each, ast.Import | ast.ImportFrom)]
    lines = [*taken, *(_import(each) for each in imports)] or ["pass"]
    source = "def cell():\n" + textwrap.indent("\n".join(lines), "    ") + "\n"
    filename = f"<names of {label}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    code = next(each for each in compile(source, filename, "exec").co_consts if isinstance(each, types.CodeType))
    names = namespace if isinstance(namespace, dict) else dict(namespace)
    names.setdefault("__name__", "__main__")  # as ``exec`` sets ``__builtins__``: functions are pickled with it
    carrier = types.FunctionType(code, names, "cell")
    carrier.__module__ = "__main__"
    return carrier


def _import(node: ast.Import | ast.ImportFrom) -> str:
    if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
        return f"import {node.module}" if node.module and not node.level else "pass"
    return ast.unparse(node)


def _quiet(text: str) -> bool:
    """Whether the last expression is silenced by a semicolon, as in Jupyter; one in a comment silences nothing."""
    import io
    import tokenize

    skipped = {tokenize.NL, tokenize.NEWLINE, tokenize.COMMENT, tokenize.ENDMARKER, tokenize.INDENT, tokenize.DEDENT}
    try:
        tokens = [each for each in tokenize.generate_tokens(io.StringIO(text).readline) if each.type not in skipped]
    except (tokenize.TokenError, IndentationError):
        return bool(re.search(r";\s*$", text))
    return bool(tokens) and tokens[-1].string == ";"
