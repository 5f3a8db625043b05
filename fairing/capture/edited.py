"""Tells when a module's file is no longer what was imported here: the run sees the file."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import os
import sys
from collections.abc import Iterator
from functools import lru_cache
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

from fairing.capture.imports import nested


def warnings(name: str, path: Path, tree: ast.Module) -> Iterator[str]:
    """Give a sentence if a loaded module and its file differ.

    Args:
        name: The module's dotted name.
        path: Its file.
        tree: What the file holds now, parsed.
    """
    module = sys.modules.get(name)
    if module is None or type(getattr(module, "__loader__", None)) is not SourceFileLoader:
        return  # not imported here, or by a loader that changes the code it loads
    if _recompiled(path) or _codes(module, path) - _compiled(str(path), path.stat().st_mtime_ns):
        yield f"{path.name} was edited after it was imported here: the run uses {name} as the file is now."
        return
    changed = [key for key, value in _constants(tree) if not _same(getattr(module, key, value), value)]
    if changed:
        yield f"{name}.{changed[0]} was changed here: the run sees what {path.name} says."


def _recompiled(path: Path) -> bool:
    """Whether the bytecode that the import left behind is of another text than the file's."""
    if sys.dont_write_bytecode:
        return False
    cached = Path(importlib.util.cache_from_source(str(path)))
    try:
        head = cached.open("rb").read(16) if os.access(cached.parent, os.W_OK) else b""
    except OSError:
        return False
    if len(head) < 16 or head[:4] != importlib.util.MAGIC_NUMBER or head[4:8] != b"\0\0\0\0":
        return False  # none, of another Python, or checked by hash
    status = path.stat()
    mtime, size = int.from_bytes(head[8:12], "little"), int.from_bytes(head[12:16], "little")
    return (mtime, size) != (int(status.st_mtime) & 0xFFFFFFFF, status.st_size & 0xFFFFFFFF)


@lru_cache(maxsize=2048)
def _compiled(path: str, _changed: int) -> frozenset[CodeType]:
    try:
        code = compile(Path(path).read_bytes(), path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return frozenset()
    return frozenset(nested(code))


def _codes(module: ModuleType, path: Path) -> frozenset[CodeType]:
    """Return the code of the functions and methods that came from the module's file."""
    found: set[CodeType] = set()
    for value in list(vars(module).values()):
        if isinstance(value, type) and value.__module__ == module.__name__:
            members = [getattr(each, "__func__", each) for each in vars(value).values()]
        else:
            members = [value]
        for each in members:
            function = inspect.unwrap(each) if isinstance(each, FunctionType) else None
            if isinstance(function, FunctionType) and function.__code__.co_filename == str(path):
                found.add(function.__code__)
    return frozenset(found)


def _constants(tree: ast.Module) -> Iterator[tuple[str, object]]:
    """Give the constants of a module, which are in capitals: other names change as a program runs."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            for target in node.targets:
                if isinstance(target, ast.Name) and target.id.isupper():
                    yield target.id, node.value.value


def _same(here: object, there: object) -> bool:
    return type(here) is type(there) and here == there
