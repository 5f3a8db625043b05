"""Limits are kept by the kernel, or refused in a sentence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import fairing
from fairing import state
from fairing.errors import CapacityError, OutOfMemory
from fairing.runtime import cgroup
from tests.conftest import missing
from tests.deployers.watch import failures, folder, said


@pytest.fixture
def groups():
    """Ask for a machine on which this user may make control groups."""
    if set(cgroup.homes(["cpu", "memory"])) != {"cpu", "memory"}:
        missing("Control groups cannot be made here")


def made(job):
    """Return the control groups of a run that exist."""
    import json

    replicas = json.loads((folder(job) / "run.json").read_bytes())["replicas"]
    named = [Path(path) for each in replicas for path in each["groups"]]
    assert named
    return [path for path in named if path.exists()]


def eat():
    held = []
    while True:
        held.append(bytearray(8 << 20))


def test_out_of_memory_is_its_own_outcome(groups):
    job = fairing.submit(eat, memory="128Mi")
    with pytest.raises(OutOfMemory, match="128 MiB"):
        job.result()
    assert [(each.ename, str(each.at.source)) for each in failures(job)] == [("memory", "run-0")]
    job.cancel()  # it has ended; this returns when nothing of it is left
    assert made(job) == []


def test_a_kill_within_a_limit_is_no_lack_of_memory(groups):
    def end():
        import os
        import signal

        os.kill(os.getpid(), signal.SIGKILL)

    job = fairing.submit(end, memory="256Mi")
    assert [each.ename for each in failures(job)] == ["signal"]


def test_processor_time_is_limited_by_the_kernel(groups):
    def wait():
        import os
        import signal

        print("here", os.environ["RANK"], flush=True)
        signal.pause()

    job = fairing.submit(wait, cpu=0.5, memory="256Mi", workers=2)
    for rank in range(2):
        said(job, f"here {rank}")
    limits = {}
    for path in made(job):
        for name in ("cpu.cfs_quota_us", "cpu.max"):
            if (path / name).exists():
                limits[path] = int((path / name).read_text().split()[0])
                assert len((path / "cgroup.procs").read_text().split()) == 2  # the runner, and the user's code
    assert list(limits.values()) == [50_000, 50_000]
    job.cancel()
    assert made(job) == []


def test_groups_are_removed_with_a_run_whose_watchers_were_killed(groups):
    from tests.deployers.watch import gone, watchers

    def wait():
        import signal

        print("here", flush=True)
        signal.pause()

    job = fairing.submit(wait, memory="256Mi")
    said(job, "here")
    guard, supervisor = watchers(job)
    below = supervisor.children(recursive=True)
    left = made(job)
    guard.kill()
    supervisor.kill()
    assert all(gone(each.pid) for each in (guard, supervisor, *below))
    job.delete()
    assert [path for path in left if path.exists()] == []


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"memory": "4096Ti"}, "this machine has"),
        ({"memory": "2048Ti", "workers": 2}, "2 workers ask for"),
        ({"cpu": 4096}, "4096 processors"),
        ({"gpus": 4096}, "GPUs were asked for"),
        ({"workers": 100_000_000}, "more than one run may have"),
        ({"gpus": 2000, "workers": 4}, "4 workers with 2000 GPUs each"),
    ],
)
def test_more_than_there_is_is_refused_before_anything_is_made(asked, words):
    before = set(state.runs().iterdir())
    with pytest.raises(CapacityError, match=words):
        fairing.submit(pow, args=(2, 5), **asked)
    assert set(state.runs().iterdir()) == before


UNPRIVILEGED = """
import os, sys
os.environ["FAIRING_HOME"] = os.environ["HOME"] = sys.argv[1]
sys.path[:0] = sys.argv[2:]
from fairing.spec import Group, Resources, Target, Workload
from fairing_deployers.local import LocalDeployer
from fairing.errors import CapacityError
os.setgid(65534)
os.setuid(65534)
target = Target("local", "local", "append")
groups = (Group("worker", 1, Resources(cpu=1.0, memory=1 << 28)),)
try:
    LocalDeployer().check(Workload("w", groups), target)
except CapacityError as refused:
    print(refused)
LocalDeployer().check(Workload("w", groups, limits="best-effort"), target)
print("best effort")
"""


def test_limits_that_cannot_be_kept_are_refused_unless_an_effort_is_enough(tmp_path):
    if os.getuid() != 0:
        missing("Only root can become a user who may make no control group")
    packages = [str(Path(fairing.__file__).parents[1]), *[path for path in sys.path if path.endswith("deployers")]]
    program = subprocess.run(
        [sys.executable, "-c", UNPRIVILEGED, str(tmp_path), *packages], stdout=subprocess.PIPE, text=True, check=True
    )
    refusal, effort = program.stdout.splitlines()
    assert refusal == (
        "cpu and memory cannot be limited on this machine. This user may not make control groups. "
        "Leave cpu= and memory= out, or run without: limits='best-effort'."
    )
    assert effort == "best effort"


def test_the_nearest_group_that_hands_a_limit_on_is_found(tmp_path):
    """Version 2, as systemd lays it out: the shell's own group hands nothing on, and one above it does."""
    session = tmp_path / "user.slice" / "user@1000.service"
    shell = session / "app.slice" / "shell.scope"
    shell.mkdir(parents=True)
    for group, handed in ((shell, ""), (shell.parent, ""), (session, "cpu memory pids"), (tmp_path, "cpu memory")):
        (group / "cgroup.subtree_control").write_text(handed)
        (group / "cgroup.procs").touch()
    mounts, mine = tmp_path / "mounts", tmp_path / "mine"
    mounts.write_text(f"cgroup2 {tmp_path} cgroup2 rw,nosuid 0 0\n")
    mine.write_text("0::/user.slice/user@1000.service/app.slice/shell.scope\n")
    assert cgroup.homes(["memory", "io"], mounts, mine) == {"memory": session}


def test_without_control_groups_none_is_found(tmp_path):
    assert cgroup.homes(["memory"], tmp_path / "none", tmp_path / "none") == {}
