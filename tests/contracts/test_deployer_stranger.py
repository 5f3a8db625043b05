"""A deployer by a stranger keeps every promise; for each promise, one that breaks it breaks that one alone."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from fairing.testing import deployers
from tests.contracts.strangers import asked, broken_promises, install

STRANGER = r'''
"""Plain background processes: a folder a run, a lock while it lives, a file that says how it ended."""

import fcntl, os, secrets, signal, subprocess, threading, time

from fairing import state
from fairing.events import Source, Stamp, Status
from fairing.oci.locks import free, held
from fairing.run import folder as run_folder
from fairing.run.streams import Listed, Log
from fairing.spec import Handle

SHELL = """for each; do "$0" -m fairing.runtime spool/$each.json > logs/$each.log & pids="$pids $!"; done
end=succeeded; for pid in $pids; do wait $pid || end=failed; done; echo $end > end"""


class Stranger:
    takes = frozenset({"layers"})

    def check(self, workload, target):
        pass

    def deploy(self, image, workload, target, report):
        folder = state.private(self.home() / f"{time.time_ns()}-{secrets.token_hex(4)}")
        names = run_folder.replicas(folder, run_folder.fill(folder, image, workload), workload)
        (folder / "end").write_text("lost")
        command = ["sh", "-c", SHELL, run_folder.python(image), *names]
        env = run_folder.environment(folder, image, workload)
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            shell = subprocess.Popen(command, cwd=folder, env=env, pass_fds=[lock.fileno()], start_new_session=True)
        threading.Thread(target=shell.wait, daemon=True).start()
        (folder / "run.json").write_text(str(shell.pid))
        return Handle("stranger", (folder.name,))

    def home(self):
        return state.private(state.home() / "stranger")

    def folder(self, handle):
        return run_folder.find(self.home(), handle)

    def status(self, handle):
        folder = self.folder(handle)
        phase = "running" if held(folder / "lock") else (folder / "end").read_text().strip()
        return Status(Stamp(Source("run"), time.time()), phase)

    def streams(self, handle, since=None):
        folder = self.folder(handle)
        return Listed(Log(folder, log, Looks(folder / "lock"), since) for log in sorted(folder.glob("logs/*")))

    def read(self, handle, path):
        return run_folder.read(handle, self.folder(handle), path)

    def files(self, handle):
        return run_folder.files(self.folder(handle))

    def list(self, target):
        return run_folder.every(self.home(), "stranger")

    def cancel(self, handle):
        self.stop(self.folder(handle))

    def delete(self, handle):
        folder = run_folder.place(self.home(), handle)
        if folder.exists():
            self.stop(folder)
            state.remove(folder)

    def stop(self, folder):
        if held(folder / "lock"):
            (folder / "end").write_text("cancelled")
            os.killpg(int((folder / "run.json").read_text()), signal.SIGTERM)
            free(folder / "lock")


class Looks:
    def __init__(self, lock):
        self.lock, self.closed = lock, threading.Event()
        self.close = self.closed.set

    def wait(self):
        return not self.closed.wait(0.02) and held(self.lock)
'''

BROKEN = {
    "gives_a_handle_that_parses_back": """
class Mine(Handle):
    pass

class Broken(Stranger):
    def deploy(self, *args):
        return Mine("stranger", super().deploy(*args).parts)

    def list(self, target):
        return tuple(Mine("stranger", handle.parts) for handle in super().list(target))
""",
    "brings_every_line_in_order": """
class Broken(Changing):
    def change(self, event):
        return replace(event, text=event.text.replace("line 7\\n", "")) if isinstance(event, Text) else event
""",
    "brings_the_value": """
class Broken(Changing):
    def change(self, event):
        return None if isinstance(event, Result) else event
""",
    "says_when_a_run_has_failed": """
class Broken(Stranger):
    def status(self, handle):
        status = super().status(handle)
        return replace(status, phase="succeeded") if status.phase == "failed" else status
""",
    "says_how_a_run_is": """
class Broken(Stranger):
    def status(self, handle):
        status = super().status(handle)
        return replace(status, phase="pending") if status.phase == "running" else status
""",
    "knows_the_end_when_its_streams_end": """
class Broken(Stranger):
    known = set()

    def status(self, handle):
        status = super().status(handle)
        late = b'"ename":"signal"' in (self.folder(handle) / "logs/worker-0.log").read_bytes()
        if late and handle not in self.known:
            self.known.add(handle)
            return replace(status, phase="running")
        return status
""",
    "replays_in_another_process": """
class Broken(Stranger):
    known = set()

    def deploy(self, *args):
        handle = super().deploy(*args)
        self.known.add(handle)
        return handle

    def streams(self, handle, since=None):
        streams = super().streams(handle, since)
        return streams if handle in self.known else Listed()
""",
    "begins_where_it_is_asked_to": """
class Broken(Stranger):
    def streams(self, handle, since=None):
        return super().streams(handle)
