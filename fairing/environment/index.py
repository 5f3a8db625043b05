"""The distributions on ``sys.path``: read once, kept on disk, read again only where a folder changed."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import re
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from fairing import state


@dataclass(frozen=True)
class Distribution:
    """An installed distribution.

    Args:
        name: Its name in canonical form: lower case, hyphens.
        version: Its version, as its metadata has it.
        site: The entry of ``sys.path`` it lies in.
        info: Its ``.dist-info`` or ``.egg-info``.
        requires: Its requirements, as PEP 508 text.
        tops: The top-level modules it has files for.
        editable: The project's folder, where the distribution is a link to one.
        installer: What installed it: ``"pip"``, ``"uv"``, ``"conda"``.
        origin: The address it was installed from, where that was no index.
    """

    name: str
    version: str
    site: str
    info: str
    requires: tuple[str, ...] = ()
    tops: tuple[str, ...] = ()
    editable: str | None = None
    installer: str = ""
    origin: str = ""


def distributions() -> dict[str, Distribution]:
    """Return what is installed, by canonical name; where a name is there twice, the first on ``sys.path``."""
    found: dict[str, Distribution] = {}
    for site in _sites():
        for each in site:
            found.setdefault(each.name, each)
    return found


def by_module() -> dict[str, tuple[Distribution, ...]]:
    """Return the distributions that have files for each top-level module."""
    return _by_module(tuple(_sites()))


def canonical(name: str) -> str:
    """Return a name as PEP 503 compares names.

    Example:
        >>> canonical("Ruamel.YAML_clib")
        'ruamel-yaml-clib'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def cache(name: str) -> Path:
    """Return a file that keeps what was found out about this environment, from one process to the next."""
    key = hashlib.sha256(f"2\0{name}\0{sys.version}\0{sys.prefix}".encode()).hexdigest()[:24]
    return state.cache() / f"{key}.json"


def load(file: Path) -> dict[str, Any]:
    """Return what a file of the cache keeps; nothing, where it is not there or is broken."""
    with contextlib.suppress(OSError, ValueError):
        kept = json.loads(file.read_bytes())
        if isinstance(kept, dict):
            return kept
    return {}


def save(file: Path, what: dict[str, Any]) -> None:
    """Keep something in the cache; a cache that cannot be written is no reason to fail."""
    with contextlib.suppress(OSError), state.replacing(file) as part:
        part.write_text(json.dumps(what, separators=(",", ":")), encoding="utf-8")


_INFO = (".dist-info", ".egg-info")
"""What ends the name of a distribution's metadata; one that begins with ``~`` is what pip did not get removed."""


def _sites() -> list[tuple[Distribution, ...]]:
    sites = []
    for entry in dict.fromkeys(os.path.abspath(entry) for entry in sys.path):
        with contextlib.suppress(OSError):
            found = _scan(entry, os.stat(entry).st_mtime_ns)
            if found:
                sites.append(found)
    return sites


@functools.lru_cache(maxsize=8)
def _by_module(sites: tuple[tuple[Distribution, ...], ...]) -> dict[str, tuple[Distribution, ...]]:
    found: dict[str, tuple[Distribution, ...]] = {}
    seen = set()
    for each in (each for site in sites for each in site):
        if each.name not in seen:
            seen.add(each.name)
            for top in each.tops:
                found[top] = (*found.get(top, ()), each)
    return found


@functools.lru_cache(maxsize=64)
def _scan(site: str, mtime: int) -> tuple[Distribution, ...]:
    """Return the distributions of one folder; a folder's time changes when one is added, replaced or removed."""
    try:
        names = sorted(name for name in os.listdir(site) if name.endswith(_INFO) and name[0] != "~")
    except OSError:
        return ()
    if not names:
        return ()
    file = cache(f"site {site}")
    kept = load(file)
    if kept.get("mtime") != mtime:
        kept = {"mtime": mtime, "found": _read_all(site, names, kept.get("found", {}))}
        save(file, kept)
    return tuple(
        Distribution(**{**fields, "requires": tuple(fields["requires"]), "tops": tuple(fields["tops"])})
        for _, fields in kept["found"].values()
        if fields
    )


