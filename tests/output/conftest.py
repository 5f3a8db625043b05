from __future__ import annotations

import os

import pytest

from tests.output.front import Front


@pytest.fixture(scope="module")
def kernel(fairing_home, tmp_path_factory):
    front = Front({**os.environ, "FAIRING_HOME": str(fairing_home)}, str(tmp_path_factory.mktemp("kernel")))
    front.run("import fairing")
    yield front
    front.close()
