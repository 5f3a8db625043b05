"""Which modules a pickle needs, read from its opcodes: nothing in it is loaded.

``pickletools`` tells the same at a hundredth of the speed, and a captured array has millions of opcodes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator


def modules(data: bytes) -> dict[str, str]:
    """Return the modules whose classes, functions or selves are named in a pickle, each with the first such name.

    Example:
        >>> import pickle, fractions
        >>> modules(pickle.dumps(fractions.Fraction(1, 2)))
        {'fractions': 'Fraction'}
    """
    found: dict[str, str] = {}
    for module, name in _globals(data):
        found.setdefault(module, name)
    return found


# Opcodes, in Python's pickletools, by how their argument is laid out.
_STRINGS = {0x8C: 1, 0x58: 4, 0x8D: 8}  # SHORT_BINUNICODE, BINUNICODE, BINUNICODE8: bytes of the length before it
_SIZED = {0x43: 1, 0x42: 4, 0x8E: 8, 0x55: 1, 0x54: 4, 0x8A: 1, 0x8B: 4, 0x96: 8}  # bytes, old strings, long integers
_LINES = frozenset(b"FILSVPgp")  # arguments that end with their line
# Everything that leaves no string on top and whose argument has a fixed size: skipped by the run, in C.
_DULL = re.compile(
    rb"(?:K.|M..|J.{4}|G.{8}|\x80.|\x82.|\x83..|\x84.{4}|[]\[(tl)}dRbaseuoNQ012.\x81\x85-\x87\x88\x89\x8f-\x92\x97\x98])+",
    re.DOTALL,
)
_IMPORTING = object()
"""Stands in the memo for cloudpickle's function that imports a module: the string after it is a module's name."""


def _globals(data: bytes) -> Iterator[tuple[str, str]]:
    reader = _Reader(data)
    while reader.at < len(data):
        found = reader.step()
        if found:
            yield found


class _Reader:
    """Follows the two strings that were pushed last, and those in the memo."""

    def __init__(self, data: bytes) -> None:
        self.at = 0
        self._data = data
        self._memo: dict[int, object] = {}
        self._count = 0
        self._before: object = None
        self._last: object = None
        self._importing = False

    def step(self) -> tuple[str, str] | None:
        dull = _DULL.match(self._data, self.at)
        if dull:
            self.at = dull.end()
            self._last = None
            if self.at >= len(self._data):
                return None
        op = self._data[self.at]
        self.at += 1
        if op in _STRINGS:
            return self._push(self._sized(_STRINGS[op]).decode("utf-8", "surrogatepass"))
        if op == 0x94:  # MEMOIZE
            self._memo[self._count] = self._last
            self._count += 1
        elif op in b"qr":  # BINPUT, LONG_BINPUT
            self._memo[self._number(1 if op == 0x71 else 4)] = self._last
        elif op in b"hj":  # BINGET, LONG_BINGET
            return self._push(self._memo.get(self._number(1 if op == 0x68 else 4)))
        elif op == 0x95:  # FRAME, which may lie between the two strings of a global
            self.at += 8
        elif op == 0x93:  # STACK_GLOBAL
            return self._global(self._before, self._last)
        elif op in b"ci":  # GLOBAL, INST
            return self._global(self._line(), self._line())
        else:
            self._skip(op)
        return None

    def _push(self, what: object) -> tuple[str, str] | None:
        importing, self._importing = self._importing, what is _IMPORTING
        self._before, self._last = self._last, what
        return (what, "") if importing and isinstance(what, str) else None

    def _global(self, module: object, name: object) -> tuple[str, str] | None:
        if not isinstance(module, str) or not isinstance(name, str):
            self._last = None
            return None
        self._importing = name == "subimport" and module.startswith("cloudpickle.")
        self._last = _IMPORTING if self._importing else None
        return module, name

    def _skip(self, op: int) -> None:
        self._last = None
        if op in _SIZED:
            self._sized(_SIZED[op])
        elif op in _LINES:
            self._line()

    def _number(self, size: int) -> int:
        self.at += size
        return int.from_bytes(self._data[self.at - size : self.at], "little")

    def _sized(self, size: int) -> bytes:
        length = self._number(size)
        self.at += length
        return self._data[self.at - length : self.at] if length < 1 << 12 else b""

    def _line(self) -> str:
        end = self._data.index(b"\n", self.at)
        line = self._data[self.at : end].decode("utf-8", "replace")
        self.at = end + 1
        return line
