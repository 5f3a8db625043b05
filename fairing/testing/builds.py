"""The builds that the suite of builders makes: a sample recipe, homes of their own, and processes that build there."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, cast

from fairing import plugins, state
from fairing.events import Event
from fairing.image import Image
from fairing.ports import Reporter
from fairing.recipe.resolve import resolve
from fairing.spec import BuiltImage, Bundle, Destination, Entry, File, Recipe, Target

REPOSITORY = "FAIRING_TEST_REPOSITORY"
"""The variable that names a repository which images may be pushed to."""
BASE = "FAIRING_TEST_BASE"
"""The variable that names the base of images in a registry; what fits this Python, where there is none."""

_LARGE = 9 << 20


def sample(folder: Path, code: bytes = b"print('hello')\n", to: Destination = "layers") -> Recipe:
    """Return a recipe with everything that a recipe may have for any builder.

    Args:
        folder: Where the file that is not in memory is put.
        code: What the entry says.
        to: Where the image is to be found.
    """
    large = folder / "large.bin"
    octets = _LARGE if to != "inline" else 9 << 10  # what travels beside an image is small
    if not large.exists():
        large.write_bytes(random.Random(7).randbytes(octets))  # noqa: S311 - the same every time, and not to be packed
    files = (
        File("main.py", code),
        File("bin/run.sh", b"#!/bin/sh\nexit 0\n", 0o755),
        File("private.txt", b"mine\n", 0o600),
        File("empty/__init__.py", b""),
        File("d\N{LATIN SMALL LETTER A WITH DIAERESIS}ta/\N{SNOWMAN} 1.csv", b"a,b\n1,2\n"),
        File(f"{'deep/' * 60}{'n' * 120}.txt", b"far\n"),
        File("data/large.bin", large),
    )
    entry = Entry("script", "main.py", hashlib.sha256(code).hexdigest(), "main.py")
    bundle = Bundle(entry, files, ("cloudpickle",), (), platform.python_version())
    base = "" if to == "layers" else os.environ.get(BASE, "")
    return resolve(bundle, Image(base).env(DEPTH="8"), to)


def target(builder: str) -> Target:
    """Return a target that builds with this builder."""
    return Target("contract", "local", builder, repository=os.environ.get(REPOSITORY))


def where(name: str, to: Destination | None = None) -> Destination:
    """Return where a builder is to leave images: in layers where it can and nothing else is asked for."""
    makes = plugins.builder(name).makes
    return to or ("layers" if "layers" in makes else min(makes))


def build(name: str, recipe: Recipe, to: Destination | None = None, said: list[Event] | None = None) -> BuiltImage:
    """Check and build a recipe here, in layers where the builder can."""
    heard: list[Event] = [] if said is None else said
    return _built(name, recipe, where(name, to), heard.append)


@contextmanager
def home() -> Iterator[Path]:
    """Give a new home for fairing, and use it here meanwhile."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, within(Path(folder)):
        yield Path(folder)


