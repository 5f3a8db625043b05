"""What a builder promises, each promise as a function over the name under which a builder is installed.

In a plug-in's own tests:

    @pytest.mark.parametrize("promise", builders.PROMISES, ids=lambda promise: promise.__name__)
    def test_contract(promise):
        promise("mybuilder")

A promise that is not kept raises ``AssertionError``. Each works in a home of its own and starts processes that find the
builder as everybody does, by its entry point.
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from fairing import plugins, state
from fairing.errors import BuildError
from fairing.events import Event
from fairing.oci.layer import PLACES
from fairing.oci.layout import blob
from fairing.recipe.resolve import resolve
from fairing.spec import BuiltImage, Bundle, Destination, Entry, File, Image, Recipe, Target
from fairing.testing.layouts import members, problems

_LARGE = 9 << 20
_PLATFORM = {"LC_ALL": "C", "TZ": "Asia/Kolkata", "PYTHONHASHSEED": "7"}


def makes_what_it_says(name: str) -> None:
    """Leave an image in each destination that it says it can."""
    builder = plugins.builder(name)
    assert builder.makes, "makes is empty"
    assert builder.makes <= set(get_args(Destination)), f"makes {builder.makes}"
    for to in sorted(builder.makes):
        with _home() as home:
            image = _build(name, sample(home), to)
        assert re.fullmatch(r"sha256:[0-9a-f]{64}", image.digest), f"digest {image.digest!r}"
        assert image.ref or image.layers, f"an image for {to} is neither a reference nor layers"


def same_input_same_digest(name: str) -> None:
    """Give the same digest for the same recipe, in other homes, folders, zones and processes too."""
    with _home() as home, _home() as other, tempfile.TemporaryDirectory() as folder:
        here = _answer(_start(name, home))
        there = _answer(_start(name, other, env={**_PLATFORM, "TMPDIR": folder}, umask=0o077))
    assert here == there, f"{here} here, {there} there"


def same_recipe_makes_nothing(name: str) -> None:
    """Write nothing when everything is there."""
    with _home() as home:
        first = _build(name, sample(home))
        before = _written()
        second = _build(name, sample(home))
        after = _written()
    assert second.digest == first.digest, "a second build gave another digest"
    changed = sorted(path for path in {*before, *after} if before.get(path) != after.get(path))
    assert not changed, f"a second build wrote {changed[:5]}"


def changed_code_changes_code_alone(name: str) -> None:
    """Give another digest for other code, on the same dependencies."""
    with _home() as home:
        one, two = _build(name, sample(home)), _build(name, sample(home, code=b"print('other')\n"))
    assert one.digest != two.digest, "other code has the same digest"
    kept = [[(each.kind, each.key) for each in image.layers if each.kind != "code"] for image in (one, two)]
    assert kept[0] == kept[1], "other code has other dependencies"


def holds_the_recipes_files(name: str) -> None:
    """Hold exactly the recipe's files, as they are, with their modes."""
    with _home() as home:
        recipe = sample(home)
        image = _build(name, recipe)
        found: dict[str, tuple[int, bytes]] = {}
        for layer in image.layers:
            if layer.kind in {"files", "code"} and layer.digest:
                found.update(members(blob(state.store(), layer.digest)))
        wanted = {f"{PLACES['code']}/{file.path}": (file.mode, file.read()) for file in recipe.files}
    if image.layers:
        wrong = sorted(path for path in {*wanted, *found} if wanted.get(path) != found.get(path))
        assert not wrong, f"these files are missing, too many, or not what they were: {wrong[:5]}"


def leaves_a_valid_layout(name: str) -> None:
    """Leave a store that holds the image by its digest, and that every tool for images can read."""
    with _home() as home:
        image = _build(name, sample(home))
        wrong = problems(state.store()) if image.layers else ()
        there = not image.layers or blob(state.store(), image.digest).is_file()
    assert not wrong, "; ".join(wrong)
    assert there, f"no manifest has the digest {image.digest}"