""",
    "tells_workers_apart": """
class Broken(Changing):
    def change(self, event):
        return replace(event, at=replace(event.at, source=Source("worker", 0)))
""",
    "shows_forged_frames_as_text": """
class Broken(Changing):
    def change(self, event):
        if isinstance(event, Text) and event.text.startswith(chr(30)):
            return Failure(event.at, "Forged", "")
        return event
""",
    "gives_a_run_its_variables": """
class Broken(Stranger):
    def deploy(self, image, workload, target, report):
        return super().deploy(image, replace(workload, env=()), target, report)
""",
    "cancelling_keeps_the_log": """
class Broken(Stranger):
    def cancel(self, handle):
        log = self.folder(handle) / "logs/worker-0.log"
        alive = held(self.folder(handle) / "lock")
        super().cancel(handle)
        if alive:
            log.write_bytes(b"")
""",
    "returns_from_cancel_when_it_has_stopped": """
class Broken(Stranger):
    went = set()

    def status(self, handle):  # one that was seen to go on goes on for ever
        status = super().status(handle)
        if status.phase == "running":
            self.went.add(handle)
        return replace(status, phase="running") if handle in self.went else status
""",
    "cancelling_an_ended_run_does_nothing": """
class Broken(Stranger):
    def cancel(self, handle):
        if not held(self.folder(handle) / "lock"):
            raise DeployError("It has ended.")
        super().cancel(handle)
""",
    "deleting_leaves_nothing": """
class Broken(Stranger):
    def delete(self, handle):
        self.stop(run_folder.place(self.home(), handle))
""",
    "deleting_twice_is_deleting_once": """
class Broken(Stranger):
    def delete(self, handle):
        self.folder(handle)
        super().delete(handle)
""",
    "deleting_stops_a_run": """
class Broken(Stranger):
    forgotten = set()

    def folder(self, handle):
        if handle in self.forgotten:
            raise DeployError("It was deleted.")
        return super().folder(handle)

    def list(self, target):
        return tuple(handle for handle in super().list(target) if handle not in self.forgotten)

    def delete(self, handle):
        self.forgotten.add(handle)
        atexit.register(super().delete, handle)  # the test leaves none
""",
    "closing_ends_a_blocked_stream": """
class Open(Changed):
    def close(self):
        pass

class Broken(Stranger):
    def streams(self, handle, since=None):
        return Listed(Open(log) for log in super().streams(handle, since))
""",
    "lists_and_reads_files": """
class Broken(Stranger):
    def read(self, handle, path):
        return Listed(piece[:65536] for piece in super().read(handle, path))
""",
    "reads_nothing_else": """
class Broken(Stranger):
    def read(self, handle, path):
        file = self.folder(handle) / path
        return Listed([file.read_bytes()]) if file.is_file() else super().read(handle, path)
""",
    "lists_runs_newest_first": """
class Broken(Stranger):
    def list(self, target):
        return tuple(reversed(super().list(target)))
""",
    "refuses_unknown_runs": """
class Broken(Stranger):
    def files(self, handle):
        return super().files(handle) if (self.home() / handle.parts[0]).exists() else ()
""",
}

CHANGES = """
import atexit
from dataclasses import replace

from fairing.errors import DeployError
from fairing.events import Failure, Result, Text


class Changed:
    def __init__(self, stream, change=lambda event: event):
        self.stream, self.change = stream, change

    def __iter__(self):
        return filter(None, map(self.change, self.stream))

    def close(self):
        self.stream.close()


class Changing(Stranger):
    def streams(self, handle, since=None):
        return Listed(Changed(log, self.change) for log in super().streams(handle, since))

"""


def test_a_strangers_deployer_is_short_and_keeps_every_promise(tmp_path):
    assert sum(1 for line in STRANGER.splitlines() if line.strip()) <= 61
    install(tmp_path, "deployers", "stranger", STRANGER, "Stranger")
    assert broken_promises(tmp_path, "deployers", "stranger") == {"stranger": {}}


def test_each_promise_has_a_deployer_that_breaks_it():
    assert set(BROKEN) == {promise.__name__ for promise in deployers.PROMISES}


@pytest.fixture(scope="module")
def broken(request, tmp_path_factory):
    """Hold the promises against every broken deployer that is asked for; three at a time, since some of them wait."""
    folder = tmp_path_factory.mktemp("broken")
    promises = asked(request)
    for promise in promises:
        install(folder, "deployers", promise, STRANGER + CHANGES + BROKEN[promise], "Broken")
    with ThreadPoolExecutor(3) as pool:
        held = [
            (names, pool.submit(broken_promises, folder, "deployers", *names))
            for names in (promises[at::3] for at in range(3))
        ]
        yield {promise: told for names, told in held for promise in names}


@pytest.mark.parametrize("promise", BROKEN)
def test_a_broken_deployer_fails_on_exactly_its_promise(broken, promise):
    told = broken[promise].result()[promise]
    assert list(told) == [promise], told
