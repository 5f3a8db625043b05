"""A real runner: started as the deployers start it, its log decoded as they decode it."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import signal
import subprocess
import sys
import textwrap
from base64 import b64decode
from pathlib import Path

import cloudpickle
import pytest

import fairing
from fairing.runtime.frames import Decoder

KEY = bytes(range(32))


class Run:
    """One runner, from its start to its end."""

    def __init__(self, folder, source, args, env, **more):
        self.folder = folder
        for part in ("code", "work", "inputs", "spool"):
            (folder / part).mkdir()
        source = textwrap.dedent(source)
        names = {"__name__": "__main__"}
        exec(compile(source, "<cell 1>", "exec"), names)
        self.names = names
        entry = cloudpickle.dumps(names["main"])
        (folder / "code" / "entry.pkl").write_bytes(entry)
        (folder / "inputs" / "arguments.pkl").write_bytes(cloudpickle.dumps((args, {})))
        (folder / "inputs" / "sources.json").write_text(json.dumps({"<cell 1>": source}))
        (folder / "key").write_bytes(KEY)
        self.spec = {
            "entry": {
                "kind": "function",
                "path": "entry.pkl",
                "sha256": hashlib.sha256(entry).hexdigest(),
                "name": "main",
                "arguments": [],
            },
            "roots": [""],
            "source": "worker-0",
            "key": str(folder / "key"),
            **{part: str(folder / part) for part in ("code", "work", "inputs", "spool")},
            **more,
        }
        (folder / "run.json").write_text(json.dumps(self.spec))
        self.env = {**os.environ, "PYTHONPATH": str(Path(fairing.__file__).parents[1]), **env}
        self.env.pop("MPLBACKEND", None)
        self.items = []
        self.log = b""

    def start(self):
        """Start the runner; its output is read by ``until`` and ``end``."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "fairing.runtime", str(self.folder / "run.json")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self.folder,
            env=self.env,
        )
        self._decoder = Decoder(KEY, "worker-0", lambda path: (self.folder / path).read_bytes())
        return self

    def until(self, text):
        """Read until something has been printed."""
        while text not in self.stdout + self.stderr:
            assert self.read(), f"{text!r} was not printed: {self.log.decode(errors='replace')}"
        return self

    def until_kind(self, kind):
        """Read until something of a kind has been said."""
        while not self.all(kind):
            assert self.read(), self.log.decode(errors="replace")
        return self

    def terminate(self):
        """Ask the runner to end."""
        self.process.send_signal(signal.SIGTERM)
        return self

    def end(self):
        """Read to the end."""
        while self.read():
            pass
        self.items += self._decoder.end()
        self.code = self.process.wait()
        self.process.stdout.close()
        return self

    def read(self):
        """Read once; return whether there may be more."""
        data = os.read(self.process.stdout.fileno(), 1 << 16)
        self.log += data
        self.items += self._decoder.feed(data)
        return bool(data)

    def all(self, kind):
        return [item.body for item in self.items if item.kind == kind]

    def text(self, stream):
        return "".join(body["text"] for body in self.all("text") if body["stream"] == stream)

    @property
    def stdout(self):
        return self.text("stdout")

    @property
    def stderr(self):
        return self.text("stderr")

    @property
    def failure(self):
        (failure,) = self.all("failure")
        return failure

    @property
    def value(self):
        assert not self.all("failure"), "".join(self.failure["traceback"]) or self.failure
        (result,) = self.all("result")
        return self.load(result["payload"])

    def load(self, payload):
        data = b64decode(payload["inline"]) if "inline" in payload else (self.folder / payload["path"]).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (payload["size"], payload["sha256"])
        return pickle.loads(data)


@pytest.fixture
def runner(tmp_path):
    """Return what prepares a runner for the function ``main`` of a cell's text."""
    started = []

    def prepare(source, *args, env=None, **more):
        folder = tmp_path / f"run-{len(started)}"
        folder.mkdir()
        started.append(Run(folder, source, args, env or {}, **more))
        return started[-1]

    yield prepare
    for run in started:
        if hasattr(run, "process") and run.process.poll() is None:
            run.process.kill()
            run.process.wait()
            run.process.stdout.close()


@pytest.fixture
def run(runner):
    """Return what runs the function ``main`` of a cell's text to its end."""
    return lambda source, *args, **more: runner(source, *args, **more).start().end()
