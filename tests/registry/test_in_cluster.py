"""An image that was pushed runs where Kubernetes pulls it, as nobody in particular, with what was captured in it."""

import json
import os
import platform
import subprocess
import uuid
from pathlib import Path

import cloudpickle
import pytest

from fairing.spec import RegistryRule, Target
from tests.conftest import missing, needs
from tests.registry.test_pushed import build, recipe

REGISTRY = "registry.test:5000"
BASE = f"{REGISTRY}/python:{'.'.join(platform.python_version_tuple()[:2])}-slim"
CODE = b"""
import subprocess, cloudpickle
print("hello", cloudpickle.__version__, cloudpickle.__file__)
print(subprocess.run(["tqdm", "--version"], capture_output=True, text=True).stdout)
"""


@pytest.fixture
def kubectl():
    """Return what runs kubectl in a namespace of its own, on the cluster that is there."""
    found = Path.home() / ".cache/fairing-cluster/bin/kubectl"
    program = str(found) if found.exists() else needs("kubectl")
    config = os.environ.get("KUBECONFIG", "/var/lib/fairing-cluster/kubeconfig")
    space = f"test-{uuid.uuid4().hex[:8]}"

    def run(*words, given=None, check=True):
        command = [program, f"--kubeconfig={config}", "--request-timeout=60s", *words]
        return subprocess.run(command, input=given, capture_output=True, text=True, check=check)

    if run("get", "nodes", check=False).returncode:
        missing("no cluster answers")
    run("create", "namespace", space)
    run("label", "namespace", space, "pod-security.kubernetes.io/enforce=restricted")
    yield lambda *words, **more: run(f"--namespace={space}", *words, **more)
    run("delete", "namespace", space, "--wait=false")


def pod(ref):
    secure = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": True}
    mounts = [{"name": "given", "mountPath": "/given"}, {"name": "own", "mountPath": "/own"}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "run"},
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "securityContext": {
                "runAsUser": 65534,
                "runAsGroup": 65534,
                "fsGroup": 65534,
                "runAsNonRoot": True,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {"name": "run", "image": ref, "args": ["/given/run.json"], "securityContext": secure,
                 "workingDir": "/own", "volumeMounts": mounts}
            ],
            "volumes": [{"name": "given", "configMap": {"name": "given"}}, {"name": "own", "emptyDir": {}}],
        },
    }  # fmt: skip


def test_a_pushed_image_runs_in_a_restricted_pod_with_its_captured_packages(kubectl, tmp_path, monkeypatch):
    monkeypatch.setenv("FAIRING_HOME", str(tmp_path / "home"))
    rule = RegistryRule(REGISTRY, insecure=True)
    target = Target("there", "job", repository=f"{REGISTRY}/tests/pushed", registries=(rule,))
    image = build(recipe(BASE, CODE, requires=("tqdm",)), target)
    entry = {"kind": "script", "path": "main.py", "sha256": image.entry.sha256, "name": "main.py", "arguments": []}
    places = {"code": "/opt/fairing/code", "work": "/own", "spool": "/own", "inputs": "/given", "key": "/given/key"}
    told = {"entry": entry, "roots": [""], "log_level": 30, "in_notebook": False, "source": "worker-0", **places}
    (tmp_path / "run.json").write_text(json.dumps(told))
    (tmp_path / "key").write_bytes(os.urandom(32))
    kubectl("create", "configmap", "given", f"--from-file={tmp_path}/run.json", f"--from-file={tmp_path}/key")
    kubectl("apply", "-f", "-", given=json.dumps(pod(image.ref)))
    kubectl("wait", "pod/run", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=90s", check=False)
    said = kubectl("logs", "run").stdout.splitlines()
    place = f"/opt/fairing/dependencies/lib/python{'.'.join(platform.python_version_tuple()[:2])}/site-packages"
    assert f"hello {cloudpickle.__version__} {place}/cloudpickle/__init__.py" in said
    import tqdm

    assert tqdm.__version__ in said
    assert kubectl("get", "pod", "run", "-o", "jsonpath={.status.phase}").stdout == "Succeeded"
