"""What captured code needs besides itself: the part of a bundle and of its report that is about packages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from fairing.capture import dependencies
from fairing.config.options import Options


class Needs(NamedTuple):
    """Fields of a ``Bundle``, and what its report says of them.

    Args:
        requires: Names of installed distributions.
        explicit: Stated requirements, as PEP 508 text.
        indexes: Where requirements files say that packages are.
        dependencies: Installed, resolved, or installed at the start.
        reasons: Every requirement, and why.
        left_out: What is imported or required and is not installed here.
    """

    requires: tuple[str, ...]
    explicit: tuple[str, ...]
    indexes: tuple[str, ...]
    dependencies: Literal["installed", "resolved", "start"]
    reasons: tuple[tuple[str, str], ...]
    left_out: tuple[tuple[str, str], ...]


def needs(
    imported: Mapping[str, str] | Iterable[str],
    said: Options,
    root: Path,
    installs: Sequence[str] = (),
    also: Mapping[str, str] | None = None,
) -> Needs:
    """Return what code needs.

    Args:
        imported: Dotted names of modules that are not local, each with the reason, or the names alone.
        said: The options: ``requirements``, ``groups``, ``dependencies``.
        root: The project's folder.
        installs: Requirements of cells that install packages.
        also: Distributions that are needed in any case, with the reasons.

    Raises:
        DependencyError: A stated requirement is none, or a file or a group of them is not there.

    Example:
        >>> needs(["cloudpickle"], Options(), Path()).requires
        ('cloudpickle',)
    """
    stated, indexes = _stated(said, root)
    reasons = imported if isinstance(imported, Mapping) else {name: f"import {name}" for name in sorted(imported)}
    found = tuple(sorted({**(also or {}), **dict(dependencies.find(reasons))}.items()))
    requires = tuple(name for name, _ in found)
    explicit = tuple(dict.fromkeys((*stated, *installs)))
    return Needs(
        requires=requires,
        explicit=explicit,
        indexes=indexes,
        dependencies=said.dependencies or "installed",
        reasons=(
            *found,
            *((text, "stated") for text in stated),
            *((text, "installed by a cell") for text in installs if text not in stated),
        ),
        left_out=(*_missing(reasons, explicit), *dependencies.absent(requires)),
    )


def _stated(said: Options, root: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the requirements that are stated, and their indexes; what reads them is imported for them alone."""
    if not said.requirements and not said.groups:
        return (), ()
    from fairing.capture import requirements

    return requirements.stated(said, root)


def _missing(reasons: Mapping[str, str], explicit: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Leave out what is stated under the module's own name: it will be there."""
    stated = {text.lower().replace("-", "_") for text in explicit}
    return tuple(
        (name, why)
        for name, why in dependencies.missing(reasons)
        if not any(text.startswith(name.lower()) for text in stated)
    )