def refuses_what_it_cannot(name: str) -> None:
    """Refuse Debian packages on this machine's interpreter by name, before anything is made, and say who can."""
    with _home() as home:
        recipe = replace(sample(home), apt=("libexample7",))
        before = _written()
        refused = _refusal(name, recipe)
        after = _written()
    assert refused is not None, "it accepts Debian packages that it will not install"
    assert "libexample7" in str(refused), f"the package is not named: {refused}"
    able = [other for other in plugins.installed(plugins.BUILDERS) if other != name and not _refusal(other, recipe)]
    said = [other for other in able if repr(other) in str(refused)] or "No installed builder can" in str(
        refused
    ) > bool(able)
    assert said, f"it does not say which builder can: {refused}"
    assert before == after, "check made something"


def refuses_a_missing_file(name: str) -> None:
    """Say which file cannot be read, in words."""
    with _home() as home:
        gone = home / "gone.csv"
        recipe = sample(home)
        recipe = replace(recipe, files=(*recipe.files, File("gone.csv", gone)))
        try:
            _build(name, recipe)
        except BuildError as said:
            assert "gone.csv" in str(said), f"the file is not named: {said}"
        else:
            raise AssertionError("it built an image without a file of the recipe")


def survives_being_killed(name: str) -> None:
    """Leave a store that works when a build is killed, wherever it is."""
    with _home() as home, _home() as other:
        wanted = _answer(_start(name, other))
        for step in (1, 3, 9, 15, 21, 27, 36, 48, 64):
            if _start(name, home, kill_at=step).wait() == 0:
                break
        assert _answer(_start(name, home)) == wanted, "after a killed build the image is another one"
        with _in(home):
            wrong = problems(state.store()) if wanted["layers"] else ()
            left = [path for path in _written() if "/parts/" in path or "/.part" in path]
    assert not wrong, "; ".join(wrong)
    assert not left, f"what killed builds left is still there: {left[:5]}"


def two_builds_at_once(name: str) -> None:
    """Build the same image twice at once, and leave one."""
    with _home() as home, _home() as other:
        wanted = _answer(_start(name, other))
        both = [_start(name, home, wait=True) for _ in range(2)]
        for each in both:
            _line(each)  # it is ready
        for each in both:
            _go(each)
        answers = [_answer(each) for each in both]
        with _in(home):
            wrong = problems(state.store()) if wanted["layers"] else ()
    assert answers == [wanted, wanted], f"{wanted} alone, {answers} at once"
    assert not wrong, "; ".join(wrong)


PROMISES = (
    makes_what_it_says,
    same_input_same_digest,
    same_recipe_makes_nothing,
    changed_code_changes_code_alone,
    holds_the_recipes_files,
    leaves_a_valid_layout,
    refuses_what_it_cannot,
    refuses_a_missing_file,
    survives_being_killed,
    two_builds_at_once,
)


def sample(home: Path, code: bytes = b"print('hello')\n") -> Recipe:
    """Return a recipe that has everything a recipe may have for every builder.

    Args:
        home: Where the file that is not in memory may be put.
        code: What the entry says.
    """
    large = home / "large.bin"
    if not large.exists():
        large.write_bytes(random.Random(7).randbytes(_LARGE))  # noqa: S311 - it has to be the same every time
    files = (
        File("main.py", code),
        File("bin/run.sh", b"#!/bin/sh\nexit 0\n", 0o755),
        File("private.txt", b"mine\n", 0o600),
        File("empty/__init__.py", b""),
        File("d\N{LATIN SMALL LETTER A WITH DIAERESIS}ta/\N{SNOWMAN} 1.csv", b"a,b\n1,2\n"),
        File(f"{'deep/' * 60}{'n' * 120}.txt", b"far\n"),
        File("data/large.bin", large),
    )
    import hashlib
    import platform

    entry = Entry("script", "main.py", hashlib.sha256(code).hexdigest(), "main.py")
    bundle = Bundle(entry, files, ("cloudpickle",), (), platform.python_version())
    return resolve(bundle, Image(env=(("DEPTH", "8"),)), _target("any"))


