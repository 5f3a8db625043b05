"""What else is there in a cluster: asked when the reason of something depends on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fairing.errors import AccessError, FairingError
from fairing.kube.connection import Connection, Refused

KINDS = {
    "Secret": "secrets",
    "ConfigMap": "configmaps",
    "volume claim": "persistentvolumeclaims",
    "service account": "serviceaccounts",
}
"""What a pod names in its namespace, as people call it, and as paths do."""


class Around:
    """Knows the cluster around a run.

    Args:
        reached: The way to it.
    """

    def __init__(self, reached: Connection) -> None:
        self._reached = reached
        self._nodes: Sequence[dict[str, Any]] | None = None

    def nodes(self) -> Sequence[dict[str, Any]]:
        """Return the cluster's nodes, asked for once; none, where they may not be listed."""
        if self._nodes is None:
            try:
                self._nodes = self._reached.get("/api/v1/nodes")["items"]
            except FairingError:
                self._nodes = ()
        return self._nodes

    def lacks(self, kind: str, name: str) -> bool | None:
        """Say whether a thing is not in the namespace; ``None``, where that may not be known.

        A node, a scheduler or an admission plugin that says so may not have heard of it yet: it was made a moment ago.
        """
        try:
            self._reached.get(f"/api/v1/namespaces/{self._reached.namespace}/{KINDS[kind]}/{name}")
        except Refused as refused:
            return True if refused.status == 404 else None
        except AccessError:
            return None
        return False
