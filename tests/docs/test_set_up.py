"""What ``make`` does on a fresh machine, before there is a ``.venv``."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def make(*arguments):
    return subprocess.run(["make", "-s", *arguments], cwd=ROOT, capture_output=True, text=True)


def test_make_goes_on_with_a_python_that_will_do():
    ran = make("python", f"PYTHON={sys.executable}")
    assert (ran.returncode, ran.stderr) == (0, "")


def test_make_says_which_python_it_needs(tmp_path):
    old = tmp_path / "python"
    old.write_text(f"""#!/bin/sh\nexec {sys.executable} -c "import sys; sys.version_info = (3, 9); $2"\n""")
    old.chmod(0o755)
    ran = make("python", f"PYTHON={old}")
    assert ran.returncode != 0
    assert "fairing needs Python 3.10 or newer; set PYTHON=" in ran.stderr
