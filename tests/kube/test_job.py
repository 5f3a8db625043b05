"""A run as a Job of a real cluster, in a namespace that enforces the restricted profile."""

import os
import signal
import sys
from pathlib import Path

import pytest

import fairing
from fairing.errors import DeployError, OutOfMemory, RunFailed, RunTimedOut
from fairing.events import Status, Text
from fairing.kube.connection import connect
from fairing.kube.watch import Watch

KINDS = {
    "jobs": "/apis/batch/v1/namespaces/{}/jobs",
    "pods": "/api/v1/namespaces/{}/pods",
    "secrets": "/api/v1/namespaces/{}/secrets",
    "configmaps": "/api/v1/namespaces/{}/configmaps",
}


def objects(namespace, *kinds):
    reached = connect(namespace=namespace)
    found = [each for kind in kinds or KINDS for each in reached.get(KINDS[kind].format(namespace))["items"]]
    return [each for each in found if each["metadata"]["name"] != "kube-root-ca.crt"]


def await_gone(namespace):
    """Wait until every object is gone: those that belonged to another go a moment after it."""
    reached = connect(namespace=namespace)
    for kind in KINDS:
        left = objects(namespace, kind)
        missing = {each["metadata"]["uid"] for each in left}
        for gone, each in Watch(reached, KINDS[kind].format(namespace), left) if left else ():
            missing -= {each["metadata"]["uid"]} if gone else set()
            if not missing:
                break


def test_output_value_and_files_come_back_from_a_pod(there, tmp_path):
    def work(depth):
        print("depth", depth, os.getuid(), file=sys.stderr)
        Path("model.txt").write_text("leaf " * depth)
        return {"depth": depth}

    job = fairing.submit(work, (3,))
    assert job.result() == {"depth": 3}
    assert job.logs() == "depth 3 1000\n"
    (model,) = job.download("*.txt", to=tmp_path)
    assert model.read_text() == "leaf leaf leaf "


def test_a_run_that_has_started_is_never_said_to_be_starting_again_because_its_code_fails(there):
    def work():
        raise ValueError("a bug")

    job = fairing.submit(work)
    told = [event.phase for event in job.events() if isinstance(event, Status)]
    assert told[-2:] == ["running", "failed"] and told.count("running") == 1, told


def test_a_namespace_that_is_not_there_is_said_with_what_to_do(there):
    with pytest.raises(DeployError, match=r"has no namespace 'nowhere'.*namespace="):
        fairing.train(print, namespace="nowhere")


def test_the_code_s_own_exception_comes_back_and_its_job_has_failed_once(there):
    class Shallow(ValueError):
        pass

    def work():
        raise Shallow("too shallow")

    job = fairing.submit(work, retries=2)
    with pytest.raises(Shallow, match="too shallow") as caught:
        job.result()
    assert isinstance(caught.value.__cause__, RunFailed)
    (pod,) = objects(there, "pods")
    assert pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] != 0
    assert pod["status"]["containerStatuses"][0]["restartCount"] == 0


def test_a_run_that_was_killed_is_started_again_as_often_as_asked(there):
    def work():
        os.kill(os.getpid(), signal.SIGKILL)

    job = fairing.submit(work, retries=1)
    with pytest.raises(RunFailed):
        job.result()
    assert len(objects(there, "pods")) == 2


def test_arguments_and_values_that_no_object_of_the_cluster_holds_go_and_come_whole(there):
    data = os.urandom(3 << 20)
    assert fairing.train(lambda given: given + given, (data,)) == data + data


def test_arguments_that_are_too_large_are_refused_before_anything_is_made(there):
    with pytest.raises(DeployError, match="too large to travel"):
        fairing.train(len, (os.urandom(17 << 20),))
    assert objects(there) == []


def test_memory_and_time_run_out_in_words(there):
    def much():
        return len([bytearray(10_000_000) for _ in range(100)])

    with pytest.raises(OutOfMemory, match=r"limit of 1\d\d MB of memory"):
        fairing.train(much, memory="100Mi")
    with pytest.raises(RunTimedOut, match="its timeout of 2 s"):
        fairing.train(lambda: signal.pause(), timeout=2)


def test_cancelling_lets_finally_run_and_keeps_the_log(there):
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


def test_a_run_that_waits_for_a_node_is_cancelled_at_once_and_says_why_it_waits(there):
    job = fairing.submit(print, cpu=1000)
    reasons = (event.reason for event in job.events() if getattr(event, "phase", "") == "pending")
    assert any("it asks for 1,000 CPUs" in reason for reason in reasons)
    job.cancel()
    assert job.status.phase == "cancelled"


def test_workers_are_told_apart_and_the_first_gives_the_value(there):
    def rank():
        print("here", os.environ["JOB_COMPLETION_INDEX"])
        return int(os.environ["JOB_COMPLETION_INDEX"])

    job = fairing.submit(rank, workers=2)
    assert job.result() == 0
    texts = {(str(event.at.source), event.text) for event in job.events() if isinstance(event, Text)}
    assert texts == {("worker-0", "here 0\n"), ("worker-1", "here 1\n")}


def test_deleting_a_run_leaves_nothing(there):
    job = fairing.submit(print, ("gone",))
    job.wait()
    job.delete()
    with pytest.raises(DeployError, match="There is no run"):
        fairing.attach(str(job.handle)).status
    assert objects(there, "jobs", "pods") == []
    await_gone(there)


def test_a_run_that_cannot_be_made_leaves_nothing(there):
    quota = {"metadata": {"name": "none"}, "spec": {"hard": {"count/jobs.batch": "0"}}}
    connect(namespace=there).post(f"/api/v1/namespaces/{there}/resourcequotas", quota)
    with pytest.raises(DeployError, match="exceeded quota"):
        fairing.train(print)
    assert objects(there) == []


def test_the_rights_of_kubeflow_s_default_editor_are_enough(there, default_editor, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", default_editor)
    monkeypatch.delenv("FAIRING_CONTEXT")
    assert fairing.train(pow, (2, 5)) == 32


def test_a_secret_reaches_the_code_and_stands_in_no_pod_and_no_log(there, monkeypatch):
    monkeypatch.setenv("CONTRACT_TOKEN", "s3cr3t-0123456789")

    def work():
        return os.environ["CONTRACT_TOKEN"][:6]

    job = fairing.submit(work, secrets=["CONTRACT_TOKEN"])
    assert job.result() == "s3cr3t"
    seen = repr(objects(there, "jobs", "pods", "configmaps")) + job.logs()
    assert "s3cr3t-0123456789" not in seen and "czNjcjN0LTAxMjM0NTY3ODk" not in seen
