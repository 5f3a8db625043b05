"""What options ask for is what the code finds, on a real cluster, in a namespace that enforces ``restricted``."""

import os
import socket
from pathlib import Path

import pytest

import fairing
from fairing.kube.connection import connect
from fairing.kube.watch import Watch
from tests.cluster.fixtures import made_namespace
from tests.kube import places
from tests.kube.looks import look

ASKED = {
    "cpu": 0.1,
    "memory": "256Mi",
    "storage": "200Mi",
    "volumes": {
        "/data": "pvc:data",
        "/models": "pvc:data/models:ro",
        "/scratch": "emptydir:10Mi",
        "/dev/shm": "memory:64Mi",
        "/etc/train": "configmap:train",
        "/etc/one.yaml": "configmap:train/one.yaml",
        "/etc/keys": "secret:service",
    },
    "secrets": {
        "API_KEY": "API_KEY",
        "/run/keys/api": "API_KEY",
        "TOKEN": "secret:service/token",
        "/run/keys/token": "secret:service/token",
    },
    "env": {"DEPTH": "8", "DOLLAR": "$(DEPTH) $$"},
    "labels": {"example.com/team": "vision"},
    "annotations": {"example.com/why": "a test, of course"},
    "node_selector": {"kubernetes.io/os": "linux"},
    "tolerations": ["example.com/taint=yes:NoSchedule", "example.com/other:NoExecute:30"],
    "affinity": {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "Exists"}]}]
            }
        }
    },
    "service_account": "trainer",
    "pod": """
        spec:
          containers:
          - name: fairing
            env: [{name: PATCHED, value: "yes"}]
            securityContext: {readOnlyRootFilesystem: true}
    """,
}


@pytest.fixture(scope="module")
def team(cluster, api):
    """A namespace with what runs name, where every call of this file goes."""
    from kubernetes import client

    core = client.CoreV1Api(api)
    with made_namespace(api) as name, pytest.MonkeyPatch.context() as patched:
        for variable, value in places.variables(cluster, name, builder="inline").items():
            patched.setenv(variable, value)
        patched.setenv("API_KEY", "k3y-of-mine")
        claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Mi"}}}
        core.create_namespaced_persistent_volume_claim(name, {"metadata": {"name": "data"}, "spec": claim})
        core.create_namespaced_config_map(name, {"metadata": {"name": "train"}, "data": {"one.yaml": "depth: 8"}})
        core.create_namespaced_secret(
            name, {"metadata": {"name": "service"}, "stringData": {"token": "t0ken", "REGION": "north"}}
        )
        core.create_namespaced_service_account(name, {"metadata": {"name": "trainer"}})
        yield name


@pytest.fixture(scope="module")
def seen(team):
    """What a first run saw with every option, its objects, and what a second run saw that began when it had ended."""
    job = fairing.submit(look, **ASKED)
    first = job.result()
    reached, name = connect(namespace=team), job.handle.parts[-1]
    objects = reached.get(f"/apis/batch/v1/namespaces/{team}/jobs/{name}")
    (pod,) = reached.get(f"/api/v1/namespaces/{team}/pods", labelSelector=f"fairing/run={name}")["items"]
    return first, objects, pod, fairing.train(look, **ASKED)


def test_a_pod_runs_as_a_numbered_user_that_may_write_where_it_works(seen):
    assert (seen[0]["user"], seen[0]["home"], seen[0]["work"]) == (1000, True, True)


def test_what_a_run_writes_to_a_claim_the_next_one_reads(seen):
    first, *_, second = seen
    assert (first["before"], second["before"]) == (None, "by the first")
    assert first["models"] == second["models"] == ["first"]  # one folder of the same claim, beside it


