"""Bytecode of the standard library's modules that a run starts with, for images that have none.

The official images of Python have none, and a user who is not root can write none there: each start would compile
typing, inspect, dataclasses and forty more, which takes longer than all else that a runner does. So an image is asked
once for what its own interpreter makes of its own files (``fairing.kube.probe``), and its runs bring that along. Python
checks it beside each source as ever, by time and size; what does not fit is compiled.
"""

from __future__ import annotations

import sys

# by the name under which every interpreter has it: importlib.util loads what there is no bytecode of yet
from _frozen_importlib_external import SourceFileLoader, cache_from_source

NAME = "library"
"""The file in which it is given: a dict of sources' paths and their bytecode, marshalled and compressed."""

_PREFIX = "/fairing/library"
"""A folder that is not there: what would lie in it is held here."""

_before: list[str | None] = []


def use(given: str) -> None:
    """Let what is imported from now on be found compiled, if any was given.

    Args:
        given: The file that may be there.
    """
    try:
        with open(given, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return
    import marshal
    import zlib

    _before.append(sys.pycache_prefix)
    sys.pycache_prefix = _PREFIX
    compiled = marshal.loads(zlib.decompress(data))  # noqa: S302 - the client made it for this run
    held = {cache_from_source(path): code for path, code in compiled.items()}
    read = SourceFileLoader.get_data

    def get_data(self: SourceFileLoader, path: str) -> bytes:
        return held.get(path) or read(self, path)

    SourceFileLoader.get_data = get_data  # type: ignore[assignment,method-assign]


def leave() -> None:
    """Let the modules of the user's code find their own bytecode, which lies beside them."""
    if _before:
        sys.pycache_prefix = _before.pop()
        del SourceFileLoader.get_data
