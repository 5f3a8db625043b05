"""How a run's bad end is raised here: as the user's own exception where that exists, else as one of ours, in words."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

from fairing.errors import (
    OutOfMemory,
    ResultRefused,
    RunCancelled,
    RunFailed,
    RunKilled,
    RunLost,
    RunNotStarted,
    RunTimedOut,
)
from fairing.events import Failure, Payload, Status
from fairing.output.fold import View
from fairing.shell import numbered
from fairing.spec import Handle
from fairing.words import sentence, size

Hint = Callable[[str], str | None]
"""From a path or module that the run missed, to the option that would have taken it along."""

_UNKEPT = {
    "ResultRefused": (
        "Return what can be pickled, or write it to a file of the working folder: job.download() brings it."
    ),
    "NoRoom": "Free some with fairing prune, or set FAIRING_HOME to a folder on a larger disk.",
}
"""What to do next where the runner could not keep a value."""


@dataclass(frozen=True)
class Shown:
    """The lines that a cell shows for an exception of a run: those of the run, not ours. IPython calls it."""

    lines: tuple[str, ...]

    def __call__(self) -> list[str]:
        """Return the lines."""
        return list(self.lines)


def waiting(handle: Handle) -> TimeoutError:
    """Return what to raise where a run goes on for longer than somebody waits."""
    told = TimeoutError(f"{handle} is still running; it goes on.")
    told._render_traceback_ = Shown((f"TimeoutError: {told}",))  # type: ignore[attr-defined]
    return told


def error(
    handle: Handle, view: View, load: Callable[[Failure, Payload], object], hint: Hint | None = None
) -> BaseException:
    """Return what to raise for a run that did not give a value.

    Args:
        handle: The run.
        view: What is known of it.
        load: Loads the exception itself; may raise anything.
        hint: Finds the option for what was missing.
    """
    failure, status = view.failure, view.status
    if failure is not None and failure.ename in _UNKEPT and not failure.traceback:
        return ResultRefused(
            f"{handle} ended, but its value cannot be brought back.",
            why=sentence(failure.evalue),
            fix=_UNKEPT[failure.ename],
        )
    advice = (hint(failure.missing) or "") if hint and failure and failure.missing else ""
    ended = _ended(handle, failure, status, view, advice)
    ended.code = failure.code if failure else None
    if failure is None or not failure.traceback or type(ended) is not RunFailed:
        return ended
    lines = _lines(handle, failure, advice)
    _show(ended, lines)
    if failure.exception is None:
        return ended
    try:
        original = load(failure, failure.exception)
    except Exception as unloadable:  # noqa: BLE001 - loading may fail in any way, and the text is shown anyhow
        ended.__cause__ = unloadable
        return ended
    if not isinstance(original, BaseException):
        return ended
    original.__cause__ = ended
    _show(original, lines)
    return original


def _ended(handle: Handle, failure: Failure | None, status: Status | None, view: View, advice: str) -> RunFailed:
    phase, reason = (status.phase, status.reason) if status else ("lost", "")
    if phase == "cancelled":
        return RunCancelled(f"{handle} was cancelled.", fix="Its output is kept: job.logs().")
    if failure is None:
        if phase == "lost":
            return RunLost(f"{handle} was lost.", why=_said(reason) + _last(view))
        return RunFailed(f"{handle} ended without a value.", why=_said(reason) + _last(view), fix=advice)
    ename, evalue, code = failure.ename, failure.evalue, failure.code
    if ename == "timeout":
        return RunTimedOut(f"{handle} was stopped: {evalue or reason}.", fix="A larger timeout= gives it more time.")
    if ename == "memory":
        why = _said(evalue) or "It used more than it may."
        why += f" The most that it was seen to hold is {size(view.memory)}." if view.memory else ""
        return OutOfMemory(f"{handle} ran out of memory.", why=why + _last(view), fix="Ask for more with memory=.")
    if ename == "start":
        return RunNotStarted(f"{handle} did not start.", why=_said(evalue) + _last(view))
    if ename == "evicted":
        fix = "Ask for more with storage=." if "disk" in evalue else ""
        return RunKilled(f"{handle} was ended by the cluster.", why=_said(evalue) + _last(view), fix=fix)
    if ename == "install":
        return RunFailed(
            f"The packages of {handle} could not be installed when its pod started.",
            why=_said(evalue),
            fix="Say where packages are, with env={'PIP_INDEX_URL': …} or a proxy, or use builder='append'.",
        )
    if ename == "lost":
        return RunLost(f"{handle} was lost.", why=_said(evalue or reason) + _last(view))
    if ename == "cancelled":
        return RunCancelled(f"{handle} was cancelled.", fix="Its output is kept: job.logs().")
    if ename == "signal":
        why = "Its memory may have run out, or a library crashed." if evalue in {"SIGKILL", "SIGSEGV"} else ""
        return RunKilled(f"{handle} was killed by {evalue or 'a signal'}.", why=why + _last(view))
    if ename in {"SystemExit", "exit"}:
        by = "sys.exit" if ename == "SystemExit" else "os._exit"
        value = repr(evalue) if ename == "SystemExit" and evalue and evalue != str(code) else code
        return RunFailed(f"{handle} ended with {by}({value}).", why=_last(view).lstrip("\n"))
    return RunFailed(f"{handle} failed.", why=sentence(f"{ename}: {evalue}".rstrip(": ")), fix=advice)


def _show(error: BaseException, lines: tuple[str, ...]) -> None:
    """Show the run's lines wherever this error is shown: in a cell instead of our frames, elsewhere as a note."""
    error._render_traceback_ = Shown(lines)  # type: ignore[attr-defined]
    if not isinstance(error, RunFailed):
        return  # its cause has the note
    if sys.version_info >= (3, 11):
        error.add_note("\n".join(lines))
    else:
        error.why = "\n".join((error.why, *lines))


def _lines(handle: Handle, failure: Failure, advice: str) -> tuple[str, ...]:
    text = numbered("".join(line if line.endswith("\n") else line + "\n" for line in failure.traceback))
    lines = text.rstrip("\n").split("\n")
    if lines[0].startswith("Traceback "):
        lines[0] = f"Traceback in {failure.at.source} of {handle} (most recent call last):"
    return (*lines, *([advice] if advice else []))


def _last(view: View) -> str:
    """Return the last lines of the log, where no Python traceback tells what happened."""
    lines = [line for line in view.tail if line.strip()]
    return "\nThe last lines of its log:\n" + "\n".join(f"    {line}" for line in lines) + "\n" if lines else ""


def _said(text: str) -> str:
    """Return a reason, which goes on after a colon elsewhere, as a sentence."""
    return sentence(text[:1].upper() + text[1:])