@contextmanager
def within(folder: Path) -> Iterator[None]:
    """Use a home here meanwhile."""
    before = os.environ.get("FAIRING_HOME")
    os.environ["FAIRING_HOME"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["FAIRING_HOME"]
        else:
            os.environ["FAIRING_HOME"] = before


def written() -> dict[str, tuple[int, int, int]]:
    """Return every file of the home as it is; the times of last uses alone may change when nothing is made."""
    found = {}
    for folder, _, files in os.walk(state.home()):
        for file in files:
            path = Path(folder, file)
            seen = path.lstat()
            name = f"/{path.relative_to(state.home()).as_posix()}"
            if "/used/" not in name:
                found[name] = (seen.st_ino, seen.st_size, seen.st_mtime_ns)
    return found


class Building:
    """A process that builds the sample, and finds the builder as everybody does: by its entry point.

    Args:
        name: The builder's.
        folder: The home it builds in.
        kill_at: It kills itself at its nth change of the home; ``changes`` has their number when it has ended.
        held: It stops when the builder first says something, until ``go``.
        env: Variables that differ from those here.
        umask: Its file mode creation mask, where that differs from the one here.
        to: Where it leaves the image.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        kill_at: int = 0,
        held: bool = False,
        env: Mapping[str, str] | None = None,
        umask: int = -1,
        to: Destination | None = None,
    ) -> None:
        (folder / "child").mkdir(exist_ok=True)
        path = os.pathsep.join(each for each in sys.path if each)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "fairing.testing.builds", name, str(kill_at), str(int(held)), where(name, to)],
            env={**os.environ, "PYTHONPATH": path, **(env or {}), "FAIRING_HOME": str(folder)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            umask=umask,
        )

    def reached(self, place: str) -> None:
        """Wait until it has ``started``, or is ``inside`` the builder."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.strip() == place:
                return

    def go(self) -> None:
        """Let it go on."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def ended(self) -> tuple[int, dict[str, Any]]:
        """Wait for its end; return its exit code, and the image as far as it got."""
        # Not communicate(), which forgets what readline has read ahead.
        with self._process as process:
            assert process.stdin is not None and process.stdout is not None
            process.stdin.close()
            last = process.stdout.read().splitlines()[-1:]
        return self._process.returncode, json.loads(last[0]) if last and last[0].startswith("{") else {}

    def image(self) -> dict[str, Any]:
        """Wait for its end, and return the image that it has built."""
        code, image = self.ended()
        assert code == 0, f"a build ended with {code}"
        self.changes = image.pop("changes")
        return image


@cache
def alone(name: str, to: Destination | None = None) -> tuple[dict[str, Any], int]:
    """Return the sample's image, built by a process that nothing disturbs, and how often that changes its home."""
    with home() as folder:
        building = Building(name, folder, to=to)
        return building.image(), building.changes


def described(image: BuiltImage) -> dict[str, Any]:
    """Return what two builds of one recipe have in common: digests, keys, and how many files lie in the trees."""
    layers = [[each.kind, each.key, each.digest, _files(each.folder)] for each in image.layers]
    return {"digest": image.digest, "layers": layers}


def _child(name: str, kill_at: str, held: str, to: Destination) -> None:
    recipe = sample(state.home() / "child", to=to)
    changes = _counted(int(kill_at), str(state.home()))
    print("started", flush=True)  # noqa: T201 - it is what the other side reads
    holding = held == "1"

    def report(_: Event) -> None:
        nonlocal holding
        if holding:
            holding = False
            print("inside", flush=True)  # noqa: T201 - it is what the other side reads
            sys.stdin.readline()

    image = described(_built(name, recipe, to, report))
    print(json.dumps({**image, "changes": len(changes)}))  # noqa: T201 - it is what the other side reads


def _built(name: str, recipe: Recipe, to: Destination, report: Reporter) -> BuiltImage:
    builder = plugins.builder(name)
    builder.check(recipe, target(name))
    return builder.build(recipe, target(name), to, report)


def _files(folder: Path | None) -> int:
    return sum(len(files) for _, _, files in os.walk(folder)) if folder else 0


def _counted(kill_at: int, home: str) -> set[tuple[str, str]]:
    """Collect this process's changes of the home, those alike in one folder once, and kill it at the nth."""
    changes: set[tuple[str, str]] = set()

    def heard(event: str, args: tuple[Any, ...]) -> None:
        writes = event in {"os.rename", "os.mkdir", "os.link", "os.symlink", "os.utime"} or (
            event == "open" and len(args) > 2 and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR)
        )
        # A hard link is named from an open folder: its path alone does not say that it is in the home.
        if writes and (event == "os.link" or any(str(arg).startswith(home) for arg in args[:2])):
            where = str(args[1] if event == "os.rename" else args[0])
            changes.add((event, where.rpartition(os.sep)[0]))
            if len(changes) == kill_at:
                os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))

    sys.addaudithook(heard)
    return changes


if __name__ == "__main__":
    _child(sys.argv[1], sys.argv[2], sys.argv[3], cast(Destination, sys.argv[4]))
