"""What an image is called: ``registry.test:5000/team/name:tag@sha256:…``, with Docker Hub's defaults."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from fairing.errors import ConfigError

HUB = "docker.io"

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_PART = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*\.?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{{1,5}})?")
_HUB_NAMES = {"docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"}
_HERE = {"localhost", "127.0.0.1", "[::1]"}


@dataclass(frozen=True)
class Reference:
    """An image's name, taken apart.

    Args:
        registry: The registry's name, with its port where it has one; Docker Hub is ``docker.io``.
        repository: Where in the registry: ``library/python``.
        tag: A tag, where one is named.
        digest: The digest of a manifest or an index, where one is named; it counts more than the tag.
    """

    registry: str
    repository: str
    tag: str | None = None
    digest: str | None = None

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.registry}/{self.repository}{tag}" + (f"@{self.digest}" if self.digest else "")

    @property
    def version(self) -> str:
        """What is asked of the registry: the digest, or else the tag."""
        return self.digest or self.tag or "latest"


def parse(text: str) -> Reference:
    """Take an image's name apart.

    Args:
        text: As people type it: ``python``, ``python:3.11-slim``, ``ghcr.io/team/name@sha256:…``.

    Raises:
        ConfigError: It is not an image's name.

    Example:
        >>> parse("python:3.11-slim")
        Reference(registry='docker.io', repository='library/python', tag='3.11-slim', digest=None)
        >>> str(parse("localhost:5000/team/name"))
        'localhost:5000/team/name:latest'
    """
    rest, _, digest = text.partition("@")
    registry, repository = _split(rest)
    repository, _, tag = repository.partition(":")
    if not _HOST.fullmatch(registry):
        raise _wrong(text, f"{registry!r} is not the name of a registry")
    if "@" in text and not _DIGEST.fullmatch(digest):
        raise _wrong(text, "What follows @ is not a digest such as sha256:3fa9…")
    if rest.endswith(":") or (tag and not _TAG.fullmatch(tag)):
        raise _wrong(text, f"{tag!r} is not a tag: letters, digits, '.', '_' and '-', at most 128")
    if not all(_PART.fullmatch(part) for part in repository.split("/")) or len(repository) > 255:
        raise _wrong(text, f"{repository!r} is not the name of a repository: small letters, digits, '.', '_', '-', '/'")
    if not tag and not digest:
        tag = "latest"
    return Reference(registry, repository, tag or None, digest or None)


def host(registry: str) -> str:
    """Return where a registry's API answers: its name, but for Docker Hub."""
    return "registry-1.docker.io" if registry == HUB else registry


def plain(host: str, named: Collection[str] = ()) -> bool:
    """Return whether a host is spoken to over plain HTTP: on this machine, or where somebody named it.

    Args:
        host: A host, with its port where it has one.
        named: Hosts for plain HTTP; without a port, for all its ports.

    Example:
        >>> plain("localhost:5000"), plain("registry.test:5000"), plain("registry.test:5000", ["registry.test"])
        (True, False, True)
    """
    host = host.lower()
    bare = re.sub(r":[0-9]+$", "", host)
    return bare in _HERE or bool({host, bare} & {name.lower() for name in named})


def check_digest(text: str) -> str:
    """Return a digest, if it is one: what a registry answers becomes part of addresses.

    Raises:
        ConfigError: It is none.
    """
    if not _DIGEST.fullmatch(text):
        raise ConfigError(
            f"{text!r} is not a digest.",
            why="It is no hash of SHA-256 or SHA-512, in hexadecimal.",
            fix="A digest looks like sha256:3fa9….",
        )
    return text


def _split(name: str) -> tuple[str, str]:
    """Part registry and repository as Docker does: a registry has a dot or a port, or is localhost."""
    first, slash, rest = name.partition("/")
    if not slash or not (set(".:[") & set(first) or first == "localhost" or first != first.lower()):
        first, rest = HUB, name
    if first.lower() in _HUB_NAMES:
        return HUB, rest if "/" in rest else f"library/{rest}"
    return first, rest


def _wrong(text: str, why: str) -> ConfigError:
    return ConfigError(
        f"{text!r} is not an image's name.", why=f"{why}.", fix="A name looks like registry.example.com/team/name:tag."
    )
