"""Every option, once: its name, its type, what it means, and how text becomes it.

The verbs of ``fairing``, the magics, the command line, ``FAIRING_<OPTION>``, notebook metadata and TOML all take these,
with one spelling. A test holds the signatures of the verbs against this list.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, TypeAlias, TypedDict, TypeVar, cast
from urllib.parse import urlsplit

from fairing.edge import Edge
from fairing.errors import ConfigError
from fairing.image import Image, is_variable
from fairing.spec import Target

Texts: TypeAlias = "str | Sequence[str] | None"
"""How a person gives a list of texts: a list, or one text."""
Variables: TypeAlias = "str | Mapping[str, str] | Sequence[str] | None"
"""How a person gives environment variables: ``{"A": "3"}``, ``["A=3"]`` or ``"A=3"``."""
Dependencies: TypeAlias = Literal["installed", "resolved"]
Limits: TypeAlias = Literal["enforce", "best-effort"]
OnInterrupt: TypeAlias = Literal["detach", "cancel"]
F = TypeVar("F", bound=Callable[..., Any])


def _option(default: Any, about: str, *, shown: bool = True) -> Any:
    return field(default=default, metadata={"about": about}, repr=shown)


@dataclass(frozen=True, slots=True)
class Options:
    """How something is to be run; ``None`` leaves it to the target."""

    target: Target | str | None = _option(None, "where to run: local, or a target of your settings")
    deployer: str | None = _option(None, "the deployer, instead of the target's")
    builder: str | None = _option(None, "the builder, instead of the target's")
    repository: str | None = _option(None, "where images are pushed, such as registry.example.com/team/fairing")
    context: str | None = _option(None, "the cluster, as your kubeconfig names it")
    namespace: str | None = _option(None, "the namespace of the cluster")
    image: Image | str | None = _option(None, "the image to start from")
    platform: tuple[str, ...] | None = _option(None, "the image's platforms, such as linux/arm64; else linux/amd64")
    requirements: tuple[str, ...] | None = _option(None, "packages to install (a list), or a file that lists them")
    groups: tuple[str, ...] | None = _option(None, "dependency groups of pyproject.toml to install")
    dependencies: Dependencies | None = _option(
        None, "installed: this environment's own files; resolved: by uv, for the run's platform"
    )
    include: tuple[str, ...] | None = _option(None, "data files to take along, as globs")
    allow: tuple[str, ...] | None = _option(None, "names to take along although they look like credentials")
    secrets: tuple[str, ...] | None = _option(
        None, "environment variables whose values the run gets, kept out of sight"
    )
    env: tuple[tuple[str, str], ...] | None = _option(None, "environment variables of the run, NAME=VALUE", shown=False)
    name: str | None = _option(None, "a readable name for the run")
    workers: int | None = _option(None, "how many ranked processes")
    kind: str | None = _option(None, "the kind of workload")
    cpu: float | None = _option(None, "processors of each worker")
    memory: str | None = _option(None, "memory of each worker, such as 4Gi")
    gpus: int | None = _option(None, "GPUs of each worker")
    limits: Limits | None = _option(None, "what to do where cpu and memory cannot be limited")
    timeout: float | None = _option(None, "seconds until the run is stopped; 0: never")
    start_timeout: float | None = _option(None, "seconds that a run on a cluster may wait until it starts; 0: for ever")
    retries: int | None = _option(None, "how often a run that was killed or lost starts again")
    grace: float | None = _option(None, "seconds between asking a run to end and ending it")
    outputs: tuple[str, ...] | None = _option(None, "files of the working folder to bring back, as globs")
    artifacts: str | None = _option(
        None, "where a run on a cluster keeps what it leaves: s3://bucket/prefix, file:///mnt/volume, or oci"
    )
    log_limit: str | None = _option(None, "the largest value or display that comes through a pod's log, such as 4Mi")
    linger: float | None = _option(None, "seconds that a pod whose code has ended waits for what is unread")
    max_size: str | None = _option(None, "the largest global or argument that is taken along, such as 64Mi")
    on_interrupt: OnInterrupt | None = _option(None, "what Ctrl-C does to the run")
    trust: bool | None = _option(None, "load values of runs that were not started from here")
    trust_html: bool | None = _option(None, "show scripts in HTML that the run displays")
    dry_run: bool | None = _option(None, "print what would be built, and run nothing")

    def over(self, below: Options) -> Options:
        """Return these options, with those of ``below`` where these say nothing."""
        unsaid = {each.name: getattr(below, each.name) for each in fields(self) if getattr(self, each.name) is None}
        return replace(self, **unsaid)


class Given(TypedDict, total=False):
    """Options as keywords, for signatures that stand for one that spells them out."""

    target: Target | str | None
    deployer: str | None
    builder: str | None
    repository: str | None
    context: str | None
    namespace: str | None
    image: Image | str | None
    platform: Texts
    requirements: Texts
    groups: Texts
    dependencies: Dependencies | None
    include: Texts
    allow: Texts
    secrets: Texts
    env: Variables
    name: str | None
    workers: int | None
    kind: str | None
    cpu: float | None
    memory: str | int | None
    gpus: int | None
    limits: Limits | None
    timeout: float | None
    start_timeout: float | None
    retries: int | None
    grace: float | None
    outputs: Texts
    artifacts: str | None
    log_limit: str | int | None
    linger: float | None
    max_size: str | int | None
    on_interrupt: OnInterrupt | None
    trust: bool | None
    trust_html: bool | None
    dry_run: bool | None


NAMES = tuple(each.name for each in fields(Options))
ABOUT: Mapping[str, str] = {each.name: each.metadata["about"] for each in fields(Options)}

PLACES = ("repository", "context", "namespace")
"""Options that say where something is: builders and deployers find them in the target."""

LISTS = frozenset({"platform", "requirements", "groups", "include", "allow", "secrets", "outputs"})
NUMBERS: Mapping[str, type] = {
    "cpu": float,
    "timeout": float,
    "start_timeout": float,
    "grace": float,
    "linger": float,
    "workers": int,
    "gpus": int,
    "retries": int,
}
FLAGS = frozenset({"trust", "trust_html", "dry_run"})
CHOICES: Mapping[str, tuple[str, ...]] = {
    "dependencies": ("installed", "resolved"),
    "limits": ("enforce", "best-effort"),
    "on_interrupt": ("detach", "cancel"),
    "kind": ("auto", "job"),
}
_LEAST: Mapping[str, float] = {
    "workers": 1,
    "gpus": 0,
    "retries": 0,
    "timeout": 0,
    "start_timeout": 0,
    "grace": 0,
    "linger": 0,
    "cpu": 0,
}
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


def said(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a verb's caller said of its options, out of the verb's own ``locals()``."""
    return {name: given[name] for name in NAMES if given.get(name) is not None}


