"""What an image says about itself, or else its files: which Python it has, and which C library; nothing is run."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from fairing.oci.config import PYTHON

MOST = 512 << 20
"""Bytes of layers that are read at most to find out what the configuration does not say."""


@dataclass(frozen=True)
class Facts:
    """What is known about an image; what is not is empty.

    Args:
        python: The version of the Python that its ``PATH`` finds first: ``"3.11.7"`` or ``"3.11"``.
        interpreter: What that is called there.
        libc: Its C library: ``"glibc 2.36"`` or ``"musl 1.2"``.
    """

    python: str = ""
    interpreter: str = "python"
    libc: str = ""

    @property
    def whole(self) -> bool:
        """Whether nothing more is to be found out."""
        return bool(self.python and self.libc)


def told(config: Mapping[str, Any]) -> Facts:
    """Return what an image's configuration says: official images name their Python, and most the system below.

    Example:
        >>> told({"config": {"Env": ["PYTHON_VERSION=3.11.9"]}, "history": [{"created_by": "# debian.sh 'bookworm'"}]})
        Facts(python='3.11.9', interpreter='python', libc='glibc 2.36')
    """
    settings = config.get("config") or {}
    labels = settings.get("Labels") or {}
    python = variables(settings).get("PYTHON_VERSION") or labels.get(PYTHON) or ""
    return Facts(python if re.match(r"3\.\d+", python) else "", libc=_libc(labels, config.get("history") or ()))


def found(facts: Facts, path: str, layers: Iterable[Iterable[bytes]]) -> Facts:
    """Return facts with what the files of layers tell beyond them, the lowest layer read first and no more than needed.

    Args:
        facts: What is known.
        path: The image's ``PATH``.
        layers: The bytes of each layer, gzipped; one that is packed otherwise tells nothing.
    """
    seen: dict[str, str] = {}
    left = MOST
    for layer in layers if not facts.whole else ():
        reader = _Pieces(layer, left)
        with suppress(tarfile.TarError, OSError, EOFError):
            facts = _read(reader, facts, seen)
        reader.close()
        left = reader.left
        facts = facts if facts.python else _interpreter(facts, path, seen)
        if facts.whole or left <= 0:
            break
    return facts


def variables(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the environment of a configuration by name."""
    return dict(each.partition("=")[::2] for each in settings.get("Env") or ())


_DEBIANS = {"buster": "2.28", "bullseye": "2.31", "bookworm": "2.36", "trixie": "2.41"}
_UBUNTUS = {"18.04": "2.27", "20.04": "2.31", "22.04": "2.35", "24.04": "2.39"}
_GLIBC = re.compile(r"(?:usr/)?lib(?:64)?/(?:[^/]+-linux-gnu[^/]*/)?(?:libc\.so\.6|libc-(\d+\.\d+)\.so)")
_MUSL = re.compile(r"(?:usr/)?lib/ld-musl-[^/]+\.so\.1")
_RELEASE = re.compile(rb"GNU C Library [^\n]{0,80}?release version (\d+\.\d+)")
_PYTHON = re.compile(r"(.*)/(python(?:3(?:\.\d+)?)?)")


def _libc(labels: Mapping[str, str], history: Iterable[Mapping[str, Any]]) -> str:
    for step in history:
        said = str(step.get("created_by", ""))
        if "alpine-minirootfs" in said:
            return "musl 1.2"
        if "debian.sh" in said:
            for name, version in _DEBIANS.items():
                if f"'{name}'" in said:
                    return f"glibc {version}"
    ubuntu = _UBUNTUS.get(str(labels.get("org.opencontainers.image.version")), "")
    named = labels.get("org.opencontainers.image.ref.name") == "ubuntu"
    return f"glibc {ubuntu}" if ubuntu and named else ""


def _read(reader: _Pieces, facts: Facts, seen: dict[str, str]) -> Facts:
    """Read one layer to its end, noting where links of Pythons lead."""
    from isal import igzip

    with tarfile.open(fileobj=igzip.IGzipFile(fileobj=io.BufferedReader(reader)), mode="r|") as tar:
        for entry in tar:
            name = entry.name.removeprefix("./").removeprefix("/")
            if _PYTHON.fullmatch(f"/{name}") and not entry.isdir():
                seen[f"/{name}"] = entry.linkname
            elif not facts.libc and _MUSL.fullmatch(name):
                facts = replace(facts, libc="musl 1.2")
            elif not facts.libc and (match := _GLIBC.fullmatch(name)):
                release = match[1] or _release(tar, entry)
                facts = replace(facts, libc=f"glibc {release}" if release else "")
    return facts


def _release(tar: tarfile.TarFile, entry: tarfile.TarInfo) -> str:
    if entry.issym():
        named = re.search(r"libc-(\d+\.\d+)\.so", entry.linkname)
        return named[1] if named else ""
    file = tar.extractfile(entry) if entry.isreg() and entry.size < 64 << 20 else None
    said = _RELEASE.search(file.read()) if file else None
    return said[1].decode() if said else ""


def _interpreter(facts: Facts, path: str, seen: Mapping[str, str]) -> Facts:
    """Choose the Python that a shell would find, by the first name that is there at all."""
    folders = [folder.rstrip("/") for folder in path.split(":")]
    for name in ("python", "python3"):
        for folder in folders:
            place = f"{folder}/{name}"
            if place in seen and (version := _version(place, seen)):
                return replace(facts, python=version, interpreter=name)
    return facts


def _version(place: str, seen: Mapping[str, str]) -> str:
    for _ in range(8):
        if named := re.search(r"python(3\.\d+)$", place):
            return named[1]
        target = seen.get(place)
        if not target:
            return ""
        place = _joined(place, target)
    return ""


def _joined(place: str, target: str) -> str:
    from posixpath import dirname, join, normpath

    return normpath(join(dirname(place), target))


class _Pieces(io.RawIOBase):
    """Pieces of bytes as a file, up to a number of them."""

    def __init__(self, pieces: Iterable[bytes], left: int) -> None:
        self._pieces: Iterator[bytes] = iter(pieces)
        self._held = b""
        self.left = left

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._held and self.left > 0:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._held = piece
        count = min(len(buffer), len(self._held))
        buffer[:count] = self._held[:count]
        self._held = self._held[count:]
        self.left -= count
        return count

    def close(self) -> None:
        if hasattr(self._pieces, "close"):
            self._pieces.close()
        super().close()
