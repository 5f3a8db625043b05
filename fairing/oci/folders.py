"""A folder that is used in place → the entries of its layer."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from fairing.oci import bytecode
from fairing.oci.layer import PLACES, Link, order
from fairing.spec import File, LayerKind


def entries(folder: Path, kind: LayerKind, compile_: bool, interpreter: str = "python") -> Iterator[File | Link]:
    """Give what is in a tree as a layer has it: sorted, modes 755 and 644, links that stay inside, bytecode of its own.

    Args:
        folder: The tree.
        kind: What is in it: what belongs to this machine's interpreter alone is left out of ``"dependencies"``.
        compile_: Whether to add bytecode: the image's Python is the one that runs this.
        interpreter: What the image's Python is called: scripts start with it.
    """
    found = [file for file in _walk(folder, folder, ()) if not _local(file.path, kind)]
    sources = [
        (Path(str(file.content)), f"/{PLACES[kind]}/{file.path}")
        for file in found
        if compile_ and isinstance(file, File) and file.path.endswith(".py") and "\n" not in file.path
    ]
    planned = [File(bytecode.name(shown.removeprefix(f"/{PLACES[kind]}/")), b"") for _, shown in sources]
    # The compiler answers in the order in which its bytecode stands in the layer.
    sources = [source for _, source in sorted(zip(planned, sources, strict=True), key=lambda pair: order(pair[0]))]
    made = {id(file) for file in planned}
    with bytecode.compiled(sources) as answers:
        for entry in sorted([*found, *planned], key=order):
            if id(entry) not in made:
                yield _script(entry, interpreter) if kind == "dependencies" and entry.path.startswith("bin/") else entry
            elif data := next(answers):
                yield File(entry.path, data)


_BESIDE = re.compile(rb"#!/bin/sh\n'''exec'[^\n]*\n' '''\n")
"""How a script of a tree starts: with the Python beside it, wherever the tree lies."""


def _script(entry: File | Link, interpreter: str) -> File | Link:
    """Return a script that starts with the image's Python, where it starts with that of the tree."""
    if isinstance(entry, Link) or isinstance(entry.content, bytes):
        return entry
    with entry.content.open("rb") as file:
        beside = _BESIDE.match(file.read(1024))
        if not beside:
            return entry
        file.seek(beside.end())
        return File(entry.path, f"#!/usr/bin/env {interpreter}\n".encode() + file.read(), entry.mode)


def _walk(top: Path, folder: Path, above: tuple[str, ...]) -> Iterator[File | Link]:
    with os.scandir(folder) as inside:
        for each in inside:
            path = Path(each.path)
            name = path.relative_to(top).as_posix()
            if each.is_symlink() and _inside(top, path):
                yield Link(name, path.readlink().as_posix())
            elif each.is_dir():
                # A link to a folder elsewhere is taken as what is in it; one to a folder above would never end.
                real = os.path.realpath(each.path)
                if each.name != "__pycache__" and real not in above:
                    yield from _walk(top, path, (*above, real))
            elif each.is_file():
                yield File(name, path, 0o755 if each.stat().st_mode & 0o100 else 0o644)


def _inside(top: Path, link: Path) -> bool:
    target = link.readlink()
    if target.is_absolute() or not link.exists():
        return False
    meant = os.path.normpath(link.parent / target)
    return meant.startswith(f"{top}{os.sep}")


def _local(path: str, kind: LayerKind) -> bool:
    return kind == "dependencies" and (path == "pyvenv.cfg" or path.startswith("bin/python"))
