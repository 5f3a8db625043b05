"""What hinders the runs of a namespace from outside of it: policies, webhooks, pods of a higher priority."""

import json
import ssl
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

from fairing.errors import FairingError
from tests.cluster import pods
from tests.kube.scenarios import seen
from tests.registry.servers import certificates, serving

_ADMISSION = "/apis/admissionregistration.k8s.io/v1"
_PODS = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}


@contextmanager
def refusing(place, words):
    """Let a policy refuse every pod of the namespace."""
    name = f"policy-{place.namespace}"
    there = {"matchLabels": {"kubernetes.io/metadata.name": place.namespace}}
    policy = {
        "matchConstraints": {"namespaceSelector": there, "resourceRules": [_PODS]},
        "validations": [{"expression": "false", "message": words}],
    }
    binding = {"policyName": name, "validationActions": ["Deny"]}
    made = {"validatingadmissionpolicies": policy, "validatingadmissionpolicybindings": binding}
    try:
        for kind, spec in made.items():
            place.post(f"{_ADMISSION}/{kind}", {"metadata": {"name": name}, "spec": spec})
        _await_refusal(place)
        yield
    finally:
        for kind in made:
            place.reached.delete(f"{_ADMISSION}/{kind}/{name}")


@contextmanager
def hooked(place, name, address, authority=b""):
    """Let a webhook decide over every pod of the namespace."""
    import base64

    path = f"{_ADMISSION}/validatingwebhookconfigurations"
    hook = {
        "name": name,
        "clientConfig": {"url": address, "caBundle": base64.b64encode(authority).decode()},
        "rules": [_PODS],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": place.namespace}},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": 2,
    }
    try:
        place.post(path, {"metadata": {"name": place.namespace}, "webhooks": [hook]})
        _await_refusal(place)
        yield
    finally:
        place.reached.delete(f"{path}/{place.namespace}")


@contextmanager
def webhook(folder, words):
    """Run a webhook on this machine that refuses everything; give its address, and the authority of its certificate."""
    keys = folder / "webhook"
    keys.mkdir()
    certificates(keys)

    class Refuses(BaseHTTPRequestHandler):
        def do_POST(self):
            review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answer = {"uid": review["request"]["uid"], "allowed": False, "status": {"message": words}}
            body = json.dumps({**review, "response": answer}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            """Nobody reads it."""

    with serving(Refuses) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(keys / "server.pem", keys / "server.key")
        server.socket = context.wrap_socket(server.socket, server_side=True)
        yield f"https://127.0.0.1:{server.server_port}/", (keys / "ca.pem").read_bytes()


def claim(place, name, **spec):
    """Claim a volume."""
    asked = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}, **spec}
    place.make("persistentvolumeclaims", {"metadata": {"name": name}, "spec": asked})


@contextmanager
def volume(place, folder):
    """Let there be a volume that is a folder of the node; yield its name."""
    spec = {
        "capacity": {"storage": "1Mi"},
        "accessModes": ["ReadWriteOnce"],
        "persistentVolumeReclaimPolicy": "Retain",
        "storageClassName": "",
        "hostPath": {"path": folder, "type": "Directory"},
    }
    try:
        place.post("/api/v1/persistentvolumes", {"metadata": {"name": place.namespace}, "spec": spec})
        yield place.namespace
    finally:
        place.reached.delete(f"/api/v1/persistentvolumes/{place.namespace}")


def preempted(place):
    """Let a pod of a higher priority take the place of a run, and let the run have it back."""
    classes, path = "/apis/scheduling.k8s.io/v1/priorityclasses", f"/api/v1/namespaces/{place.namespace}/pods"
    try:
        place.post(classes, {"metadata": {"name": place.namespace}, "value": 1000})
        with rare(place) as resource:
            job = place.submit("forever", resources={resource: 1})
            seen(job, "running")
            pod = pods.pod(place.cluster.image, "sleep", "600", name="urgent", limits={resource: "1"})
            pod["spec"]["priorityClassName"] = place.namespace
            place.make("pods", pod)
            told = seen(job, "higher priority", "no node can take it")
            place.reached.delete(f"{path}/urgent")
            told.again = seen(job, "running")
            job.delete()
            return told
    finally:
        place.reached.delete(f"{classes}/{place.namespace}")


@contextmanager
def rare(place):
    """Let the first node have one of something; yield what it is called."""
    node = place.reached.get("/api/v1/nodes")["items"][0]["metadata"]["name"]
    resource, path = f"example.com/{place.namespace}", f"/api/v1/nodes/{node}/status"
    try:
        place.reached.patch(path, {"status": {"capacity": {resource: "1"}, "allocatable": {resource: "1"}}})
        yield resource
    finally:
        place.reached.patch(path, {"status": {"capacity": {resource: None}, "allocatable": {resource: None}}})


def _await_refusal(place):
    """Wait until the API server, which notices a moment later, asks whoever was made to refuse."""
    pod = pods.pod(place.cluster.image, "true", name="tried")
    path = f"/api/v1/namespaces/{place.namespace}/pods"
    while True:
        try:
            place.reached.admit(path, pod)
        except FairingError:
            return
