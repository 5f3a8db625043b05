"""A run is watched over from its start to its end, whatever happens to whom."""

import os
import signal
import subprocess
import sys
import textwrap

import psutil
import pytest

import fairing
from fairing.errors import RunCancelled, RunFailed, RunKilled, RunLost, RunTimedOut
from fairing.events import Result, Status, Text
from tests.deployers.watch import failures, folder, gone, said, watchers


def patient():
    """Wait until asked to end, and say so in between."""
    import signal

    try:
        print("waiting", flush=True)
        signal.pause()
    finally:
        print("finally was reached", flush=True)


def stubborn():
    import signal

    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("deaf", flush=True)
    while True:
        signal.pause()


def test_cancelling_reaches_finally_and_keeps_the_log():
    job = fairing.submit(patient, grace=60)
    said(job, "waiting")
    job.cancel()
    assert said(job, "finally was reached")
    assert job.status.phase == "cancelled"
    with pytest.raises(RunCancelled):
        job.result()


def test_cancelling_twice_is_cancelling_once():
    job = fairing.submit(patient)
    said(job, "waiting")
    job.cancel()
    before = (folder(job) / "logs" / "run.log").read_bytes()
    job.cancel()
    assert (folder(job) / "logs" / "run.log").read_bytes() == before


def test_cancelling_an_ended_run_does_nothing():
    job = fairing.submit(pow, args=(2, 5))
    assert job.result() == 32
    job.cancel()
    assert fairing.attach(str(job.handle)).status.phase == "succeeded"


def test_a_run_that_is_deaf_to_sigterm_is_killed_after_its_grace():
    job = fairing.submit(stubborn, grace=0.2)
    said(job, "deaf")
    job.cancel()
    assert job.status.phase == "cancelled"


def test_a_run_stops_at_its_timeout():
    job = fairing.submit(stubborn, timeout=0.5, grace=0.1)
    with pytest.raises(RunTimedOut, match=r"timeout of 0.5 s"):
        job.result()
    assert [each.ename for each in failures(job)] == ["timeout"]


def test_a_timeout_reaches_finally():
    job = fairing.submit(patient, timeout=3)  # it has to have begun by then
    with pytest.raises(RunTimedOut):
        job.result()
    assert said(job, "finally was reached")


@pytest.mark.parametrize("how", ["cancelled", "returned"])
def test_a_child_that_left_its_session_ends_with_the_run(how):
    def leave(wait):
        import os
        import signal

        read, write = os.pipe()
        if not os.fork():
            os.setsid()
            if os.fork():
                os._exit(0)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            os.write(write, str(os.getpid()).encode())
            while True:
                signal.pause()
        print("daemon", os.read(read, 16).decode(), flush=True)
        if wait:
            signal.pause()

    job = fairing.submit(leave, args=(how == "cancelled",))
    daemon = int(said(job, "daemon").split()[1])
    if how == "cancelled":
        job.cancel()
    else:
        job.result()
    assert gone(daemon)
    assert job.status.phase == {"cancelled": "cancelled", "returned": "succeeded"}[how]


def test_a_child_process_dies_of_sigterm_as_it_always_does():
    def terminate():
        import multiprocessing
        import signal

        child = multiprocessing.get_context("fork").Process(target=signal.pause)
        child.start()
        child.terminate()
        child.join()
        return child.exitcode

    assert fairing.train(terminate) == -signal.SIGTERM


def test_when_the_supervisor_is_killed_its_processes_die_and_the_run_is_lost():
    job = fairing.submit(stubborn)
    said(job, "deaf")
    _, supervisor = watchers(job)
    below = supervisor.children(recursive=True)
    assert len(below) == 2  # the runner, and the process of the user's code
    supervisor.kill()
    assert all(gone(each.pid) for each in below)
    with pytest.raises(RunLost, match="killed"):
        job.result()
    assert fairing.attach(str(job.handle)).status.phase == "lost"


def test_when_all_that_watches_is_killed_its_processes_die_and_the_run_is_lost():
    job = fairing.submit(stubborn)
    said(job, "deaf")
    guard, supervisor = watchers(job)
    below = supervisor.children(recursive=True)
    guard.kill()
    supervisor.kill()
    assert all(gone(each.pid) for each in (guard, supervisor, *below))
    assert job.status.phase == "lost"
    job.cancel()
    job.delete()
    assert not folder(job).exists()


def test_a_supervisor_that_is_asked_to_end_ends_its_run():
    job = fairing.submit(patient)
    said(job, "waiting")
    watchers(job)[1].terminate()
    with pytest.raises(RunCancelled):
        job.result()
    assert said(job, "finally was reached")


def test_a_run_outlives_its_kernel_and_another_follows_it_from_the_start(tmp_path):
    program = """
        import fairing
        def wait():
            import os, pathlib
            print("before", flush=True)
            with open("gate") as gate:  # blocks until somebody opens the other end
                gate.read()
            print("after", flush=True)
            return 7
        def gated():
            import os
            os.mkfifo("gate")
            return wait()
        print(fairing.submit(gated).handle)
    """
    kernel = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True, check=True, cwd=tmp_path
    )
    job = fairing.attach(kernel.stdout.strip().splitlines()[-1])
    said(job, "before")
    with (folder(job) / "work" / "gate").open("w"):
        pass
    texts = "".join(event.text for event in job.events() if isinstance(event, Text))
    assert texts == "before\nafter\n"
    assert job.result() == 7


