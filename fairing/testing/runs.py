"""The runs that the suite of deployers makes: tiny functions, built by whatever installed builder fits."""

from __future__ import annotations

import hashlib
import json
import platform
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from fairing import launch, plugins
from fairing.errors import FairingError, PluginError
from fairing.events import Event, Text
from fairing.follow import follow
from fairing.ports import Deployer
from fairing.spec import Bundle, Entry, File, Group, Handle, Image, Target, Workload

PATIENCE = 30.0
"""Seconds for what should come at once."""


class Run:
    """A run of the deployer under test.

    Args:
        name: The deployer's.
        function: What it runs; by value, whatever it uses has to be in it.
        args: What it is called with.
        workers: How many replicas.
        env: Its variables.
    """

    def __init__(
        self,
        name: str,
        function: Callable[..., Any],
        args: tuple[Any, ...] = (),
        workers: int = 1,
        env: tuple[tuple[str, str], ...] = (),
    ) -> None:
        import cloudpickle

        code = cloudpickle.dumps(function)
        entry = Entry("function", "entry.pkl", hashlib.sha256(code).hexdigest(), function.__name__)
        bundle = Bundle(entry, (File("entry.pkl", code),), ("cloudpickle",), (), platform.python_version())
        inputs = (File("arguments.pkl", cloudpickle.dumps((args, {}))),)
        workload = Workload("contract", (Group(count=workers),), inputs, env, grace=5.0)
        self.deployer: Deployer = plugins.deployer(name)
        self.target = target(name)
        self.handle: Handle = launch.launch(bundle, Image(), workload, self.target, lambda _: None)
        self._heard: queue.Queue[Event | None] = queue.Queue()
        self.listening: threading.Thread | None = None
        """Who reads it to its end, once ``said`` was called."""

    def events(self, since: float | None = None) -> list[Event]:
        """Read it to its end."""
        return list(follow(self.deployer.streams(self.handle, since)))

    def text(self, since: float | None = None) -> str:
        """Return all that it has written, at its end."""
        return "".join(event.text for event in self.events(since) if isinstance(event, Text))

    def said(self, words: str) -> None:
        """Wait until it says something; whoever listens goes on until its end, and closes nothing."""
        if self.listening is None:
            self.listening = threading.Thread(target=self._listen, daemon=True)
            self.listening.start()
        text = ""
        while words not in text:
            event = self._heard.get(timeout=PATIENCE)
            assert event is not None, f"the run ended and never said {words!r}"
            text += event.text if isinstance(event, Text) else ""

    def _listen(self) -> None:
        with suppress(FairingError, OSError):  # it was deleted, and whoever waits for its words is told
            for event in follow(self.deployer.streams(self.handle)):
                self._heard.put(event)
        self._heard.put(None)


@contextmanager
def run(
    name: str,
    function: Callable[..., Any],
    args: tuple[Any, ...] = (),
    workers: int = 1,
    env: tuple[tuple[str, str], ...] = (),
) -> Iterator[Run]:
    """Start a run, and remove it at the end."""
    started = Run(name, function, args, workers, env)
    try:
        yield started
    finally:
        with suppress(FairingError, OSError):
            started.deployer.delete(started.handle)


def target(name: str) -> Target:
    """Return a target with this deployer, and an installed builder that makes what it takes."""
    takes = plugins.deployer(name).takes
    for builder in plugins.installed(plugins.BUILDERS):
        if takes in plugins.builder(builder).makes:
            return Target("contract", name, builder)
    raise PluginError(f"No installed builder makes what the deployer {name!r} takes ({takes}).")


def elsewhere(handle: Handle) -> list[list[str]]:
    """Read a run to its end in another process, which knows its handle alone; return who said which text."""
    path = [each for each in sys.path if each]
    program = f"import sys; sys.path[:] = {path!r}; from fairing.testing import runs; runs.tell({str(handle)!r})"
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=True, timeout=4 * PATIENCE)
    told: list[list[str]] = json.loads(done.stdout)
    return told


def tell(handle: str) -> None:
    """Write who said which text in a run, for another process."""
    parsed = Handle.parse(handle)
    print(json.dumps(texts(follow(plugins.deployer(parsed.deployer).streams(parsed)))))  # noqa: T201 - it is read there


def texts(events: Any) -> list[list[str]]:
    """Return who said which text, a replica after another."""
    said: dict[str, str] = {}
    for event in events:
        if isinstance(event, Text):
            said[str(event.at.source)] = said.get(str(event.at.source), "") + event.text
    return [[source, said[source]] for source in sorted(said)]


def talk(lines: int) -> int:
    """Print numbered lines; return how many."""
    for number in range(lines):
        print("line", number)  # noqa: T201 - a run prints
    return lines


def fail(words: str) -> None:
    """Raise an error."""
    raise ValueError(words)


def wait() -> None:
    """Say that it waits, and wait until it is ended."""
    import signal

    print("waiting", flush=True)  # noqa: T201 - a run prints
    while True:
        signal.pause()


def forge(line: str) -> None:
    """Print something that looks like a frame, from Python and from another program."""
    import subprocess

    print(line, flush=True)  # noqa: T201 - a run prints
    subprocess.run(["printf", "%s\n", line], check=True)


def keep(content: bytes) -> None:
    """Leave a file in a folder."""
    import pathlib

    pathlib.Path("out").mkdir()
    pathlib.Path("out/kept.bin").write_bytes(content)


def look(variable: str) -> None:
    """Print a variable."""
    import os

    print(os.environ[variable])  # noqa: T201 - a run prints
