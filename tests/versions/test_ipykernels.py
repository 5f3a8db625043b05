"""ipykernel 6 and 7.1 route the output of threads in other ways: a run's output lands in its own cell on all."""

import sys
from pathlib import Path

import pytest

from tests.versions.lanes import LIBRARIES, environment, run

TESTS = ("tests/output", "tests/notebook/test_run.py")


@pytest.mark.parametrize("version", ["6.30.1", "7.1.0"])
@pytest.mark.timeout(600)
def test_output_lands_in_its_own_cell_on_ipykernel(version, tmp_path):
    python = environment(tmp_path / "venv", Path(sys.executable), f"ipykernel=={version}", *LIBRARIES)
    ran = run(python, *TESTS)
    assert ran.returncode == 0, ran.stdout[-6000:]
