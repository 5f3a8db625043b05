"""A name → its builder or deployer, through entry points: one door, ours and everybody's."""

from __future__ import annotations

import contextlib
from contextvars import ContextVar
from dataclasses import replace
from functools import cache
from importlib.metadata import entry_points
from typing import Any, cast

from fairing.errors import PluginError
from fairing.ports import Builder, Deployer
from fairing.spec import Recipe, Target

BUILDERS = "fairing.builders"
DEPLOYERS = "fairing.deployers"

_asking: ContextVar[bool] = ContextVar("asking", default=False)


def builder(name: str) -> Builder:
    """Return the builder that is installed under this name.

    Raises:
        PluginError: None is, or it cannot be loaded.
    """
    return cast(Builder, _load(BUILDERS, "builder", name))


def deployer(name: str) -> Deployer:
    """Return the deployer that is installed under this name.

    Raises:
        PluginError: None is, or it cannot be loaded.
    """
    return cast(Deployer, _load(DEPLOYERS, "deployer", name))


def installed(group: str) -> tuple[str, ...]:
    """Return the names installed in a group, sorted."""
    return tuple(sorted({point.name for point in entry_points(group=group)}))


def another(recipe: Recipe, target: Target) -> str:
    """Return a sentence with the installed builder that can make what the target's cannot, for its ``check`` to say."""
    return "" if _asking.get() else _another(recipe, target)  # the check of one that is asked: it cannot either


@cache  # reading every distribution's entry points takes longer than a build
def _another(recipe: Recipe, target: Target) -> str:
    asked = _asking.set(True)
    try:
        for name in installed(BUILDERS):
            with contextlib.suppress(Exception):  # one that cannot, or is broken, is not the one to name
                if name != target.builder:
                    builder(name).check(recipe, replace(target, builder=name))
                    return f"Use builder={name!r}, which can."
    finally:
        _asking.reset(asked)
    return "No installed builder can."


def _load(group: str, noun: str, name: str) -> Any:
    try:
        return _loaded(group, name)()
    except PluginError:
        raise
    except Exception as broken:
        place = next(point.value for point in entry_points(group=group, name=name))
        raise PluginError(
            f"The {noun} {name!r} ({place}) cannot be loaded.",
            why=f"{type(broken).__name__}: {broken}.",
            fix="Reinstall or upgrade the package that provides it.",
        ) from broken


@cache
def _loaded(group: str, name: str) -> Any:
    """Return what makes a plug-in; who was found once is not looked for again, as with any import."""
    found = tuple(entry_points(group=group, name=name))
    if not found:
        noun = group.rpartition(".")[2].removesuffix("s")
        raise PluginError(
            f"There is no installed {noun} {name!r}.", fix=f"Installed: {', '.join(installed(group)) or 'none'}."
        )
    return found[0].load()
