"""What a run leaves on disk is its owner's alone, and what somebody did to it is told in words."""

import fcntl
import json
import os
import re
import stat
import sys
import threading
from pathlib import Path

import pytest

import fairing
from fairing import state
from fairing.errors import AccessError, ConfigError, DeployError, FairingError, RunFailed
from fairing.run.follow import follow
from fairing.spec import Handle, Target
from fairing_deployers.local import LocalDeployer
from tests.conftest import missing, small_disk
from tests.deployers.watch import folder, said

HERE = Target("local", "local", "append")


@pytest.fixture
def ended():
    """Give a run that has ended."""
    job = fairing.submit(pow, args=(2, 5))
    job.result()
    return job


def test_state_and_run_folders_are_their_owners_alone(ended):
    for path in (state.runs(), state.store(), folder(ended)):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    for path in folder(ended).iterdir():
        if path.is_dir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o700, path


def test_a_folder_that_others_could_enter_is_closed(tmp_path):
    tmp_path.joinpath("open").mkdir()
    tmp_path.joinpath("open").chmod(0o777)
    assert stat.S_IMODE(state.private(tmp_path / "open").stat().st_mode) == 0o700


@pytest.mark.parametrize("how", ["folder", "link"])
def test_a_folder_of_another_owner_is_refused(tmp_path, how):
    if os.getuid() != 0:
        missing("Only root can give a folder away")
    there = tmp_path / "there"
    if how == "folder":
        there.mkdir()
    else:
        there.symlink_to(tmp_path)
    os.lchown(there, 65534, 65534)
    with pytest.raises(AccessError, match="belongs to another user"):
        state.private(there)


