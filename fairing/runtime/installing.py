"""Installs in a pod, before the code starts, what its image lacks: by the pip that the image has, or its uv.

Each package has the hash that its lock says. Where packages are, the pod's environment says: pip's variables and its
files, and the proxies.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from fairing.runtime.frames import Encoder

NAME = "packages.txt"
"""The file with the lock, among what the client gave."""

PACKAGES = "/fairing/own/packages"
LINES = 20
"""Lines of an installer that are looked through for why it failed."""


def installer() -> list[str]:
    """Return the command that installs here; nothing, where there is none."""
    if find_spec("pip"):
        quiet = ("--disable-pip-version-check", "--no-input", "--progress-bar", "off")
        return [sys.executable, "-m", "pip", "install", "--no-cache-dir", "--no-compile", *quiet]
    if uv := shutil.which("uv"):
        return [uv, "pip", "install", "--no-cache", "--python", sys.executable]
    return []


def install(lock: Path, log: Callable[[], Encoder], started: Callable[[subprocess.Popen[str]], object]) -> int:
    """Install what a lock says, unless that is done, and let this process and those that it starts find it.

    Args:
        lock: Names, versions and hashes.
        log: Where to say how far it is, if there is anything to be done.
        started: Is told which process installs: who is asked to end ends it too.

    Returns:
        Its exit code; what went wrong is in the log.
    """
    done = Path(PACKAGES, ".installed")
    if not done.exists():
        encoder = log()
        count = sum(line[:1].isalnum() for line in lock.read_text().splitlines())
        encoder.event("status", {"phase": "running", "reason": f"installing packages: {count}"})
        wanted = ["--target", PACKAGES, "--no-deps", "--require-hashes", "--requirement", str(lock)]
        code, said = _run([*installer(), *wanted], encoder, started)
        if code:
            encoder.event("failure", {"ename": "install", "evalue": _reason(said), "code": code})
            encoder.end()
            return code
        encoder.event("status", {"phase": "running"})
        done.touch()
    _find()
    return 0


def _run(
    command: list[str], encoder: Encoder, started: Callable[[subprocess.Popen[str]], object]
) -> tuple[int, list[str]]:
    said: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        started(process)
        for line in process.stdout or ():
            if text := line.strip():
                said = [*said, text][-LINES:]
                encoder.event("status", {"phase": "running", "reason": f"installing packages: {text[:200]}"})
    return process.returncode, said


def _reason(said: list[str]) -> str:
    """Return what an installer says last of what went wrong, without its marks and without passwords of addresses."""
    wrong = [line for line in said if re.match(r"(?i)error:|×|╰|hint", line)] or said
    told = re.sub(r"(?i)^error: *", "", wrong[-1] if wrong else "it said nothing")
    return re.sub(r"([a-zA-Z][a-zA-Z0-9+.-]*://)[^/@\s]+@", r"\1***@", told)


def _find() -> None:
    """Put the packages before the image's own, and after the runner's."""
    sys.path.insert(len(sys.argv[1:]), PACKAGES)
    for name, folder in (("PYTHONPATH", PACKAGES), ("PATH", f"{PACKAGES}/bin")):
        first = sys.argv[1:] if name == "PYTHONPATH" else []
        rest = (each for each in os.environ.get(name, "").split(os.pathsep) if each and each not in first)
        os.environ[name] = os.pathsep.join((*first, folder, *rest))
