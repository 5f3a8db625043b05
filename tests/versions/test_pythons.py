"""Python 3.10 to the newest here: the main job holds on each."""

import sys

import pytest

from tests.conftest import missing
from tests.versions.lanes import LIBRARIES, environment, interpreter, run

VERSIONS = [f"3.{minor}" for minor in (10, 11, 12, 13) if minor != sys.version_info.minor]
TESTS = (
    "tests/test_thin_line.py",
    "tests/walks",
    "tests/capture",
    "tests/cell",
    "tests/contracts/test_builder_contract.py",
    "tests/contracts/test_deployer_contract.py",
    "tests/deployers",
    "tests/run",
    "tests/oci",
    "tests/recipe",
    "tests/runtime",
)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.timeout(600)
def test_the_main_job_holds_on_python(version, tmp_path):
    python = interpreter(version)
    if python is None:
        missing(f"Python {version} is not installed")
    ran = run(environment(tmp_path / "venv", python, *LIBRARIES), *TESTS)
    assert ran.returncode == 0, ran.stdout[-6000:]
