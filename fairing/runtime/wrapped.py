"""How the standard library's wrappers are pickled with what they wrap: by themselves they refuse, or go by name alone.

The client uses it for what it captures, and a run for the value that it gives back.
"""

from __future__ import annotations

import copyreg
import functools
import weakref
from collections.abc import Callable
from typing import Any

Cached = type(functools.lru_cache(len))
"""What ``lru_cache`` and ``cache`` make of a function."""

_WEAK = (weakref.WeakKeyDictionary, weakref.WeakValueDictionary)


def reduction(value: Any) -> tuple[Any, ...] | None:
    """Return how a wrapper is pickled: without its lock, its cache or what it holds weakly in this process."""
    kind = type(value)
    if kind is Cached:
        said = value.cache_parameters()
        return cached, (value.__wrapped__, said["maxsize"], said["typed"])
    if kind is functools.cached_property:
        return kind, (value.func,), {key: each for key, each in vars(value).items() if key not in {"func", "lock"}}
    return (kind, (dict(value),)) if kind in _WEAK else None


def cached(function: Callable[..., Any], maxsize: int | None, typed: bool) -> Any:
    """Return a function with an empty cache around it."""
    return functools.lru_cache(maxsize, typed)(function)


def register() -> None:
    """Let whatever is pickled in this process be pickled so; what ``lru_cache`` made goes by its name, as ever."""
    for kind in (functools.cached_property, *_WEAK):
        copyreg.pickle(kind, reduction)  # type: ignore[arg-type]
