"""The child's side of a run: makes the process ready for the user's code, runs the entry, tells how it ended."""

from __future__ import annotations

import builtins
import hashlib
import importlib
import io
import logging
import os
import signal
import sys
import types
from pathlib import Path
from typing import Any

from fairing.runtime import processes, rendezvous
from fairing.runtime.pump import TERMINATED
from fairing.runtime.tell import Teller


def run(spec: dict[str, Any], output: int, error: int, mark: bytes) -> int:
    """Run the entry and return the exit code; the interpreter then ends as it always does."""
    processes.die_with(os.getppid())
    os.setsid()
    signal.signal(signal.SIGTERM, _end)  # the user's ``finally:`` runs
    os.register_at_fork(after_in_child=_forked)
    os.environ.update(rendezvous.variables(spec))
    os.dup2(output, 1)
    os.dup2(error, 2)
    os.set_inheritable(1, True)
    os.set_inheritable(2, True)
    tell = Teller(os.dup(output), mark, Path(spec["spool"]))
    sys.stdout = io.TextIOWrapper(io.BufferedWriter(io.FileIO(1, "wb", closefd=False)), "utf-8", "replace", "\n", True)
    sys.stderr = tell.stderr()
    sys.stdin = open(os.devnull)  # noqa: PTH123, SIM115 - it stays open for as long as the process lives
    sys.path[:] = [str(Path(spec["code"]) / root) for root in spec["roots"]] + [
        path
        for path in sys.path
        if path not in {"", os.getcwd()}  # noqa: PTH109 - as sys.path has it
    ]
    os.chdir(spec["work"])
    sys.modules["__main__"] = types.ModuleType("__main__")
    sys.modules["__main__"].__dict__["__builtins__"] = builtins
    logging.getLogger().setLevel(spec.get("log_level", logging.WARNING))
    entry = spec["entry"]
    data = (Path(spec["code"]) / entry["path"]).read_bytes()
    if hashlib.sha256(data).hexdigest() != entry["sha256"]:
        tell("failure", {"ename": "tampered", "evalue": f"{entry['path']} is not the file that was submitted"})
        return 1
    how = importlib.import_module(f"fairing.runtime.{entry['kind']}")
    code: int = how.run(spec, data, tell)
    return code


def _end(*_: Any) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not cut its ``finally:`` short
    raise SystemExit(TERMINATED)


def _forked() -> None:
    """Let processes that the user's code forks die of SIGTERM as they always do."""
    if signal.getsignal(signal.SIGTERM) is _end:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
