"""What code imports: read from source text or from bytecode, also what lies in functions that were never called."""

from __future__ import annotations

import ast
import dis
import opcode
import re
from collections.abc import Iterator
from types import CodeType

_IMPORT_NAME = opcode.opmap["IMPORT_NAME"]
_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_BY_NAME = frozenset({"import_module", "__import__", "find_spec"})

ELSEWHERE = "fairing.launch"
"""Counts as imported by code that names a target: it starts runs of its own, and needs what starts them."""

_STARTS = frozenset({"train", "submit", "remote", "run_script", "run_cell", "run_notebook"})
_WHERE = frozenset({"target", "deployer"})


def of_source(text: str, package: str = "") -> frozenset[str]:
    """Return the modules that source text imports, with the names that may be modules (``from a import b``: a, a.b).

    Args:
        text: Python source.
        package: The package the text belongs to, which relative imports start from.

    Raises:
        SyntaxError: The text is not Python.

    Example:
        >>> sorted(of_source("from os import path"))
        ['os', 'os.path']
    """
    return of_tree(ast.parse(text), package)


def of_tree(tree: ast.AST, package: str = "") -> frozenset[str]:
    """Return the modules that parsed source imports; imports for type checkers alone are left out."""
    found: set[str] = set()
    queue = [tree]
    while queue:
        node = queue.pop()
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.update(_from(node.module or "", node.level, [alias.name for alias in node.names], package))
        elif isinstance(node, ast.Call):
            found.update(_called(node, package))
            found.update(_started(node))
        if isinstance(node, ast.If) and _type_checking(node.test):
            queue.extend(node.orelse)
        else:
            queue.extend(ast.iter_child_nodes(node))
    return frozenset(found)


def of_code(code: CodeType, package: str = "") -> frozenset[str]:
    """Return the modules that compiled code imports, and the code inside it, executed or not.

    Example:
        >>> def late():
        ...     import json.decoder
        >>> sorted(of_code(late.__code__))
        ['json.decoder']
    """
    found: set[str] = set()
    for each in nested(code):
        if _IMPORT_NAME in each.co_code[::2]:  # most code imports nothing, and disassembling it takes long
            found.update(_imports(each, package))
        if _BY_NAME & set(each.co_names):
            found.update(text for text in _texts(each) if _DOTTED.fullmatch(text))
        if "fairing" in each.co_names and _STARTS & set(each.co_names) and _says_where(each):
            found.add(ELSEWHERE)
    return frozenset(found)


def nested(code: CodeType) -> Iterator[CodeType]:
    """Give a code object and all the code inside it."""
    yield code
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from nested(each)


def parents(name: str) -> Iterator[str]:
    """Give a dotted name's packages from the top, then the name: ``a``, ``a.b``, ``a.b.c``."""
    parts = name.split(".")
    for end in range(1, len(parts) + 1):
        yield ".".join(parts[:end])


def home(value: object) -> str:
    """Return the module of a value's type; some types of C have something else under that name.

    Example:
        >>> home(1), home(re.compile("a"))
        ('builtins', 're')
    """
    module = type(value).__module__
    return module if isinstance(module, str) else ""


def _imports(code: CodeType, package: str) -> Iterator[str]:
    constants: list[object] = [0, None]
    for step in dis.get_instructions(code):
        if step.opcode == _IMPORT_NAME:
            level, names = constants[-2:]
            listed = [name for name in names if isinstance(name, str)] if isinstance(names, tuple) else []
            yield from _from(step.argval, level if isinstance(level, int) else 0, listed, package)
        elif step.opname.startswith("LOAD_"):
            constants.append(step.argval)


def _texts(code: CodeType) -> Iterator[str]:
    """Give the texts that ``import_module`` and the like are called with; all there are, where that is not plain."""
    asked = False
    for step in dis.get_instructions(code):
        if not step.opname.startswith("LOAD_"):
            continue
        constant = step.opname.startswith("LOAD_CONST")
        if asked:
            yield from (text for text in ([step.argval] if constant else code.co_consts) if isinstance(text, str))
        asked = not constant and step.argval in _BY_NAME


def _from(module: str, level: int, names: list[str], package: str) -> Iterator[str]:
    if level:
        base = package.split(".")[: len(package.split(".")) - level + 1] if package else []
        module = ".".join([*base, *([module] if module else [])])
    if module:
        yield module
        yield from (f"{module}.{name}" for name in names if name != "*")


def _called(node: ast.Call, package: str) -> Iterator[str]:
    """Give the module of ``importlib.import_module("a.b")`` and the like."""
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name in _BY_NAME and node.args and isinstance(node.args[0], ast.Constant):
        text = node.args[0].value
        if isinstance(text, str) and _DOTTED.fullmatch(text.lstrip(".")):
            yield from _from(text.lstrip("."), len(text) - len(text.lstrip(".")), [], package)


def _started(node: ast.Call) -> Iterator[str]:
    """Say whether a call starts a run elsewhere: ``fairing.train(f, target="cluster")``."""
    named = isinstance(node.func, ast.Attribute) and node.func.attr in _STARTS
    own = isinstance(node.func, ast.Attribute) and getattr(node.func.value, "id", "") == "fairing"
    if named and own and _WHERE & {keyword.arg for keyword in node.keywords}:
        yield ELSEWHERE


def _says_where(code: CodeType) -> bool:
    """Whether some call in it names a target: the names of a call's keywords are one constant."""
    return any(isinstance(each, tuple) and not _WHERE.isdisjoint(map(str, each)) for each in code.co_consts)


def _type_checking(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", "")
    return name == "TYPE_CHECKING"
