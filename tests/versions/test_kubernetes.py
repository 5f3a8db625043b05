"""The oldest kubernetes package that users pin stays as it is beside fairing, and runs go through it."""

import sys
from pathlib import Path

import pytest

from tests.versions.lanes import LIBRARIES, environment, run, versions

OLDEST = "29.0.0"
TESTS = [f"tests/kube/test_{name}.py" for name in ("connection", "job", "tokens", "proxy")]
"""What depends on it: how a cluster is found and reached, and as whom."""


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("cluster")
def test_runs_go_to_a_cluster_through_the_oldest_kubernetes_package(tmp_path):
    python = environment(tmp_path / "venv", Path(sys.executable), f"kubernetes=={OLDEST}", *LIBRARIES)
    assert versions(python)["kubernetes"] == OLDEST
    ran = run(python, *TESTS, cluster=True)
    assert ran.returncode == 0, ran.stdout[-6000:]
