"""From a changed cell to the first line of its run on a cluster, in the cell, beside what else runs code there."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

from tests.benchmarks import kernel
from tests.benchmarks.pairs import Missing, Pair

STATE = Path(os.environ.get("FAIRING_CLUSTER_STATE", "/var/lib/fairing-cluster"))
CONTEXT = "fairing"
REGISTRY = "localhost:5000"
IMAGE = f"{REGISTRY}/python:{sys.version_info.major}.{sys.version_info.minor}-slim"
_RUNTIME = {
    "apiVersion": "trainer.kubeflow.org/v1alpha1",
    "kind": "TrainingRuntime",
    "metadata": {"name": "plain", "labels": {"trainer.kubeflow.org/framework": "plain"}},
}


def pairs(home: Path) -> Iterator[Pair]:
    """Give the comparisons.

    Raises:
        Missing: There is no cluster.
    """
    with namespace() as (core, name), kernel.started(variables(name)) as cells:
        cells.run(f"%load_ext fairing\nfrom tests.benchmarks.by_hand import ByHand\nby_hand = {_by_hand(name)}")
        turns = itertools.count()

        def ours(builder: str) -> float:
            turn = next(turns)
            return cells.run(f"%%fairing --builder {builder}\nprint('turn', {turn})", f"turn {turn}")

        def peer(kind: str) -> float:
            turn = next(turns)
            return cells.run(f"by_hand.{kind}(\"print('turn', {turn})\")", f"turn {turn}")

        what = "changed cell to its first remote line ({})"
        job, pod = "a Job written by hand: one ConfigMap, one Secret", "a bare pod written by hand, no volume"
        yield Pair(what.format("inline"), lambda: ours("inline"), lambda: peer("job"), job, times=1.2)
        yield Pair(what.format("append"), lambda: ours("append"), lambda: peer("job"), job, times=1.35)
        yield Pair(what.format("inline"), lambda: ours("inline"), lambda: peer("pod"), pod, times=None)
        with _trainer(core, name) as train:
            yield Pair(
                what.format("inline"),
                lambda: ours("inline"),
                lambda: train(next(turns)),
                "the Kubeflow SDK's `TrainerClient`",
                times=None,
            )


@contextmanager
def namespace() -> Iterator[tuple[Any, str]]:
    """Give an API and a namespace, which is gone at the end.

    Raises:
        Missing: There is no cluster.
    """
    from kubernetes import client, config

    file = STATE / "kubeconfig"
    if not file.exists():
        raise Missing("there is no cluster: make cluster")
    core = client.CoreV1Api(config.new_client_from_config(str(file), CONTEXT))
    name = f"bench-{uuid4().hex[:8]}"
    try:
        core.create_namespace({"metadata": {"name": name}})
    except Exception as wrong:
        raise Missing(f"the cluster does not answer: make cluster ({type(wrong).__name__})") from wrong
    try:
        yield core, name
    finally:
        core.delete_namespace(name)


def variables(name: str) -> dict[str, str]:
    """Return the variables that send every call to a namespace of the cluster."""
    return {
        "KUBECONFIG": str(STATE / "kubeconfig"),
        "FAIRING_TARGET": "cluster",
        "FAIRING_CONTEXT": CONTEXT,
        "FAIRING_NAMESPACE": name,
        "FAIRING_IMAGE": IMAGE,
        "FAIRING_REPOSITORY": f"{REGISTRY}/bench/cells",
    }


def _by_hand(name: str) -> str:
    return f"ByHand({CONTEXT!r}, {name!r}, {IMAGE!r})"


@contextmanager
def _trainer(core: Any, name: str) -> Iterator[Any]:
    """Give what trains by the Kubeflow SDK, which has an environment of its own that is thrown away."""
    from kubernetes import client

    body = {
        **_RUNTIME,
        "spec": {"mlPolicy": {"numNodes": 1}, "template": {"spec": {"replicatedJobs": [_replicated()]}}},
    }
    try:
        client.CustomObjectsApi(core.api_client).create_namespaced_custom_object(
            "trainer.kubeflow.org", "v1alpha1", name, "trainingruntimes", body
        )
    except client.ApiException as wrong:
        if wrong.status != 404:
            raise
        raise Missing("Kubeflow's Trainer is not in the cluster: tests/cluster/up trainer") from wrong
    with tempfile.TemporaryDirectory() as folder:
        uv = Path(sys.executable).with_name("uv")
        subprocess.run([uv, "venv", "-q", f"{folder}/sdk"], check=True)
        python = f"{folder}/sdk/bin/python"
        subprocess.run([uv, "pip", "install", "-q", "--python", python, "kubeflow"], check=True)
        program = [python, str(Path(__file__).with_name("trainer_client.py")), CONTEXT, name, "plain"]
        environment = {**os.environ, "KUBECONFIG": str(STATE / "kubeconfig")}
        pipe = subprocess.PIPE
        with subprocess.Popen(program, stdin=pipe, stdout=pipe, text=True, env=environment) as process:
            assert process.stdin is not None and process.stdout is not None
            yield lambda turn: _trained(process.stdin, process.stdout, turn)
            process.stdin.close()


def _trained(asks: IO[str], answers: IO[str], turn: int) -> float:
    began = time.perf_counter()
    print(turn, file=asks, flush=True)
    line = answers.readline()
    took = time.perf_counter() - began
    if line != f"turn {turn}\n" or answers.readline() != "done\n":
        raise AssertionError(f"TrainerClient gave {line!r}, not turn {turn}")
    return took


def _replicated() -> dict[str, Any]:
    pod = {"spec": {"containers": [{"name": "node", "image": IMAGE}]}}
    labels = {"trainer.kubeflow.org/trainjob-ancestor-step": "trainer"}
    return {"name": "node", "template": {"metadata": {"labels": labels}, "spec": {"template": pod}}}
