"""The targets that every walk is walked over."""

import pytest


@pytest.fixture(params=["local", "cluster"])
def target(request):
    """The name of a target; a deployer that is added is one name more here."""
    return request.param