def _target(name: str) -> Target:
    return Target("contract", "local", name)


def _build(name: str, recipe: Recipe, to: Destination | None = None) -> BuiltImage:
    builder = plugins.builder(name)
    said: list[Event] = []
    builder.check(recipe, _target(name))
    image = builder.build(recipe, _target(name), to or _first(builder.makes), said.append)
    assert all(event.at.source.role == "build" for event in said), "it speaks in another's name"
    return image


def _first(makes: frozenset[Destination]) -> Destination:
    return "layers" if "layers" in makes else min(makes)


def _refusal(name: str, recipe: Recipe) -> BuildError | None:
    try:
        plugins.builder(name).check(recipe, _target(name))
    except BuildError as refused:
        return refused
    return None


@contextmanager
def _home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, _in(Path(folder)):
        yield Path(folder)


@contextmanager
def _in(home: Path) -> Iterator[None]:
    before = os.environ.get("FAIRING_HOME")
    os.environ["FAIRING_HOME"] = str(home)
    try:
        yield
    finally:
        if before is None:
            del os.environ["FAIRING_HOME"]
        else:
            os.environ["FAIRING_HOME"] = before


def _written() -> dict[str, tuple[int, int, int]]:
    """Return every file of the home; the times of last uses alone may change when nothing is made."""
    found = {}
    home = state.home()
    for folder, _, files in os.walk(home):
        for file in files:
            path = Path(folder, file)
            seen = path.lstat()
            name = f"/{path.relative_to(home).as_posix()}"
            if "/used/" not in name:
                found[name] = (seen.st_ino, seen.st_size, seen.st_mtime_ns)
    return found


def _start(
    name: str, home: Path, kill_at: int = 0, wait: bool = False, env: dict[str, str] | None = None, umask: int = -1
) -> subprocess.Popen[str]:
    """Start a process that builds the sample: it kills itself at its nth change of the home, or waits for a line."""
    (home / "child").mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-m", "fairing.testing.builders", name, str(kill_at), str(int(wait))],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            **(env or {}),
            "FAIRING_HOME": str(home),
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        umask=umask,
    )


def _line(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline()


def _go(child: subprocess.Popen[str]) -> None:
    assert child.stdin is not None
    child.stdin.write("go\n")
    child.stdin.flush()


def _answer(child: subprocess.Popen[str]) -> dict[str, Any]:
    out, _ = child.communicate()
    assert child.returncode == 0, f"a build ended with {child.returncode}"
    answer: dict[str, Any] = json.loads(out.splitlines()[-1])
    return answer


def _child(name: str, kill_at: str, wait: str) -> None:
    home = state.home()
    recipe = sample(home / "child")
    if wait == "1":
        print("ready", flush=True)  # noqa: T201 - it is what the other side reads
        sys.stdin.readline()
    if kill_at != "0":
        _kill_at(int(kill_at), str(home))
    image = _build(name, recipe)
    layers = [[layer.kind, layer.key, layer.digest] for layer in image.layers]
    print(json.dumps({"digest": image.digest, "layers": layers}))  # noqa: T201 - it is what the other side reads


def _kill_at(step: int, home: str) -> None:
    """Kill this process when it changes something in the home for the nth time."""
    import signal

    count = 0

    def heard(event: str, args: tuple[Any, ...]) -> None:
        nonlocal count
        writes = event in {"os.rename", "os.mkdir", "os.link", "os.symlink", "os.utime"} or (
            event == "open" and len(args) > 2 and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR)
        )
        if writes and any(str(arg).startswith(home) for arg in args[:2]):
            count += 1
            if count == step:
                os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))

    sys.addaudithook(heard)


if __name__ == "__main__":
    _child(*sys.argv[1:])
