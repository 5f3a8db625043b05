"""Inside a run, the verbs do in place what they would start elsewhere.

A notebook that trains with ``fairing.train`` runs the same as a job: it is there already, so the function is called.
A call that names a target says that it wants another run, and gets one.
"""

from __future__ import annotations

import inspect
import os
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from importlib.util import find_spec
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from fairing.errors import ConfigError, PluginError
from fairing.events import Event, FileInfo, Phase, Source, Stamp, Status
from fairing.run.job import Job
from fairing.shell import current
from fairing.spec import Handle

if TYPE_CHECKING:
    from fairing.run.notebook import Executed

RUN = "FAIRING_RUN"
"""The variable that every run has: its name."""

NOTEBOOK = "FAIRING_NOTEBOOK"
"""The variable that a notebook's run has: the notebook's file name."""


def here(given: Mapping[str, Any]) -> bool:
    """Whether a call with these options is to be done in place.

    Example:
        >>> here({})  # outside a run
        False
    """
    return bool(os.environ.get(RUN)) and not given.get("target")


def able() -> None:
    """Refuse to start another run where what starts one did not come along.

    Raises:
        PluginError: This is a run, and it has only what its code was seen to need.
    """
    lacking = [name for name in ("isal", "packaging") if os.environ.get(RUN) and find_spec(name) is None]
    if lacking:
        raise PluginError(
            f"No other run can be started from this one: {lacking[0]} is not here.",
            why="A run has what its code was seen to need, and it was not seen to name a target.",
            fix="Take along what starts runs: requirements=['fairing'].",
        )


def call(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any] | None) -> Any:
    """Call a function in place and return its value, that of an async function too."""
    __tracebackhide__ = True
    value = function(*args, **(kwargs or {}))
    if not inspect.iscoroutine(value):
        return value
    import asyncio  # 20 ms that a call outside a run need not wait for
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as other:  # a cell's own event loop is already running in this thread
        return other.submit(asyncio.run, value).result()


def submit(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any] | None) -> Job:
    """Call a function in place and return a job that has ended."""
    __tracebackhide__ = True
    try:
        return Done(function, call(function, args, kwargs))
    except Exception as error:  # noqa: BLE001 - a job gives its error to whoever asks for its value
        return Done(function, None, error)


def cell(source: str, names: MutableMapping[str, Any]) -> None:
    """Run the text of a cell in place, as a part of the cell that asks for it: what it sets is there at once."""
    __tracebackhide__ = True
    shell = current()
    if shell is not None and names is shell.user_ns:
        shell.run_cell(source).raise_error()
        return
    exec(compile(source, "cell", "exec"), names if isinstance(names, dict) else dict(names))  # noqa: S102 - it is asked for


def notebook(path: object) -> Executed:
    """Return for a call that would run a notebook: a notebook that runs itself is running already.

    Raises:
        ConfigError: It is another notebook.
    """
    mine = os.environ.get(NOTEBOOK)
    if mine is not None and (path is None or PurePath(str(path)).name == mine):
        from fairing.run.notebook import Executed

        return Executed(None)
    raise ConfigError(
        f"{path or 'The notebook'} cannot be run from inside a run.",
        why="A run does its calls in place, and another notebook needs a kernel of its own.",
        fix="Name a target to start another run.",
    )


class Done(Job):
    """A job that was done in place: it has ended, and has its value or its error."""

    _complete = True

    def __init__(self, function: Callable[..., Any], value: Any, error: BaseException | None = None) -> None:
        self.handle = Handle("inside", (os.environ.get(RUN, "run"), getattr(function, "__name__", "function")))
        self.report = None
        self._value = value
        self._error = error
        self._at = time.time()

    @property
    def status(self) -> Status:
        """How it ended."""
        phase: Phase = "failed" if self._error else "succeeded"
        return Status(Stamp(Source("run"), self._at), phase, "" if self._error is None else repr(self._error))

    def events(self, since: float | None = None) -> Iterator[Event]:
        """Give its end: what it printed was printed in place."""
        yield self.status

    def follow(self, **_: Any) -> Any:
        """Return its value, or raise its error: there is nothing more to show."""
        return self.result()

    def result(self, timeout: float | None = None, *, raw: bool = False, trust: bool | None = None) -> Any:
        """Return its value, or raise its error."""
        __tracebackhide__ = True
        if self._error is not None:
            raise self._error
        if not raw:
            return self._value
        import cloudpickle

        return cloudpickle.dumps(self._value)

    def logs(self, to: str | os.PathLike[str] | None = None) -> Any:
        """Return nothing: what it printed was printed in place."""
        if to is None:
            return ""
        path = Path(to)
        path.write_text("")
        return path

    def files(self) -> tuple[FileInfo, ...]:
        """Return nothing: what it wrote lies where this run's own files lie."""
        return ()

    def cancel(self) -> None:
        """Do nothing: it has ended."""

    def delete(self) -> None:
        """Do nothing: nothing was made for it."""
