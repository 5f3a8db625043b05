"""Who to be to a registry where this machine does not say: what the pull secrets of a target's namespace hold."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from fairing.errors import FairingError
from fairing.kube import connection, pull_secrets
from fairing.oci.credentials import Credentials, within
from fairing.spec import Target


@dataclass(frozen=True)
class Granted:
    """Looks in a namespace, when a registry wants to know.

    Args:
        context: The cluster.
        namespace: The namespace.
    """

    context: str | None
    namespace: str | None

    def __call__(self, registry: str, repository: str) -> Credentials | None:
        """Return what a Secret of the namespace holds for a registry; nothing, where none does or may be read."""
        with suppress(FairingError):
            reached = connection.connect(self.context, self.namespace)
            for each in pull_secrets.for_registry(pull_secrets.found(reached), registry):
                if who := within(each.auths, registry, repository):
                    return who
        return None


def by(target: Target) -> Granted:
    """Return what looks in a target's namespace."""
    return Granted(target.option("context"), target.option("namespace"))
