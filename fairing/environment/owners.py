"""Whose a module is: a distribution's, the standard library's, the project's own, or nobody's."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import sys
from typing import NamedTuple

from fairing.environment.index import Distribution, by_module, distributions
from fairing.environment.record import record


class Owner(NamedTuple):
    """Whose a module is.

    Args:
        distributions: Those that have it; two, where both do.
        local: It lies outside of every installed distribution: the project's own, or made in this process.
        missing: It is nowhere to be found.
    """

    distributions: tuple[Distribution, ...] = ()
    local: bool = False
    missing: bool = False


def owner(module: str, parts: bool = True) -> Owner:
    """Return whose a module is; of a namespace that several distributions share, the one that has this very part.

    Args:
        module: A dotted name; what follows the last real module in it (``"pandas.DataFrame"``) does no harm.
        parts: Whether a shared namespace stands for the parts of it that are loaded; else it is nobody's.
    """
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names or top in sys.builtin_module_names:
        return Owner()
    place = _place(top)
    having = by_module().get(top, ())
    if place and not any(_within(place, each.site) for each in having):
        linked = _linked(place)
        return Owner((linked,) if linked else (), local=True)
    if len(having) > 1:
        having = _nearest(module, having, parts)
        if not having:
            return Owner()
    if having:
        return Owner(having)
    return Owner(local=top in sys.modules or place is not None, missing=top not in sys.modules and place is None)


def _place(top: str) -> str | None:
    """Return where a top-level module lies or would be imported from, without importing it."""
    module = sys.modules.get(top)
    if module is None:
        try:
            spec = importlib.util.find_spec(top)
        except (ImportError, ValueError, AttributeError):
            return None
    else:
        spec = getattr(module, "__spec__", None)
        if spec is None and getattr(module, "__file__", None):
            return os.path.abspath(str(module.__file__))
    return _where(spec)


def _where(spec: importlib.machinery.ModuleSpec | None) -> str | None:
    if spec is None:
        return None
    if spec.has_location and spec.origin:
        return os.path.abspath(spec.origin)
    return next((os.path.abspath(each) for each in spec.submodule_search_locations or ()), None)


def _within(place: str, folder: str) -> bool:
    return place.startswith(folder.rstrip(os.sep) + os.sep)


def _linked(place: str) -> Distribution | None:
    """Return the editable install whose project holds a place."""
    real = os.path.realpath(place)
    for each in distributions().values():
        if each.editable and _within(real, os.path.realpath(each.editable)) and "site-packages" not in real:
            return each
    return None


def _nearest(module: str, having: tuple[Distribution, ...], parts: bool) -> tuple[Distribution, ...]:
    """Return the distributions whose files reach furthest down a dotted name."""
    depths = {each.name: _depth(module.split("."), each) for each in having}
    most = max(depths.values())
    if most:
        return tuple(each for each in having if depths[each.name] == most)
    if not parts:
        return ()
    loaded = tuple(each for each in having if _loads(module, each))
    return loaded or having


def _depth(parts: list[str], each: Distribution) -> int:
    """Return how many parts of a name a distribution has a module's own file for."""
    stems = _stems(each, parts[0])
    return max(
        (
            count
            for count in range(1, len(parts) + 1)
            if stems.intersection(("/".join(parts[:count]), "/".join((*parts[:count], "__init__"))))
        ),
        default=0,
    )


def _loads(namespace: str, each: Distribution) -> bool:
    """Whether this process has loaded something that a distribution put into a namespace."""
    stems = _stems(each, namespace.partition(".")[0])
    loaded = (name.replace(".", "/") for name in tuple(sys.modules) if name.startswith(f"{namespace}."))
    return any(name in stems or f"{name}/__init__" in stems for name in loaded)


def _stems(each: Distribution, top: str) -> set[str]:
    """Return the paths of a distribution's modules below a top-level name, less their suffixes."""
    suffixes = tuple(importlib.machinery.all_suffixes())
    found = set()
    for entry in record(each).entries:
        if entry.path.startswith((f"{top}/", f"{top}.")) and entry.path.endswith(suffixes):
            folder, slash, name = entry.path.rpartition("/")
            found.add(f"{folder}{slash}{name.partition('.')[0]}")
    return found
