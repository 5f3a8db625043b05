"""Pickles by value with cloudpickle, once, and knows what went in: each name, its type and its exact size.

The pickle is written in several dumps of one pickler, the named values first, so that the bytes of each can be counted
and one that is too large is stopped while it is written. A dump ends in the opcode STOP; put POP in its place and the
dumps are one pickle: it makes each value, drops it, and fetches it from the memo where it is used.
"""

from __future__ import annotations

import builtins
import dis
import io
import itertools
import operator
import os
import pickle
import sys
import types
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from types import CodeType, FunctionType
from typing import Any

import cloudpickle

from fairing.capture import culprit, repeatable
from fairing.capture.imports import home, nested
from fairing.capture.sources import filename
from fairing.errors import CaptureError
from fairing.runtime.wrapped import Cached, reduction
from fairing.spec import Global
from fairing.words import size

LIMIT = 64_000_000  # bytes of one value
LARGE = 1_000_000  # bytes of a value that are worth a warning
_ATOMS = (type(None), bool, int, float, complex)
_FUNCTIONS = (type, partial, FunctionType, Cached, types.MethodType, types.BuiltinFunctionType)
MANY = 1000  # parts of a container that are looked into for functions


@dataclass(frozen=True, slots=True)
class Name:
    """A captured name: whose it is, what it is called, and its value."""

    owner: str
    name: str
    value: Any


@dataclass(frozen=True, slots=True)
class Pickled:
    """A pickle, and what it holds.

    Args:
        data: The pickle.
        names: Every captured name that holds data, a function or a class; modules are not among them.
        globals: The same by type and size.
        codes: Code taken by value, with the package that its relative imports start from.
        undefined: Names that this code uses and nothing here has, each with the function that uses it.
        modules: Modules that the pickle refers to, each with the first name it takes from there.
    """

    data: bytes
    names: tuple[Name, ...]
    globals: tuple[Global, ...]
    codes: tuple[tuple[CodeType, str], ...]
    modules: Mapping[str, str]
    undefined: tuple[tuple[str, str], ...] = ()


def take(value: Any, owner: str, named: Mapping[str, Any] | None = None, limit: int = LIMIT) -> Pickled:
    """Pickle a value and everything it uses that cannot be imported.

    Args:
        value: The value: a function, or arguments.
        owner: What people call it.
        named: Parts of the value that have names: arguments by their parameters, variables of a notebook.
        limit: Bytes that one named value may have.

    Raises:
        CaptureError: Something in it cannot be pickled, or is too large.

    Example:
        >>> take(len, "len").globals
        ()
    """
    by_value: set[str] = set()
    while True:
        with _by_value(by_value):
            taken = _take(value, owner, named, limit)
        homeless = {name for name in taken.modules if _homeless(name)}
        if homeless <= by_value:
            return taken
        by_value |= homeless


def kind(value: Any) -> str:
    """Return the type of a value as people write it: ``DataFrame``, ``list``, ``function``, ``class``."""
    if isinstance(value, type | Cached):
        return "class" if isinstance(value, type) else "function"
    return type(value).__name__


class _TooLarge(Exception):
    """The value being written has more bytes than it may."""


class _Writer:
    """Takes what the pickler writes, and stops it at a limit."""

    def __init__(self, limit: int) -> None:
        self.pieces: list[bytes] = []
        self.size = 0
        self.limit = limit
        self._start = 0

    def write(self, data: Any) -> int:
        piece = data if isinstance(data, bytes) else bytes(data)
        self.size += len(piece)
        if self.size - self._start > self.limit:
            raise _TooLarge
        self.pieces.append(piece)
        return len(piece)

    def part(self) -> int:
        """End a part: it is dropped by whoever loads the whole. Return its bytes."""
        self.pieces[-1] = self.pieces[-1][:-1] + pickle.POP
        octets, self._start = self.size - self._start, self.size
        return octets


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # cloudpickle has no types
    """cloudpickle's, which remembers what it saw, and leaves to the run what belongs to a process."""

    def __init__(self, writer: _Writer) -> None:
        super().__init__(writer)
        self.limit = writer.limit
        self.modules: dict[str, str] = {}
        self.functions: list[FunctionType] = []
        self._ready: dict[int, tuple[Any, Any]] = {}

    def reduced(self, value: Any) -> Any:
        """Return how a function or class will be pickled, once asked ahead of time and kept for then."""
        if id(value) not in self._ready:
            if isinstance(value, type):
                repeatable.identify(value)
            reduced = super().reducer_override(value)
            if isinstance(value, FunctionType) and reduced is not NotImplemented:
                reduced[1][1].pop("__file__", None)  # which is here, not there, and is taken where a function uses it
            self._ready[id(value)] = (value, reduced)
        return self._ready[id(value)][1]

    def reducer_override(self, value: Any) -> Any:
        """Look at everything but numbers, texts and plain containers on its way into the pickle."""
        if isinstance(value, FunctionType | type):
            return self._named(value)
        if isinstance(value, CodeType):
            return repeatable.code(self.dispatch_table[CodeType](value.replace(co_filename=filename(value))))
        if isinstance(value, types.ModuleType):
            self.modules.setdefault(value.__name__, "")
            return NotImplemented
        if isinstance(value, io.IOBase):
            return _stream(value)
        if home(value).startswith("tqdm."):
            raise TypeError("a bar draws in this notebook")  # some versions of Python would pickle it, to no use
        replaced = _process(value) or (None if _by_name(value) else reduction(value))
        if replaced is not None:
            return replaced
        self._data(value)
        return NotImplemented

    def _named(self, value: Any) -> Any:
        if _notebook_open(value):
            return getattr, (builtins, "open")
        reduced = self.reduced(value)
        if reduced is NotImplemented:
            self.modules.setdefault(value.__module__ or "builtins", value.__qualname__)
        elif isinstance(value, FunctionType):
            self.functions.append(value)
        return reduced

    def _data(self, value: Any) -> None:
        module = home(value)
        try:
            named = value.__module__, getattr(value, "__qualname__", type(value).__name__)
        except Exception:  # noqa: BLE001 - a proxy may do anything when it is asked for what it stands for
            named = module, type(value).__name__
        if isinstance(named[0], str):
            self.modules.setdefault(*named)
        octets = getattr(value, "nbytes", 0) if module.startswith(("numpy", "torch")) else 0
        if isinstance(octets, int) and octets > self.limit:
            raise _TooLarge  # before it is copied


