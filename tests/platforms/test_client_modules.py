"""The client runs on Linux, macOS and Windows: only the runtime and the local deployer import what is POSIX alone."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HIDDEN = ("fcntl", "grp", "pwd", "resource", "termios", "tty", "pty", "syslog", "posix")
POSIX_ONLY = ("fairing.runtime", "fairing_deployers.local")
HIDE = f"""
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name in {HIDDEN!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
# These know their platform, and choose at import.
import subprocess, tempfile, asyncio, concurrent.futures, multiprocessing, pathlib, shutil, selectors
for name in {HIDDEN!r}:
    sys.modules.pop(name, None)
sys.meta_path.insert(0, Hidden())
"""


def modules():
    for root in (ROOT, ROOT / "builders", ROOT / "deployers"):
        for package in ("fairing", "fairing_builders", "fairing_deployers"):
            for file in sorted((root / package).rglob("*.py")):
                name = ".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
                if not name.startswith(POSIX_ONLY) and not name.endswith("__main__"):
                    yield name


def test_client_modules_import_without_posix():
    imports = "\n".join(f"import {name}" for name in modules())
    ran = subprocess.run([sys.executable, "-c", HIDE + imports], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-2000:]


def test_the_codec_of_frames_imports_without_posix():
    ran = subprocess.run([sys.executable, "-c", HIDE + "import fairing.runtime.frames"], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-2000:]


HEAVY = ("kubernetes", "docker", "papermill", "nbconvert", "IPython", "matplotlib", "pandas", "numpy", "yaml")


def test_import_fairing_loads_nothing_heavy():
    code = f"import sys, fairing; print([name for name in {HEAVY!r} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


@pytest.mark.parametrize("name", HEAVY)
def test_training_a_plain_function_loads_nothing_heavy(name):
    code = f"import sys, fairing; fairing.train(pow, args=(2, 3)); print({name!r} in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip().splitlines()[-1] == "False"
