"""What a mesh, or Kubeflow, puts into a run's pods does not break the run."""

import os
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import fairing
from fairing.errors import RunKilled
from fairing.events import Status, Text
from fairing.kube.connection import connect
from fairing.kube.watch import Watch
from tests.kube import admission
from tests.kube.test_job import KINDS, objects


@pytest.fixture
def sidecar(cluster):
    """A container that never ends, nor when it is asked to."""
    program = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.pause()"
    command = ["python", "-c", f"while True: {program}"]
    return {"name": "mesh", "image": cluster.image, "command": command, "securityContext": admission.SECURED}


@pytest.fixture
def changing(api, there, script, tmp_path):
    """Let a function change every pod of this test's namespace."""
    return lambda change: admission.webhook(api, there, tmp_path, change)


def ended(namespace, job):
    """Wait until the Job of a run has a condition that is final to everybody, and return that."""
    path = KINDS["jobs"].format(namespace)
    for _, each in Watch(connect(namespace=namespace), path, fieldSelector=f"metadata.name={job.handle.parts[-1]}"):
        for condition in each.get("status", {}).get("conditions", ()):
            if condition["type"] in {"Complete", "Failed"} and condition["status"] == "True":
                return condition["type"]
    raise AssertionError


def test_istio_s_sidecar_is_left_out_and_the_cell_and_the_doctor_say_so(changing, there, sidecar, api, capfd):
    from kubernetes import client

    def change(pod):
        if pod["metadata"].get("labels", {}).get("sidecar.istio.io/inject") != "false":
            pod["spec"]["containers"].append(sidecar)

    client.CoreV1Api(api).patch_namespace(there, {"metadata": {"labels": {"istio-injection": "enabled"}}})
    with changing(change):
        assert fairing.train(pow, (2, 5)) == 32
    assert "Istio's sidecar is left out of its pods" in capfd.readouterr().err
    (pod,) = objects(there, "pods")
    assert len(pod["spec"]["containers"]) == 1
    found = [each.found for each in fairing.doctor() if each.name == "sidecar"]
    said = "Istio's sidecar is left out of its pods, since it goes on for ever"
    assert found == [f"{said}: labels={{'sidecar.istio.io/inject': 'true'}} lets it in"]
    with changing(change):
        job = fairing.submit(pow, (2, 5), grace=0, labels={"sidecar.istio.io/inject": "true"})
        assert job.result() == 32
    assert "'mesh'" in job.status.reason and said not in capfd.readouterr().err


def test_a_container_that_goes_on_after_the_code_ends_with_it_and_its_job_says_what_the_code_did(
    changing, there, sidecar, tmp_path, monkeypatch
):
    monkeypatch.setenv("FAIRING_HOME", str(tmp_path / "home"))  # so the image has to be asked what it has

    def well():
        print("well")
        return 7

    def badly():
        raise KeyError("badly")

    def killed():
        os.kill(os.getpid(), signal.SIGKILL)

    with changing(lambda pod: pod["spec"]["containers"].append(sidecar)), ThreadPoolExecutor() as followers:
        jobs = good, bad, dead = [
            fairing.submit(well, workers=2, grace=0, retries=1),
            fairing.submit(badly, grace=0, retries=1),
            fairing.submit(killed, grace=0),
        ]
        told, *_ = followers.map(lambda job: [each for each in job.events() if isinstance(each, Status)], jobs)
        assert told[-1].phase == "succeeded"
        assert "'mesh', which something had put into its pods" in told[-1].reason
        assert good.result() == 7
        with pytest.raises(KeyError, match="badly"):
            bad.result()
        with pytest.raises(RunKilled):
            dead.result()
        assert [ended(there, job) for job in jobs] == ["Complete", "Failed", "Failed"]
    assert [fairing.attach(str(job.handle)).status.phase for job in jobs] == ["succeeded", "failed", "failed"]


def test_a_run_that_another_container_keeps_is_cancelled(changing, there, sidecar):
    def work():
        print("waiting", flush=True)
        signal.pause()

    with changing(lambda pod: pod["spec"]["containers"].append(sidecar)):
        job = fairing.submit(work, grace=0)
        for event in job.events():
            if isinstance(event, Text):
                break
        job.cancel()
        assert job.status.phase == "cancelled"
        assert ended(there, job) == "Failed"


def test_a_sidecar_in_kubernetes_own_way_needs_nothing(changing, there, sidecar):
    program = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit()); signal.pause()"
    native = {**sidecar, "command": ["python", "-c", program], "restartPolicy": "Always"}
    with changing(lambda pod: pod["spec"].setdefault("initContainers", []).append(native)):
        job = fairing.submit(pow, (2, 5), grace=0)
        assert job.result() == 32
        assert ended(there, job) == "Complete"
    (pod,) = objects(there, "pods")
    assert pod["status"]["phase"] == "Succeeded"


def test_a_mesh_that_can_be_told_that_the_code_has_ended_is_told_and_the_pod_stays_with_its_log(
    changing, there, sidecar
):
    program = """
from http.server import BaseHTTPRequestHandler, HTTPServer
class Agent(BaseHTTPRequestHandler):
    def do_POST(self):
        self.server.told = self.path == "/quitquitquit"
        self.send_response(200)
        self.end_headers()
server = HTTPServer(("127.0.0.1", 15020), Agent)
server.told = False
while not server.told:
    server.handle_request()
"""

    def work():
        while socket.socket().connect_ex(("127.0.0.1", 15020)):
            time.sleep(0.05)  # until the agent listens
        return 32

    agent = {**sidecar, "command": ["python", "-c", program]}
    with changing(lambda pod: pod["spec"]["containers"].append(agent)):
        job = fairing.submit(work)
        assert job.result() == 32
        assert ended(there, job) == "Complete"
    (pod,) = objects(there, "pods")
    assert pod["status"]["phase"] == "Succeeded"


def test_what_a_poddefault_puts_in_does_not_take_what_the_run_needs(changing, there, cluster):
    def change(pod):
        spec = pod["spec"]
        ready = {"name": "ready", "image": cluster.image, "command": ["true"], "securityContext": admission.SECURED}
        spec.setdefault("initContainers", []).append(ready)
        spec.setdefault("volumes", []).append({"name": "datasets", "emptyDir": {}})
        pod["metadata"].setdefault("annotations", {})["team"] = "vision"
        for container in spec["containers"]:
            ours = {"HOME": "/nonexistent", "PYTHONPATH": "/datasets/lib", "FAIRING_RUN": "another", "DEPTH": "1"}
            more = {"DATASETS": "/datasets"}
            container.setdefault("env", []).extend({"name": k, "value": v} for k, v in {**ours, **more}.items())
            container.setdefault("volumeMounts", []).append({"name": "datasets", "mountPath": "/datasets"})

    def work():
        import subprocess
        import sys
        from pathlib import Path

        Path(os.environ["DATASETS"], "mine").write_text("x")
        Path.home().joinpath("mine").write_text("x")
        lib = [each for each in sys.path if each == "/datasets/lib"]
        subprocess.run([sys.executable, "-c", "import fairing"], check=True)
        return os.environ["FAIRING_RUN"], os.environ["DEPTH"], lib

    with changing(change):
        job = fairing.submit(work, env={"DEPTH": "8"})
        assert job.result() == (job.handle.parts[-1], "8", ["/datasets/lib"])