def _take(value: Any, owner: str, named: Mapping[str, Any] | None, limit: int) -> Pickled:
    writer = _Writer(limit)
    pickler = _Pickler(writer)
    names = list(_names(pickler, value, owner, named))
    sizes = []
    for each in sorted(names, key=lambda name: isinstance(name.value, FunctionType | type)):
        octets = len(pickle.dumps(each.value, 5)) if isinstance(each.value, _ATOMS) else _part(pickler, writer, each)
        sizes.append(Global(each.name, kind(each.value), octets))
    _dump(pickler, value, Name(owner, "", value))
    codes = tuple(
        (function.__code__, str(function.__globals__.get("__package__") or "")) for function in pickler.functions
    )
    undefined = tuple(_undefined(pickler.functions))
    return Pickled(b"".join(writer.pieces), tuple(names), tuple(sizes), codes, pickler.modules, undefined)


def _undefined(functions: Iterable[FunctionType]) -> Iterator[tuple[str, str]]:
    """Give the names that functions load from their globals, and that are neither there nor set by any of them."""
    used: dict[str, str] = {}
    known: set[str] = {*dir(builtins), "display"}  # which every run has
    for function in functions:
        known.update(function.__globals__)
        for code in nested(function.__code__):
            for step in dis.get_instructions(code):
                if step.opname == "LOAD_GLOBAL":
                    used.setdefault(step.argval, function.__name__)
                elif step.opname == "STORE_GLOBAL":
                    known.add(step.argval)
    return ((name, by) for name, by in used.items() if name not in known)


def _part(pickler: _Pickler, writer: _Writer, each: Name) -> int:
    _dump(pickler, each.value, each)
    return writer.part()


def _dump(pickler: _Pickler, value: Any, name: Name) -> None:
    try:
        pickler.dump(value)
    except _TooLarge:
        raise _too_large(name, pickler.limit) from None
    except CaptureError:
        raise
    except Exception as error:  # objects refuse to be pickled with errors of any type
        raise culprit.refusal(name.owner, name.name, value, error, _fails) from error


def _fails(value: Any) -> Exception | None:
    """Return the error that pickling a value gives."""
    try:
        _Pickler(_Writer(sys.maxsize)).dump(value)
    except Exception as error:  # noqa: BLE001 - as above
        return error
    return None


def _too_large(name: Name, limit: int) -> CaptureError:
    what = f"{name.name} ({kind(name.value)}) of {name.owner}" if name.name else f"{name.owner}, with what it uses,"
    return CaptureError(
        f"{what} has more than {size(limit)}.",
        "It would travel with the code each time.",
        "Load it inside the function, from a file (include=[...]) or from storage; or raise the limit with max_size=.",
    )


def _names(pickler: _Pickler, value: Any, owner: str, named: Mapping[str, Any] | None) -> Iterator[Name]:
    """Give the names that a value uses, those of the functions and classes behind it too, in order."""
    seen: set[int] = set()
    given: set[tuple[str, int]] = set()
    queue: list[tuple[str, Any]] = [(owner, value), *((owner, each) for each in (named or {}).values())]
    found: list[Name] = [Name(owner, name, each) for name, each in (named or {}).items()]
    if named is None and not isinstance(value, _FUNCTIONS):
        found.append(Name(owner, "self", value))  # an object that can be called is data with a function
    while queue or found:
        for each in found:
            key = (each.name, id(each.value))
            if key not in given and not isinstance(each.value, types.ModuleType) and not _notebook_open(each.value):
                given.add(key)
                yield each
                queue.append((each.owner, each.value))
        found = []
        if queue:
            whose, here = queue.pop(0)
            if id(here) in seen:
                continue
            seen.add(id(here))
            more, values = _uses(pickler, whose, here)
            found.extend(more)
            queue.extend(values)


