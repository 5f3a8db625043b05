"""An image that was pushed runs where Kubernetes pulls it, as nobody in particular, with what was captured in it."""

import json
import os
import platform
from base64 import b64encode

import cloudpickle
import tqdm

from fairing.config import settings
from fairing.config.options import Options
from fairing.spec import Target
from tests.conftest import missing
from tests.registry.pushes import build, recipe

PYTHON = ".".join(platform.python_version_tuple()[:2])
CODE = b"""
import subprocess, cloudpickle
print("hello", cloudpickle.__version__, cloudpickle.__file__)
print(subprocess.run(["tqdm", "--version"], capture_output=True, text=True).stdout)
"""


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


def test_a_pushed_image_runs_in_a_restricted_pod_with_its_captured_packages(
    cluster, api, namespace, tmp_path, monkeypatch
):
    from kubernetes import client

    from tests.cluster import pods

    bases = [image for image in cluster.images if f":{PYTHON}" in image]
    if not bases:
        missing(f"the cluster's registry has no image of Python {PYTHON}")
    monkeypatch.setenv("FAIRING_HOME", str(tmp_path / "home"))
    rules = settings.settle(Options())[0].registries  # another cluster's registry may need some, of this person
    target = Target("there", "job", repository=f"{cluster.registry}/tests/pushed", registries=rules)
    image = build(recipe(bases[0], CODE, requires=("tqdm",)), target)
    entry = {"kind": "script", "path": "main.py", "sha256": image.entry.sha256, "name": "main.py", "arguments": []}
    places = {"code": "/opt/fairing/code", "work": "/own", "spool": "/own", "inputs": "/given", "key": "/given/key"}
    told = {"entry": entry, "roots": [""], "log_level": 30, "in_notebook": False, "source": "worker-0", **places}
    given = {"data": {"run.json": json.dumps(told)}, "binaryData": {"key": b64encode(os.urandom(32)).decode()}}
    core = client.CoreV1Api(api)
    core.create_namespaced_config_map(namespace, {"metadata": {"name": "given"}, **given})
    assert pods.finished(api, namespace, pod(image.ref)).status.phase == "Succeeded"
    said = core.read_namespaced_pod_log("run", namespace).splitlines()
    place = f"/opt/fairing/dependencies/lib/python{PYTHON}/site-packages"
    assert f"hello {cloudpickle.__version__} {place}/cloudpickle/__init__.py" in said
    assert tqdm.__version__ in said
