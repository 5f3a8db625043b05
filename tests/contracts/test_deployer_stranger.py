"""A deployer by a stranger keeps every promise; for each promise, one that breaks it breaks that one alone."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from fairing.testing import deployers

STRANGER = r'''
"""Plain background processes: a folder a run, a lock while it lives, a file with its code when it has ended."""

import fcntl, json, os, secrets, shutil, signal, subprocess, threading, time
from dataclasses import asdict

from fairing import state
from fairing.errors import DeployError
from fairing.events import FileInfo, Source, Stamp, Status, from_wire
from fairing.oci.layer import PLACES
from fairing.oci.layout import blob
from fairing.oci.unpack import unpack
from fairing.runtime.frames import Decoder
from fairing.spec import Handle

SHELL = """for each; do "$0" -m fairing.runtime $each.json > $each.log & pids="$pids $!"; done
code=0; for pid in $pids; do wait $pid || code=1; done; echo $code > code"""


class Stranger:
    takes = "layers"

    def check(self, workload, target):
        pass

    def deploy(self, image, workload, target, report):
        folder = self.home() / f"{time.time_ns()}-{secrets.token_hex(4)}"
        for part in ("work", "inputs", "spool"):
            (folder / part).mkdir(parents=True)
        for layer in image.layers:
            if layer.kind in ("code", "files"):
                unpack(blob(state.store(), layer.digest), folder / "image")
        for file in workload.inputs:
            (folder / "inputs" / file.path).write_bytes(file.read())
        (folder / "key").write_bytes(secrets.token_bytes(32))
        names = [f"{group.role}-{index}" for group in workload.groups for index in range(group.count)]
        for name in names:
            spec = {part: str(folder / part) for part in ("work", "inputs", "spool", "key")}
            spec |= {"entry": asdict(image.entry), "code": str(folder / "image" / PLACES["code"]), "source": name}
            (folder / f"{name}.json").write_text(json.dumps({**spec, "roots": image.roots, "outputs": []}))
            (folder / f"{name}.log").touch()
        places = {layer.kind: layer.folder for layer in image.layers}
        env = {**os.environ, "PYTHONPATH": str(places["fairing"]), **dict(image.env), **self.variables(workload)}
        lock = os.open(folder / "lock", os.O_CREAT | os.O_RDWR)
        fcntl.flock(lock, fcntl.LOCK_EX)
        command = ["sh", "-c", SHELL, str(places["dependencies"] / "bin" / "python"), *names]
        child = subprocess.Popen(command, cwd=folder, env=env, pass_fds=[lock], start_new_session=True)
        threading.Thread(target=child.wait, daemon=True).start()
        (folder / "group").write_text(str(child.pid))
        os.close(lock)
        return self.handle(folder.name)

    def variables(self, workload):
        return dict(workload.env)

    def handle(self, name):
        return Handle("stranger", (name,))

    def home(self):
        return state.private(state.home() / "stranger")

    def folder(self, handle):
        folder = self.home() / handle.parts[0]
        if not (folder / "group").exists():
            raise DeployError(f"There is no run {handle}.")
        return folder

    def alive(self, folder, wait=False):
        try:
            with open(folder / "lock") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            return True
        except FileNotFoundError:
            pass
        return False

    def status(self, handle):
        folder = self.folder(handle)
        alive, code = self.alive(folder), folder / "code"
        said = code.read_text().strip() if code.exists() else ""
        known = {"0": "succeeded", "1": "failed", "cancelled": "cancelled"}
        return Status(Stamp(Source("run"), time.time()), "running" if alive else known.get(said, "lost"), "")

    def streams(self, handle, since=None):
        folder = self.folder(handle)
        return Several([Log(self, folder, log, since) for log in sorted(folder.glob("*.log"))])

    def event(self, item, source):
        return from_wire(item.kind, item.body, source, item.time, item.seq)

    def source(self, name):
        return Source(name.partition("-")[0], int(name.partition("-")[2]))

    def read(self, handle, path):
        folder = self.folder(handle).resolve()
        file = (folder / path).resolve()
        if not file.is_relative_to(folder / "work") or not file.is_file():
            raise DeployError(f"{handle} has no file {path}.")
        return Several([file.read_bytes()])

    def files(self, handle):
        work = self.folder(handle) / "work"
        found = [path for path in work.rglob("*") if path.is_file()]
        return tuple(FileInfo(path.relative_to(work).as_posix(), path.stat().st_size) for path in found)

    def list(self, target):
        names = [folder.name for folder in self.home().iterdir() if (folder / "group").exists()]
        return tuple(self.handle(name) for name in sorted(names, reverse=True))

    def cancel(self, handle):
        folder = self.folder(handle)
        if self.alive(folder):
            os.killpg(int((folder / "group").read_text()), signal.SIGTERM)
            self.alive(folder, wait=True)
            (folder / "code").write_text("cancelled")

    def delete(self, handle):
        if (self.home() / handle.parts[0] / "group").exists():
            Stranger.cancel(self, handle)
            shutil.rmtree(self.home() / handle.parts[0])


class Several(list):
    def close(self):
        pass


class Log:
    def __init__(self, deployer, folder, log, since):
        self.deployer, self.folder, self.log, self.since = deployer, folder, log, since
        self.closed = threading.Event()

    def __iter__(self):
        source = self.deployer.source(self.log.stem)
        decoder = Decoder((self.folder / "key").read_bytes(), self.log.stem)
        with self.log.open("rb") as file:
            more = True
            while more and not self.closed.wait(0.02):
                more = self.deployer.alive(self.folder)
                for item in decoder.feed(file.read()):
                    if self.since is None or item.time + 1 >= self.since:
                        yield from filter(None, [self.deployer.event(item, source)])

    def close(self):
        self.closed.set()
'''

BROKEN = {
    "gives_a_handle_that_parses_back": """
