"""Whether what is installed here runs on another system of the same kind: each wheel's tags, and the C library."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from fairing.environment.index import Distribution, distributions
from fairing.environment.record import record
from fairing.recipe import python, text
from fairing.spec import Recipe


def fitted(recipe: Recipe, libc: str) -> tuple[Recipe, tuple[str, ...]]:
    """Return a recipe whose dependencies run with a C library, and which of them do not as they are installed here.

    What is installed is taken where all of it runs there; else all of it is resolved by uv, at the same versions.

    Args:
        recipe: The recipe.
        libc: The C library of the image it is for: ``"glibc 2.31"``; nothing where that is not known.

    Raises:
        DependencyError: A package has no wheel that runs there.

    Example:
        >>> fitted(recipe, "musl 1.2")[1]  # doctest: +SKIP
        ('numpy 2.4.2 (glibc 2.28)',)
    """
    if not libc:
        return recipe, ()
    if recipe.source == "installed":
        wrong = tuple(f"{each.name} {each.version} ({needs})" for each, needs in _misfits(recipe, libc))
        return (_resolved(recipe, libc), wrong) if wrong else (recipe, ())
    if recipe.platform == python.platform() and python.runs(python.libc(), libc):
        return recipe, ()  # uv asks for what runs here, and that runs there
    _resolved(recipe, libc)  # only to see that there is a wheel of each: the lock is as it was asked for
    return replace(recipe, libc=libc), ()


_OLD = {"manylinux1": "glibc 2.5", "manylinux2010": "glibc 2.12", "manylinux2014": "glibc 2.17"}
_NAMED = re.compile(r"(manylinux|musllinux)_(\d+)_(\d+)_")


def _misfits(recipe: Recipe, libc: str) -> list[tuple[Distribution, str]]:
    """Return the distributions that need another C library, each with the oldest that it needs."""
    known = distributions()
    found = []
    for line in recipe.lock.splitlines():
        each = known.get(line.partition("==")[0])
        if each is None or each.editable:
            continue
        needs = _needs(each)
        if needs and not any(python.runs(library, libc) for library in needs):
            found.append((each, needs[0]))
    return found


def _needs(each: Distribution) -> list[str]:
    """Return the C libraries for which a distribution was built, any of which will do; nothing, if it runs anywhere."""
    tags = _tags(each)
    if any(tag.endswith("-any") for tag in tags):
        return []
    libraries = [library for tag in tags if (library := _library(tag.rpartition("-")[2]))]
    if libraries:
        return libraries
    compiled = any(entry.path.endswith(".so") for entry in record(each).entries)
    return [python.libc()] if compiled else []  # built here: it needs what is here


def _tags(each: Distribution) -> list[str]:
    try:
        said = Path(each.info, "WHEEL").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return [line.partition(":")[2].strip() for line in said.splitlines() if line.startswith("Tag:")]


def _library(platform: str) -> str:
    if named := _NAMED.match(platform):
        return f"{'glibc' if named[1] == 'manylinux' else 'musl'} {named[2]}.{named[3]}"
    return next((library for name, library in _OLD.items() if platform.startswith(f"{name}_")), "")


def _resolved(recipe: Recipe, libc: str) -> Recipe:
    from fairing.recipe import uv

    own = {name for name, each in distributions().items() if each.editable}  # their code travels as source
    wanted = tuple(each for each in text.packages(recipe) if each.partition("==")[0] not in own)
    question = uv.Question(wanted, (), recipe.platform, recipe.python, recipe.indexes, libc=libc)
    return replace(recipe, source="resolved", lock=uv.lock(question), libc=libc)
