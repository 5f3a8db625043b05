"""What is asked of a cluster for a run, counted."""

import logging
from pathlib import Path

import pytest

import fairing
from fairing.errors import AccessError
from fairing.kube.connection import connect


def said(caplog):
    """Return what urllib3 has logged: each connection, and each request with its method."""
    return [record.getMessage() for record in caplog.records if record.name == "urllib3.connectionpool"]


def test_a_changed_cell_sends_what_its_pod_mounts_and_its_job_over_connections_that_are_open(there, caplog):
    fairing.train(lambda: print("first"))
    with caplog.at_level(logging.DEBUG, "urllib3.connectionpool"):
        fairing.train(lambda: print("second"))
    told = said(caplog)
    (made,) = [number for number, each in enumerate(told) if '"POST /apis/batch/v1/' in each]
    before = [each for each in told[:made] if "HTTP/1.1" in each or "Starting" in each]
    assert [each for each in before if "Starting new" in each or "accessreviews" in each or '"PATCH ' in each] == []
    assert len(before) <= 3, "\n".join(before)
    assert sum("Starting new" in each for each in told) <= 1, told  # a command in the pod


def test_a_changed_kubeconfig_is_read_again(there, cluster, tmp_path, monkeypatch):
    file = tmp_path / "kubeconfig"
    file.write_text(Path(cluster.kubeconfig).read_text())
    monkeypatch.setenv("KUBECONFIG", str(file))
    assert connect().login is connect().login
    before = connect().login
    file.write_text(file.read_text() + "\n# changed\n")
    assert connect().login is not before


def test_a_login_that_has_failed_is_not_used_again(there, cluster, tmp_path, monkeypatch):
    file = tmp_path / "kubeconfig"
    file.write_text(Path(cluster.kubeconfig).read_text().replace(":6443", ":1"))
    monkeypatch.setenv("KUBECONFIG", str(file))
    reached = connect()
    with pytest.raises(AccessError, match="cannot be reached"):
        reached.get("/version")
    assert connect().login is not reached.login
