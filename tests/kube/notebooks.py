"""A notebook pod as Kubeflow makes them: an image with fairing and a kernel, and the account ``default-editor``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from tests.cluster import fixtures, pods
from tests.cluster.fixtures import Cluster

NAME = "lab"
_BUILD = """
import sys
import fairing
from fairing.spec import RegistryRule, Target

def lab():
    pass

registry, base = sys.argv[1:]
rules = (RegistryRule(registry, insecure=True),)
target = Target("cluster", "job", "append", registries=rules, repository=f"{registry}/tests/lab", image=base)
print(fairing.build(lab, target=target, requirements=["fairing", "ipykernel", "nbclient"]).ref)
"""
_RUN = """
import json, sys
import nbclient, nbformat
cells = [nbformat.v4.new_code_cell(source) for source in json.loads(sys.argv[1])]
notebook = nbformat.v4.new_notebook(cells=cells)
nbclient.NotebookClient(notebook, timeout=180, kernel_name="python3", allow_errors=True).execute()
print("RAN" + nbformat.writes(notebook))
"""


def image(cluster: Cluster) -> str:
    """Build the image and push it; what has been built before is kept beside the cluster, and is found again."""
    base = cluster.image.replace(cluster.registry, cluster.registry_in_pods)
    home = {"FAIRING_HOME": str(fixtures.STATE / "lab")} if fixtures.STATE.is_dir() else {}
    environment = {**os.environ, **home, "KUBECONFIG": cluster.kubeconfig}
    command = [sys.executable, "-c", _BUILD, cluster.registry_in_pods, base]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def started(api: Any, namespace: str, ref: str) -> None:
    """Start a notebook pod, with what Kubeflow's controller and its form give it."""
    body = pods.pod(ref, "python", "-c", "import signal; signal.pause()", name=f"{NAME}-0")
    body["metadata"]["labels"] = {"notebook-name": NAME}
    spec = body["spec"]
    spec["serviceAccountName"] = "default-editor"
    spec["securityContext"] = {"fsGroup": 100}
    spec["volumes"] = [{"name": "home", "emptyDir": {}}]
    (container,) = spec["containers"]
    container["name"] = NAME
    container["workingDir"] = "/home/jovyan"
    container["volumeMounts"] = [{"name": "home", "mountPath": "/home/jovyan"}]
    variables = {"NB_PREFIX": f"/notebook/{namespace}/{NAME}", "HOME": "/home/jovyan"}
    container["env"] = [{"name": name, "value": value} for name, value in variables.items()]
    pods.started(api, namespace, body)


def executed(api: Any, namespace: str, *cells: str) -> list[dict[str, Any]]:
    """Run cells in a kernel of the notebook pod, and return them with their outputs."""
    said = pods.execute(api, namespace, "python", "-c", _RUN, json.dumps(cells), name=f"{NAME}-0")
    assert "RAN" in said, said
    return list(json.loads(said.partition("RAN")[2])["cells"])


def text(cell: dict[str, Any]) -> str:
    """Return what a cell shows, as text."""
    shown = []
    for each in cell["outputs"]:
        told = each.get("text") or each.get("data", {}).get("text/plain") or [each.get("evalue", "")]
        shown.append("".join(told))
    return "\n".join(shown)
