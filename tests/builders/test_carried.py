"""What travels with the code to an image that does not have fairing."""

import io
import subprocess
import sys
import zipfile

import pytest

from fairing_builders import carried


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / carried.NAME
    path.write_bytes(carried.archive())
    return path


def test_a_run_compiles_nothing_of_what_travels_before_its_code_begins(archive):
    names = "fairing.runtime.pod, fairing.runtime.child, fairing.runtime.function, cloudpickle"
    program = f"import {names}, sys; print(*(vars(each).get('__file__') for each in sys.modules.values()), sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(archive)!r}); {program}"],
        check=True,
        capture_output=True,
        text=True,
    )
    started = [line for line in done.stdout.splitlines() if line.startswith(str(archive))]
    assert len(started) > 15
    assert [line for line in started if not line.endswith(".pyc")] == []


def test_all_of_fairing_travels(archive):
    names = {name.removesuffix("c") for name in zipfile.ZipFile(archive).namelist()}
    assert {"fairing/runtime/child.py", "fairing/api/train.py", "cloudpickle/cloudpickle.py"} <= names
    assert any(name.endswith("entry_points.txt") for name in names)


def test_the_same_fairing_makes_the_same_archive(monkeypatch, tmp_path):
    first = carried.archive()
    carried._made.cache_clear()
    monkeypatch.setenv("FAIRING_HOME", str(tmp_path))
    assert carried.archive() == first and zipfile.ZipFile(io.BytesIO(first)).testzip() is None
