"""The image that a run starts from, as a person describes it: a value, built by methods."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from fairing.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Image:
    """The image to start from, and what is to be in it besides; each method returns another image.

    Args:
        base: A name, such as ``"python:3.11-slim"``; ``"host"`` is this machine's own interpreter, none what fits the
            target.
        requirements: Python packages, as PEP 508 text.
        debian: Debian packages.
        variables: Environment variables.
        platforms: What it is made for; none is what fits the target.

    Example:
        >>> Image("python:3.11-slim").pip("torch", "pandas>=2").env(DEPTH=8).requirements
        ('torch', 'pandas>=2')
    """

    base: str = ""
    requirements: tuple[str, ...] = ()
    debian: tuple[str, ...] = ()
    variables: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    platforms: tuple[str, ...] = ()

    def pip(self, *requirements: str) -> Image:
        """Add Python packages, as in ``requirements=``: ``"torch"``, ``"pandas>=2"``.

        Raises:
            ConfigError: A text is no requirement.
        """
        from packaging.requirements import InvalidRequirement, Requirement

        try:
            found = [str(Requirement(each)) for each in requirements]
        except (InvalidRequirement, TypeError) as wrong:
            raise ConfigError(
                "An image cannot have such a package.",
                why=f"{str(wrong).partition(chr(10))[0]}.",
                fix="Write each like 'torch' or 'pandas>=2'; files of requirements go into requirements=.",
            ) from None
        return replace(self, requirements=_with(self.requirements, found))

    def apt(self, *packages: str) -> Image:
        """Add Debian packages; what cannot install them says so before anything is made.

        Raises:
            ConfigError: A text is no package's name.
        """
        for each in packages:
            if not isinstance(each, str) or not re.fullmatch(r"[a-z0-9][a-z0-9+.-]+(?:=[A-Za-z0-9.+:~-]+)?", each):
                raise ConfigError(f"{each!r} is not the name of a Debian package.", fix="Write each like 'git'.")
        return replace(self, debian=tuple(sorted({*self.debian, *packages})))

    def platform(self, *platforms: str) -> Image:
        """Say what it is made for: ``"linux/arm64"``; of several an index is made, from which each node takes its own.

        Raises:
            ConfigError: A text is no platform.
        """
        for each in platforms:
            if not isinstance(each, str) or not re.fullmatch(r"[a-z0-9]+/[a-z0-9_]+(?:/[a-z0-9]+)?", each):
                raise ConfigError(f"{each!r} is not a platform.", fix="Write it like 'linux/arm64'.")
        return replace(self, platforms=_with((), platforms))

    def env(self, variables: Mapping[str, str] | None = None, /, **more: str | float) -> Image:
        """Set environment variables; one that is set already gets the new value.

        Raises:
            ConfigError: A name or a value cannot be that of a variable.
        """
        given = {**(variables or {}), **more}
        for name, value in given.items():
            if not is_variable(name, str(value)):
                raise ConfigError(f"{name!r} cannot be an environment variable.", fix="Write env(NAME='value').")
        merged = {**dict(self.variables), **{name: str(value) for name, value in given.items()}}
        return replace(self, variables=tuple(sorted(merged.items())))


def is_variable(name: str, value: str = "") -> bool:
    """Whether an environment variable may be so wherever it is: in a pod its name is ASCII, and its value is Unicode.

    Example:
        >>> is_variable("DEPTH", "8"), is_variable("A=B"), is_variable("A", chr(0))
        (True, False, False)
    """
    sound = "\0" not in value and not any("\ud800" <= letter <= "\udfff" for letter in value)
    return bool(name) and name.isascii() and name.isprintable() and "=" not in name and sound


def _with(before: tuple[str, ...], more: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*before, *more)))
