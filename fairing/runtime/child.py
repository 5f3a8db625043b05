"""The child's side of a run: makes the process ready for the user's code, runs the entry, tells how it ended."""

from __future__ import annotations

import builtins
import contextlib
import faulthandler
import gc
import hashlib
import importlib
import io
import logging
import os
import signal
import sys
import threading
import types
from pathlib import Path
from typing import Any

from fairing.runtime import displays, library, processes, rendezvous, unanswered, wrapped
from fairing.runtime.outcome import Terminated
from fairing.runtime.streams import Output, guard
from fairing.runtime.tell import Teller

ENTRIES = {
    "function": "fairing.runtime.function",
    "cell": "fairing.runtime.cell",
    "notebook": "fairing.runtime.notebook",
    "script": "fairing.runtime.script",
}
"""A kind of entry → its module, which has ``run(spec, data, tell) -> int`` and is imported when it is needed."""

_BY_VALUE = frozenset({"function", "cell"})
"""Kinds of entries that were pickled."""


def run(spec: dict[str, Any], output: int, error: int, mark: bytes) -> int:
    """Run the entry and return the exit code; the interpreter then ends as it always does."""
    processes.die_with(os.getppid())
    os.setsid()
    _terminable()
    tell, out = _streams(output, error, mark, Path(spec["spool"]))
    _ready(spec, tell)
    entry = spec["entry"]
    data = (Path(spec["code"]) / entry["path"]).read_bytes()
    if hashlib.sha256(data).hexdigest() != entry["sha256"]:
        tell("failure", {"ename": "tampered", "evalue": f"{entry['path']} is not the file that was submitted"})
        return 1
    kind = importlib.import_module(ENTRIES[entry["kind"]])
    if entry["kind"] in _BY_VALUE:
        importlib.import_module("cloudpickle")
    library.leave()
    code: int = kind.run(spec, data, tell)
    out.end()
    if any(thread.daemon and thread.is_alive() for thread in threading.enumerate()):
        _leave(code, out)
    return code


def _streams(output: int, error: int, mark: bytes, spool: Path) -> tuple[Teller, Output]:
    """Make the pipes this process's descriptors 1 and 2, and give Python its streams on them."""
    os.dup2(output, 1)
    os.dup2(error, 2)
    os.set_inheritable(1, True)
    os.set_inheritable(2, True)
    os.close(error)
    out = Output()
    tell = Teller(output, mark, spool, out.flush)
    sys.stdout = out.text
    sys.stderr = tell.stderr()
    sys.__stdout__, sys.__stderr__ = sys.stdout, sys.stderr  # type: ignore[misc]
    guard(out)
    faulthandler.enable(2)
    _by_lines()
    return tell, out


def _by_lines() -> None:
    """Let C code write its lines when it prints them, as Python does: into a pipe it would keep them for long."""
    import ctypes

    with contextlib.suppress(ValueError):  # a C library that names it otherwise
        libc = ctypes.CDLL(None)
        stdout = ctypes.c_void_p.in_dll(libc, "__stdoutp" if sys.platform == "darwin" else "stdout")
        libc.setvbuf(stdout, None, 0 if sys.platform == "darwin" else 1, ctypes.c_size_t(0))


def _ready(spec: dict[str, Any], tell: Teller) -> None:
    """Make the process what the user's code expects of one: its folder, its paths, its ``__main__``, its names."""
    spec.pop("key", None)
    sys.path[:] = [str(Path(spec["code"]) / root) for root in spec["roots"]] + [
        path
        for path in sys.path
        if path not in {"", os.getcwd()}  # noqa: PTH109 - as sys.path has it
    ]
    os.chdir(spec["work"])
    os.environ.update(rendezvous.variables(spec))
    main = types.ModuleType("__main__")
    main.__dict__["__builtins__"] = builtins
    sys.modules["__main__"] = main
    sys.argv = [spec["entry"]["name"], *spec["entry"].get("arguments", ())]
    unanswered.refuse()
    wrapped.register()
    displays.install(tell, notebook=spec.get("in_notebook", False))
    if spec["entry"]["kind"] != "notebook":  # its kernel has a backend of its own
        os.environ.setdefault("MPLBACKEND", "module://fairing.runtime.figures")
        os.environ.setdefault("PLOTLY_RENDERER", "plotly_mimetype")
    _log(spec.get("log_level", logging.WARNING))


def _log(level: int) -> None:
    """Log as the kernel does: one that still has Python's own level shows warnings alone, and needs nothing."""
    if level != logging.WARNING:
        logging.basicConfig(level=level)


def _terminable() -> None:
    """Let SIGTERM unwind the user's code; a process that it forked is ended by the signal itself, as anywhere."""
    masks = threading.local()

    def again(*_: Any) -> None:
        """Let what ``finally:`` does go on; a handler, since an ignored signal would stay so in its subprocesses."""

    def terminate(*_: Any) -> None:
        signal.signal(signal.SIGTERM, again)
        raise Terminated

    def hold() -> None:
        # One that comes while a fork still has this handler would be lost there, and a pool wait for that worker.
        masks.before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

    def release() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, masks.before)

    def forget() -> None:
        if signal.getsignal(signal.SIGTERM) in {terminate, again}:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        release()

    signal.signal(signal.SIGTERM, terminate)
    signal.signal(signal.SIGURG, again)  # the parent sends it after a SIGTERM that seems not to have arrived
    os.register_at_fork(before=hold, after_in_parent=release, after_in_child=forget)


def _leave(code: int, out: Output) -> None:
    """End as an interpreter does, but for its last step: daemon threads that print there abort the process.

    Files that nobody closed are flushed, and what C libraries do at the end of a process is done.
    """
    import atexit
    import ctypes

    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.modules["__main__"].__dict__.clear()
    gc.collect()
    for each in gc.get_objects():
        if type(each) in {io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom}:
            with contextlib.suppress(Exception):
                each.flush()
    out.flush()
    ctypes.PyDLL(None).exit(code)  # holds the interpreter's lock, so that no thread of Python goes on
