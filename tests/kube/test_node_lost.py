"""A node that does not answer any more is said, and its pod starts again when its end is known."""

import pytest

import fairing
from tests.kube.scenarios import seen

pytestmark = [pytest.mark.cluster, pytest.mark.restarts_cluster]


def test_a_lost_node_is_said_and_its_run_starts_again_when_the_node_is_back(there, script):
    def wait():
        import signal

        print("here", flush=True)
        signal.pause()

    soon = [
        {"key": f"node.kubernetes.io/{what}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 1}
        for what in ("unreachable", "not-ready")
    ]
    job = fairing.submit(wait, tolerations=soon)
    seen(job, "running")
    script("program", "stop", "kubelet")
    try:
        told = seen(job, "does not answer any more")
        assert told.phases[-1] != "failed"
    finally:
        script("program", "start", "kubelet")
    assert seen(job, "starts again", "running").phases[-1] == "running"
    job.delete()