class Mine(Handle):
    pass

class Broken(Stranger):
    def handle(self, name):
        return Mine("stranger", (name,))
""",
    "brings_every_line_in_order": """
class Broken(Stranger):
    def event(self, item, source):
        event = super().event(item, source)
        return replace(event, text=event.text[:4000]) if isinstance(event, Text) else event
""",
    "brings_the_value": """
class Broken(Stranger):
    def event(self, item, source):
        return None if item.kind == "result" else super().event(item, source)
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
    "replays_in_another_process": """
class Broken(Stranger):
    known = {}

    def deploy(self, *args):
        handle = super().deploy(*args)
        self.known[handle] = True
        return handle

    def streams(self, handle, since=None):
        streams = super().streams(handle, since)
        return streams if handle in self.known else Several([])
""",
    "begins_where_it_is_asked_to": """
class Broken(Stranger):
    def streams(self, handle, since=None):
        return super().streams(handle)
""",
    "tells_workers_apart": """
class Broken(Stranger):
    def source(self, name):
        return Source("worker", 0)
""",
    "shows_forged_frames_as_text": """
class Broken(Stranger):
    def event(self, item, source):
        event = super().event(item, source)
        if isinstance(event, Text) and event.text.startswith(chr(30)):
            return Failure(event.at, "Forged", "")
        return event
""",
    "gives_a_run_its_variables": """
class Broken(Stranger):
    def variables(self, workload):
        return {"CONTRACT_DEPTH": "7"}
""",
    "cancelling_keeps_the_log": """
class Broken(Stranger):
    def cancel(self, handle):
        alive = self.alive(self.folder(handle))
        super().cancel(handle)
        if alive:
            (self.folder(handle) / "worker-0.log").write_bytes(b"")
""",
    "returns_from_cancel_when_it_has_stopped": """
class Broken(Stranger):
    def status(self, handle):
        status = super().status(handle)
        return replace(status, phase="running") if status.phase == "cancelled" else status
""",
    "cancelling_an_ended_run_does_nothing": """
class Broken(Stranger):
    def cancel(self, handle):
        if not self.alive(self.folder(handle)):
            raise DeployError("It has ended.")
        super().cancel(handle)
""",
    "deleting_leaves_nothing": """
class Broken(Stranger):
    def delete(self, handle):
        if (self.home() / handle.parts[0] / "group").exists():
            super().cancel(handle)
""",
    "deleting_twice_is_deleting_once": """
class Broken(Stranger):
    def delete(self, handle):
        self.folder(handle)
        super().delete(handle)
""",
    "deleting_stops_a_run": """
class Broken(Stranger):
    def delete(self, handle):
        group = self.home() / handle.parts[0] / "group"
        if group.exists():
            group.rename(group.with_name("forgotten"))
""",
    "closing_ends_a_blocked_stream": """
class Open(Log):
    def close(self):
        pass

class Broken(Stranger):
    def streams(self, handle, since=None):
        return Several([Open(self, log.folder, log.log, since) for log in super().streams(handle)])
""",
    "lists_and_reads_files": """
class Broken(Stranger):
    def read(self, handle, path):
        return Several([piece[:65536] for piece in super().read(handle, path)])
""",
    "reads_nothing_else": """
class Broken(Stranger):
    def read(self, handle, path):
        file = self.folder(handle) / path
        if not file.is_file():
            raise DeployError(f"{handle} has no file {path}.")
        return Several([file.read_bytes()])
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

IMPORTS = """
from dataclasses import replace

