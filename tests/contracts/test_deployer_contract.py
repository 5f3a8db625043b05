"""Every installed deployer keeps every promise."""

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
        cluster, namespace = request.getfixturevalue("cluster"), request.getfixturevalue("shared_namespace")
        for variable, value in places.variables(cluster, namespace, builder="inline").items():
            monkeypatch.setenv(variable, value)


@pytest.mark.usefixtures("placed")
@pytest.mark.parametrize("promise", deployers.PROMISES, ids=lambda promise: promise.__name__)
@pytest.mark.parametrize("name", NAMES)
def test_a_deployer_keeps_its_promise(name, promise):
    promise(name)
