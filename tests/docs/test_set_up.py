"""What ``make`` does on a fresh machine, before there is a ``.venv``."""

import re
import subprocess
import sys
from pathlib import Path

from packaging.requirements import Requirement

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


def test_the_lock_holds_what_the_editable_install_of_a_fresh_machine_needs():
    asked = "from hatchling import build; print(*build.get_requires_for_build_editable(), sep='\\n')"
    ran = subprocess.run([sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True)
    locked = set(re.findall(r"^([\w.-]+)==", (ROOT / "requirements" / "dev.txt").read_text(), re.MULTILINE))
    assert {Requirement(line).name for line in ran.stdout.split()} <= locked
