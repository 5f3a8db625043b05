"""Environments of other versions: another Python, another ipykernel."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")
TOOLS = ("pytest", "pytest-timeout", "pytest-randomly", "hypothesis", "psutil", "hatchling")
LIBRARIES = ("matplotlib", "pandas", "pyarrow", "scikit-learn", "tqdm")


@cache
def interpreter(version: str) -> Path | None:
    """Return a Python of this minor version that runs, from the PATH or from pyenv."""
    candidates = [Path(folder) / f"python{version}" for folder in os.get_exec_path()]
    candidates += sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python"))
    for candidate in candidates:
        if candidate.is_file() and _is(candidate, version):
            return candidate
    return None


def environment(folder: Path, python: Path, *packages: str) -> Path:
    """Make an environment with this checkout and these packages, at the lock's versions; return its interpreter."""
    made = folder / "bin" / "python"
    subprocess.run([UV, "venv", "--quiet", "--python", python, folder], check=True)
    constraints = ROOT / "requirements" / "dev.txt"
    install = [UV, "pip", "install", "--quiet", "--python", made]
    names = [package.partition("==")[0] for package in packages if "==" in package]
    free = constraints if not names else _without(folder / "constraints.txt", constraints, names)
    wanted = [*TOOLS, *packages]
    subprocess.run([*install, "--constraints", free, "--editable", ROOT, *wanted], check=True)
    return made


def run(python: Path, *tests: str, cluster: bool = False) -> subprocess.CompletedProcess[str]:
    """Run tests of this checkout in another environment.

    Args:
        python: Its interpreter.
        tests: The tests.
        cluster: Whether those on a cluster are among them, whose images have the Pythons that they have.
    """
    env = {name: value for name, value in os.environ.items() if _kept(name)}
    marks = "not restarts_cluster" if cluster else "not cluster and not restarts_cluster"
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", marks, *tests]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)


def versions(python: Path) -> dict[str, str]:
    """Return what is installed in an environment."""
    listed = subprocess.run(
        [UV, "pip", "list", "--quiet", "--format", "json", "--python", python],
        capture_output=True,
        text=True,
        check=True,
    )
    return {each["name"]: each["version"] for each in json.loads(listed.stdout)}


def _kept(variable: str) -> bool:
    """Whether a variable of ours says which cluster tests run on, or is none of ours."""
    return variable.startswith(("FAIRING_TEST", "FAIRING_CLUSTER")) or not variable.startswith(("PYTEST", "FAIRING_"))


def _is(candidate: Path, version: str) -> bool:
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    ran = subprocess.run([candidate, "-c", code], capture_output=True, text=True)
    return ran.returncode == 0 and ran.stdout.strip() == version


def _without(out: Path, lock: Path, names: list[str]) -> Path:
    """Write the lock's versions, without hashes, and without what a lane chooses itself."""
    pins = [line.removesuffix(" \\") for line in lock.read_text().splitlines() if line and line[0] not in " #"]
    out.write_text("\n".join(pin for pin in pins if pin.partition("==")[0] not in names))
    return out
