"""How a run ends, as the client reads it: a value, or a failure with the user's own lines.

Every kind of entry ends through here.
"""

from __future__ import annotations

import base64
import errno
import hashlib
import io
import json
import linecache
import os
import platform
import reprlib
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from fairing.runtime import exceptions
from fairing.runtime.frames import LOG_LIMIT, inlined
from fairing.runtime.pump import TERMINATED
from fairing.runtime.tell import Teller

SUMMARY = 200
_OURS = str(Path(__file__).parent) + os.sep
_MACHINERY = tuple(str(Path(os.__file__).parent / each) for each in ("asyncio" + os.sep, "ast.py", "pickle.py"))


class Terminated(SystemExit):
    """SIGTERM came: unwinds the user's code, so that every ``finally:`` is reached, that of a coroutine too."""

    def __init__(self) -> None:
        super().__init__(TERMINATED)


def settle(spec: dict[str, Any], tell: Teller, call: Callable[[], Any]) -> int:
    """Call the user's code and tell how it ended.

    Args:
        spec: What is to be run.
        tell: How the parent is told.
        call: Calls the user's code and returns its value.

    Returns:
        The exit code.
    """
    process = os.getpid()
    read_sources(spec)
    try:
        value = call()
        _stay(process)
        _show_figures()
        told, code = {"payload": payload(spec, "result", value)}, 0
    except Terminated:
        _show_figures()
        return TERMINATED
    except SystemExit as leaving:
        _stay(process, leaving.code)
        _show_figures()
        code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
        if code:
            tell("failure", {"ename": "SystemExit", "evalue": str(leaving.code), "code": code & 0xFF})
            return code
        told = {"payload": payload(spec, "result", None)}
    except BaseException as error:  # noqa: BLE001 - whatever the user's code raises is told
        _stay(process, error)
        _show_figures()
        tell("failure", failure(spec, error))
        return 1
    if "ename" in told["payload"]:
        tell("failure", told["payload"])
        return 1
    tell("result", told)
    return code


def payload(spec: dict[str, Any], name: str, value: Any) -> dict[str, Any]:
    """Return a value as the fields of a ``Payload``; or, where it cannot be pickled, those of a ``Failure``."""
    import cloudpickle

    kept = _Kept(Path(spec["spool"]) / f"{name}.pkl", inlined(int(spec.get("log_limit", LOG_LIMIT))))
    try:
        cloudpickle.dump(value, kept)
    except Exception as unpicklable:  # noqa: BLE001 - a pickle may fail in any way
        kept.drop()
        if isinstance(unpicklable, OSError) and unpicklable.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            return {"ename": "NoRoom", "evalue": f"There is no room for it, a {_typed(value)}, on the disk", "code": 1}
        return {
            "ename": "ResultRefused",
            "evalue": f"{_culprit(value)} cannot be pickled: {unpicklable}",
            "code": 1,
        }
    fields = {
        "codec": "cloudpickle",
        "size": kept.size,
        "sha256": kept.digest.hexdigest(),
        "python": platform.python_version(),
        "cloudpickle": cloudpickle.__version__,
        "summary": summary(value),
    }
    if kept.file is None:
        return {**fields, "inline": base64.b64encode(kept.memory.getvalue()).decode()}
    kept.file.close()
    return {**fields, "path": f"spool/{name}.pkl"}


def _culprit(value: Any) -> str:
    """Say what cannot be pickled: of names with values, the one that is at fault."""
    import cloudpickle

    for name, each in value.items() if type(value) is dict else ():
        try:
            cloudpickle.dump(each, _Nowhere())
        except Exception:  # noqa: BLE001 - a pickle may fail in any way
            return f"{name!r}, a {_typed(each)},"
    return f"A {_typed(value)}"


def failure(spec: dict[str, Any], error: BaseException) -> dict[str, Any]:
    """Return an exception as the fields of a ``Failure``: its own type where that can be, its text in any case."""
    trace = traceback.TracebackException(type(error), error, error.__traceback__)
    for each in _chain(trace):
        each.stack = traceback.StackSummary.from_list(_theirs(each.stack))
    fields: dict[str, Any] = {
        "ename": type(error).__name__,
        "evalue": _text(error),
        "traceback": list(trace.format()),
        "code": 1,
        "missing": _here(spec, exceptions.missing(error)),
    }
    kept = exceptions.portable(error)
    if kept is not None:
        brought = payload(spec, "exception", kept)
        if "ename" not in brought:
            fields["exception"] = brought
    return fields


