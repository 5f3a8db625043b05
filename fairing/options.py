"""Every option, once: its name, its type, what it means, and how text becomes it.

The verbs of ``fairing``, the magics, the command line, ``FAIRING_<OPTION>``, notebook metadata and TOML all take these,
with one spelling. A test holds the signatures of the verbs against this list.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from fairing.errors import ConfigError
from fairing.spec import Image


def _option(default: Any, about: str) -> Any:
    return field(default=default, metadata={"about": about})


@dataclass(frozen=True, slots=True)
class Options:
    """How something is to be run; ``None`` leaves it to the target."""

    target: str | None = _option(None, "where to run: local, or a target of your settings")
    deployer: str | None = _option(None, "the deployer, instead of the target's")
    builder: str | None = _option(None, "the builder, instead of the target's")
    image: Image | str | None = _option(None, "the image to start from")
    requirements: tuple[str, ...] | None = _option(None, "packages to install (a list), or a file that lists them")
    groups: tuple[str, ...] | None = _option(None, "dependency groups of pyproject.toml to install")
    dependencies: Literal["installed", "resolved"] | None = _option(
        None, "installed: this environment's own files; resolved: by uv, for the run's platform"
    )
    include: tuple[str, ...] | None = _option(None, "data files to take along, as globs")
    allow: tuple[str, ...] | None = _option(None, "names to take along although they look like credentials")
    secrets: tuple[str, ...] | None = _option(
        None, "environment variables whose values the run gets, kept out of sight"
    )
    env: tuple[tuple[str, str], ...] | None = _option(None, "environment variables of the run, NAME=VALUE")
    name: str | None = _option(None, "a readable name for the run")
    workers: int | None = _option(None, "how many ranked processes")
    kind: str | None = _option(None, "the kind of workload")
    cpu: float | None = _option(None, "processors of each worker")
    memory: str | None = _option(None, "memory of each worker, such as 4Gi")
    gpus: int | None = _option(None, "GPUs of each worker")
    limits: Literal["enforce", "best-effort"] | None = _option(
        None, "what to do where cpu and memory cannot be limited"
    )
    timeout: float | None = _option(None, "seconds until the run is stopped")
    retries: int | None = _option(None, "how often a run that was killed or lost starts again")
    grace: float | None = _option(None, "seconds between asking a run to end and ending it")
    outputs: tuple[str, ...] | None = _option(None, "files of the working folder to bring back, as globs")
    max_size: str | None = _option(None, "the largest global or argument that is taken along, such as 64Mi")
    on_interrupt: Literal["detach", "cancel"] | None = _option(None, "what Ctrl-C does to the run")
    trust: bool | None = _option(None, "load values of runs that were not started from here")
    trust_html: bool | None = _option(None, "show scripts in HTML that the run displays")

    def over(self, below: Options) -> Options:
        """Return these options, with those of ``below`` where these say nothing."""
        unsaid = {each.name: getattr(below, each.name) for each in fields(self) if getattr(self, each.name) is None}
        return replace(self, **unsaid)


NAMES = tuple(each.name for each in fields(Options))
ABOUT: Mapping[str, str] = {each.name: each.metadata["about"] for each in fields(Options)}

_LISTS = frozenset({"requirements", "groups", "include", "allow", "secrets", "outputs"})
_NUMBERS: Mapping[str, type] = {
    "cpu": float,
    "timeout": float,
    "grace": float,
    "workers": int,
    "gpus": int,
    "retries": int,
}
_FLAGS = frozenset({"trust", "trust_html"})
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "dependencies": ("installed", "resolved"),
    "limits": ("enforce", "best-effort"),
    "on_interrupt": ("detach", "cancel"),
}
_LEAST: Mapping[str, float] = {"workers": 1, "gpus": 0, "retries": 0, "timeout": 0, "grace": 0, "cpu": 0}
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}


def options(given: Mapping[str, Any], where: str = "") -> Options:
    """Return options out of names and values, as Python values or as text.

    Args:
        given: Options by name; ``None`` says nothing.
        where: Where they were given, for errors: ``"fairing.toml, line 3"``.

    Raises:
        ConfigError: A name is unknown, or a value is not of its option's kind.

    Example:
        >>> options({"workers": "2", "include": "data/*.csv"}).workers
        2
    """
    unknown = [name for name in given if name not in NAMES]
    if unknown:
        raise ConfigError(_place(f"There is no option {unknown[0]!r}", where), fix=nearest(unknown[0], NAMES))
    return Options(**{name: _value(name, value, where) for name, value in given.items() if value is not None})


def nearest(name: str, known: Sequence[str]) -> str:
    """Return a sentence with the known name that is nearest to a wrong one."""
    close = difflib.get_close_matches(name.replace("-", "_"), known, 1, 0.5)
    return f"Did you mean {close[0]!r}?" if close else f"Known: {', '.join(known)}."


def octets(text: str | int) -> int:
    """Return a size in bytes, as Kubernetes writes sizes.

    Raises:
        ConfigError: It is not a size.

    Example:
        >>> octets("4Gi"), octets("500M")
        (4294967296, 500000000)
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?i?)b?", str(text).strip().lower())
    if not found or found[2] not in _UNITS:
        raise ConfigError(f"{text!r} is not a size.", fix="Write it like 500M, 4Gi or 1073741824.")
    return int(float(found[1]) * _UNITS[found[2]])


def _value(name: str, value: Any, where: str) -> Any:
    if name in _LISTS:
        return (value,) if isinstance(value, str) else tuple(str(each) for each in value)
    if name == "env":
        return _environment(value, where)
    if name in _NUMBERS:
        return _number(name, value, where)
    if name in _FLAGS:
        return value if isinstance(value, bool) else _flag(name, str(value), where)
    if name in _CHOICES and value not in _CHOICES[name]:
        raise ConfigError(_place(f"{name}={value!r} is not possible", where), fix=f"Use {' or '.join(_CHOICES[name])}.")
    if name in {"memory", "max_size"}:
        octets(value)
        return str(value)
    return value


def _number(name: str, value: Any, where: str) -> float | int:
    try:
        number = _NUMBERS[name](value)
        if isinstance(value, bool) or number != float(value) or number < _LEAST[name]:
            raise ValueError(value)
    except (TypeError, ValueError) as wrong:
        kind = "a whole number" if _NUMBERS[name] is int else "a number"
        raise ConfigError(
            _place(f"{name}={value!r} is not possible", where), fix=f"{name} is {kind}, at least {_LEAST[name]:g}."
        ) from wrong
    return number  # type: ignore[no-any-return]


def _flag(name: str, text: str, where: str) -> bool:
    if text.lower() in {"1", "true", "yes", "on", ""}:
        return True
    if text.lower() in {"0", "false", "no", "off"}:
        return False
    raise ConfigError(_place(f"{name}={text!r} is not possible", where), fix="Use true or false.")


def _environment(value: Any, where: str) -> tuple[tuple[str, str], ...]:
    if isinstance(value, Mapping):
        return tuple((str(name), str(each)) for name, each in value.items())
    pairs = [value] if isinstance(value, str) else list(value)
    read = [tuple(pair.split("=", 1)) if isinstance(pair, str) else tuple(pair) for pair in pairs]
    for pair in read:
        if len(pair) != 2 or not pair[0]:
            raise ConfigError(_place(f"env={'='.join(pair)!r} is not possible", where), fix="Write NAME=VALUE.")
    return tuple((name, str(each)) for name, each in read)


def _place(what: str, where: str) -> str:
    return f"{what} ({where})." if where else f"{what}."
