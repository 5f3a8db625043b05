"""Bytecode for layers: compiled in an interpreter of its own, so that the same sources give the same bytes.

A layer has one time for all its files, so its bytecode names the hash of its source and is never checked (PEP 552). In
this process the bytes would depend on what else lives in it: marshal writes which strings are shared.
"""

from __future__ import annotations

import importlib.util
import marshal
import os
import struct
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain, repeat
from pathlib import Path

from fairing.errors import BuildError

_AHEAD = 4096

_COMPILE = """
import importlib.util, importlib._bootstrap_external as external, struct, sys
requests, answers = sys.stdin.buffer, sys.stdout.buffer
for line in requests:
    path, shown = line.rstrip(b"\\n").decode("utf-8", "surrogateescape").split("\\0")
    try:
        with open(path, "rb") as file:
            source = file.read()
        code = compile(source, shown, "exec", dont_inherit=True, optimize=0)
        data = external._code_to_hash_pyc(code, importlib.util.source_hash(source), checked=False)
    except Exception:
        data = b""  # a template, or for another Python: it has no bytecode here either
    answers.write(struct.pack("<Q", len(data)) + data)
    answers.flush()
"""


def name(source: str) -> str:
    """Return where the bytecode of a source file lies, beside it.

    Example:
        >>> name("pkg/mod.py").startswith("pkg/__pycache__/mod.cpython-")
        True
    """
    folder, _, file = source.rpartition("/")
    there = f"__pycache__/{file.removesuffix('.py')}.{sys.implementation.cache_tag}.pyc"
    return f"{folder}/{there}" if folder else there


@contextmanager
def compiled(sources: Sequence[tuple[Path, str]]) -> Iterator[Iterator[bytes]]:
    """Compile sources, each given with the path that its tracebacks show.

    The bytes come in that order, and none where a source cannot be compiled. Several interpreters take turns: what one
    makes of a source does not depend on what it made before.
    """
    with ExitStack() as stack:
        count = min(os.cpu_count() or 1, 1 + len(sources) // 100, 8)
        children = [stack.enter_context(_started(sources[index::count])) for index in range(count)]
        yield (next(children[index % count]) for index in range(len(sources)))


def unchecked(source: Path, content: bytes) -> bytes | None:
    """Return unchecked bytecode of a source file, made from the valid bytecode that it has here, if it has."""
    cached = Path(importlib.util.cache_from_source(str(source)))
    try:
        data, is_now = cached.read_bytes(), source.stat()
    except OSError:
        return None
    if len(data) < 16 or data[:4] != importlib.util.MAGIC_NUMBER or is_now.st_size != len(content):
        return None
    valid = struct.pack("<III", 0, int(is_now.st_mtime) & 0xFFFFFFFF, is_now.st_size & 0xFFFFFFFF)
    if data[4:16] != valid:
        return None
    return _unchecked(content, data[16:])


def fresh(content: bytes, shown: str) -> bytes:
    """Compile a source here: for a folder on this machine, where the same source need not give the same bytes."""
    return _unchecked(content, marshal.dumps(compile(content, shown, "exec", dont_inherit=True)))


def _unchecked(content: bytes, code: bytes) -> bytes:
    return importlib.util.MAGIC_NUMBER + struct.pack("<I", 1) + importlib.util.source_hash(content) + code


@contextmanager
def _started(sources: Sequence[tuple[Path, str]]) -> Iterator[Iterator[bytes]]:
    # -I would ignore the hash seed, which orders the sets among a module's constants before Python 3.11.
    env = {"PYTHONHASHSEED": "0", "PYTHONWARNINGS": "ignore", "PATH": os.defpath}
    if "SYSTEMROOT" in os.environ:  # Windows starts no Python without it
        env["SYSTEMROOT"] = os.environ["SYSTEMROOT"]
    command = [getattr(sys, "_base_executable", sys.executable), "-S", "-s", "-c", _COMPILE]
    with subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        try:
            yield _answers(child, sources)
        finally:
            child.kill()


def _answers(child: subprocess.Popen[bytes], sources: Sequence[tuple[Path, str]]) -> Iterator[bytes]:
    assert child.stdin is not None and child.stdout is not None  # noqa: S101 - they are pipes
    requests = (f"{path}\0{shown}\n".encode("utf-8", "surrogateescape") for path, shown in sources)
    asked: deque[int] = deque()
    for request in chain(requests, repeat(b"")):
        # It is asked ahead, so that it never waits, but for no more than a pipe surely holds: else both may wait.
        while asked and (not request or sum(asked) + len(request) > _AHEAD):
            asked.popleft()
            head = child.stdout.read(8)
            data = child.stdout.read(struct.unpack("<Q", head)[0]) if len(head) == 8 else b""
            if len(head) != 8:
                raise BuildError(
                    "The bytecode of the image could not be made.",
                    why="The compiler was ended.",
                    fix="Run it again; where memory is short, free some first.",
                )
            yield data
        if not request:
            return
        child.stdin.write(request)
        child.stdin.flush()
        asked.append(len(request))