def image(settled: Options) -> Image:
    """Return the image that the options name."""
    named = settled.image if isinstance(settled.image, Image) else Image(settled.image or "")
    return named.platform(*settled.platform) if settled.platform else named


def verb(function: F) -> F:
    """Refuse an option that does not exist with the nearest one that does, where Python would only say no."""
    names = frozenset(inspect.signature(function).parameters)

    @functools.wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True  # IPython shows the person's own lines around a function that is called in place
        with Edge():
            if not names.issuperset(kwargs):
                _refuse(next(name for name in kwargs if name not in names), args[0] if args else None)
            return function(*args, **kwargs)

    checked.__doc__ = f"{inspect.cleandoc(function.__doc__ or '')}\n\nOptions:\n{_described()}"
    return cast(F, checked)


def _described() -> str:
    return "\n".join(f"    {name}: {about}." for name, about in ABOUT.items())


def _refuse(name: str, subject: Any) -> None:
    try:
        own = callable(subject) and name in inspect.signature(subject).parameters
    except ValueError:
        own = False
    called = getattr(subject, "__name__", "the function")
    raise ConfigError(
        f"There is no option {name!r}.",
        why=f"{name} is an argument of {called}." if own else "",
        fix=f"Write kwargs={{{name!r}: …}}." if own else nearest(name, NAMES),
    )


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
    found = re.fullmatch(r"([0-9]{1,30}(?:\.[0-9]{1,30})?)\s*([kmgt]?i?)b?", str(text).strip().lower())
    if not found or found[2] not in _UNITS:
        raise ConfigError(f"{text!r} is not a size.", fix="Write it like 500M, 4Gi or 1073741824.")
    return int(float(found[1]) * _UNITS[found[2]])