def test_a_root_that_cannot_be_written_to_is_no_hindrance(seen):
    (container,) = seen[2]["spec"]["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_volumes_are_as_large_and_as_writable_as_they_were_asked_for(seen):
    first = seen[0]
    readonly = {"/models": "OSError", "/etc/train": "OSError"}
    assert first["writable"] == {"/scratch": True, "/dev/shm": True, **readonly}
    assert first["shared memory"] == 64 << 20
    assert first["config"] == ("depth: 8", "depth: 8")
    assert first["keys"] == "t0ken"


def test_secrets_are_variables_and_files_that_others_may_not_read(seen):
    first = seen[0]
    assert first["files"] == {"api": "k3y-of-mine", "token": "t0ken"}
    assert first["variables"]["API_KEY"] == "k3y-of-mine"
    assert first["variables"]["TOKEN"] == "t0ken"
    # the kubelet lets the pod's group read what its owner, root, alone may read otherwise
    assert set(first["modes"].values()) == {("0o440", 0, True)}


def test_a_value_of_the_client_stands_in_no_job_and_no_pod(seen):
    assert "k3y-of-mine" not in repr(seen[1:3])


def test_variables_are_as_they_were_written_and_a_patch_adds_to_them(seen):
    assert seen[0]["variables"] | {"API_KEY": "", "TOKEN": ""} == {
        "API_KEY": "",
        "TOKEN": "",
        "DEPTH": "8",
        "DOLLAR": "$(DEPTH) $$",
        "PATCHED": "yes",
    }


def test_labels_and_annotations_are_those_of_the_job_and_its_pods(seen):
    for each in seen[1:3]:
        assert each["metadata"]["labels"]["example.com/team"] == "vision"
        assert each["metadata"]["annotations"]["example.com/why"] == "a test, of course"


def test_a_pod_is_placed_as_it_was_asked_for_and_has_the_token_of_its_account(seen):
    first, _, pod, _ = seen
    tolerated = {each.get("key"): each for each in pod["spec"]["tolerations"]}
    assert tolerated["example.com/taint"] == {
        "key": "example.com/taint",
        "operator": "Equal",
        "value": "yes",
        "effect": "NoSchedule",
    }
    assert tolerated["example.com/other"]["tolerationSeconds"] == 30
    assert pod["spec"]["nodeSelector"] == {"kubernetes.io/os": "linux"}
    assert (pod["spec"]["serviceAccountName"], first["account"]) == ("trainer", True)


def test_all_keys_of_a_secret_are_variables_and_without_an_account_there_is_no_token(team):
    def variables():
        here = Path("/var/run/secrets/kubernetes.io/serviceaccount").exists()
        return os.environ["token"], os.environ["REGION"], here  # noqa: SIM112

    assert fairing.train(variables, secrets=["secret:service"]) == ("t0ken", "north", False)


def test_a_run_that_is_suspended_waits_until_somebody_resumes_it(team):
    job = fairing.submit(pow, (2, 5), suspend=True, timeout=600)
    reached, path = connect(namespace=team), f"/apis/batch/v1/namespaces/{team}/jobs"
    name = job.handle.parts[-1]
    for _, each in Watch(reached, path, fieldSelector=f"metadata.name={name}"):
        if any(condition["type"] == "Suspended" for condition in each.get("status", {}).get("conditions", ())):
            break
    assert job.status.phase == "pending"
    assert reached.get(f"/api/v1/namespaces/{team}/pods", labelSelector=f"fairing/run={name}")["items"] == []
    reached.patch(f"{path}/{name}", {"spec": {"suspend": False}})
    assert job.result() == 32


def test_a_run_that_waits_in_a_queue_is_cancelled_and_leaves_it(team):
    """There is no Kueue here: the Job has its label, and waits as it would."""
    job = fairing.submit(print, queue="vision")
    reached, path = connect(namespace=team), f"/apis/batch/v1/namespaces/{team}/jobs/{job.handle.parts[-1]}"
    queued = reached.get(path)
    assert (queued["spec"]["suspend"], queued["metadata"]["labels"]["kueue.x-k8s.io/queue-name"]) == (True, "vision")
    job.cancel()
    assert job.status.phase == "cancelled"
    assert "kueue.x-k8s.io/queue-name" not in reached.get(path)["metadata"]["labels"]


def test_a_run_is_kept_for_as_long_as_it_was_asked_to_be(team):
    job = fairing.submit(print, ("short",), ttl=1)
    reached, name = connect(namespace=team), job.handle.parts[-1]
    path = f"/apis/batch/v1/namespaces/{team}/jobs"
    job.wait()
    known = [{"metadata": {"uid": job.handle.uid}}]
    gone = next(gone for gone, _ in Watch(reached, path, known, fieldSelector=f"metadata.name={name}") if gone)
    assert gone


def test_workers_meet_at_the_name_of_the_first_and_each_knows_its_rank(team):
    def meet():
        rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        address = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        while rank:  # until the first one's name is known and it listens
            try:
                with socket.create_connection(address) as hello:
                    hello.sendall(f"{rank} {socket.gethostname()}".encode())
                    return None
            except OSError:
                continue
        heard = []
        with socket.create_server(("", address[1])) as listener:
            while len(heard) < size - 1:
                connection, _ = listener.accept()
                with connection:
                    heard.append(connection.recv(80).decode().split())
        return {"heard": heard, "address": address, "name": socket.gethostname(), "hosts": os.environ["TF_CONFIG"]}

    job = fairing.submit(meet, workers=2)
    name = job.handle.parts[-1]
    met = job.result()
    assert met["heard"] == [["1", f"{name}-1"]]
    assert met["address"] == (f"{name}-0.{name}", 29500)
    assert met["name"] == f"{name}-0"
    assert f"{name}-1.{name}:" in met["hosts"]


def test_a_run_with_more_gpus_than_a_node_has_waits_and_one_with_fewer_runs(team, api):
    """The node only says that it has two: what is counted is the same."""
    from kubernetes import client

    core = client.CoreV1Api(api)
    node = core.list_node().items[0].metadata.name

    def have(count):
        core.patch_node_status(
            node, {"status": {each: {"nvidia.com/gpu": count} for each in ("capacity", "allocatable")}}
        )

    have("2")
    try:
        waiting = fairing.submit(print, gpus=4, start_timeout=60)
        placed = fairing.submit(os.getenv, ("HOME",), gpus=1)
        reasons = (event.reason for event in waiting.events() if getattr(event, "phase", "") == "pending")
        assert any("4 GPUs" in reason for reason in reasons)
        assert placed.result() == "/fairing/own/home"
        waiting.delete()
    finally:
        have(None)


def test_a_priority_is_that_of_its_class(team, api):
    from kubernetes import client

    name = f"{team}-high"
    scheduling = client.SchedulingV1Api(api)
    scheduling.create_priority_class({"metadata": {"name": name}, "value": 1234, "preemptionPolicy": "Never"})
    try:
        job = fairing.submit(print, priority_class=name)
        job.wait()
        pods = connect(namespace=team).get(
            f"/api/v1/namespaces/{team}/pods", labelSelector=f"fairing/run={job.handle.parts[-1]}"
        )
        assert [pod["spec"]["priority"] for pod in pods["items"]] == [1234]
    finally:
        scheduling.delete_priority_class(name)


def test_what_the_cluster_would_not_have_is_refused_before_anything_is_built(team):
    wrong = {"spec": {"containers": [{"name": "fairing", "resources": {"limits": {"memory": "much"}}}]}}
    with pytest.raises(fairing.FairingError, match="quantities must match") as refused:
        fairing.train(print, pod=wrong, image="registry.example.com/there/is:none")
    assert "refused to create jobs" in str(refused.value)


@pytest.mark.restarts_cluster
def test_a_taint_keeps_runs_away_but_for_those_that_tolerate_it(team, api):
    from kubernetes import client

    core = client.CoreV1Api(api)
    node = core.list_node().items[0].metadata.name
    core.patch_node(node, {"spec": {"taints": [{"key": "example.com/gpu", "value": "yes", "effect": "NoSchedule"}]}})
    try:
        # its image is asked first, by a pod that tolerates as much
        placed = fairing.submit(pow, (2, 5), tolerations="example.com/gpu=yes:NoSchedule")
        waiting = fairing.submit(print, start_timeout=60)
        reasons = (event.reason for event in waiting.events() if getattr(event, "phase", "") == "pending")
        assert any("example.com/gpu" in reason or "taint" in reason for reason in reasons)
        assert placed.result() == 32
        waiting.delete()
    finally:
        core.patch_node(node, {"spec": {"taints": None}})
