"""Every installed deployer keeps every promise."""

from uuid import uuid4

import pytest

from fairing import plugins
from fairing.testing import deployers
from tests.kube import places

NAMES = [
    pytest.param(name, marks=pytest.mark.cluster) if name == "job" else name
    for name in plugins.installed(plugins.DEPLOYERS)
]


@pytest.fixture
def placed(name, request, monkeypatch):
    """Say where the deployer's runs go; all its promises look at the same runs."""
    if name == "job":
        for variable, value in request.getfixturevalue("on_the_cluster").items():
            monkeypatch.setenv(variable, value)


@pytest.fixture(scope="session")
def on_the_cluster(cluster, api):
    from kubernetes import client

    core, name = client.CoreV1Api(api), f"test-{uuid4().hex[:8]}"
    core.create_namespace({"metadata": {"name": name}})
    yield places.variables(cluster, name, builder="inline")
    if core.list_namespace(field_selector=f"metadata.name={name}").items:  # else the cluster was made anew meanwhile
        core.delete_namespace(name)


@pytest.mark.usefixtures("placed")
@pytest.mark.parametrize("promise", deployers.PROMISES, ids=lambda promise: promise.__name__)
@pytest.mark.parametrize("name", NAMES)
def test_a_deployer_keeps_its_promise(name, promise):
    promise(name)