def _here(spec: dict[str, Any], missing: str | None) -> str | None:
    """Return what was missing as the project knows it: a module's own data file by its place beside the module."""
    for place in (spec["code"], spec["work"]):
        if missing and missing.startswith(f"{place}/"):
            return missing[len(place) + 1 :]
    return missing


def summary(value: Any) -> str:
    """Return a value's type and a short text of it, whatever its ``repr`` does."""
    if value is None:
        return "None"
    short = reprlib.Repr()
    short.maxstring = short.maxother = SUMMARY
    plain = isinstance(value, (str, bytes, int, float, complex, list, tuple, dict, set, frozenset, bool))
    try:
        text = short.repr(value) if plain else repr(value)
    except Exception:  # noqa: BLE001 - a value's repr may fail in any way
        return _typed(value)
    text = text if len(text) <= SUMMARY else text[: SUMMARY - 1] + "…"
    return f"{_typed(value)} {text}"


def read_sources(spec: dict[str, Any]) -> None:
    """Let tracebacks, warnings and ``inspect`` find the source of notebook cells."""
    file = Path(spec["inputs"]) / "sources.json"
    if not file.is_file():
        return
    for name, text in json.loads(file.read_bytes()).items():
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)


class _Nowhere:
    """Takes a pickle and keeps nothing of it."""

    def write(self, data: Any) -> int:
        return len(memoryview(data).cast("B"))


class _Kept(io.RawIOBase):
    """Takes a pickle: in memory while it is short, else in a file."""

    def __init__(self, path: Path, inline: int) -> None:
        self._path = path
        self._inline = inline
        self.memory = io.BytesIO()
        self.file: io.BufferedWriter | None = None
        self.size = 0
        self.digest = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        self.size += len(view)
        self.digest.update(view)
        if self.file is None and self.size > self._inline:
            self.file = self._path.open("wb")
            self.file.write(self.memory.getbuffer())
        (self.file or self.memory).write(view)
        return len(view)

    def drop(self) -> None:
        if self.file is not None:
            with suppress(OSError):  # what it still holds may have no room either
                self.file.close()
            self._path.unlink(missing_ok=True)


def _stay(process: int, ending: object = None) -> None:
    """End a process that the user's code forked and that came back from it: the run is its parent's to tell."""
    if os.getpid() == process:
        return
    if isinstance(ending, BaseException):
        traceback.print_exception(type(ending), ending, ending.__traceback__)
    code = 1 if isinstance(ending, BaseException) else ending
    os._exit(code if isinstance(code, int) else int(code is not None))


def _show_figures() -> None:
    """Show the figures that are still open, as a notebook does at the end of a cell."""
    if "matplotlib.pyplot" not in sys.modules:
        return
    from fairing.runtime import figures

    try:
        figures.flush()
    except Exception:  # noqa: BLE001 - a figure that cannot be drawn takes neither the value nor the other output along
        traceback.print_exc()


def _chain(trace: traceback.TracebackException | None) -> Iterator[traceback.TracebackException]:
    while trace is not None:
        yield trace
        for inner in getattr(trace, "exceptions", None) or ():
            yield from _chain(inner)
        if trace.__cause__ is not None:
            yield from _chain(trace.__context__)
        trace = trace.__cause__ or trace.__context__


def _theirs(stack: traceback.StackSummary) -> list[traceback.FrameSummary]:
    """Return the frames after ours at the start, and after what runs a coroutine or reads a cell for us."""
    frames = list(stack)
    ours = 0
    for index, frame in enumerate(frames):
        if frame.filename.startswith(_OURS) or (ours and frame.filename.startswith(_MACHINERY)):
            ours = index + 1
        else:
            break
    return [frame for frame in frames[ours:] if not frame.filename.startswith(_OURS)]


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - an exception's own text may fail in any way
        return "(its text cannot be made)"


def _typed(value: Any) -> str:
    kind = type(value)
    return (
        kind.__qualname__ if kind.__module__ in {"builtins", "__main__"} else f"{kind.__module__}.{kind.__qualname__}"
    )
