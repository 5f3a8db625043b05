"""The quickstart notebook, as ``make demo`` runs it, and the same on a cluster."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tests.kube import places

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", params=["local", pytest.param("cluster", marks=pytest.mark.cluster)])
def executed(request):
    """The executed notebook: as it is, and with nothing changed but where its calls go."""
    there = {}
    if request.param == "cluster":
        there = places.variables(request.getfixturevalue("cluster"), request.getfixturevalue("shared_namespace"))
    command = [sys.executable, "-m", "notebooks.demo"]
    ran = subprocess.run(command, cwd=ROOT, env={**os.environ, **there}, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-3000:]
    where = Path(ran.stdout.strip().splitlines()[-1].rpartition(": ")[2])
    return {cell.id: cell for cell in nbformat.read(where, as_version=4).cells}


def texts(cell):
    return "".join(output.get("text", "") for output in cell.outputs if output.output_type == "stream")


def test_the_value_of_the_run_is_a_trained_model(executed):
    assert "RandomForestClassifier" in executed["model"].outputs[0]["data"]["text/plain"]


def test_the_cell_shows_what_the_run_printed(executed):
    assert "accuracy after 40 trees: 0.9" in texts(executed["run"])


def test_the_cell_shows_the_figure(executed):
    assert any("image/png" in output.get("data", {}) for output in executed["run"].outputs)


def test_the_cell_shows_the_progress_bar_at_its_end(executed):
    assert "40/40" in str(executed["run"].outputs)


def test_the_exception_of_the_run_arrives_as_itself(executed):
    assert "from the run:" in texts(executed["error"])


def test_a_name_comes_back_from_a_cell(executed):
    assert int(executed["best"].outputs[0]["data"]["text/plain"]) <= 8
