"""What is installed is what was written: the wheel in a fresh environment."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIST = """
import fairing.plugins as plugins
for group in (plugins.BUILDERS, plugins.DEPLOYERS):
    for name in plugins.installed(group):
        print(name, type(plugins.builder(name) if group == plugins.BUILDERS else plugins.deployer(name)).__name__)
"""


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """A virtual environment with the wheel, and with what it requires."""
    folder = tmp_path_factory.mktemp("wheel")
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "build", "--quiet", "--wheel", "--no-build-isolation", "--out-dir", folder, ROOT], check=True)
    (wheel,) = folder.glob("*.whl")
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python, wheel], check=True)
    return python


def test_a_wheel_in_a_fresh_environment_lists_every_builder_and_deployer(fresh, tmp_path):
    listed = subprocess.run([fresh, "-c", LIST], check=True, capture_output=True, text=True, cwd=tmp_path).stdout
    assert "append AppendBuilder" in listed
    assert "local LocalDeployer" in listed


def test_a_wheel_in_a_fresh_environment_runs_a_function(fresh, tmp_path):
    code = "import fairing\nprint(fairing.train(pow, args=(2, 5)))"
    ran = subprocess.run([fresh, "-c", code], check=True, capture_output=True, text=True, cwd=tmp_path)
    assert ran.stdout.splitlines()[-1] == "32"


def test_the_wheel_is_typed(fresh):
    site = next(fresh.parents[1].glob("lib/python*/site-packages"))
    assert all(
        (site / package / "py.typed").exists() for package in ("fairing", "fairing_builders", "fairing_deployers")
    )