def _uses(pickler: _Pickler, owner: str, value: Any) -> tuple[list[Name], list[tuple[str, Any]]]:
    """Return the names that a function uses, and unnamed values (defaults, members) to look into."""
    if isinstance(value, partial):
        named = [*((f"args[{at}]", each) for at, each in enumerate(value.args)), *value.keywords.items()]
        return [Name(owner, *each) for each in named], [(owner, value.func)]
    if isinstance(value, types.MethodType):
        return [Name(value.__func__.__name__, "self", value.__self__)], [(owner, value.__func__)]
    if isinstance(value, staticmethod | classmethod):
        return [], [(owner, value.__func__)]
    if isinstance(value, Cached):
        return [], [(owner, value.__wrapped__)]
    if isinstance(value, cached_property):
        return [], [(owner, value.func)]
    if isinstance(value, property):
        return [], [(owner, each) for each in (value.fget, value.fset, value.fdel) if each]
    if not isinstance(value, FunctionType | type):
        return [], [(owner, each) for each in (type(value), *_held(value))]
    reduced = pickler.reduced(value)
    if not isinstance(reduced, tuple) or len(reduced) < 3:
        return [], []
    if isinstance(value, type):
        members = [each for each in reduced[2][0].values() if not isinstance(each, (str, *_ATOMS))]
        return [], [(value.__name__, each) for each in (*members, *value.__bases__)]
    return _function(value, reduced[2][1]["__globals__"])


def _held(value: Any) -> list[Any]:
    """Return the functions in a container or an object: their names count, and are looked at, as any other's."""
    if isinstance(value, Mapping) and home(value) in {"builtins", "weakref"}:
        parts: Iterable[Any] = value.values()
    elif isinstance(value, list | tuple | set | frozenset):
        parts = value
    else:
        held = getattr(value, "__dict__", None)
        parts = held.values() if isinstance(held, dict) and not isinstance(value, types.ModuleType) else ()
    return [each for each in itertools.islice(parts, MANY) if isinstance(each, _FUNCTIONS)]


def _function(value: FunctionType, taken: Mapping[str, Any]) -> tuple[list[Name], list[tuple[str, Any]]]:
    owner = "lambda" if value.__name__ == "<lambda>" else value.__name__
    names = [Name(owner, name, each) for name, each in taken.items()]
    for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True):
        try:
            names.append(Name(owner, name, cell.cell_contents))
        except ValueError:
            continue  # not assigned yet
    defaults = value.__defaults__ or ()
    count = value.__code__.co_argcount
    parameters = value.__code__.co_varnames[count - len(defaults) : count]
    with_defaults = (*zip(parameters, defaults, strict=True), *(value.__kwdefaults__ or {}).items())
    names += [Name(owner, name, each) for name, each in with_defaults if not isinstance(each, _ATOMS)]
    return names, [(owner, each) for each in vars(value).values()]


def _stream(value: Any) -> Any:
    for name in ("stdout", "stderr", "stdin"):
        if value in (getattr(sys, name), getattr(sys, f"__{name}__")):
            return getattr, (sys, name)
    if isinstance(value, io.StringIO | io.BytesIO):
        return NotImplemented
    raise culprit.Open(value)


def _process(value: Any) -> Any:
    """Return how to find, in the run, what there is once in each process: its environment, its exit."""
    if value is os.environ:
        return getattr, (os, "environ")
    if home(value) == "IPython.core.autocall":
        return getattr, (sys, "exit")
    return None


def _by_name(value: Any) -> bool:
    """Whether a cached function is one of a module that the run can import."""
    if not isinstance(value, Cached) or value.__module__ in {"__main__", *cloudpickle.list_registry_pickle_by_value()}:
        return False
    try:
        return operator.attrgetter(value.__qualname__)(sys.modules[value.__module__]) is value
    except (AttributeError, KeyError):
        return False


def _notebook_open(value: Any) -> bool:
    """Whether a value is what IPython calls ``open``; it goes by the name of the builtin, which the run has."""
    code = getattr(value, "__code__", None) if isinstance(value, FunctionType) else None
    module = value.__globals__.get("__name__") if code else ""
    return code is not None and code.co_name == "_modified_open" and module == "IPython.core.interactiveshell"


def _homeless(name: str) -> bool:
    """Whether a loaded module has no file to import it from: it was made by code."""
    top = name.partition(".")[0]
    if name not in sys.modules or top == "__main__" or top in sys.stdlib_module_names:
        return False
    made = (sys.modules[each] for each in {name, top} if each in sys.modules)  # parts of a package in C have no file
    return all(getattr(each, "__spec__", None) is None and not getattr(each, "__file__", None) for each in made)


@contextmanager
def _by_value(names: Iterable[str]) -> Iterator[None]:
    """Pickle modules that have no file by value, for a while."""
    modules = [sys.modules[name] for name in sorted(names)]
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)
