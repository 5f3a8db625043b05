"""How registries are spoken to, by the rules of a target: plain HTTP, certificates, mirrors; never by a guess."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from fairing.errors import ConfigError
from fairing.oci.connection import Settings
from fairing.oci.credentials import Beside, Credentials
from fairing.oci.reference import Reference
from fairing.spec import RegistryRule


def settings(rules: Sequence[RegistryRule], beside: Beside | None = None) -> Settings:
    """Return the settings of connections that these rules mean.

    Args:
        rules: How registries are spoken to.
        beside: Says who to be where neither these rules nor this machine do.

    Raises:
        ConfigError: A rule names a variable for a password, which is not set.

    Example:
        >>> settings([RegistryRule("registry.test:5000", insecure=True)]).plain
        ('registry.test:5000',)
    """
    return Settings(
        plain=tuple(rule.registry for rule in rules if rule.insecure),
        authorities={rule.registry: rule.ca for rule in rules if rule.ca},
        credentials={rule.registry: _who(rule) for rule in rules if rule.username and rule.password_env},
        beside=beside,
    )


def places(reference: Reference, rules: Sequence[RegistryRule]) -> list[Reference]:
    """Return where an image is looked for: in its registry's mirrors, then in its registry.

    Example:
        >>> from fairing.oci.reference import parse
        >>> rules = [RegistryRule("docker.io", mirror="registry.test/hub")]
        >>> [str(place) for place in places(parse("python:3.11-slim"), rules)]
        ['registry.test/hub/library/python:3.11-slim', 'docker.io/library/python:3.11-slim']
    """
    mirrors = [rule.mirror.rstrip("/") for rule in rules if rule.mirror and rule.registry == reference.registry]
    return [*(_mirrored(reference, mirror) for mirror in mirrors), reference]


def _who(rule: RegistryRule) -> Credentials:
    password = os.environ.get(str(rule.password_env))
    if not password:
        raise ConfigError(
            f"The password of {rule.registry} is not known here.",
            why=f"It is to be in the variable {rule.password_env}, which is not set.",
            fix=f"Set it in this process first: os.environ[{rule.password_env!r}] = getpass.getpass().",
        )
    return Credentials(str(rule.username), password)


def _mirrored(reference: Reference, mirror: str) -> Reference:
    registry, _, above = mirror.partition("/")
    repository = f"{above}/{reference.repository}" if above else reference.repository
    return replace(reference, registry=registry, repository=repository)
