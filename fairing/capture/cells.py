"""Cells as Python: what is left of their text without magics, shell lines and help."""

from __future__ import annotations

import ast
import re

from fairing.capture import imports

_BODY = frozenset({"time", "timeit", "capture", "prun", "fairing", "debug", "memit", "mprun", "lprun"})
"""Cell magics whose body is Python that runs here."""

_MAGIC = re.compile(r"^[ \t]*(?:%matplotlib|%pylab)\b", re.MULTILINE)
_ELSEWHERE = re.compile(r"^[ \t]*%%?fairing\b.*--(?:target|deployer)\b", re.MULTILINE)
_EXTENSION = re.compile(r"^[ \t]*%(?:load_ext|reload_ext)[ \t]+([\w.]+)", re.MULTILINE)


def python(text: str) -> str:
    """Return a cell as Python source; empty where its body is another language's.

    Raises:
        SyntaxError: It is not Python, with magics or without.

    Example:
        >>> python("import json")
        'import json'
    """
    stripped = text.lstrip()
    if stripped.startswith("%%"):
        first, _, body = stripped.partition("\n")
        return python(body) if first[2:].partition(" ")[0] in _BODY else ""
    try:
        ast.parse(text)
    except (SyntaxError, ValueError):
        return _transformed(text)
    return text


def imported(text: str) -> frozenset[str]:
    """Return the modules that a cell imports, those of its magics too; a cell that is not Python imports nothing.

    Example:
        >>> sorted(imported("import json as j"))
        ['json']
    """
    try:
        found = imports.of_source(python(text))
    except (SyntaxError, ValueError, RecursionError):
        found = frozenset()
    shown = {"matplotlib"} if _MAGIC.search(text) else set()
    shown |= {imports.ELSEWHERE} if _ELSEWHERE.search(text) else set()
    return found | shown | frozenset(_EXTENSION.findall(text))


def _transformed(text: str) -> str:
    from IPython.core.inputtransformer2 import TransformerManager  # here, since most cells are plain Python

    try:
        source: str = TransformerManager().transform_cell(text)
        ast.parse(source)
    except (ValueError, RecursionError) as wrong:
        raise SyntaxError(str(wrong)) from None
    return source
