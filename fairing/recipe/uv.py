"""Resolves and installs with uv: for the platform asked for, at the versions that are installed here."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fairing import state
from fairing.errors import DependencyError
from fairing.events import Source, Stamp, Text
from fairing.ports import Reporter
from fairing.recipe import pip, python
from fairing.spec import Recipe


@dataclass(frozen=True)
class Question:
    """What is to be resolved: equal questions have equal answers, and are put to uv once.

    Args:
        requirements: PEP 508 texts.
        constraints: The versions that hold wherever something requires them: ``"numpy==2.4.0"``.
        platform: The run's platform, such as ``"linux/amd64"``.
        python: The run's Python version.
        indexes: Options of requirements files that say where packages are; they may hold passwords.
        hashes: Hashes that packages must have, each after the package's name: ``"tqdm sha256:…"``.
        libc: The C library that packages are to fit, where that is not this machine's: ``"glibc 2.31"``.
    """

    requirements: tuple[str, ...]
    constraints: tuple[str, ...]
    platform: str
    python: str
    indexes: tuple[str, ...] = ()
    hashes: tuple[str, ...] = ()
    libc: str = ""


def lock(question: Question) -> str:
    """Return the lock text: names, versions and hashes, and neither an address nor a comment.

    Raises:
        DependencyError: There is no answer; uv's reason, short.
    """
    environment = pip.environment(question.indexes)
    kept = state.private(state.store() / "resolved") / f"{_key(question, environment)}.txt"
    if kept.is_file():
        return kept.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory(prefix="fairing-") as folder:
        _write(folder, "requirements.in", question.requirements)
        _write(folder, "constraints.txt", question.constraints)
        output = _run(
            [*_COMPILE, question.python, "--python", sys.executable, *_target(question.platform, question.libc)],
            environment,
            folder,
            question.requirements,
        )
    text = _held(_plain(output), question.hashes)
    with state.replacing(kept) as part:
        part.write_text(text, encoding="utf-8")
    return text


def install(recipe: Recipe, folder: Path, report: Reporter) -> None:
    """Install a resolved lock into a tree, bytecode included.

    Raises:
        DependencyError: It cannot be had; uv's reason, short.
    """
    environment = pip.environment(recipe.indexes)
    environment["UV_COMPILE_BYTECODE"] = "1" if recipe.platform == python.platform() else "0"
    count = len(re.findall(r"^[^\s#]", recipe.lock, re.MULTILINE))
    report(Text(Stamp(Source("build"), time.time()), f"installing {count} packages\n", "stderr"))
    with tempfile.TemporaryDirectory(prefix="fairing-") as temporary:
        _write(temporary, "lock.txt", (recipe.lock,))
        _run(
            [*_INSTALL, str(folder / "bin" / "python"), *_target(recipe.platform, recipe.libc)],
            environment,
            temporary,
            (),
        )
    for origin in (folder / python.packages(recipe.python)).glob("*.dist-info/direct_url.json"):
        origin.unlink()


_COMPILE = (
    *("pip", "compile", "requirements.in", "--constraints", "constraints.txt", "--generate-hashes"),
    *("--no-emit-index-url", "--no-header", "--no-annotate", "--quiet", "--python-version"),
)
_INSTALL = ("pip", "install", "--requirements", "lock.txt", "--no-deps", "--require-hashes", "--quiet", "--python")
_TRIPLES = {
    "linux/amd64": "x86_64-manylinux_2_28",
    "linux/arm64": "aarch64-manylinux_2_28",
    "linux/arm64/v8": "aarch64-manylinux_2_28",
    "darwin/amd64": "x86_64-apple-darwin",
    "darwin/arm64": "aarch64-apple-darwin",
    "windows/amd64": "x86_64-pc-windows-msvc",
}


_GLIBCS = (17, 28, *range(31, 41))
"""The minor versions of glibc 2 that uv knows platforms of."""


def _target(platform: str, libc: str) -> list[str]:
    """Return uv's options for a platform; a source distribution can be built for this machine alone."""
    if platform == python.platform() and not libc:
        return []
    if platform not in _TRIPLES:
        raise DependencyError(f"Packages for {platform} cannot be resolved.", fix=f"Known: {', '.join(_TRIPLES)}.")
    return ["--python-platform", _triple(platform, libc), "--only-binary", ":all:"]


def _triple(platform: str, libc: str) -> str:
    """Return uv's name of a platform: the newest it knows that is not newer than the C library.

    Raises:
        DependencyError: No wheel fits that library.
    """
    usual = _TRIPLES[platform]
    family, _, version = libc.partition(" ")
    if not libc or "manylinux" not in usual:
        return usual
    processor = usual.partition("-")[0]
    if family == "musl":
        return f"{processor}-unknown-linux-musl"
    fitting = [minor for minor in _GLIBCS if (2, minor) <= tuple(int(part) for part in version.split(".")[:2])]
    if not fitting:
        raise DependencyError(f"Packages for {libc} cannot be resolved.", fix="Choose a newer image.")
    return f"{processor}-manylinux_2_{fitting[-1]}"


