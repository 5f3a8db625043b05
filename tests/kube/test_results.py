"""What does not fit a log comes back all the same: out of the pod, through a longer log, or from a store."""

import base64
import random
import signal
from pathlib import Path

import pytest

import fairing
from fairing.errors import ResultRefused, RunCancelled
from fairing.events import Display, Lost, Status, Text
from fairing.kube.connection import connect
from fairing.kube.watch import Watch
from tests.cluster import rights

FIGURE = 200 << 10
MODEL = 10 << 20
LARGE = 17 << 20

EVERYTHING_BUT_EXEC = [
    {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["*"]},
    {"apiGroups": [""], "resources": ["pods", "pods/log", "secrets", "configmaps", "events"], "verbs": ["*"]},
]


@pytest.fixture
def without_exec(there, cluster, api, tmp_path, monkeypatch):
    """Be somebody who may do all that runs need, and may not execute in pods."""
    from kubernetes import client

    rbac, name = client.RbacAuthorizationV1Api(api), "no-exec"
    rights.account(api, there, name)
    rbac.create_namespaced_role(there, {"metadata": {"name": name}, "rules": EVERYTHING_BUT_EXEC})
    group = "rbac.authorization.k8s.io"
    binding = {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": group, "kind": "Role", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": there}],
    }
    rbac.create_namespaced_role_binding(there, binding)
    rights.await_right(api, there, name, "create", "batch", "jobs")
    monkeypatch.setenv("KUBECONFIG", rights.kubeconfig(cluster, api, there, name, tmp_path))
    monkeypatch.delenv("FAIRING_CONTEXT")
    return there


def octets(size, seed):
    """Return bytes that no compression makes fewer, the same ones here and in a pod."""
    return random.Random(seed).randbytes(size)


def drawn():
    """Return what shows a figure and returns a model, by nothing but what every image has."""

    def work(figure, model):
        import random

        class Figure:
            def _repr_png_(self):
                return random.Random(1).randbytes(figure)

        display(Figure())  # noqa: F821 - a built-in name in a run
        return random.Random(2).randbytes(model)

    return work


def figure_of(events):
    (shown,) = [event for event in events if isinstance(event, Display)]
    return base64.b64decode(shown.data["image/png"])


def lost(events):
    return [event.what for event in events if isinstance(event, Lost)]


def test_a_figure_and_a_model_come_back_with_no_registry_and_no_store(there):
    job, large = fairing.submit(drawn(), (FIGURE, MODEL)), fairing.submit(drawn(), (2 * MODEL, LARGE))
    events = list(job.events())
    assert figure_of(events) == octets(FIGURE, 1) and job.result() == octets(MODEL, 2)
    assert lost(events) == []
    events = list(large.events())  # these lie in the pod, which waits for them
    assert figure_of(events) == octets(2 * MODEL, 1) and large.result() == octets(LARGE, 2)
    assert lost(events) == []
    assert any("waiting up to 60 s" in event.reason for event in events if isinstance(event, Status))


def test_where_nobody_may_execute_in_pods_values_of_16_mib_come_through_the_log(without_exec):
    job, large = (
        fairing.submit(drawn(), (FIGURE, (16 << 20) - 1000)),
        fairing.submit(drawn(), (FIGURE, LARGE), linger=10),
    )
    events = list(job.events())
    assert lost(events) == []
    assert figure_of(events) == octets(FIGURE, 1) and job.result() == octets((16 << 20) - 1000, 2)
    assert not any("waiting up to" in event.reason for event in events if isinstance(event, Status))
    with pytest.raises(ResultRefused, match=r"kubectl cp .*artifacts=.*log_limit=.*linger="):
        large.result()
    assert large.status.phase == "running"  # it waits, while the ways out are told
    assert len(lost(large.events())) == 1


def test_where_nobody_may_execute_in_pods_a_run_is_cancelled_with_its_grace_and_keeps_its_log(without_exec):
    def work():
        try:
            print("waiting", flush=True)
            signal.pause()
        finally:
            print("tidied")

    job = fairing.submit(work)
    for event in job.events():
        if isinstance(event, Text):
            break
    job.cancel()
    assert job.status.phase == "cancelled"
    assert job.logs() == "waiting\ntidied\n"
    with pytest.raises(RunCancelled):
        job.result()


def test_doctor_says_what_it_means_that_nobody_may_execute_in_pods(without_exec):
    found = {each.name: each for each in fairing.doctor()}
    assert found["pods/exec"].good and "values over 16" in found["pods/exec"].found
    assert found["rights"].good


def test_a_run_whose_code_has_ended_well_and_that_is_cancelled_while_it_waits_has_succeeded(there):
    job = fairing.submit(lambda: Path("left.txt").write_text("left"), linger=300)
    reached = connect(namespace=there)
    path = f"/api/v1/namespaces/{there}/pods"
    for _, pod in Watch(reached, path, labelSelector=f"fairing/run={job.handle.parts[-1]}"):
        if pod["status"].get("phase") == "Running":
            break
    said, log = b"", reached.stream(f"{path}/{pod['metadata']['name']}/log", 60.0, follow=True)
    for piece in log.stream():  # nobody who would let it go follows it
        said += piece
        if b"waiting up to 300 s" in said:
            break
    log.close()
    job.cancel()
    assert job.status.phase == "succeeded"
    assert job.result() == 4
