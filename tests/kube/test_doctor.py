"""What ``fairing doctor`` says of a cluster."""

import time
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
    rights = {finding.found: finding.good for finding in found("rights")}
    assert rights["you may create, watch, patch, delete jobs"]
    assert all(rights.values())


def test_the_rights_that_somebody_lacks_are_named_and_refused_before_anything_is_made(
    there, cluster, api, tmp_path, monkeypatch
):
    rights.account(api, there, "guest")
    monkeypatch.setenv("KUBECONFIG", rights.kubeconfig(cluster, api, there, "guest", tmp_path))
    monkeypatch.delenv("FAIRING_CONTEXT")
    lacking = [finding for finding in found("rights") if not finding.good]
    assert "you may not create, watch, patch, delete jobs" in [finding.found for finding in lacking]
    assert all("namespace=" in finding.fix for finding in lacking)
    assert any("nodes: how large the largest node is" in finding.found for finding in found("rights"))
    assert "you may not create, watch, patch, delete jobs. Choose" in repr(fairing.doctor())
    with pytest.raises(AccessError, match=r"You may not create jobs in the namespace .* namespace="):
        fairing.train(print)


def test_a_quota_is_shown_with_what_is_used_and_whether_anything_is_left(there):
    reached, path = connect(namespace=there), f"/api/v1/namespaces/{there}/resourcequotas"
    made = reached.post(path, {"metadata": {"name": "few"}, "spec": {"hard": {"count/jobs.batch": "2", "pods": "0"}}})
    for _, each in Watch(reached, path, [made]):
        if each.get("status", {}).get("hard"):
            break
    (finding,) = found("quota")
    assert finding.found == "few: count/jobs.batch 0 of 2, pods 0 of 0"
    assert not finding.good and finding.fix.startswith("No pods is left")


def test_operators_are_known_by_the_kinds_that_they_bring(there):
    reached, path = connect(namespace=there), "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    name, group = "jobs.batch.volcano.sh", "batch.volcano.sh"
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    version = {"name": "v1alpha1", "served": True, "storage": True, "schema": schema}
    names = {"kind": "Job", "plural": "jobs", "singular": "job"}
    spec = {"group": group, "names": names, "scope": "Namespaced", "versions": [version]}
    reached.post(path, {"metadata": {"name": name}, "spec": spec})
    try:
        until = time.monotonic() + 60
        while group not in {each["name"] for each in reached.get("/apis")["groups"]}:
            assert time.monotonic() < until, "it is served a moment after it is made"
        assert "Volcano (batch.volcano.sh/v1alpha1: Job)" in found("operators")[0].found
    finally:
        reached.delete(f"{path}/{name}")


def test_a_cluster_that_cannot_be_reached_is_one_finding(there, cluster, tmp_path, monkeypatch):
    import yaml

    config = yaml.safe_load(Path(cluster.kubeconfig).read_text())
    for each in config["clusters"]:
        each["cluster"]["server"] = "https://127.0.0.1:1"
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    (finding,) = found("cluster")
    assert not finding.good and "cannot be reached" in finding.found