def test_a_home_that_was_there_keeps_its_mode(tmp_path, monkeypatch):
    tmp_path.chmod(0o755)
    monkeypatch.setenv("FAIRING_HOME", str(tmp_path))
    state.runs()
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_a_home_that_is_a_file_is_refused_in_words(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("FAIRING_HOME", str(tmp_path / "file"))
    with pytest.raises(AccessError, match="cannot be used to keep things in"):
        state.runs()


def test_values_of_variables_are_in_no_file_of_the_run(monkeypatch):
    monkeypatch.setenv("MY_TOKEN", "of-the-kernel-7391")

    def read():
        import os

        return os.environ["MY_TOKEN"], os.environ["ASKED"]

    job = fairing.submit(read, env={"ASKED": "for-this-run-7391"})
    assert job.result() == ("of-the-kernel-7391", "for-this-run-7391")
    written = [path for path in folder(job).rglob("*") if path.is_file() and path.suffix != ".log"]
    assert [path for path in written if b"7391" in path.read_bytes()] == []


def test_names_of_runs_cannot_be_guessed():
    first, second = (fairing.submit(pow, args=(1, 1)) for _ in range(2))
    assert first.handle != second.handle
    assert len(str(first.handle).rpartition("-")[2]) == 8
    first.result()
    second.result()


def test_a_name_that_is_no_folder_name_becomes_one():
    assert fairing.submit(pow, args=(2, 2), name="../../my run: Ω/x").result() == 4


def test_runs_are_listed_newest_first():
    jobs = [fairing.submit(pow, args=(2, 5)) for _ in range(3)]
    for job in jobs:
        job.result()
    listed = LocalDeployer().list(HERE)
    assert [handle for handle in listed if handle in {job.handle for job in jobs}] == [
        job.handle for job in reversed(jobs)
    ]


@pytest.mark.parametrize("name", ["nothing-1f3a", "..", ".", "a%2Fb", "a%00b", "a/b"])
def test_a_handle_of_no_run_is_refused(name):
    with pytest.raises(DeployError, match="no run"):
        LocalDeployer().status(Handle.parse(f"local://{name}"))


def test_what_is_no_handle_is_refused():
    with pytest.raises(ConfigError, match="not the handle"):
        Handle.parse("nothing")


def _tamper(path, how):
    if how == "run.json is gone":
        (path / "run.json").unlink()
    elif how == "the key is gone":
        (path / "key").unlink()
    elif how == "the logs are gone":
        for log in (path / "logs").iterdir():
            log.unlink()
        (path / "logs").rmdir()
    elif how == "end.json is cut off":
        (path / "end.json").write_text('{"phase": "succ')
    elif how == "end.json is a list":
        (path / "end.json").write_text("[]")
    else:
        (path / "end.json").write_text(json.dumps({"phase": "fine", "time": 1}))


TAMPERED = [
    "run.json is gone",
    "the key is gone",
    "the logs are gone",
    "end.json is cut off",
    "end.json is a list",
    "end.json says what no run is",
]


@pytest.mark.parametrize("how", TAMPERED)
def test_a_run_that_somebody_damaged_says_so_and_can_be_deleted(ended, how):
    _tamper(folder(ended), how)
    with pytest.raises(DeployError, match="damaged") as told:
        LocalDeployer().status(ended.handle)
    assert "delete()" in str(told.value)
    fairing.attach(str(ended.handle)).delete()
    assert not folder(ended).exists()


def test_damaged_runs_do_not_keep_others_from_being_listed(ended):
    (folder(ended) / "run.json").unlink()
    other = fairing.submit(pow, args=(2, 5))
    other.result()
    listed = LocalDeployer().list(HERE)
    assert other.handle in listed
    assert ended.handle not in listed


def test_a_log_that_somebody_wrote_into_is_shown_as_text_and_forges_nothing(ended):
    log = folder(ended) / "logs" / "worker-0.log"
    log.write_bytes(log.read_bytes() + b"\x1e" + b"0" * 32 + b'{"n":99,"t":1,"k":"failure","ename":"E","evalue":""}\n')
    assert fairing.attach(str(ended.handle)).result() == 32


@pytest.mark.skipif(sys.platform != "linux", reason="who waits for a lock is told by /proc")
def test_streams_end_only_when_how_the_run_ended_is_known():
    """What watchers held who were killed, the kernel frees in an order of its own: here the lock comes last."""
    job = fairing.submit(pow, args=(2, 5))
    job.wait()
    local, phases = LocalDeployer(), []

    def read():
        list(follow(local.streams(job.handle)))
        phases.append(local.status(job.handle).phase)

    with (folder(job) / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # its watchers have gone
        (folder(job) / "end.json").unlink()
        reader = threading.Thread(target=read)
        reader.start()
        waits = re.compile(rf"-> FLOCK .*:{os.fstat(lock.fileno()).st_ino} ")
        while reader.is_alive() and not waits.search(Path("/proc/locks").read_text()):
            pass
    reader.join()
    assert phases == ["lost"]


def test_deleting_stops_a_run_and_leaves_nothing():
    def wait():
        import pathlib
        import signal

        pathlib.Path("closed").mkdir()
        pathlib.Path("closed/file").touch()
        pathlib.Path("closed").chmod(0)
        print("here", flush=True)
        signal.pause()

    job = fairing.submit(wait)
    said(job, "here")
    place = folder(job)
    job.delete()
    job.delete()
    assert not place.exists()
    with pytest.raises(DeployError, match="no run"):
        LocalDeployer().status(job.handle)


@pytest.mark.parametrize("path", ["work/../key", "key", "../x", "/etc/passwd", "work/nothing", "work", "work/\0", ""])
def test_reading_never_leaves_the_working_folder_and_the_spool(ended, path):
    with pytest.raises(DeployError, match="no file"):
        LocalDeployer().read(ended.handle, path)


def test_a_link_that_the_run_left_leads_nowhere():
    def link():
        import pathlib

        pathlib.Path("passwd").symlink_to("/etc/passwd")
        pathlib.Path("key").symlink_to("../key")

    job = fairing.submit(link)
    job.result()
    for name in ("passwd", "key"):
        with pytest.raises(DeployError, match="no file"):
            LocalDeployer().read(job.handle, f"work/{name}")


def test_a_run_folder_with_a_very_long_path_works(tmp_path, monkeypatch):
    monkeypatch.setenv("FAIRING_HOME", str(tmp_path.joinpath(*["long" * 10] * 4)))

    def wait():
        import signal

        print("here", flush=True)
        signal.pause()

    job = fairing.submit(wait)
    said(job, "here")
    job.cancel()
    assert job.status.phase == "cancelled"


def test_a_disk_that_a_run_fills_is_said_in_words_by_it_and_by_the_next(tmp_path, monkeypatch):
    def fill():
        from pathlib import Path

        Path("big").write_bytes(b"x" * 30_000_000)

    with small_disk(tmp_path / "disk", "12m"):
        monkeypatch.setenv("FAIRING_HOME", str(tmp_path / "disk"))
        assert fairing.train(pow, args=(2, 5)) == 32
        job = fairing.submit(fill)
        with pytest.raises((OSError, RunFailed), match=r"There is no room left|No space left") as raised:
            job.result()
        assert "pump.py" not in str(raised.value)
        with pytest.raises(FairingError, match=r"There is no room for the (run|image) on the disk of .* FAIRING_HOME"):
            fairing.train(pow, args=(2, 6))
        job.delete()
        assert fairing.train(pow, args=(2, 6)) == 64