from fairing.events import Failure, Text

"""

HOLD = """
import contextlib
import json
import os
import signal
import warnings

from fairing import state
from fairing.testing import deployers

warnings.simplefilter("error")
broken = {}
for promise in deployers.PROMISES:
    try:
        promise("stranger")
    except Exception as said:
        broken[promise.__name__] = f"{type(said).__name__}: {said}"
if "deleting_stops_a_run" in broken:  # this deployer has left them
    for forgotten in (state.home() / "stranger").glob("*/forgotten"):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(int(forgotten.read_text()), signal.SIGKILL)
print(json.dumps(broken))
"""


def _install(folder, source, attribute):
    """Install a distribution as pip does: a module, and a dist-info folder with its entry point."""
    info = folder / "stranger-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "stranger.py").write_text(source)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.0\n")
    (info / "RECORD").write_text("stranger.py,,\nstranger-1.0.dist-info/METADATA,,\n")
    (info / "entry_points.txt").write_text(f"[fairing.deployers]\nstranger = stranger:{attribute}\n")


def _broken_promises(folder):
    """Hold every promise against the deployer that is installed in a folder, in a process that has it on its path."""
    program = f"import sys; sys.path.insert(0, {str(folder)!r})\n{HOLD}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_strangers_deployer_keeps_every_promise(tmp_path):
    _install(tmp_path, STRANGER, "Stranger")
    assert _broken_promises(tmp_path) == {}


def test_each_promise_has_a_deployer_that_breaks_it():
    assert set(BROKEN) == {promise.__name__ for promise in deployers.PROMISES}


@pytest.fixture(scope="module")
def broken(request, tmp_path_factory):
    """Hold the promises against every broken deployer that is asked for, two at a time."""

    def hold(promise):
        folder = tmp_path_factory.mktemp(promise)
        _install(folder, STRANGER + IMPORTS + BROKEN[promise], "Broken")
        return _broken_promises(folder)

    asked = [each.callspec.params["promise"] for each in request.session.items if "broken" in each.fixturenames]
    with ThreadPoolExecutor(2) as pool:
        yield {promise: pool.submit(hold, promise) for promise in asked}


@pytest.mark.parametrize("promise", BROKEN)
def test_a_broken_deployer_fails_on_exactly_its_promise(broken, promise):
    told = broken[promise].result()
    assert list(told) == [promise], told
