"""A run whose own code failed is Failed to everybody, and its code is never run again because of that."""

import sys

import pytest

import fairing
from fairing.errors import RunFailed
from fairing.kube.connection import connect
from fairing.kube.watch import Watch
from tests.kube.test_job import KINDS, objects


def alike(job):
    """Return a pod like those of a run, which starts its container again when that fails."""
    reached = connect(namespace=job.handle.parts[1])
    template = reached.get(f"{KINDS['jobs'].format(reached.namespace)}/{job.handle.parts[-1]}")["spec"]["template"]
    spec = {**template["spec"], "restartPolicy": "OnFailure"}
    return reached, {"metadata": {"name": "again"}, "spec": spec}


def log(reached, **query):
    answer = reached.stream(f"{KINDS['pods'].format(reached.namespace)}/again/log", 10.0, **query)
    try:
        return answer.read().decode()
    finally:
        answer.close()


def test_a_container_that_is_started_again_finds_the_mark_and_ends_as_before(there):
    def work():
        print("the code runs")
        raise ValueError("its own")

    job = fairing.submit(work, linger=0)
    with pytest.raises(ValueError, match="its own"):
        job.result()
    reached, body = alike(job)
    path = KINDS["pods"].format(there)
    made = reached.post(path, body)
    codes = []
    for _, each in Watch(reached, path, [made], fieldSelector="metadata.name=again"):
        for status in each["status"].get("containerStatuses", ()):
            ended = status["state"].get("terminated") or status["lastState"].get("terminated")
            if ended and len(codes) <= status["restartCount"] and "running" not in status["state"]:
                codes.append(ended["exitCode"])
                shown = log(reached)
                assert ("the code runs" in shown) == (status["restartCount"] == 0)
        if len(codes) == 2:
            break
    assert codes == [1, 1]


def test_a_failure_of_the_code_is_failed_to_kubernetes_and_is_not_run_again_whatever_its_exit_code(there):
    def raises():
        raise ValueError("its own")

    def leaves(code):
        sys.exit(code)

    jobs = [fairing.submit(raises, retries=2), *(fairing.submit(leaves, (code,), retries=2) for code in (3, 137, 143))]
    for job in jobs:
        with pytest.raises((ValueError, RunFailed)):
            job.result()
    left = {job.handle.parts[-1] for job in jobs}
    reached = connect(namespace=there)
    for _, each in Watch(reached, KINDS["jobs"].format(there)):
        for condition in each.get("status", {}).get("conditions", ()):
            if condition["type"] == "Failed" and condition["status"] == "True":
                assert condition["reason"] == "PodFailurePolicy" and each["status"]["failed"] == 1
                left.discard(each["metadata"]["name"])
        if not left:
            break
    for pod in objects(there, "pods"):
        ended = pod["status"]["containerStatuses"][0]
        assert ended["state"]["terminated"]["exitCode"] in {1, 3} and ended["restartCount"] == 0
        assert pod["status"]["phase"] == "Failed"
    assert len(objects(there, "pods")) == len(jobs)