def _read_all(site: str, names: list[str], kept: dict[str, Any]) -> dict[str, Any]:
    found = {}
    for name in names:
        with contextlib.suppress(OSError):
            mtime = os.stat(os.path.join(site, name)).st_mtime_ns
            if name in kept and kept[name][0] == mtime:
                found[name] = kept[name]
            else:
                each = _read(Path(site, name))
                found[name] = [mtime, each and asdict(each)]
    return found


def _read(info: Path) -> Distribution | None:
    """Read one distribution's metadata; ``None`` where it is broken."""
    egg = info.suffix == ".egg-info"
    headers = _headers(info if info.is_file() else info / ("PKG-INFO" if egg else "METADATA"))
    if "name" not in headers or "version" not in headers:
        return None
    requires = headers.get("requires-dist", [])
    if egg and not requires:
        requires = _egg_requires(_text(info / "requires.txt"))
    return Distribution(
        canonical(headers["name"][0]),
        headers["version"][0],
        str(info.parent),
        str(info),
        tuple(requires),
        _tops(info),
        _editable(info, egg),
        _text(info / "INSTALLER").strip(),
        "" if egg else _origin(info)[0],
    )


def _headers(file: Path) -> dict[str, list[str]]:
    """Return the header fields of a METADATA file; its body, a README of any length, is not looked at."""
    with file.open("rb") as opened:
        data = b""
        while piece := opened.read(1 << 14):
            data += piece.replace(b"\r\n", b"\n")
            if b"\n\n" in data:
                break
    text = data.partition(b"\n\n")[0].decode("utf-8", "replace")
    found: dict[str, list[str]] = {}
    for line in re.sub(r"\n[ \t]+", " ", text).split("\n"):
        field, _, value = line.partition(":")
        found.setdefault(field.strip().lower(), []).append(value.strip())
    return found


def _tops(info: Path) -> tuple[str, ...]:
    record = _text(info / "RECORD") or _text(info / "installed-files.txt").replace("../", "")
    found = set()
    for path in record.split("\n"):
        top, slash, _ = path.partition("/")
        if not slash:
            name, dot, suffix = top.partition(".")
            found.add(name if dot and suffix.partition(",")[0].endswith(("py", "so", "pyd")) else "")
        else:
            found.add(top.lstrip('"'))
    if not record:
        found.update(_text(info / "top_level.txt").split())
    return tuple(sorted(top for top in found if top.isidentifier() and top != "__pycache__"))


def _editable(info: Path, egg: bool) -> str | None:
    """Return the project's folder behind an editable install (PEP 610; or an ``egg-info`` inside of a project)."""
    if egg:
        return None if info.parent.name in {"site-packages", "dist-packages"} else str(info.parent)
    url, editable = _origin(info)
    if not editable:
        return None
    if os.name != "nt":
        return unquote(urlsplit(url).path)
    from urllib.request import url2pathname  # brings http and ssl with it, where a path is a URL's own

    return url2pathname(urlsplit(url).path)


def _origin(info: Path) -> tuple[str, bool]:
    """Return the address a distribution was installed from, and whether it is a link to a folder there (PEP 610)."""
    with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
        origin = json.loads(_text(info / "direct_url.json") or "{}")
        return str(origin["url"]), bool(origin.get("dir_info", {}).get("editable"))
    return "", False


def _egg_requires(text: str) -> list[str]:
    """Translate setuptools' ``requires.txt``, whose sections are ``[extra:marker]``, to PEP 508."""
    found, marker = [], ""
    for line in (line.strip() for line in text.split("\n")):
        if line.startswith("["):
            extra, _, condition = line.strip("[]").partition(":")
            parts = [f"({condition})"] if condition else []
            marker = " and ".join([*parts, f'extra == "{extra}"'] if extra else parts)
        elif line:
            found.append(f"{line}; {marker}" if marker else line)
    return found


def _text(file: Path) -> str:
    with contextlib.suppress(OSError):
        return file.read_text(encoding="utf-8", errors="replace")
    return ""
