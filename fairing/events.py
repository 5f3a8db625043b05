"""The nouns that flow back: one closed union, spoken by builds, local processes, pods and notebooks alike.

A sink matches on all of them and ends in ``assert_never``, so that a new kind of event is a type error until
every view shows it.
"""

from __future__ import annotations

from base64 import b64decode
from dataclasses import dataclass, field
from typing import Any, Literal, NoReturn, TypeAlias

StreamName: TypeAlias = Literal["stdout", "stderr"]
Phase: TypeAlias = Literal["building", "pending", "running", "succeeded", "failed", "cancelled", "lost"]
FINAL: frozenset[Phase] = frozenset({"succeeded", "failed", "cancelled", "lost"})


@dataclass(frozen=True, slots=True)
class Source:
    """Who speaks: ``worker`` 1, ``build`` 0, ``run`` 0 (the run as a whole)."""

    role: str
    index: int = 0

    def __str__(self) -> str:
        return f"{self.role}-{self.index}"


@dataclass(frozen=True, slots=True)
class Stamp:
    """Who, when (seconds since 1970), the number of the frame that said it, and the notebook cell it belongs to."""

    source: Source
    time: float
    seq: int | None = None
    cell: int | None = None


@dataclass(frozen=True, slots=True)
class Payload:
    """Bytes that were made by the run, verified with its key, and are not yet loaded.

    Args:
        codec: How to load them.
        size: Bytes.
        sha256: Hex digest of the bytes.
        inline: The bytes themselves, when they came through the log.
        path: Else the file of the run's spool that holds them.
        python: Version of the Python that wrote them.
        cloudpickle: Version of the cloudpickle that wrote them.
        summary: The type and a short text of the value, to show without loading it.
        missing: Why the bytes cannot be had here, and what can be done about it; empty where they can.
    """

    codec: Literal["cloudpickle", "json", "none"]
    size: int
    sha256: str
    inline: bytes | None = field(default=None, repr=False)
    path: str | None = None
    python: str = ""
    cloudpickle: str = ""
    summary: str = ""
    missing: str = ""


@dataclass(frozen=True, slots=True)
class FileInfo:
    """A file that the run left in its working folder."""

    path: str
    size: int


@dataclass(frozen=True, slots=True)
class Text:
    """Whole lines of one stream, at most 64 KiB.

    A text that does not end in a newline is the state so far of a line that is still being written; the next text
    of that stream continues it, or begins with a carriage return and overwrites it.
    """

    at: Stamp
    text: str
    stream: StreamName = "stdout"


@dataclass(frozen=True, slots=True)
class Display:
    """Rich output: a MIME bundle, or an update of one shown earlier under the same ``display_id``."""

    at: Stamp
    data: dict[str, Any]
    metadata: dict[str, Any] = field(default_factory=dict)
    display_id: str | None = None
    update: bool = False
    result: int | None = None
    """The execution count, where the output is the value of a cell's last expression."""


@dataclass(frozen=True, slots=True)
class Clear:
    """The output so far is to be cleared: at once, or (``wait``) when the next output comes."""

    at: Stamp
    wait: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a named piece of work is; ``total`` is ``None`` where nobody knows."""

    at: Stamp
    task: str
    done: float
    total: float | None = None
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Metric:
    """A measured number, such as the memory a replica holds (``memory``, bytes)."""

    at: Stamp
    name: str
    value: float
    step: int | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """The run, or one replica of it, entered a phase; the reason in words."""

    at: Stamp
    phase: Phase
    reason: str = ""

    def _repr_pretty_(self, printer: Any, _: bool) -> None:
        """Show it in a notebook in words."""
        printer.text(f"{self.phase}: {self.reason}" if self.reason else self.phase)


@dataclass(frozen=True, slots=True)
class CellStatus:
    """A cell of a notebook started or ended."""

    at: Stamp
    state: Literal["started", "done", "failed"]
    execution_count: int | None = None


@dataclass(frozen=True, slots=True)
class Files:
    """What the run left in its working folder when its code ended."""

    at: Stamp
    files: tuple[FileInfo, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """The code returned: its value, not yet loaded."""

    at: Stamp
    payload: Payload


@dataclass(frozen=True, slots=True)
class Failure:
    """The code raised, or its process ended badly.

    Args:
        at: Who and when.
        ename: The exception's type, or ``signal``, ``exit``, ``memory``, ``timeout``, ``cancelled``.
        evalue: Its text.
        traceback: Lines to show, with the source lines of the run.
        exception: The exception itself, where it could be pickled.
        code: The process's exit code; negative is a signal.
        missing: A path or module that the code looked for and did not find.
    """

    at: Stamp
    ename: str
    evalue: str
    traceback: tuple[str, ...] = ()
    exception: Payload | None = None
    code: int | None = None
    missing: str | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """What was written and cannot be had: exactly how much, and why. Never silence."""

    at: Stamp
    what: str


Event: TypeAlias = Text | Display | Clear | Progress | Metric | Status | CellStatus | Files | Result | Failure | Lost

KINDS: dict[str, type[Any]] = {
    kind.__name__.lower(): kind
    for kind in (Text, Display, Clear, Progress, Metric, Status, CellStatus, Files, Result, Failure, Lost)
}


def assert_never(event: NoReturn) -> NoReturn:
    """Say to the type checker that every kind of event has been matched (``typing`` has this from Python 3.11 on)."""
    raise AssertionError(f"an event of an unknown kind: {event!r}")


def from_wire(kind: str, body: dict[str, Any], source: Source, time: float, seq: int | None) -> Event:
    """Make the event that a frame carries; a frame is the event's own fields, less the source, which the reader knows.

    Raises:
        ValueError: The frame's kind or fields are not known here (a newer runtime).
    """
    fields = dict(body)
    stamp = Stamp(source, time, seq, fields.pop("cell", None))
    try:
        if fields.get("payload") is not None:
            fields["payload"] = _payload(fields["payload"])
        if fields.get("exception") is not None:
            fields["exception"] = _payload(fields["exception"])
        if "traceback" in fields:
            fields["traceback"] = tuple(fields["traceback"])
        if kind == "files":
            fields["files"] = tuple(FileInfo(**each) for each in fields["files"])
        event: Event = KINDS[kind](at=stamp, **fields)
    except (KeyError, TypeError) as unknown:
        raise ValueError(f"an event of an unknown form: {kind}") from unknown
    return event


def _payload(fields: dict[str, Any]) -> Payload:
    inline = fields.get("inline")
    return Payload(**{**fields, "inline": None if inline is None else b64decode(inline)})
