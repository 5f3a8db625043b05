"""Single pods that the restricted profile admits, made and waited for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kubernetes import client
from kubernetes.stream import stream

from tests.cluster.fixtures import await_event

RESTRICTED = {
    "runAsNonRoot": True,
    "runAsUser": 1000,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def pod(image: str, *command: str, name: str = "pod", limits: dict[str, str] | None = None) -> dict[str, Any]:
    """A pod of one container that runs once."""
    container = {
        "name": "main",
        "image": image,
        "command": list(command),
        "securityContext": RESTRICTED,
        "resources": {"limits": limits or {}},
    }
    spec = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def started(api: Any, namespace: str, body: dict[str, Any]) -> Any:
    """Make a pod and return it when its container runs."""
    return _made(api, namespace, body, _runs)


def finished(api: Any, namespace: str, body: dict[str, Any]) -> Any:
    """Make a pod and return it when it has ended, well or not."""
    return _made(api, namespace, body, _has_ended)


def execute(api: Any, namespace: str, *command: str, name: str = "pod") -> str:
    """Run a command in a pod and return all that it said."""
    executing = client.CoreV1Api(api).connect_get_namespaced_pod_exec
    said = stream(executing, name, namespace, command=list(command), stdout=True, stderr=True, _preload_content=False)
    try:
        said.run_forever(timeout=60)
        return said.read_all()
    finally:
        said.sock.shutdown()  # close() does nothing when the server was first


def _runs(found: Any) -> bool:
    return any(one.state.running for one in found.status.container_statuses or ())


def _has_ended(found: Any) -> bool:
    return found.status.phase in {"Succeeded", "Failed"}


def _made(api: Any, namespace: str, body: dict[str, Any], right: Callable[[Any], object]) -> Any:
    core = client.CoreV1Api(api)
    core.create_namespaced_pod(namespace, body)
    selector = f"metadata.name={body['metadata']['name']}"
    return await_event(right, core.list_namespaced_pod, namespace, field_selector=selector)
