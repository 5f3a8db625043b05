r"""The log's codec, for both sides: what a run writes, and how it is read back.

A run has one log, its standard output. Plain lines are the user's own, so that ``kubectl logs`` reads well; anything
richer is a *frame*: one line, under 8 KiB,

    RS mac json LF      RS is the ASCII record separator, mac 32 hex digits, json {"n": 7, "t": 1.5, "k": "clear", …}

The MAC is an HMAC-SHA256 by the run's key over the source's name and the JSON, cut to 128 bits. Nothing that a program
prints can forge one: a user's line that begins with RS gets a second RS on its way through (and loses it here), and a
line that looks like a frame without a right MAC is shown as the text it is.

Frames of the codec itself, which never leave this file (``s`` is stdout or stderr):

    begin       {run}                a runner started: what is counted is counted from here
    stream      {s}                  plain lines from here on belong to that stream
    join        {}                   the next plain line is not ended: take its newline off
    partial     {s, x}               what an unfinished line looks like so far
    checkpoint  {s, of, m}           how much of each stream was written so far (lines, bytes, running CRC-32), and
                                     how many events
    part        {id, i, of, sha, x}  a frame too long for one line, in pieces
    spooled     {path, size, sha}    a frame too long for the log, in a file of the run's spool

Every frame says where in the log it stands (``o``: bytes before it) and, where plain lines before it are of stderr,
that they are (``w``): whoever reads a part of a log knows which part it is.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import time
import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

SEPARATOR = b"\x1e"
PIECE = 3500  # characters of JSON in a part: doubled by escaping in the worst case, it is still under 8 KiB
WHOLE = 7500  # bytes of JSON that travel as one frame
LINE = 64 * 1024  # bytes of a plain line before it is cut, and of one text event
PARTIAL = 4096  # characters of an unfinished line that are shown
LOG_LIMIT = 1024 * 1024  # bytes of one frame that may travel through the log

_BESIDE = 64 * 1024  # bytes of a message, at most, beside the value that it carries
LONG = 256 * 1024
"""Bytes of a log from which on it may lack something that nobody sees: no node rotates a shorter one away."""

_LINE_START = re.compile(rb"^\x1e", re.MULTILINE)
_STREAMS = ("stdout", "stderr")
_WHERE = ("o", "w")


class Mark(NamedTuple):
    """Where in a log a frame stands: bytes before it, when it was written, and whose the plain lines before it are."""

    at: int
    time: float
    stream: str


def inlined(limit: int) -> int:
    """Return how many bytes of a value fit into a message of so many bytes: it travels as base64.

    Example:
        >>> inlined(LOG_LIMIT) // 1024
        720
    """
    return max(0, limit - _BESIDE) * 3 // 4


def limit(inline: int) -> int:
    """Return how many bytes a message has, at most, that carries a value of so many bytes."""
    return inline * 4 // 3 + _BESIDE


class Item(NamedTuple):
    """One thing read from a log: the kind and fields of an event, when it was said, and the frame's number."""

    kind: str
    body: dict[str, Any]
    time: float
    seq: int | None


