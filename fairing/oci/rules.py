"""How registries are spoken to, by the rules of a target: plain HTTP, certificates, mirrors; never by a guess."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fairing.oci.connection import Settings
from fairing.oci.reference import Reference
from fairing.spec import RegistryRule


def settings(rules: Sequence[RegistryRule]) -> Settings:
    """Return the settings of connections that these rules mean.

    Example:
        >>> settings([RegistryRule("registry.test:5000", insecure=True)]).plain
        ('registry.test:5000',)
    """
    return Settings(
        plain=tuple(rule.registry for rule in rules if rule.insecure),
        authorities={rule.registry: rule.ca for rule in rules if rule.ca},
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


def _mirrored(reference: Reference, mirror: str) -> Reference:
    registry, _, above = mirror.partition("/")
    repository = f"{above}/{reference.repository}" if above else reference.repository
    return replace(reference, registry=registry, repository=repository)
