"""The pod that this process runs in, where it is one, such as a notebook on Kubeflow: asked of the cluster."""

from __future__ import annotations

import shutil
import socket
import sys
from pathlib import Path
from typing import Any

from fairing.errors import AccessError, DeployError
from fairing.kube import connection
from fairing.kube.connection import Connection

Base = tuple[str, str]
"""An image, and why that one."""


def image(reached: Connection) -> Base:
    """Return the image of this process's own pod: what is installed here is installed there.

    Args:
        reached: The way to the cluster.

    Returns:
        Its name with the digest that the node pulled, and why it is taken; no name, and why not, where it is not to be
        had; neither, where this is no pod of that cluster.
    """
    if reached.context != connection.IN_CLUSTER:
        return "", ""
    if not _is_its_python():
        return "", "since this kernel's Python is not the one of this pod's image"
    name = socket.gethostname()
    try:
        pod = reached.get(f"/api/v1/namespaces/{connection.own_namespace()}/pods/{name}")
    except (AccessError, DeployError) as unread:
        return "", f"since this pod's own image cannot be read ({unread.what.rstrip('.')})"
    container = _container(pod)
    return container, "the image of this pod" if container else ""


def _container(pod: dict[str, Any]) -> str:
    """Return the image of the container that this is: the notebook's, of those that a mesh or a PodDefault added."""
    containers = pod["spec"]["containers"]
    named = pod["metadata"].get("labels", {}).get("notebook-name")
    own = next((each for each in containers if each["name"] == named), None)
    own = own or next((each for each in containers if _prefixed(each)), None) or containers[0]
    ran = {each["name"]: each.get("imageID", "") for each in pod["status"].get("containerStatuses", ())}
    return pinned(str(own["image"]), ran.get(own["name"], ""))


def _prefixed(container: dict[str, Any]) -> bool:
    """Whether a container has the variable that Kubeflow gives a notebook's."""
    return any(each["name"] == "NB_PREFIX" for each in container.get("env", ()))


def pinned(image: str, ran: str) -> str:
    """Return an image's name with the digest of what was run, where the node says it.

    Example:
        >>> pinned("registry.test/lab:1", "registry.test/lab@sha256:4f2a")
        'registry.test/lab@sha256:4f2a'
    """
    if "@" in image or "@sha256:" not in ran:
        return image
    name, _, tag = image.rpartition(":")
    return f"{name if name and '/' not in tag else image}@{ran.rpartition('@')[2]}"


def _is_its_python() -> bool:
    """Whether this is the Python that a container of the same image starts: not one of a virtual environment."""
    found = shutil.which("python")
    return found is not None and Path(found).resolve() == Path(sys.executable).resolve()
