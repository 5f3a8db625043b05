"""The runs that the suite of deployers makes: tiny functions, built by whatever installed builder fits."""

from __future__ import annotations

import atexit
import hashlib
import json
import platform
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from fairing import launch, plugins, state
from fairing.config import settings
from fairing.config.options import Options
from fairing.errors import DeployError, FairingError, PluginError
from fairing.events import Event, Text
from fairing.image import Image
from fairing.ports import Deployer
from fairing.run.follow import follow
from fairing.spec import Bundle, Entry, File, Group, Handle, Target, Workload
from fairing.testing import programs
from fairing.testing.builds import within

PATIENCE = 30.0
"""Seconds for what should come at once."""

LINES = 2000
CONTENT = bytes(range(256)) * 5000
VARIABLE = ("CONTRACT_DEPTH", "8 = \N{SNOWMAN}")


class Run:
    """A run of the deployer under test.

    Args:
        name: The deployer's.
        function: What it runs.
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
        self.target, image = place(name)
        self.started = time.monotonic()
        self.handle: Handle = launch.launch(bundle, image, workload, self.target, lambda _: None)
        self._heard: queue.Queue[Event | None] = queue.Queue()
        self._listening: threading.Thread | None = None

    def events(self, since: float | None = None) -> list[Event]:
        """Read it to its end."""
        return list(follow(self.deployer.streams(self.handle, since)))

    def text(self, since: float | None = None) -> str:
        """Return all that it has written, at its end."""
        return "".join(event.text for event in self.events(since) if isinstance(event, Text))

    def said(self, words: str) -> threading.Thread:
        """Wait until it says something; return who listens, and goes on until its end, and closes nothing."""
        if self._listening is None:
            self._listening = threading.Thread(target=self._listen, daemon=True)
            self._listening.start()
        text = ""
        while words not in text:
            event = self._heard.get(timeout=PATIENCE)
            assert event is not None, f"the run ended and never said {words!r}"
            text += event.text if isinstance(event, Text) else ""
        return self._listening

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


class Ended(Run):
    """A run that was read to its end: what it said, and how it was in that moment."""

    def __init__(self, name: str, function: Callable[..., Any], args: tuple[Any, ...], **more: Any) -> None:
        super().__init__(name, function, args, **more)
        self.told = self.events()
        self.phase = self.deployer.status(self.handle).phase


class Cancelled(NamedTuple):
    """A run that was cancelled: how it was before, how when that was done, and all that it had said."""

    before: str
    after: str
    text: str


class Deleted(NamedTuple):
    """A run that was deleted: whether it was still followed, known and listed then, and what deleting it again did."""

    followed: bool
    known: bool
    listed: bool
    again: Exception | None


@cache
def succeeded(name: str) -> Ended:
    """Return a run that did what it should, which many promises look at: it is made once, and removed at exit."""
    return _kept(Ended(name, programs.work, (LINES, CONTENT)))


@cache
def failed(name: str) -> Ended:
    """Return a run whose code raised, as one to look at."""
    return _kept(Ended(name, programs.fail, (VARIABLE[0], "a bug"), env=(VARIABLE,)))


@cache
def cancelled(name: str) -> Cancelled:
    """Cancel a run that goes on; return what was seen of it."""
    with run(name, programs.wait) as started:
        started.said("waiting")
        before = started.deployer.status(started.handle).phase
        started.deployer.cancel(started.handle)
        after = started.deployer.status(started.handle).phase
        return Cancelled(before, after, started.text())


@cache
def deleted(name: str) -> Deleted:
    """Delete a run that goes on; return what was seen of it."""
    with run(name, programs.wait) as started:
        listening = started.said("waiting")
        started.deployer.delete(started.handle)
        listening.join(PATIENCE / 6)
        return Deleted(
            listening.is_alive(),
            not isinstance(_raised(lambda: started.deployer.status(started.handle)), DeployError),
            started.handle in started.deployer.list(started.target),
            _raised(lambda: started.deployer.delete(started.handle)),
        )


def place(name: str) -> tuple[Target, Image]:
    """Return a target with this deployer, and the image to start from there.

    Where it is, and which image and builder it has, is said as for any run: by ``FAIRING_*`` and files of settings;
    else the builder is an installed one that makes what it takes.
    """
    target, said = settings.settle(Options(deployer=name))
    image = said.image if isinstance(said.image, Image) else Image(said.image or "")
    takes = plugins.deployer(name).takes
    for builder in (target.builder, *plugins.installed(plugins.BUILDERS)):
        if takes & plugins.builder(builder).makes:
            return replace(target, name="contract", deployer=name, builder=builder), image
    raise PluginError(f"No installed builder makes what the deployer {name!r} takes ({', '.join(sorted(takes))}).")


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


def _kept(started: Ended) -> Ended:
    """Have a run removed at exit, in the home that it is in."""

    def remove(home: Path) -> None:
        with within(home), suppress(FairingError, OSError):
            started.deployer.delete(started.handle)

    atexit.register(remove, state.home())
    return started


def _raised(call: Callable[[], object]) -> Exception | None:
    try:
        call()
    except Exception as raised:  # noqa: BLE001 - it is what a promise looks at
        return raised
    return None
