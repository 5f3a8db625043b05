"""What makes a pickle the same in every process: the names of classes, and the order of constant sets."""

from __future__ import annotations

import hashlib
import itertools
from types import CodeType, FunctionType
from typing import Any

from cloudpickle import cloudpickle

_PLAIN = (str, bytes, int, float, complex, bool, type(None))


def identify(kind: type) -> None:
    """Give a class that travels by value a name made of its content, where cloudpickle would take a random one.

    cloudpickle knows a class that comes back by that name (``_DYNAMIC_CLASS_TRACKER_BY_ID``), so two that live here at
    once never share one, however alike they are.
    """
    if cloudpickle._should_pickle_by_reference(kind):
        return
    by_class, by_name = cloudpickle._DYNAMIC_CLASS_TRACKER_BY_CLASS, cloudpickle._DYNAMIC_CLASS_TRACKER_BY_ID
    with cloudpickle._DYNAMIC_CLASS_TRACKER_LOCK:
        if kind in by_class:
            return
        content = hashlib.sha256(repr(_content(kind)).encode()).hexdigest()[:24]
        name = next(name for number in itertools.count() if (name := f"{content}-{number}") not in by_name)
        by_class[kind] = name
        by_name[name] = kind


def code(reduced: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return how a code object is pickled, with its constant sets in an order that does not depend on the process."""
    make, parts = reduced[:2]
    return make, tuple(_ordered(part) for part in parts), *reduced[2:]


class _Sorted:
    """A constant set on its way into a pickle."""

    def __init__(self, found: frozenset[Any]) -> None:
        self._found = found

    def __reduce__(self) -> tuple[Any, ...]:
        return frozenset, (tuple(sorted(self._found, key=lambda each: (type(each).__name__, repr(each)))),)


def _ordered(part: Any) -> Any:
    if isinstance(part, frozenset):
        return _Sorted(part)
    if type(part) is tuple:
        return tuple(_ordered(each) for each in part)
    return part


def _content(value: Any) -> Any:
    """Return what tells one class from another, as far as it is the same in every process."""
    if isinstance(value, type):
        members = sorted((name, _member(each)) for name, each in vars(value).items() if name != "__dict__")
        return value.__module__, value.__qualname__, [each.__qualname__ for each in value.__bases__], members
    return _member(value)


def _member(value: Any) -> str:
    function = getattr(value, "__func__", getattr(value, "fget", value))
    if isinstance(function, FunctionType):
        return repr(_code(function.__code__))
    return repr(value) if isinstance(value, _PLAIN) else type(value).__qualname__


def _code(found: CodeType) -> tuple[Any, ...]:
    constants = [_code(each) if isinstance(each, CodeType) else _constant(each) for each in found.co_consts]
    return found.co_name, found.co_code.hex(), constants, found.co_names


def _constant(value: Any) -> str:
    if isinstance(value, frozenset | tuple):
        parts = [_constant(each) for each in value]
        return repr(sorted(parts) if isinstance(value, frozenset) else parts)
    return repr(value)
