"""Every installed builder keeps every promise."""

import pytest

from fairing import plugins
from fairing.testing import builders


@pytest.mark.parametrize("promise", builders.PROMISES, ids=lambda promise: promise.__name__)
@pytest.mark.parametrize("name", plugins.installed(plugins.BUILDERS))
def test_a_builder_keeps_its_promise(name, promise):
    promise(name)
