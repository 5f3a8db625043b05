"""Every installed builder keeps every promise, wherever it leaves its images."""

import pytest

from fairing import plugins
from fairing.testing import builders, builds
from tests.conftest import missing
from tests.registry import bases, servers

MADE = [
    pytest.param(name, to, marks=pytest.mark.cluster) if to == "inline" else (name, to)
    for name in plugins.installed(plugins.BUILDERS)
    for to in sorted(plugins.builder(name).makes)
]


@pytest.fixture(scope="session")
def registry(tmp_path_factory):
    with servers.registry(tmp_path_factory.mktemp("registry")) as host:
        yield host, bases.push(f"{host}/contract/python:this")


@pytest.fixture
def place(request, to, monkeypatch):
    """Name the repository and the base where a builder's images go."""
    if to == "inline":  # it looks into an image that is there, on the cluster
        cluster = request.getfixturevalue("cluster")
        base = next((image for image in cluster.images if f":{bases.MINOR}-" in image), None)
        if base is None:
            missing(f"no image of the cluster has Python {bases.MINOR}")
        monkeypatch.setenv("KUBECONFIG", cluster.kubeconfig)
        monkeypatch.setenv(builds.BASE, base)
    elif to != "layers":
        host, base = request.getfixturevalue("registry")
        monkeypatch.setenv(builds.REPOSITORY, f"{host}/contract/images")
        monkeypatch.setenv(builds.BASE, base)


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("promise", builders.PROMISES, ids=lambda promise: promise.__name__)
@pytest.mark.parametrize(("name", "to"), MADE)
def test_a_builder_keeps_its_promise(name, to, promise):
    promise(name, to)
