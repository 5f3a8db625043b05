"""What every test gets: a home of its own for fairing, and a way to say what it needs."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A busy machine is no failure; and what the function-scoped fixtures give is the same for every example.
settings.register_profile(
    "tests", deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
settings.register_profile("heavy", settings.get_profile("tests"), max_examples=500)
settings.load_profile("tests")


@pytest.fixture(autouse=True, scope="session")
def fairing_home(tmp_path_factory):
    """Keep runs and images of the tests apart from the person's own."""
    home = tmp_path_factory.mktemp("fairing-home")
    before = {name: os.environ.pop(name) for name in tuple(os.environ) if name.startswith("FAIRING_")}
    os.environ["FAIRING_HOME"] = str(home)
    yield home
    if (home / "runs").is_dir():  # a test that failed may have left one that waits for ever
        from fairing import plugins
        from fairing.spec import Target

        local = plugins.deployer("local")
        for handle in local.list(Target("local", "local", "append")):
            local.delete(handle)
    del os.environ["FAIRING_HOME"]
    os.environ.update(before)


def needs(program: str) -> str:
    """Return where a program is; without it skip on a person's machine, and fail where everything has to run."""
    found = shutil.which(program)
    if found is None:
        missing(f"{program} is not installed")
    return str(found)


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """Make a folder a disk of its own, of a size such as ``6m``."""
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], stderr=subprocess.PIPE)
    if done.returncode:
        missing(f"no small disk can be mounted ({done.stderr.decode().strip()})")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def missing(what: str) -> None:
    """Say that something a test needs is not here."""
    if os.environ.get("CI"):
        pytest.fail(f"{what}, and CI runs everything")
    pytest.skip(what)
