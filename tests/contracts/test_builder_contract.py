"""Every installed builder keeps every promise, wherever it leaves its images."""

import pytest

from fairing import plugins
from fairing.testing import builders, builds
from tests.registry import bases, servers

MADE = [(name, to) for name in plugins.installed(plugins.BUILDERS) for to in sorted(plugins.builder(name).makes)]


@pytest.fixture(scope="session", autouse=True)
def registry(tmp_path_factory):
    with servers.registry(tmp_path_factory.mktemp("registry")) as host, pytest.MonkeyPatch.context() as patch:
        patch.setenv(builds.REPOSITORY, f"{host}/contract/images")
        patch.setenv(builds.BASE, bases.push(f"{host}/contract/python:this"))
        yield host


@pytest.mark.parametrize("promise", builders.PROMISES, ids=lambda promise: promise.__name__)
@pytest.mark.parametrize(("name", "to"), MADE)
def test_a_builder_keeps_its_promise(name, to, promise):
    promise(name, to)
