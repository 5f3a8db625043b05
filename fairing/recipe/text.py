"""A recipe as text: what a dry run prints."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from fairing.spec import Recipe

MOST = 20
"""Files that are listed by name."""


def text(recipe: Recipe) -> str:
    """Return a recipe as lines of text; of environment variables the names alone."""
    return "\n".join(f"{name:<13} {value}".rstrip() for name, value in _rows(recipe))


def packages(recipe: Recipe) -> tuple[str, ...]:
    """Return the names and versions of a recipe's dependencies, without the hashes and comments between them."""
    return tuple(line.partition(" ")[0] for line in recipe.lock.splitlines() if line and line[0] not in "# -")


def only(lock: str, packages: Collection[str]) -> str:
    """Return the part of a lock that is about some packages, each as ``packages`` gives it, with their hashes."""
    blocks = re.split(r"(?m)^(?=\S)", lock)
    return "".join(block for block in blocks if block.split(maxsplit=1)[:1] and block.split()[0] in packages)


def _rows(recipe: Recipe) -> Iterator[tuple[str, str]]:
    yield "runs", f"{recipe.entry.name} ({recipe.entry.kind})"
    yield "base", recipe.base
    yield "platform", ", ".join(each.platform for each in (recipe, *recipe.also))
    yield "python", recipe.python
    found = packages(recipe)
    yield "dependencies", f"{len(found)}, {recipe.source}"
    yield from (("", package) for package in found)
    if recipe.apt:
        yield "apt", ", ".join(recipe.apt)
    if recipe.env:
        yield "env", ", ".join(name for name, _ in recipe.env)
    yield "files", str(len(recipe.files))
    yield from (("", file.path) for file in recipe.files[:MOST])
    if len(recipe.files) > MOST:
        yield "", f"and {len(recipe.files) - MOST} more"
