"""Does something to a module right after the user's code has imported it, and costs nothing where it never does."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


def after(name: str, do: Callable[[Any], None]) -> None:
    """Call ``do`` with the module when it has been imported; at once, if it has been.

    Args:
        name: The module's full name.
        do: What to do to it. It runs before anyone else sees the module.
    """
    if name in sys.modules:
        do(sys.modules[name])
        return
    finder = next((each for each in sys.meta_path if isinstance(each, _Finder)), None)
    if finder is None:
        finder = _Finder()
        sys.meta_path.insert(0, finder)
    finder.waiting.setdefault(name, []).append(do)


class _Finder:
    """Finds nothing itself: it lets the others find a module that is waited for, and wraps its loader.

    It is none of importlib.abc's, which imports half the library.
    """

    def __init__(self) -> None:
        self.waiting: dict[str, list[Callable[[Any], None]]] = {}

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        todo = self.waiting.pop(name, None)
        if todo is None:
            return None
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            spec = find(name, path, target) if find is not None and finder is not self else None
            if spec is not None:
                if spec.loader is not None and hasattr(spec.loader, "exec_module"):
                    spec.loader = _Loader(spec.loader, todo)
                return spec  # type: ignore[no-any-return]
        self.waiting[name] = todo  # it may be imported later, when it can be found
        return None


class _Loader:
    def __init__(self, loader: Any, todo: list[Callable[[Any], None]]) -> None:
        self._loader = loader
        self._todo = todo

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)  # type: ignore[no-any-return]

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        for do in self._todo:
            do(module)
