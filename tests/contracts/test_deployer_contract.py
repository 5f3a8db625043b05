"""Every installed deployer keeps every promise."""

import pytest

from fairing import plugins
from fairing.testing import deployers


@pytest.mark.parametrize("promise", deployers.PROMISES, ids=lambda promise: promise.__name__)
@pytest.mark.parametrize("name", plugins.installed(plugins.DEPLOYERS))
def test_a_deployer_keeps_its_promise(name, promise):
    promise(name)
