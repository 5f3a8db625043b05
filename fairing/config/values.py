"""How a value of an option is read, as Python gives it or as text; a wrong one is refused with where it was given."""

from __future__ import annotations

import difflib
import math
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from fairing.errors import ConfigError
from fairing.image import is_variable

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
_SIZE = "Write it like 500M, 4Gi or 1073741824."


def wrong(name: str, value: Any, where: str, *, fix: str, why: str = "") -> ConfigError:
    """Return the error for a value that an option cannot have."""
    return ConfigError(place(f"{name}={value!r} is not possible", where), why=why, fix=fix)


def place(what: str, where: str) -> str:
    """Return a sentence with where something was given."""
    return f"{what} ({where})." if where else f"{what}."


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
        raise ConfigError(f"{text!r} is not a size.", fix=_SIZE)
    return int(float(found[1]) * _UNITS[found[2]])


def text(name: str, value: Any, where: str) -> str:
    """Read one line of text."""
    if not isinstance(value, str) or not value or not value.isprintable():
        raise wrong(name, value, where, fix=f"{name} is a text.")
    return value


def texts(name: str, value: Any, where: str) -> tuple[str, ...]:
    """Read a list of texts: a list, a set, or one text."""
    given = [value] if isinstance(value, str | os.PathLike) else value
    if not isinstance(given, list | tuple | set | frozenset):
        raise wrong(name, value, where, fix=f"{name} is a list of texts.")
    ordered = sorted(given, key=str) if isinstance(given, set | frozenset) else given
    return tuple(text(name, os.fspath(each) if isinstance(each, os.PathLike) else each, where) for each in ordered)


def size(name: str, value: Any, where: str) -> str:
    """Read a size, which stays as it was written."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise wrong(name, value, where, fix=_SIZE)
    try:
        octets(value)
    except ConfigError as refused:
        raise wrong(name, value, where, fix=refused.fix) from None
    return str(value)


def number(name: str, value: Any, where: str, kind: type, least: float) -> float | int:
    """Read a number of a kind, ``int`` or ``float``, that is not less than another."""
    try:
        read: float | int = kind(value)
        if isinstance(value, bool) or not math.isfinite(read) or read != float(value) or read < least:
            raise ValueError(value)
    except (TypeError, ValueError, OverflowError):
        called = "a whole number" if kind is int else "a number"
        raise wrong(name, value, where, fix=f"{name} is {called}, at least {least:g}.") from None
    return read


def flag(name: str, value: Any, where: str) -> bool:
    """Read true or false."""
    if isinstance(value, bool):
        return value
    said = value.lower() if isinstance(value, str) else None
    if said in {"1", "true", "yes", "on"}:
        return True
    if said in {"0", "false", "no", "off"}:
        return False
    raise wrong(name, value, where, fix="Use true or false.")


def pairs(name: str, value: Any, where: str, fix: str = "Write NAME=VALUE.") -> tuple[tuple[str, Any], ...]:
    """Read names and values: a mapping, ``["NAME=VALUE"]`` or one such text; what the values are is not asked here."""
    given = list(value.items()) if isinstance(value, Mapping) else [value] if isinstance(value, str) else value
    if not isinstance(given, list | tuple):
        raise wrong(name, value, where, fix=fix)
    found = []
    for each in given:
        parts = (
            tuple(each.split("=", 1))
            if isinstance(each, str)
            else tuple(each)
            if isinstance(each, list | tuple)
            else ()
        )
        if len(parts) != 2 or not isinstance(parts[0], str):
            raise wrong(name, each, where, fix=fix)
        found.append((parts[0], parts[1]))
    return tuple(found)


def variables(name: str, value: Any, where: str) -> tuple[tuple[str, str], ...]:
    """Read environment variables."""
    fix = "Write NAME=VALUE."
    found = []
    for variable, given in pairs(name, value, where, fix):
        said = str(given) if isinstance(given, str | int | float) else None
        if said is None or not is_variable(variable, said):
            raise wrong(name, (variable, given), where, fix=fix)
        found.append((variable, said))
    return tuple(found)


def store(name: str, value: Any, where: str) -> str:
    """Read where artifacts are kept: the address stands in objects that others read, so it holds no credentials."""
    url = text(name, value, where)
    try:
        parts = urlsplit(url)
        secret = bool(parts.password or parts.query)
    except ValueError:
        parts, secret = urlsplit(""), False
    if secret:
        raise ConfigError(
            place("artifacts= holds more than an address", where),
            why="It stands where others may read it.",
            fix="Hand credentials over with secrets=[…]: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, for instance.",
        )
    if url != "oci" and not (parts.scheme and url.startswith(f"{parts.scheme}://") and (parts.netloc or parts.path)):
        raise ConfigError(
            place(f"artifacts={url!r} is no place to keep things", where),
            fix="Write it like s3://bucket/prefix, file:///mnt/volume, or oci for the registry of repository=.",
        )
    return url
