"""Locks between processes end with their holder."""

import errno
import fcntl
import subprocess
import sys

import pytest

from fairing.oci import locks
from fairing.oci.locks import Taken, held, locked

HOLD = (
    "import sys; from pathlib import Path; from fairing.oci.locks import locked\n"
    "with locked(Path(sys.argv[1]), shared=sys.argv[2] == 'shared'):\n"
    "    print('held', flush=True); sys.stdin.read()\n"
)


@pytest.fixture
def holder(tmp_path):
    """Start processes that hold the lock until they are ended."""
    started = []

    def start(how="alone"):
        child = subprocess.Popen(
            [sys.executable, "-c", HOLD, tmp_path / "lock", how], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        started.append(child)
        assert child.stdout.readline() == b"held\n"
        return child

    yield start
    for child in started:
        child.kill()
        child.communicate()


def test_a_lock_that_is_held_is_not_given_twice(tmp_path, holder):
    holder()
    with pytest.raises(Taken), locked(tmp_path / "lock", wait=False):
        pass
    with pytest.raises(Taken), locked(tmp_path / "lock", shared=True, wait=False):
        pass
    assert held(tmp_path / "lock")


def test_a_shared_lock_is_given_to_many_and_to_nobody_alone(tmp_path, holder):
    holder("shared")
    with locked(tmp_path / "lock", shared=True, wait=False):
        pass
    with pytest.raises(Taken), locked(tmp_path / "lock", wait=False):
        pass


def test_a_lock_ends_with_a_holder_that_is_killed(tmp_path, holder):
    child = holder()
    child.kill()
    child.wait()
    with locked(tmp_path / "lock", wait=False):
        pass
    assert not held(tmp_path / "lock")


def test_a_lock_that_nobody_ever_took_is_not_held(tmp_path):
    assert not held(tmp_path / "lock")
    assert list(tmp_path.iterdir()) == []


def test_a_child_that_was_forked_meanwhile_does_not_keep_the_lock(tmp_path):
    program = (
        "import os, sys; from pathlib import Path; from fairing.oci.locks import locked\n"
        "path, (out, into) = Path(sys.argv[1]), os.pipe()\n"
        "with locked(path):\n"
        "    if not (child := os.fork()):\n"
        "        os.close(into); os.read(out, 1); os._exit(0)\n"
        "with locked(path, wait=False):\n"
        "    print('free')\n"
        "os.close(into); os.waitpid(child, 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, tmp_path / "lock"], stdout=subprocess.PIPE, check=True)
    assert done.stdout == b"free\n"


def test_where_the_system_has_no_shared_locks_one_holds_it_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "_posix", None)
    with locked(tmp_path / "lock", shared=True):
        assert held(tmp_path / "lock")
        with pytest.raises(Taken), locked(tmp_path / "lock", shared=True, wait=False):
            pass
    assert not held(tmp_path / "lock")
    with locked(tmp_path / "lock", wait=False):
        pass


def test_a_file_system_without_locks_stops_no_build_and_lets_nobody_sweep(tmp_path, monkeypatch):
    def flock(descriptor, how):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", flock)
    with locked(tmp_path / "lock", shared=True):
        pass
    with pytest.raises(Taken), locked(tmp_path / "lock", wait=False):
        pass
