"""A real admission webhook on this machine, which changes the pods of one namespace as a mesh or Kubeflow would."""

from __future__ import annotations

import base64
import copy
import json
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

NODE = "10.97.0.1"
Pod = dict[str, Any]


@contextmanager
def webhook(api: Any, namespace: str, folder: Path, change: Callable[[Pod], object]) -> Iterator[None]:
    """Let ``change`` have every pod that is made in a namespace, until it is left."""
    from kubernetes import client

    certificate = _certificate(folder)
    with _serving(certificate, change) as port:
        hooks = client.AdmissionregistrationV1Api(api)
        hooks.create_mutating_webhook_configuration(_configuration(namespace, certificate.read_bytes(), port))
        try:
            _await(client.CoreV1Api(api), namespace)
            yield
        finally:
            hooks.delete_mutating_webhook_configuration(namespace)


def _configuration(namespace: str, authority: bytes, port: int) -> dict[str, Any]:
    return {
        "metadata": {"name": namespace},
        "webhooks": [
            {
                "name": "sidecars.fairing.test",
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "timeoutSeconds": 10,
                "failurePolicy": "Fail",
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}],
                "clientConfig": {
                    "url": f"https://{NODE}:{port}/",
                    "caBundle": base64.b64encode(authority).decode(),
                },
            }
        ],
    }


def _await(core: Any, namespace: str) -> None:
    """Wait until the API server asks: it notices a new webhook a moment after it is made."""
    container = {"name": "one", "image": "none", "securityContext": SECURED}
    spec = {"containers": [container], "securityContext": POD_SECURED}
    pod = {"metadata": {"name": "asks"}, "spec": spec}
    end = time.monotonic() + 60
    while _MARK not in (core.create_namespaced_pod(namespace, pod, dry_run="All").metadata.annotations or {}):
        assert time.monotonic() < end, "the webhook is not asked"


_MARK = "fairing.test/asked"
SECURED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
POD_SECURED = {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}}


@contextmanager
def _serving(certificate: Path, change: Callable[[Pod], object]) -> Iterator[int]:
    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["request"]
            answer = {
                "apiVersion": "admission.k8s.io/v1",
                "kind": "AdmissionReview",
                "response": {"uid": asked["uid"], "allowed": True, "patchType": "JSONPatch", "patch": _patch(asked)},
            }
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    def _patch(asked: dict[str, Any]) -> str:
        pod = copy.deepcopy(asked["object"])
        change(pod)
        pod["metadata"].setdefault("annotations", {})[_MARK] = "yes"
        parts = [("/spec", pod["spec"]), ("/metadata/annotations", pod["metadata"]["annotations"])]
        changes = [{"op": "add", "path": path, "value": value} for path, value in parts]
        return base64.b64encode(json.dumps(changes).encode()).decode()

    server = ThreadingHTTPServer((NODE, 0), Answers)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        serving.join()


def _certificate(folder: Path) -> Path:
    """Make a certificate that is its own authority, with its key in the same file."""
    file, key = folder / "webhook.pem", folder / "webhook.key"
    ask = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=webhook -addext"
    command = [*ask.split(), f"subjectAltName=IP:{NODE}", "-keyout", key, "-out", file]
    subprocess.run(command, check=True, capture_output=True)
    file.write_bytes(file.read_bytes() + key.read_bytes())
    return file
