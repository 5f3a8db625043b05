"""What a person writes who runs code on Kubernetes without us: the ``kubernetes`` package, a watch and a log.

Each makes its objects over a connection that is open already, prints what comes, and then removes what it made. The
pods are as restricted as ours.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from kubernetes import client, config, watch

_POD = {
    "restartPolicy": "Never",
    "automountServiceAccountToken": False,
    "securityContext": {
        "runAsNonRoot": True,
        "runAsUser": 1000,
        "runAsGroup": 1000,
        "fsGroup": 1000,
        "seccompProfile": {"type": "RuntimeDefault"},
    },
}
_SECURITY = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


class ByHand:
    """A namespace, and the image of its pods."""

    def __init__(self, context: str, namespace: str, image: str) -> None:
        api = config.new_client_from_config(context=context)
        self._core, self._batch = client.CoreV1Api(api), client.BatchV1Api(api)
        self._namespace = namespace
        self._image = image

    def job(self, code: str) -> None:
        """Run code as a Job that mounts it from a ConfigMap, and a Secret beside it."""
        name = f"by-hand-{uuid4().hex[:8]}"
        self._core.create_namespaced_secret(
            self._namespace, {"metadata": {"name": name}, "stringData": {"token": uuid4().hex}}
        )
        self._core.create_namespaced_config_map(
            self._namespace, {"metadata": {"name": name}, "data": {"main.py": code}}
        )
        mounts = [{"name": "code", "mountPath": "/code"}, {"name": "secret", "mountPath": "/secret"}]
        volumes = [
            {"name": "code", "configMap": {"name": name}},
            {"name": "secret", "secret": {"secretName": name}},
        ]
        pod = self._pod(["python", "/code/main.py"], mounts, volumes)
        self._batch.create_namespaced_job(
            self._namespace, {"metadata": {"name": name}, "spec": {"backoffLimit": 0, "template": {"spec": pod}}}
        )
        self._follow(f"job-name={name}")
        self._batch.delete_namespaced_job(name, self._namespace, propagation_policy="Background")
        self._core.delete_namespaced_config_map(name, self._namespace)
        self._core.delete_namespaced_secret(name, self._namespace)

    def pod(self, code: str) -> None:
        """Run code as a bare pod, without any volume."""
        name = f"by-hand-{uuid4().hex[:8]}"
        pod = self._pod(["python", "-c", code], [], [])
        self._core.create_namespaced_pod(
            self._namespace, {"metadata": {"name": name, "labels": {"job-name": name}}, "spec": pod}
        )
        self._follow(f"job-name={name}")
        self._core.delete_namespaced_pod(name, self._namespace, grace_period_seconds=0)

    def _pod(self, command: list[str], mounts: list[Any], volumes: list[Any]) -> dict[str, Any]:
        container = {"name": "main", "image": self._image, "command": command, "securityContext": _SECURITY}
        return {**_POD, "containers": [{**container, "volumeMounts": mounts}], "volumes": volumes}

    def _follow(self, selector: str) -> None:
        watching = watch.Watch()
        for event in watching.stream(self._core.list_namespaced_pod, self._namespace, label_selector=selector):
            pod = event["object"]
            if pod.status.phase in {"Running", "Succeeded", "Failed"}:
                watching.stop()
        log = self._core.read_namespaced_pod_log(
            pod.metadata.name, self._namespace, follow=True, _preload_content=False
        )
        for data in log.stream():
            print(data.decode(), end="", flush=True)
        log.close()
