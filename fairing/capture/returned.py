"""Loads what a run sent back: a class that was defined here is that class, and stays as it is.

cloudpickle knows a class again by an id, so that ``isinstance`` and ``except`` hold for values of a class from a cell;
but it then sets every method of that class anew, to copies which no longer see the notebook's names.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

from cloudpickle import cloudpickle

_MAKERS = frozenset({"_make_skeleton_class", "_make_skeleton_enum"})


def loads(data: bytes) -> Any:
    """Load a pickle that a run made; the caller has verified it.

    Example:
        >>> loads(pickle.dumps([1, 2]))
        [1, 2]
    """
    return _Unpickler(io.BytesIO(data)).load()


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self._here: list[Any] = []

    def find_class(self, module: str, name: str) -> Any:
        """Find what the pickle names, with cloudpickle's way of filling a class watched."""
        found = super().find_class(module, name)
        if module != "cloudpickle.cloudpickle":
            return found
        if name in _MAKERS:
            return lambda *args: self._make(found, args)
        if name == "_class_setstate":
            return lambda made, state: made if any(made is each for each in self._here) else found(made, state)
        return found

    def _make(self, make: Any, args: tuple[Any, ...]) -> Any:
        before = set(getattr(cloudpickle, "_DYNAMIC_CLASS_TRACKER_BY_ID", ()))
        made = make(*args)
        if any(isinstance(each, str) and each in before for each in args[-2:-1]):
            self._here.append(made)
        return made