def _value(name: str, value: Any, where: str) -> Any:
    if name in LISTS:
        return _texts(name, value, where)
    if name == "env":
        return _environment(value, where)
    if name in NUMBERS:
        return _number(name, value, where)
    if name in FLAGS:
        return value if isinstance(value, bool) else _flag(name, value, where)
    if name in CHOICES and value not in CHOICES[name]:
        raise ConfigError(_place(f"{name}={value!r} is not possible", where), fix=f"Use {' or '.join(CHOICES[name])}.")
    if name in {"memory", "max_size", "log_limit"}:
        return _size(name, value, where)
    if name == "artifacts":
        return _store(_text(name, value, where), where)
    if (name, type(value)) in {("image", Image), ("target", Target)}:
        return value
    return _text(name, value, where)


def _text(name: str, value: Any, where: str) -> str:
    if not isinstance(value, str) or not value or not value.isprintable():
        raise ConfigError(_place(f"{name}={value!r} is not possible", where), fix=f"{name} is a text.")
    return value


def _texts(name: str, value: Any, where: str) -> tuple[str, ...]:
    given = [value] if isinstance(value, str | os.PathLike) else value
    if not isinstance(given, list | tuple | set | frozenset):
        raise ConfigError(_place(f"{name}={value!r} is not possible", where), fix=f"{name} is a list of texts.")
    ordered = sorted(given, key=str) if isinstance(given, set | frozenset) else given
    return tuple(_text(name, os.fspath(each) if isinstance(each, os.PathLike) else each, where) for each in ordered)


def _store(url: str, where: str) -> str:
    """Check where artifacts are kept: the address stands in objects that others read, so it holds no credentials."""
    try:
        parts = urlsplit(url)
        secret = bool(parts.password or parts.query)
    except ValueError:
        parts, secret = urlsplit(""), False
    if secret:
        raise ConfigError(
            _place("artifacts= holds more than an address", where),
            why="It stands where others may read it.",
            fix="Hand credentials over with secrets=[…]: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, for instance.",
        )
    if url != "oci" and not (parts.scheme and url.startswith(f"{parts.scheme}://") and (parts.netloc or parts.path)):
        raise ConfigError(
            _place(f"artifacts={url!r} is no place to keep things", where),
            fix="Write it like s3://bucket/prefix, file:///mnt/volume, or oci for the registry of repository=.",
        )
    return url


def _size(name: str, value: Any, where: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ConfigError(
            _place(f"{name}={value!r} is not possible", where), fix="Write it like 500M, 4Gi or 1073741824."
        )
    try:
        octets(value)
    except ConfigError as wrong:
        raise ConfigError(_place(f"{name}={value!r} is not possible", where), fix=wrong.fix) from None
    return str(value)


def _number(name: str, value: Any, where: str) -> float | int:
    try:
        number: float | int = NUMBERS[name](value)
        if isinstance(value, bool) or not math.isfinite(number) or number != float(value) or number < _LEAST[name]:
            raise ValueError(value)
    except (TypeError, ValueError, OverflowError):
        kind = "a whole number" if NUMBERS[name] is int else "a number"
        raise ConfigError(
            _place(f"{name}={value!r} is not possible", where), fix=f"{name} is {kind}, at least {_LEAST[name]:g}."
        ) from None
    return number


def _flag(name: str, value: Any, where: str) -> bool:
    text = value.lower() if isinstance(value, str) else None
    if text in {"1", "true", "yes", "on"}:
        return True
    if text in {"0", "false", "no", "off"}:
        return False
    raise ConfigError(_place(f"{name}={value!r} is not possible", where), fix="Use true or false.")


def _environment(value: Any, where: str) -> tuple[tuple[str, str], ...]:
    pairs = list(value.items()) if isinstance(value, Mapping) else value
    given = [pairs] if isinstance(pairs, str) else pairs
    if not isinstance(given, list | tuple):
        raise ConfigError(_place(f"env={value!r} is not possible", where), fix="Write NAME=VALUE.")
    return tuple(_variable(pair, where) for pair in given)


def _variable(pair: Any, where: str) -> tuple[str, str]:
    parts = (
        tuple(pair.split("=", 1)) if isinstance(pair, str) else tuple(pair) if isinstance(pair, list | tuple) else ()
    )
    if len(parts) != 2 or not isinstance(parts[0], str) or not isinstance(parts[1], str | int | float):
        raise ConfigError(_place(f"env={pair!r} is not possible", where), fix="Write NAME=VALUE.")
    name, text = parts[0], str(parts[1])
    if not is_variable(name, text):
        raise ConfigError(_place(f"env={pair!r} is not possible", where), fix="Write NAME=VALUE.")
    return name, text


def _place(what: str, where: str) -> str:
    return f"{what} ({where})." if where else f"{what}."
