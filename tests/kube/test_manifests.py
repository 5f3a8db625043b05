"""What options become, as manifests that a reader can check; the real API server admits each of them."""

import pytest

from fairing.kube.connection import Refused, connect
from tests.kube import golden

LEVELS = ("restricted", "baseline", "privileged")


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("API_KEY", "any")


@pytest.mark.parametrize("name", golden.FAMILIES)
def test_options_make_the_manifest_that_is_kept(name):
    """A change that is meant is written by make manifests, and seen by whoever reads the commit."""
    assert golden.written(name) == (golden.FOLDER / f"{name}.yaml").read_text()


def test_no_manifest_is_kept_of_what_is_made_no_more():
    assert {path.stem for path in golden.FOLDER.glob("*.yaml")} == set(golden.FAMILIES)


@pytest.fixture(scope="module")
def levels(cluster, api):
    """Namespaces, one for each Pod Security Standard, with what pods name."""
    from uuid import uuid4

    from kubernetes import client

    from tests.cluster.fixtures import await_event

    core, scheduling = client.CoreV1Api(api), client.SchedulingV1Api(api)
    made = {level: f"test-{level}-{uuid4().hex[:8]}" for level in LEVELS}
    for level, name in made.items():
        labels = {"pod-security.kubernetes.io/enforce": level}
        core.create_namespace({"metadata": {"name": name, "labels": labels}})
        core.create_namespaced_service_account(name, {"metadata": {"name": "trainer"}})
    for name in made.values():
        await_event(lambda _: True, core.list_namespaced_service_account, name, field_selector="metadata.name=default")
    scheduling.create_priority_class({"metadata": {"name": "vision-high"}, "value": 1000})
    yield made
    scheduling.delete_priority_class("vision-high")
    for name in made.values():
        core.delete_namespace(name)


@pytest.mark.parametrize("name", golden.FAMILIES)
def test_the_api_server_admits_what_options_make_at_the_strictest_level_that_can_be(name, levels, cluster, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", cluster.kubeconfig)
    level, job = golden.FAMILIES[name].level, golden.made(name)
    at = LEVELS.index(level)
    tried(cluster, levels[level], job)
    if at:
        with pytest.raises(Refused, match="violates PodSecurity"):
            tried(cluster, levels[LEVELS[at - 1]], job)


def tried(cluster, namespace, job):
    """Have a Job and one of its pods admitted, and not made; a field that the API does not know is refused too."""
    reached = connect(cluster.context, namespace)
    reached.admit(f"/apis/batch/v1/namespaces/{namespace}/jobs", job)
    pod = {**job["spec"]["template"], "metadata": {**job["spec"]["template"]["metadata"], "name": "one"}}
    return reached.admit(f"/api/v1/namespaces/{namespace}/pods", pod)
