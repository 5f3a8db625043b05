"""Who you are to a registry: as given, or as ``docker login`` and ``podman login`` left it. Nothing is ever written."""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

from fairing.errors import RegistryError


@dataclass(frozen=True)
class Credentials:
    """A name and a password, or an identity token; never shown, and never pickled.

    Args:
        username: The name; ``"<token>"`` for an identity token in Docker's way.
        password: The password, or an access token that takes its place.
        identity: An identity token (a refresh token of OAuth 2).

    Example:
        >>> Credentials("me", "secret")
        Credentials(username='me')
    """

    username: str = ""
    password: str = field(default="", repr=False)
    identity: str = field(default="", repr=False)

    def __reduce__(self) -> NoReturn:
        raise TypeError("credentials of a registry are not pickled")


Beside: TypeAlias = "Callable[[str, str], Credentials | None]"
"""Says who to be to a registry, for a repository of it, where this machine does not say."""


def find(
    registry: str,
    repository: str = "",
    given: Mapping[str, Credentials] | None = None,
    environ: Mapping[str, str] | None = None,
    beside: Beside | None = None,
) -> Credentials | None:
    """Return who to be to a registry, or None for nobody.

    What is given comes first, then the file that ``REGISTRY_AUTH_FILE`` names, Docker's configuration with its
    credential helpers, podman's ``auth.json``, and what is known beside this machine.

    Args:
        registry: The registry's name, as in an image's name.
        repository: Where in it; podman may know credentials for a part of a registry alone.
        given: Credentials by registry.
        environ: The environment; this process's own where none is given.
        beside: What is asked last, such as the pull secrets of a namespace.

    Raises:
        RegistryError: A file is broken, or a credential helper fails.
    """
    if given and registry in given:
        return given[registry]
    environ = os.environ if environ is None else environ
    for file in _files(environ):
        found = _stored(file, registry, repository, environ)
        if found is not None:
            return found
    return beside(registry, repository) if beside else None


def within(auths: Mapping[str, Any], registry: str, repository: str = "") -> Credentials | None:
    """Return who to be by the ``auths`` of a configuration of Docker's, as Kubernetes keeps them; None for nobody.

    Args:
        auths: What was kept, by registry.
        registry: The registry's name.
        repository: Where in it.
    """
    from docker import auth
    from docker.errors import DockerException

    try:
        whole = {key: _whole(entry) for key, entry in auths.items()}
        return _chosen(auth.AuthConfig({"auths": auth.parse_auth(whole, True)}), registry, repository)
    except (DockerException, ValueError, TypeError):  # it is somebody else's, and may be broken
        return None


def _whole(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return an entry as Docker writes it: Kubernetes reads a name and a password as well, where they stand alone."""
    if entry.get("auth") or not entry.get("username"):
        return dict(entry)
    joined = f"{entry['username']}:{entry.get('password', '')}"
    return {**entry, "auth": base64.b64encode(joined.encode()).decode()}


def _files(environ: Mapping[str, str]) -> list[Path]:
    """Return the files that hold credentials and are there; ``docker`` is not imported when there are none."""
    home = Path(environ.get("HOME") or environ.get("USERPROFILE") or Path.home())
    docker = Path(environ.get("DOCKER_CONFIG") or home / ".docker") / "config.json"
    named = environ.get("REGISTRY_AUTH_FILE")
    runtime = environ.get("XDG_RUNTIME_DIR")
    places = [
        *([Path(named)] if named else []),
        docker,
        *([Path(runtime) / "containers" / "auth.json"] if runtime else []),
        Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "containers" / "auth.json",
    ]
    return [place for place in places if place.is_file()]


def _stored(file: Path, registry: str, repository: str, environ: Mapping[str, str]) -> Credentials | None:
    from docker import auth
    from docker.errors import DockerException

    try:
        config = auth.load_config(config_path=str(file), credstore_env=dict(environ))
        helper = config.get_credential_store(registry)
        if helper and not shutil.which(f"docker-credential-{helper}"):
            raise _failed(file, registry, f"docker-credential-{helper} is named there and is not installed")
        return _chosen(config, registry, repository)
    except (DockerException, OSError, ValueError) as wrong:
        # What it says may quote the file, and the file's secrets.
        failed = isinstance(wrong, DockerException) and not isinstance(wrong, ValueError)
        why = "A credential helper fails" if failed else f"It is broken ({type(wrong).__name__})"
        raise _failed(file, registry, why) from None


def _chosen(config: Any, registry: str, repository: str) -> Credentials | None:
    for key in _keys(registry, repository):
        if config.auths.get(key):
            return _made(config.auths[key])
    # A key such as registry/team is podman's, and Docker's own reading would take it for the whole registry.
    for key in [key for key in config.auths if _is_partial(key)]:
        del config.auths[key]
    return _made(config.resolve_authconfig(registry))


def _failed(file: Path, registry: str, why: str) -> RegistryError:
    what = f"The credentials for {registry} cannot be read from {file}."
    return RegistryError(what, why=f"{why}.", fix=f"Log in again: docker login {registry}.")


def _keys(registry: str, repository: str) -> list[str]:
    """Return what credentials may be filed under in podman's way, the narrowest first."""
    parts = [part for part in repository.split("/") if part]
    return [f"{registry}/{'/'.join(parts[:length])}" for length in range(len(parts), 0, -1)]


def _is_partial(key: str) -> bool:
    return "://" not in key and "/" in key.rstrip("/") and not key.rstrip("/").endswith(("/v1", "/v2"))


def _made(entry: Mapping[str, Any] | None) -> Credentials | None:
    """Return credentials as ``docker.auth`` gives them: small letters from files, capitals from helpers."""
    entry = {name.lower(): value for name, value in (entry or {}).items() if value}
    if entry.get("identitytoken"):
        return Credentials(identity=entry["identitytoken"])
    if entry.get("username") == "<token>":
        return Credentials(identity=entry.get("password", ""))
    if entry.get("username"):
        return Credentials(entry["username"], entry.get("password", ""))
    return None
