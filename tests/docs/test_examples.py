"""Everything under ``examples/`` runs as written."""

import shutil
import subprocess
import sys
from pathlib import Path

import nbformat

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_the_example_script_runs_as_written():
    script = EXAMPLES / "train_digits.py"
    ran = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.rstrip().splitlines()[-1].startswith("the deepest tree is the best: 0.")


def test_the_nightly_notebook_runs_as_its_readme_says(tmp_path):
    shutil.copytree(EXAMPLES / "nightly", tmp_path / "nightly")
    (command,) = (
        line.split() for line in (EXAMPLES / "nightly" / "README.md").read_text().splitlines() if line[:4] == "    "
    )
    command[0] = str(Path(sys.executable).with_name(command[0]))
    ran = subprocess.run(command, cwd=tmp_path / "nightly", capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    cells = nbformat.read(tmp_path / "nightly" / "report-2026.ipynb", as_version=4).cells
    assert cells[-1].outputs[0]["text"] == "sales of 2026: 1430\n"
