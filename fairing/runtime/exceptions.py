"""An exception's way to the client: as itself where that can be.

The client loads what is made here, also on Windows: nothing of POSIX is imported.
"""

from __future__ import annotations

import os
import pickle
import re
from typing import Any

_REQUIRES = re.compile(r"\brequires ['\"`]?([A-Za-z_]\w*)")
"""As libraries speak of packages that they can do without: The '.style' accessor requires jinja2."""


def portable(error: BaseException) -> Any:
    """Return what pickles as the exception and can be loaded again."""
    trace, error.__traceback__ = error.__traceback__, None
    try:
        return next((each for each in (error, _Rebuilt(error)) if _loads(each)), None)
    finally:
        error.__traceback__ = trace


def missing(error: BaseException | None) -> str | None:
    """Return the file or module whose absence is behind an exception."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, FileNotFoundError) and error.filename is not None:
            return os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes)) else None
        if isinstance(error, ModuleNotFoundError) and error.name:
            return error.name
        asked = _REQUIRES.search(str(error))
        if asked and "." not in asked[1] and not _here(asked[1]):
            return asked[1]
        error = error.__cause__ or error.__context__
    return None


def _here(module: str) -> bool:
    from importlib.util import find_spec

    try:
        return find_spec(module) is not None
    except ValueError:  # of a module that is loaded and says nothing of itself
        return True


def rebuilt(kind: type[BaseException], args: tuple[Any, ...], state: dict[str, Any]) -> BaseException:
    """Make an exception without its ``__init__``, which may want other arguments than ``args``."""
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class _Rebuilt:
    """An exception that pickles as what it takes to make it again."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def __reduce__(self) -> tuple[Any, ...]:
        state = {name: value for name, value in self._error.__dict__.items() if _loads(value)}
        args = tuple(each if _loads(each) else repr(each) for each in self._error.args)
        return rebuilt, (type(self._error), args, state)


def _loads(value: Any) -> bool:
    import cloudpickle

    try:
        again = pickle.loads(cloudpickle.dumps(value))  # noqa: S301 - made in this line
    except Exception:  # noqa: BLE001 - a pickle may fail in any way
        return False
    return not isinstance(value, BaseException) or type(again) is type(value)
