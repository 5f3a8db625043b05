"""The targets that every walk is walked over."""

import pytest

from tests.kube import places


@pytest.fixture(params=["local", pytest.param("cluster", marks=pytest.mark.cluster)])
def target(request, monkeypatch):
    """The name of a target; a deployer that is added is one name more here."""
    if request.param == "cluster":
        cluster, namespace = request.getfixturevalue("cluster"), request.getfixturevalue("namespace")
        for name, value in places.variables(cluster, namespace).items():
            monkeypatch.setenv(name, value)
    return request.param
