"""Loads what was captured into this process's ``__main__``, where it came from.

Functions and classes of a notebook are pickled by value, and arrive without a module. Put into ``__main__`` they share
their globals again, and code that pickles them by name (a pool of processes) finds them, also in a worker that was
spawned: there they are loaded once more, when first asked for.
"""

from __future__ import annotations

import builtins
import io
import os
import pickle
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from typing import Any

from fairing.runtime import imports

CAPTURED = "FAIRING_CAPTURED"
"""The variable by which a spawned worker finds the pickles."""

WORKER = "fairing.runtime.worker_main"
"""What a spawned worker has for its ``__main__``."""


def load(data: bytes) -> Any:
    """Load a pickle; what it brings of ``__main__`` becomes part of ``__main__`` here."""
    unpickler = _Unpickler(io.BytesIO(data))
    loaded = unpickler.load()
    names = sys.modules["__main__"].__dict__
    for made in unpickler.made:
        if made.__module__ == "__main__" and made.__qualname__.isidentifier():
            names.setdefault(made.__qualname__, made)
    return loaded


def share(*paths: str) -> None:
    """Let spawned workers find what was captured."""
    os.environ[CAPTURED] = os.pathsep.join(paths)
    sys.modules["__main__"].__spec__ = ModuleSpec(WORKER, None)
    for name in ("joblib.externals.loky.backend.spawn", "loky.backend.spawn"):
        imports.after(name, _prepared)


def serve() -> None:
    """Make a spawned worker what the user's code expects of a process: lines are out at once, ``display`` is a name."""

    def display(*objs: Any, **given: Any) -> Any:
        from fairing.runtime.displays import display

        return display(*objs, **given)

    sys.stdout.reconfigure(line_buffering=True, write_through=False)  # type: ignore[union-attr]
    builtins.display = display  # type: ignore[attr-defined]


def find(name: str) -> Any:
    """Return a captured name in a spawned worker.

    Raises:
        AttributeError: Nothing of that name was captured.
    """
    names = sys.modules["__main__"].__dict__
    while name not in names and not name.startswith("__") and os.environ.get(CAPTURED):
        path, _, os.environ[CAPTURED] = os.environ[CAPTURED].partition(os.pathsep)  # each is loaded once
        with open(path, "rb") as file:  # noqa: PTH123 - pathlib would be one more import for each worker
            load(file.read())
    if name not in names:
        raise AttributeError(f"module '__main__' has no attribute {name!r}")
    return names[name]


def _prepared(spawn: Any) -> None:
    """Let loky's workers, which load no ``__main__`` of their own accord, start as other spawned ones do."""
    prepare = spawn.get_preparation_data

    def get_preparation_data(name: str, init_main_module: bool = True) -> dict[str, Any]:
        return {**prepare(name, init_main_module), "init_main_from_name": WORKER}

    spawn.get_preparation_data = get_preparation_data


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self.made: list[Any] = []

    def find_class(self, module: str, name: str) -> Any:
        found = super().find_class(module, name)
        if not module.startswith("cloudpickle."):
            return found
        if name == "_make_function":
            return self._keeping(lambda code, names, *rest: found(code, _main(names), *rest))
        if name in {"_make_skeleton_class", "_make_skeleton_enum"}:
            return self._keeping(found)
        return found

    def _keeping(self, make: Callable[..., Any]) -> Callable[..., Any]:
        def made(*args: Any) -> Any:
            new = make(*args)
            self.made.append(new)
            return new

        return made


def _main(names: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the globals that a function gets: those of ``__main__`` here, where it is of ``__main__`` there."""
    if names is not None and names.get("__name__") == "__main__":
        return sys.modules["__main__"].__dict__
    return names
