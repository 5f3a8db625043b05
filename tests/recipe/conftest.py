import pytest

from tests.dependencies.places import Place


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)
