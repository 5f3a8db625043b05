"""Every installed deployer keeps every promise."""

import pytest

from fairing import plugins
from fairing.testing import deployers
from tests.kube import places


@pytest.fixture
def placed(name, request, monkeypatch):
    """Say where the deployer's runs go; all its promises look at the same runs."""
    if name == "job":
        for variable, value in request.getfixturevalue("on_the_cluster").items():
            monkeypatch.setenv(variable, value)


@pytest.fixture(scope="session")
def on_the_cluster(cluster, api):
    from kubernetes import client

    core = client.CoreV1Api(api)
    core.create_namespace({"metadata": {"name": "test-contracts"}})
    yield places.variables(cluster, "test-contracts", builder="inline")
    core.delete_namespace("test-contracts")


@pytest.mark.usefixtures("placed")
@pytest.mark.parametrize("promise", deployers.PROMISES, ids=lambda promise: promise.__name__)
@pytest.mark.parametrize("name", plugins.installed(plugins.DEPLOYERS))
def test_a_deployer_keeps_its_promise(name, promise):
    promise(name)
