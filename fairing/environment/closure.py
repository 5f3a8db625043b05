"""All that distributions require, followed through extras and markers as an installer follows them."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from fairing.environment.index import Distribution, cache, canonical, distributions, load, save


class Need(NamedTuple):
    """A requirement of an installed distribution: of what, with which extras, and under which extras of its own."""

    name: str
    extras: tuple[str, ...]
    under: tuple[str, ...]
    """Extras that ask for it; ``""`` where it is always needed, nothing where this environment never needs it."""


class Closure(NamedTuple):
    """Distributions, and the required names that are not installed, each with who requires it."""

    found: tuple[Distribution, ...]
    absent: tuple[tuple[str, str], ...]


def closure(names: Iterable[str]) -> Closure:
    """Return the distributions of these names, and all that they require, sorted by name.

    Args:
        names: Names, with extras where those are wanted: ``"pandas[parquet]"``.
    """
    installed = distributions()
    found: dict[str, Distribution] = {}
    absent: dict[str, str] = {}
    done: dict[str, set[str]] = {}
    queue = [(*_split(name), "") for name in names]
    while queue:
        name, extras, by = queue.pop()
        each = installed.get(name)
        if each is None:
            absent.setdefault(name, by)
            continue
        found[name] = each
        fresh = ({"", *extras}) - done.setdefault(name, set())
        done[name] |= fresh
        if fresh:
            queue += [(need.name, need.extras, name) for need in needs(each) if fresh.intersection(need.under)]
    return Closure(tuple(found[name] for name in sorted(found)), tuple(sorted(absent.items())))


def needs(each: Distribution) -> tuple[Need, ...]:
    """Return what a distribution requires, in this environment."""
    return _needs(each.requires)


_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^\]]*)\])?([^;]*)(?:;(.*))?", re.DOTALL)
_EXTRA = re.compile(r"extra\s*[=!]=\s*['\"]([^'\"]+)['\"]")


def _split(name: str) -> tuple[str, tuple[str, ...]]:
    stem, _, extras = name.partition("[")
    return canonical(stem.strip()), tuple(canonical(extra.strip()) for extra in extras.strip("] ").split(",") if extra)


@functools.lru_cache(maxsize=4096)
def _needs(requires: tuple[str, ...]) -> tuple[Need, ...]:
    found = []
    markers = _Markers()
    for text in requires:
        match = _REQUIREMENT.match(text)
        if match:
            extras = tuple(canonical(extra.strip()) for extra in (match[2] or "").split(",") if extra.strip())
            found.append(Need(canonical(match[1]), extras, markers.under((match[4] or "").strip())))
    markers.keep()
    return tuple(found)


@functools.cache
def _known() -> dict[str, list[str]]:
    return load(cache("markers"))


class _Markers:
    """Which extras satisfy a marker; packaging, which takes longer to import than to ask, is asked once for each."""

    def __init__(self) -> None:
        self._known = _known()
        self._before = len(self._known)

    def under(self, marker: str) -> tuple[str, ...]:
        if not marker:
            return ("",)
        sole = _EXTRA.fullmatch(marker)
        if sole and "==" in marker:
            return (canonical(sole[1]),)
        if marker not in self._known:
            self._known[marker] = _evaluate(marker)
        return tuple(self._known[marker])

    def keep(self) -> None:
        if len(self._known) > self._before:
            save(cache("markers"), self._known)


def _evaluate(marker: str) -> list[str]:
    from packaging.markers import InvalidMarker, Marker

    try:
        parsed = Marker(marker)
    except InvalidMarker:
        return [""]  # what nobody can read might be needed
    mentioned = dict.fromkeys(_EXTRA.findall(marker))
    environments: dict[str, Mapping[str, str]] = {canonical(extra): {"extra": extra} for extra in ("", *mentioned)}
    return [extra for extra, environment in environments.items() if parsed.evaluate(dict(environment))]
