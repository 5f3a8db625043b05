"""Runs the text of a cell: statements, then the last expression, whose value is displayed as Jupyter does.

The names that the cell reads come as the globals of a captured function, so that functions of the notebook and the cell
share them: a cell that sets ``depth`` is seen by a function that reads it.
"""

from __future__ import annotations

import ast
import inspect
import json
import linecache
import os
import re
import sys
import time
import types
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairing.runtime import captured, outcome
from fairing.runtime.tell import Teller

if TYPE_CHECKING:
    import asyncio  # it and others are imported where they are used: a cell that does not need them starts sooner


def run(spec: dict[str, Any], pickled: bytes, tell: Teller) -> int:
    """Run the cell; tell the names that it brings back, or its exception."""
    captured.share(str(Path(spec["code"]) / spec["entry"]["path"]))
    cell = json.loads((Path(spec["inputs"]) / "cell.json").read_bytes())

    def call() -> dict[str, Any]:
        names = _names(pickled)
        before = dict(names)
        _execute(cell, names)
        return _bring(cell["bring"], names, before)

    return outcome.settle(spec, tell, call)


TIMEIT = re.compile(r"^(\s*-[a-zA-Z](\s*\d+)?\s)*\s*")
"""The options before the code of ``%timeit``."""


class Shell:
    """The few things of IPython that the text of a cell asks for, once its ``!`` and ``%`` are Python."""

    def __init__(self, names: dict[str, Any]) -> None:
        self._names = names

    def system(self, command: str) -> None:
        """Run a command, its output among the prints: ``!ls``."""
        import subprocess

        sys.stdout.flush()
        self._names["_exit_code"] = subprocess.run(self._expand(command), shell=True, check=False).returncode  # noqa: S602 - a shell is what ! asks for

    def getoutput(self, command: str) -> list[str]:
        """Run a command and return the lines of its output: ``files = !ls``."""
        import subprocess

        done = subprocess.run(  # noqa: S602 - a shell is what ! asks for
            self._expand(command), shell=True, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self._names["_exit_code"] = done.returncode
        return done.stdout.splitlines()

    def run_line_magic(self, name: str, line: str, _stack_depth: int = 1) -> Any:
        """Run one of the magics that capture let through."""
        if name == "time":
            return self._time(line)
        if name == "timeit":
            self._timeit(line)
        elif name in {"env", "set_env"}:
            variable, _, value = line.replace(" ", "=", 1).partition("=") if "=" not in line else line.partition("=")
            os.environ[variable.strip()] = value.strip()
        elif name == "cd":
            os.chdir(line.strip() or Path.home())
        return None

    def _time(self, line: str) -> Any:
        start = time.perf_counter()
        value = _last(ast.parse(line, "%time"), "%time", self._names)
        print(f"Wall time: {time.perf_counter() - start:.3g} s")  # noqa: T201 - the magic's output
        return value

    def _timeit(self, line: str) -> None:
        import statistics
        import timeit

        said = dict(re.findall(r"-([nr])\s*(\d+)", TIMEIT.match(line)[0]))  # type: ignore[index]
        timer = timeit.Timer(TIMEIT.sub("", line) or "pass", globals=self._names)
        count = int(said["n"]) if "n" in said else timer.autorange()[0]
        took = [each / count for each in timer.repeat(int(said.get("r", 7)), count)]
        spread = statistics.pstdev(took)
        print(f"{statistics.fmean(took):.3g} s ± {spread:.3g} s per loop ({len(took)} runs, {count} loops each)")  # noqa: T201 - the magic's output

    def _expand(self, command: str) -> str:
        """Put values for ``{expression}`` and ``$name``, as IPython does; the rest is the shell's."""

        def value(found: re.Match[str]) -> str:
            text = found[1] or found[2]
            try:
                return str(eval(text, self._names))  # noqa: S307 - the user's own expression, in the user's own run
            except Exception:  # noqa: BLE001 - not an expression of Python: an expression of the shell
                return found[0]

        return re.sub(r"\{([^{}]+)\}|(?<!\$)\$([A-Za-z_]\w*)", value, command)


def _names(pickled: bytes) -> dict[str, Any]:
    """Return the names of ``__main__``, with those that the cell reads; the notebook's functions share them."""
    main = sys.modules["__main__"].__dict__
    came = captured.load(pickled).__globals__
    if came is not main:  # names that were given to the API, and are no notebook's
        main.update((name, value) for name, value in came.items() if not name.startswith("__"))
    main["__name__"] = "__main__"
    return main


def _execute(cell: dict[str, Any], names: dict[str, Any]) -> None:
    label, text = cell["label"], cell["text"]
    linecache.cache[label] = (len(cell["source"]), None, cell["source"].splitlines(keepends=True), label)
    if cell["shell"]:
        shell = Shell(names)
        names["get_ipython"] = lambda: shell
    tree = ast.parse(text, label)
    last = _split(tree)
    loop: list[asyncio.AbstractEventLoop] = []
    try:
        _evaluate(compile(tree, label, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names, loop)
        if last is not None:
            shown = compile(ast.Expression(last), label, "eval", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            value = _evaluate(shown, names, loop)
            if not cell["quiet"]:
                sys.displayhook(value)
    finally:
        for each in loop:
            _close(each)
        names.pop("get_ipython", None)


def _split(tree: ast.Module) -> ast.expr | None:
    """Take the last statement away, if it is an expression."""
    last = tree.body[-1] if tree.body else None
    if not isinstance(last, ast.Expr):
        return None
    tree.body.pop()
    return last.value


def _last(tree: ast.Module, label: str, names: dict[str, Any]) -> Any:
    last = _split(tree)
    exec(compile(tree, label, "exec"), names)  # noqa: S102 - running it is what was asked for
    return None if last is None else eval(compile(ast.Expression(last), label, "eval"), names)  # noqa: S307 - as above


def _evaluate(code: Any, names: dict[str, Any], loop: list[asyncio.AbstractEventLoop]) -> Any:
    value = eval(code, names)  # noqa: S307 - running it is what was asked for
    if code.co_flags & inspect.CO_COROUTINE:
        import asyncio

        if not loop:
            loop.append(asyncio.new_event_loop())
        coroutine: Coroutine[Any, Any, Any] = value
        return loop[0].run_until_complete(coroutine)
    return value


def _close(loop: asyncio.AbstractEventLoop) -> None:
    import asyncio

    for task in asyncio.all_tasks(loop):
        task.cancel()
        loop.run_until_complete(asyncio.wait([task]))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


def _bring(wanted: list[str], names: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """Return what is brought back, and say what was assigned and is not."""
    assigned = {
        name: value
        for name, value in names.items()
        if not name.startswith("_")
        and not isinstance(value, types.ModuleType)
        and (name not in before or before[name] is not value)
    }
    if "*" in wanted:
        brought = {name: value for name, value in assigned.items() if _travels(value)}
    else:
        absent = [name for name in wanted if name not in names]
        if absent:
            raise NameError(f"name {absent[0]!r} is to be brought back, and the cell did not set it")
        brought = {name: names[name] for name in wanted}
    left = [f"{name} ({_kind(value)})" for name, value in assigned.items() if name not in brought and _own(value)]
    if left:
        print(f"Not brought back: {', '.join(left)}.")  # noqa: T201 - the cell's last line
    return brought


def _own(value: Any) -> bool:
    """Say whether a value is the cell's own; a class or a function of a module was imported."""
    named = isinstance(value, type | types.FunctionType | types.BuiltinFunctionType)
    return not named or value.__module__ in {"__main__", None}


def _kind(value: Any) -> str:
    return "class" if isinstance(value, type) else type(value).__name__


def _travels(value: Any) -> bool:
    import cloudpickle

    try:
        return bool(cloudpickle.dumps(value))
    except Exception:  # noqa: BLE001 - a pickle may fail in any way
        return False