def _key(question: Question, environment: Mapping[str, str]) -> str:
    """Name a question; what tells where packages are is part of it, less the passwords."""
    where = {name: pip.redact(value, {}) for name, value in environment.items() if name.startswith("UV_")}
    parts = [question.requirements, question.constraints, question.platform, question.python, sorted(where.items())]
    parts += [question.hashes, *([question.libc] if question.libc else [])]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _run(arguments: Sequence[str], environment: Mapping[str, str], folder: str, asked: Sequence[str]) -> str:
    from uv import find_uv_bin

    try:
        program = find_uv_bin()
    except FileNotFoundError as gone:
        raise DependencyError("uv, which resolves packages, is not there.", fix="Install it: pip install uv.") from gone
    done = subprocess.run(
        [program, *arguments],
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode:
        reason = _reason(pip.redact(done.stderr, environment))
        blamed = [text for text in asked if re.match(r"[\w.-]+", text)[0].lower() in reason.lower()]  # type: ignore[index]
        raise DependencyError(
            f"{_few(blamed or asked) or 'What was resolved'} cannot be {'resolved' if asked else 'installed'}.",
            why=reason,
            fix=_fix(reason),
        )
    return done.stdout


def _plain(output: str) -> str:
    """Strip a lock of all that tells where packages came from.

    Raises:
        DependencyError: A package has no other name than its address.
    """
    kept = []
    for line in output.splitlines():
        if "://" in line and not line.startswith(("#", "-")):
            raise DependencyError(
                f"{line.split()[0]} is required by its address.",
                why="A lock has names, versions and hashes, and no address.",
                fix="Install it here, and its installed files are taken (dependencies='installed').",
            )
        if line.strip() and not line.startswith(("#", "-")):
            kept.append(line)
    return "".join(f"{line}\n" for line in kept)


def _held(text: str, hashes: Sequence[str]) -> str:
    """Leave a package whose hashes were stated those alone.

    Raises:
        DependencyError: It has none of them.
    """
    stated: dict[str, set[str]] = {}
    for each in hashes:
        name, _, digest = each.partition(" ")
        stated.setdefault(name, set()).add(digest)
    kept = []
    for block in re.split(r"(?m)^(?=\S)", text):
        name = block.partition("==")[0].partition("[")[0]
        if name in stated:
            right = [digest for digest in re.findall(r"--hash=(\S+)", block) if digest in stated[name]]
            if not right:
                raise DependencyError(
                    f"{block.split()[0]} has none of the hashes that the requirements state.",
                    why="What the index has under this version is not what was meant.",
                    fix="Correct the hashes, or the version.",
                )
            block = " \\\n    ".join((block.split(" \\")[0].rstrip(), *(f"--hash={digest}" for digest in right))) + "\n"
        kept.append(block)
    return "".join(kept)


def _reason(text: str) -> str:
    """Return what uv says as a sentence or three: without its drawing, its colours and its advice."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    text, *hints = re.split(r"\n\s*hint:", text)
    text = next((hint for hint in hints if re.search(r"\b40[13]\b|credentials", hint)), text)
    unreached = re.search(r"Failed to (?:fetch|download)[^\n]*?(https?://[^\s/`]+)", text)
    if unreached and "client error" in text:  # one cause a layer of its network code; the last is the one to know
        return f"{unreached[1]} cannot be reached: {text.strip().splitlines()[-1].rpartition('cause: ')[2].strip()}."
    lines = (re.sub(r"^[\s×╰─▶├│]+", "", line).strip() for line in text.splitlines())
    said = " ".join(line for line in lines if line and not line.lower().startswith(("using python", "resolved ")))
    said = re.sub(r"\b(error|cause|caused by): ", "", said, flags=re.IGNORECASE)
    said = re.sub(r"No solution found when resolving dependencies:? *", "", said)
    if len(said) > 400:
        said = f"{said[:400].rsplit(' ', 1)[0]} …"
    return said if said.endswith((".", "…")) else f"{said}."


def _fix(reason: str) -> str:
    if re.search(r"\b40[13]\b|credentials", reason):
        return "Check the user name and the password in pip's configuration."
    if re.search(r"dns error|connect|reached|timed out|network|fetch", reason, re.IGNORECASE):
        return "Without a network, dependencies='installed' takes what is installed here."
    if "unsatisfiable" in reason or "cannot be used" in reason:
        return "Change requirements=; a package that is to have another version than here must be named there too."
    return "Check its name and version in requirements=."


def _few(requirements: Sequence[str]) -> str:
    return ", ".join(requirements[:3]) + (f" and {len(requirements) - 3} more" if len(requirements) > 3 else "")


def _write(folder: str, name: str, lines: Sequence[str]) -> None:
    Path(folder, name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