def killed_once(times=1):
    """Be killed in the first attempts, and return in the next."""
    import os
    import pathlib
    import signal

    marks = pathlib.Path("marks")
    attempt = len(marks.read_text()) if marks.exists() else 0
    marks.write_text("x" * (attempt + 1))
    print("attempt", attempt, flush=True)
    if attempt < times:
        os.kill(os.getpid(), signal.SIGKILL)
    return attempt


def test_a_run_that_was_killed_starts_again_in_the_same_working_folder():
    assert fairing.train(killed_once, retries=1) == 1


def test_a_run_that_is_killed_more_often_than_it_may_be_is_killed():
    job = fairing.submit(killed_once, args=(5,), retries=1)
    with pytest.raises(RunKilled, match="SIGKILL"):
        job.result()
    assert [each.ename for each in failures(job)] == ["signal"]


def test_each_attempt_has_its_own_log():
    job = fairing.submit(killed_once, args=(2,), retries=2)
    assert job.result() == 2
    logs = {log.name: log.read_text() for log in (folder(job) / "logs").iterdir()}
    assert [f"attempt {n}" in logs[name] for n, name in enumerate(["worker-0.log", "worker-0.1.log"])] == [True, True]
    assert "attempt 1" not in logs["worker-0.log"]


def test_a_retry_says_why():
    job = fairing.submit(killed_once, retries=1)
    steps = [event.reason for event in job.events() if isinstance(event, Status)]
    assert any("worker-0 was killed by SIGKILL; it starts again" in reason for reason in steps)


@pytest.mark.parametrize("how", ["raised", "exited", "left"])
def test_a_run_whose_own_code_ended_it_never_starts_again(how):
    def end(how):
        import os
        import sys

        print("attempt", flush=True)
        if how == "raised":
            raise ValueError("a bug")
        if how == "exited":
            sys.exit(3)
        os._exit(4)

    job = fairing.submit(end, args=(how,), retries=3)
    with pytest.raises((ValueError, RunFailed)):
        job.result()
    assert len(failures(job)) == 1
    assert [log.name for log in (folder(job) / "logs").iterdir() if "worker" in log.name] == ["worker-0.log"]


def test_a_run_whose_supervisor_was_killed_starts_again_if_it_may():
    def wait():
        import pathlib
        import signal

        if pathlib.Path("second").exists():
            return "second"
        pathlib.Path("second").touch()
        print("first", flush=True)
        signal.pause()
        return None

    job = fairing.submit(wait, retries=1)
    said(job, "first")
    watchers(job)[1].kill()
    assert job.result() == "second"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_a_signal_is_named(number):
    def end(number):
        import os

        os.kill(os.getpid(), number)

    job = fairing.submit(end, args=(int(number),))
    with pytest.raises(RunKilled, match=number.name):
        job.result()
    assert [(each.ename, str(each.at.source)) for each in failures(job)] == [("signal", "run-0")]


def test_a_process_that_left_by_itself_is_told_with_its_exit_code():
    def leave():
        import os

        print("last words", flush=True)
        os._exit(7)

    job = fairing.submit(leave)
    with pytest.raises(RunFailed, match="7"):
        job.result()
    assert [(each.ename, each.code) for each in failures(job)] == [("exit", 7)]


def test_a_runner_that_was_killed_takes_its_code_with_it():
    job = fairing.submit(stubborn)
    said(job, "deaf")
    runner = watchers(job)[1].children()[0]
    user = runner.children()[0]
    runner.kill()
    assert gone(user.pid)
    with pytest.raises(RunKilled):
        job.result()


def test_many_that_exit_behind_leave_no_zombies():
    def spawn():
        import os
        import signal

        for _ in range(20):
            if not os.fork():
                if not os.fork():
                    os._exit(0)
                os._exit(0)
            os.wait()
        print("spawned", flush=True)
        signal.pause()

    job = fairing.submit(spawn)
    said(job, "spawned")
    _, supervisor = watchers(job)
    # a status is asked for over the socket's folder; the supervisor reaps before it accepts the next follower
    said(job, "spawned")
    zombies = [each for each in supervisor.children() if each.status() == psutil.STATUS_ZOMBIE]
    job.cancel()
    assert zombies == []


def test_a_value_that_is_too_long_for_the_log_comes_back_from_a_later_attempt():
    def late():
        import os
        import pathlib
        import signal

        if not pathlib.Path("second").exists():
            pathlib.Path("second").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return os.urandom(3_000_000)

    job = fairing.submit(late, retries=1)
    assert len(job.result()) == 3_000_000
    [result] = [event for event in job.events() if isinstance(event, Result)]
    assert result.payload.path.startswith("spool/worker-0.1/")


def test_a_line_reaches_a_follower_while_the_run_goes_on():
    def talk():
        import signal

        for n in range(3):
            print("line", n, flush=True)
        signal.pause()

    job = fairing.submit(talk)
    assert said(job, "line 2") == "line 2"
    job.cancel()


def test_a_supervisor_needs_nothing_of_the_place_it_was_started_from(tmp_path):
    there = tmp_path / "there"
    there.mkdir()
    program = "import fairing, os\njob = fairing.submit(pow, args=(2, 5))\nprint(job.handle)"
    started = subprocess.run(
        [sys.executable, "-c", program], cwd=there, stdout=subprocess.PIPE, text=True, check=True, env={**os.environ}
    )
    there.rename(tmp_path / "elsewhere")
    assert fairing.attach(started.stdout.split()[-1]).result() == 32