class Encoder:
    """Writes a run's log.

    Args:
        key: The run's key.
        source: The name of the replica, such as ``worker-0``; part of what is signed.
        write: Takes whole lines.
        spool: Keeps the bytes of a frame that is too long for the log, and returns where (``spool/frame-7.json``).
        clock: Seconds since 1970.
        log_limit: Bytes of one event that may travel through the log.
        start: Bytes that were written before, by a runner whose log this one goes on with.
    """

    def __init__(
        self,
        key: bytes,
        source: str,
        write: Callable[[bytes], Any],
        spool: Callable[[int, bytes], str] | None = None,
        clock: Callable[[], float] = time.time,
        log_limit: int = LOG_LIMIT,
        start: int = 0,
    ) -> None:
        self._key = key
        self._source = source.encode()
        self._write = write
        self._spool = spool
        self._clock = clock
        self._seq = 0
        self._events = 0
        self._stream = "stdout"
        self._tally = {name: _Tally() for name in _STREAMS}
        self._unmarked = 0
        self._framed_at = 0.0
        self._log_limit = log_limit
        self._offset = self._framed_to = start
        self._frame("begin", {"run": os.urandom(4).hex()})

    @property
    def waits(self) -> bool:
        """Whether readers wait for a frame, to be sure of the plain lines before it."""
        return self._offset > max(self._framed_to, LONG)

    def text(self, stream: str, data: bytes, *, ended: bool = True) -> None:
        """Write whole lines of a stream; or, not ``ended``, one line whose end is still to come."""
        if self._clock() - self._framed_at >= 1.0:
            self._mark()  # it also says what time it is
        if stream != self._stream:
            self._frame("stream", {"s": stream})
            self._stream = stream
        if not ended:
            self._frame("join", {})
            data += b"\n"
        if SEPARATOR in data:
            data = _LINE_START.sub(b"\x1e\x1e", data)
        self._tally[stream].add(data)
        self._write(data)
        self._offset += len(data)
        self._unmarked += len(data)
        if self._unmarked >= LINE:
            self.checkpoint()

    def partial(self, stream: str, text: str) -> None:
        """Write what an unfinished line looks like now."""
        text = text[:PARTIAL]
        while len(json.dumps(text)) > WHOLE - 100:
            text = text[: len(text) // 2]
        self._frame("partial", {"s": stream, "x": text})

    def event(self, kind: str, body: dict[str, Any]) -> None:
        """Write an event, in as many frames as it takes."""
        self._events += 1
        data = self._framed(kind, body)
        if len(data) <= WHOLE:
            self._put(data)
            return
        number = self._seq
        self._seq -= 1  # it travels in the frames that have the numbers from this one on
        digest = hashlib.sha256(data).hexdigest()
        if len(data) > self._log_limit and self._spool is not None:
            self._frame("spooled", {"path": self._spool(number, data), "size": len(data), "sha": digest})
            return
        text = data.decode("ascii")
        pieces = [text[at : at + PIECE] for at in range(0, len(text), PIECE)]
        for index, piece in enumerate(pieces):
            self._frame("part", {"id": number, "i": index, "of": len(pieces), "sha": digest, "x": piece})

    def checkpoint(self) -> None:
        """Write how much plain output there was, so that a gap is seen and measured by whoever reads."""
        if self._unmarked:
            self._mark()

    def end(self) -> None:
        """Write the last checkpoint: whoever reads it has not missed the end."""
        self._mark(end=True)

    def _mark(self, *, end: bool = False) -> None:
        self._unmarked = 0
        state = {name: tally.state() for name, tally in self._tally.items() if tally.lines}
        count = {"s": self._stream, "of": state, "m": self._events}
        self._frame("checkpoint", {**count, **({"end": True} if end else {})})

    def _frame(self, kind: str, body: dict[str, Any]) -> None:
        self._put(self._framed(kind, body))

    def _framed(self, kind: str, body: dict[str, Any]) -> bytes:
        self._seq += 1
        self._framed_at = self._clock()
        where = {"o": self._offset, **({"w": 1} if self._stream == "stderr" else {})}
        return _dump({"n": self._seq, "t": round(self._framed_at, 4), "k": kind, **where, **body})

    def _put(self, data: bytes) -> None:
        line = b"%s%s%s\n" % (SEPARATOR, _mac(self._key, self._source, data), data)
        self._write(line)
        self._offset += len(line)
        self._framed_to = self._offset


class Decoder:
    """Reads a run's log, in pieces of any size.

    Args:
        key: The run's key.
        source: The name of the replica that wrote it.
        fetch: Gives the bytes of a file of the run's spool.
    """

    def __init__(self, key: bytes, source: str, fetch: Callable[[str], bytes] | None = None) -> None:
        self._key = key
        self._source = source.encode()
        self._fetch = fetch
        self._rest: list[bytes] = []
        self._time = 0.0
        self.ended = False
        """Whether the runner has said that nothing more comes."""
        self._begin("")

    def feed(self, data: bytes) -> Iterator[Item]:
        """Give what these bytes complete."""
        if b"\n" not in data:
            self._rest.append(data)
            return
        if self._rest:
            data = b"".join((*self._rest, data))
        end = data.rfind(b"\n") + 1
        self._rest = [data[end:]] if end < len(data) else []
        at = 0
        while at < end:
            if data[at] == SEPARATOR[0]:
                cut = data.find(b"\n", at) + 1
                yield from self._separated(data[at:cut])
            else:
                cut = plain(data, at, end)
                yield from self._plain(data[at:cut])
            at = cut

    def end(self) -> Iterator[Item]:
        """Give what is left when there will be no more bytes: a line that was cut off."""
        rest, self._rest = b"".join(self._rest), []
        if rest:
            yield from self._texts(rest)
        if self._missed:
            yield self._lost(_messages(self._missed))

    def gap(self, stream: str | None) -> None:
        """Be told that something is missing here, and whose the lines are that come next, where that is known."""
        self._join = False
        self._told = True
        if stream:
            self._stream = stream
        else:
            self._unsure = True

    def _begin(self, run: str) -> None:
        self._run = run
        self._seq = 0
        self._missed = 0
        self._events = 0
        self._told = self._unsure = False
        self._stream = "stdout"
        self._join = False
        self._shown = dict.fromkeys(_STREAMS, "")
        self._tally = {name: _Tally() for name in _STREAMS}
        self._parts: dict[int, dict[int, str]] = {}

    def _separated(self, line: bytes) -> Iterator[Item]:
        if line.startswith(b"\x1e\x1e"):
            yield from self._plain(line, shown=line[1:])
            return
        data = _signed(line, self._key, self._source)
        if data is None:
            yield from self._plain(line)
            return
        try:
            yield from self._known(json.loads(data))
        except (ValueError, KeyError, TypeError, IndexError):
            yield self._lost("one message of a form that is not known here")

    def _known(self, body: dict[str, Any]) -> Iterator[Item]:
        kind, seq = body.pop("k"), body.pop("n")
        self._time = body.pop("t")
        for name in _WHERE:
            body.pop(name, None)
        if kind == "begin" and body["run"] != self._run:
            self._begin(body["run"])
        if seq <= self._seq:
            return  # read again after a reconnect
        self._missed += seq - self._seq - 1
        self._seq = seq
        if kind == "stream":
            self._stream = body["s"]
        elif kind == "join":
            self._join = True
        elif kind == "partial":
            yield from self._show(body["s"], body["x"])
        elif kind == "checkpoint":
            yield from self._check(body)
        elif kind == "part":
            yield from self._part(body)
        elif kind == "spooled":
            yield from self._spooled(body)
        elif kind != "begin":
            self._events += 1
            yield Item(kind, body, self._time, seq)

    def _plain(self, data: bytes, shown: bytes | None = None) -> Iterator[Item]:
        self._tally[self._stream].add(data)
        data = data if shown is None else shown
        if self._join:
            self._join = False
            first, _, data = data.partition(b"\n")
            yield from self._texts(first)
        if data:
            yield from self._texts(data)

    def _texts(self, data: bytes) -> Iterator[Item]:
        text = data.decode("utf-8", "replace")
        stream = self._stream
        if self._shown[stream]:
            line, newline, text = text.partition("\n")
            yield from self._show(stream, line, newline)
            self._shown[stream] = "" if newline else line
        at = 0
        while at < len(text):
            cut = len(text) if len(text) - at <= LINE // 4 else text.rfind("\n", at, at + LINE // 4) + 1
            cut = cut or at + LINE // 4
            yield Item("text", {"stream": stream, "text": text[at:cut]}, self._time, None)
            at = cut

    def _show(self, stream: str, line: str, newline: str = "") -> Iterator[Item]:
        """Go from the state of an unfinished line that was shown to its state now."""
        before = self._shown[stream]
        if line.startswith(before):
            text = line[len(before) :] + newline
        else:
            blank = " " * (len(before) - len(line))
            text = "\r" + line + blank + (newline or ("\r" + line if blank else ""))
        self._shown[stream] = line
        if text:
            yield Item("text", {"stream": stream, "text": text}, self._time, None)

    def _check(self, body: dict[str, Any]) -> Iterator[Item]:
        states = {stream: _Tally(*state) for stream, state in body["of"].items()}
        states = {stream: states.get(stream, _Tally()) for stream in _STREAMS}
        missing = [_gap(states[stream], self._tally[stream], stream) for stream in _STREAMS]
        unsure = self._unsure or (self._missed and not self._told) or any(lines < 0 for lines, *_ in missing)
        if unsure and any(name for *_, name in missing):
            # A frame that said whose lines these are may be lost too: what is missing is known in total alone.
            missing = [(sum(each[0] for each in missing), sum(each[1] for each in missing), "output")]
        what = [
            f"{lines} lines ({octets} bytes) of {name}" if lines or octets else f"part of {name}"
            for lines, octets, name in missing
            if name
        ]
        if (events := body["m"] - self._events) > 0:
            what.append(_messages(events))
        if self._missed:
            self._parts.clear()
        if what:
            yield self._lost(" and ".join(what))
        self._missed, self._events, self._told, self._unsure = 0, body["m"], False, False
        self._tally = states
        self._stream = body["s"]
        self.ended = bool(body.get("end"))

    def _part(self, body: dict[str, Any]) -> Iterator[Item]:
        number = body["id"]
        parts = self._parts.setdefault(number, {})
        parts[body["i"]] = body["x"]
        if len(parts) < body["of"]:
            return
        del self._parts[number]
        data = "".join(parts[index] for index in range(body["of"])).encode("ascii")
        yield from self._whole(data, body["sha"])

    def _spooled(self, body: dict[str, Any]) -> Iterator[Item]:
        try:
            data = self._fetch(body["path"]) if self._fetch else b""
        except OSError:
            data = b""
        yield from self._whole(data, body["sha"], body["size"])

    def _whole(self, data: bytes, digest: str, size: int | None = None) -> Iterator[Item]:
        self._events += 1
        if hashlib.sha256(data).hexdigest() != digest:
            yield self._lost(f"one long output ({size or len(data)} bytes)")
            return
        body = json.loads(data)
        for name in ("n", "t", *_WHERE):
            body.pop(name, None)
        yield Item(body.pop("k"), body, self._time, self._seq)

    def _lost(self, what: str) -> Item:
        return Item("lost", {"what": f"{what} of {self._source.decode()}"}, self._time, self._seq)


def plain(data: bytes, start: int, end: int) -> int:
    """Return where whole lines end that do not begin with a separator."""
    at = start
    while (at := data.find(SEPARATOR, at + 1, end)) >= 0:
        if data[at - 1] == 10:  # LF
            return at
    return end


def _messages(count: int) -> str:
    return "one message" if count == 1 else f"{count} messages"


def mark(line: bytes, key: bytes, source: str) -> Mark | None:
    """Return where in its log a line stands, if it is a frame."""
    data = _signed(line, key, source.encode())
    if data is None:
        return None
    try:
        body = json.loads(data)
        return Mark(body["o"], body["t"], "stderr" if body.get("w") else "stdout")
    except (ValueError, KeyError, TypeError):
        return None


class _Tally:
    """How much of one stream there was: lines, bytes, and a running CRC-32, which can go on after a gap."""

    def __init__(self, lines: int = 0, octets: int = 0, crc: int = 0) -> None:
        self.lines, self.bytes, self.crc = lines, octets, crc

    def add(self, data: bytes) -> None:
        self.lines += data.count(b"\n")
        self.bytes += len(data)
        self.crc = zlib.crc32(data, self.crc)

    def state(self) -> list[int]:
        return [self.lines, self.bytes, self.crc]


def _gap(written: _Tally, read: _Tally, stream: str) -> tuple[int, int, str]:
    """Return the lines and bytes that were not read; without a name where nothing is missing."""
    same = written.state() == read.state()
    return written.lines - read.lines, written.bytes - read.bytes, "" if same else stream


def _signed(line: bytes, key: bytes, source: bytes) -> bytes | None:
    """Return what a frame says; nothing, where its MAC is not right."""
    said, data = line[1:33], line[33:-1]
    return data if hmac.compare_digest(said, _mac(key, source, data)) else None


def _mac(key: bytes, source: bytes, data: bytes) -> bytes:
    return hmac.new(key, source + b"\0" + data, "sha256").hexdigest()[:32].encode()


def _dump(body: dict[str, Any]) -> bytes:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=True).encode("ascii")
