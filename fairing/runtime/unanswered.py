"""Questions that nobody can answer in a run fail at once, in words, and where they were asked."""

from __future__ import annotations

import builtins
import os
import sys
from types import TracebackType
from typing import Any, NoReturn

from fairing.runtime import imports


def refuse() -> None:
    """Make ``input``, ``getpass``, ``breakpoint`` and the debugger raise."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - it stays open for as long as the process lives
    builtins.input = _input
    sys.breakpointhook = _breakpoint
    imports.after("getpass", _no_password)
    imports.after("pdb", _no_debugger)
    imports.after("IPython.core.debugger", _no_debugger)


def refuse_in(kernel: Any) -> None:
    """Do the same in a notebook's kernel, which puts its own ``input`` and ``getpass`` in place for each cell."""
    kernel.raw_input = _input
    imports.after("getpass", _no_password)
    kernel.getpass = sys.modules["getpass"].getpass
    sys.breakpointhook = _breakpoint
    imports.after("pdb", _no_debugger)
    imports.after("IPython.core.debugger", _no_debugger)
    shown = kernel.shell.InteractiveTB

    def without_ours(kind: Any, error: BaseException, trace: TracebackType | None, *more: Any, **options: Any) -> Any:
        """IPython shows the frame that raises, also where it is to be hidden."""
        last, before = trace, None
        while last is not None and last.tb_next is not None:
            last, before = last.tb_next, last
        if before is not None and last is not None and last.tb_frame.f_globals.get("__name__") == __name__:
            before.tb_next = None
        return structured(kind, error, trace, *more, **options)

    structured, shown.structured_traceback = shown.structured_traceback, without_ours


def _input(prompt: object = "", /) -> NoReturn:
    __tracebackhide__ = True
    raise EOFError(
        f"input({str(prompt)!r}) has nobody to answer it: the run is not in your notebook. "
        "Pass the value as an argument, or to a notebook as a parameter."
    )


def _breakpoint(*_: Any, **__: Any) -> NoReturn:
    __tracebackhide__ = True  # a notebook's traceback ends in the person's own line
    raise RuntimeError(
        "breakpoint() has nobody to answer it: the run is not in your notebook. Call the function there to debug it."
    )


def _no_password(module: Any) -> None:
    def getpass(prompt: str = "Password: ", *_: Any, **__: Any) -> NoReturn:
        __tracebackhide__ = True
        raise EOFError(
            f"getpass({prompt!r}) has nobody to answer it: the run is not in your notebook. "
            "Give the value to the run with secrets=[...]."
        )

    module.getpass = getpass


def _no_debugger(module: Any) -> None:
    module.set_trace = _breakpoint
