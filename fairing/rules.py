"""The noun of how a registry is spoken to, where that is not as usual."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RegistryRule:
    """How one registry is spoken to, where that is not by HTTPS and the system's certificates.

    Args:
        registry: Its name, as in an image's name; ``docker.io`` is Docker Hub.
        insecure: Whether it is spoken to over plain HTTP.
        ca: A file of certificates that are trusted for it, besides the system's.
        mirror: Where its images are looked for first: a registry, or a place in one.
        username: Who to be to it, before what this machine knows; its password is never written down.
        password_env: The variable of this process that has the password.
    """

    registry: str
    insecure: bool = False
    ca: str | None = None
    mirror: str | None = None
    username: str | None = None
    password_env: str | None = None
