"""What ``fairing doctor`` says of a cluster."""

from pathlib import Path

import pytest

import fairing
from fairing.errors import AccessError
from fairing.kube.connection import connect
from fairing.kube.watch import Watch
from tests.cluster import rights


def found(name):
    return [finding for finding in fairing.doctor() if finding.name == name]


def test_a_cluster_that_will_do_says_which_it_is_and_who_is_asking(there, cluster):
    (one,) = found("cluster")
    assert cluster.context in one.found and "Kubernetes v1." in one.found
    assert found("user")[0].found.endswith(f"in the namespace {there}")
    assert found("rights")[0].good


def test_the_rights_that_somebody_lacks_are_named_and_refused_before_anything_is_made(
    there, cluster, api, tmp_path, monkeypatch
):
    rights.account(api, there, "guest")
    monkeypatch.setenv("KUBECONFIG", rights.kubeconfig(cluster, api, there, "guest", tmp_path))
    monkeypatch.delenv("FAIRING_CONTEXT")
    (finding,) = found("rights")
    assert not finding.good and "create jobs" in finding.found and "namespace=" in finding.fix
    with pytest.raises(AccessError, match=r"You may not create jobs in the namespace .* namespace="):
        fairing.train(print)


def test_a_quota_is_shown_with_what_is_used(there):
    reached, path = connect(namespace=there), f"/api/v1/namespaces/{there}/resourcequotas"
    made = reached.post(path, {"metadata": {"name": "few"}, "spec": {"hard": {"count/jobs.batch": "2"}}})
    for _, each in Watch(reached, path, [made]):
        if each.get("status", {}).get("hard"):
            break
    assert found("quota")[0].found == "count/jobs.batch 0 of 2"


def test_a_cluster_that_cannot_be_reached_is_one_finding(there, cluster, tmp_path, monkeypatch):
    import yaml

    config = yaml.safe_load(Path(cluster.kubeconfig).read_text())
    for each in config["clusters"]:
        each["cluster"]["server"] = "https://127.0.0.1:1"
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    (finding,) = found("cluster")
    assert not finding.good and "cannot be reached" in finding.found
