"""A node that does not answer any more is said, and its pod starts again when its end is known."""

import pytest

import fairing
from fairing.events import Status

pytestmark = pytest.mark.restarts_cluster


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
    wanted = [("running", ""), ("", "does not answer any more"), ("pending", "starts again"), ("running", "")]
    following = job.events()
    for event in following:
        if isinstance(event, Status) and event.phase.startswith(wanted[0][0]) and wanted[0][1] in event.reason:
            del wanted[0]
            if len(wanted) in {3, 2}:  # it runs; it is known that nothing is known of it
                script("program", "stop" if len(wanted) == 3 else "start", "kubelet")
            if not wanted:
                break
        assert not isinstance(event, Status) or event.phase in {"pending", "running"}
    following.close()
    job.delete()
