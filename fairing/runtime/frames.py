r"""The log's codec, for both sides: what a run writes, and how it is read back.

A run has one log, its standard output. Plain lines are the user's own, so that ``kubectl logs`` reads well; anything
richer is a *frame*: one line, under 8 KiB,

    RS mac json LF      RS is the ASCII record separator, mac 32 hex digits, json {"n": 7, "t": 1.5, "k": "clear", …}

The MAC is an HMAC-SHA256 by the run's key over the source's name and the JSON, cut to 128 bits. Nothing that a program
prints can forge one: a user's line that begins with RS gets a second RS on its way through (and loses it here), and a
line that looks like a frame without a right MAC is shown as the text it is.

Frames of the codec itself, which never leave this file (``s`` is stdout or stderr):

    stream      {s}                  plain lines from here on belong to that stream
    join        {}                   the next plain line is not ended: take its newline off
    partial     {s, x}               what an unfinished line looks like so far
    checkpoint  {lines, bytes, hash} how much of each stream was written so far, and its running CRC-32
    part        {id, i, of, sha, x}  a frame too long for one line, in pieces
    spooled     {path, size, sha}    a frame too long for the log, in a file of the run's spool
"""

from __future__ import annotations

import hashlib
import hmac
import json
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

_LINE_START = re.compile(rb"^\x1e", re.MULTILINE)
_STREAMS = ("stdout", "stderr")


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
    """

    def __init__(
        self,
        key: bytes,
        source: str,
        write: Callable[[bytes], Any],
        spool: Callable[[int, bytes], str] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._key = key
        self._source = source.encode()
        self._write = write
        self._spool = spool
        self._clock = clock
        self._seq = 0
        self._stream = "stdout"
        self._tally = {name: _Tally() for name in _STREAMS}
        self._unmarked = 0
        self._marked_at = clock()

    def text(self, stream: str, data: bytes, *, ended: bool = True) -> None:
        """Write whole lines of a stream; or, not ``ended``, one line whose end is still to come."""
        now = self._clock()
        if self._unmarked and now - self._marked_at >= 1.0:
            self.checkpoint()
        if stream != self._stream:
            self._stream = stream
            self._frame("stream", {"s": stream})
        if not ended:
            self._frame("join", {})
            data += b"\n"
        if SEPARATOR in data:
            data = _LINE_START.sub(b"\x1e\x1e", data)
        self._tally[stream].add(data)
        self._write(data)
        self._unmarked += len(data)
        if self._unmarked >= LINE:
            self.checkpoint()

    def partial(self, stream: str, text: str) -> None:
        """Write what an unfinished line looks like now."""
        self._frame("partial", {"s": stream, "x": text[:PARTIAL]})

    def event(self, kind: str, body: dict[str, Any]) -> None:
        """Write an event, in as many frames as it takes."""
        self._seq += 1
        data = _dump({"n": self._seq, "t": round(self._clock(), 4), "k": kind, **body})
        if len(data) <= WHOLE:
            self._put(data)
        elif len(data) <= LOG_LIMIT or self._spool is None:
            self._parts(self._seq, data)
        else:
            digest = hashlib.sha256(data).hexdigest()
            self._frame("spooled", {"path": self._spool(self._seq, data), "size": len(data), "sha": digest})

    def checkpoint(self) -> None:
        """Write how much plain output there was, so that a gap is seen and measured by whoever reads."""
        if not self._unmarked:
            return
        self._unmarked = 0
        self._marked_at = self._clock()
        self._frame("checkpoint", {name: tally.state() for name, tally in self._tally.items() if tally.lines})

    def _parts(self, number: int, data: bytes) -> None:
        text = data.decode("ascii")
        pieces = [text[at : at + PIECE] for at in range(0, len(text), PIECE)]
        digest = hashlib.sha256(data).hexdigest()
        for index, piece in enumerate(pieces):
            self._frame("part", {"id": number, "i": index, "of": len(pieces), "sha": digest, "x": piece})

    def _frame(self, kind: str, body: dict[str, Any]) -> None:
        self._seq += 1
        self._put(_dump({"n": self._seq, "t": round(self._clock(), 4), "k": kind, **body}))

    def _put(self, data: bytes) -> None:
        self._write(b"%s%s%s\n" % (SEPARATOR, _mac(self._key, self._source, data), data))


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
        self._rest = b""
        self._seq = 0
        self._time = 0.0
        self._stream = "stdout"
        self._join = False
        self._shown = dict.fromkeys(_STREAMS, "")
        self._tally = {name: _Tally() for name in _STREAMS}
        self._parts: dict[int, dict[int, str]] = {}

    def feed(self, data: bytes) -> Iterator[Item]:
        """Give what these bytes complete."""
        data = self._rest + data if self._rest else data
        end = data.rfind(b"\n") + 1
        self._rest = data[end:]
        at = 0
        while at < end:
            if data[at] == SEPARATOR[0]:
                cut = data.find(b"\n", at) + 1
                yield from self._separated(data[at:cut])
            else:
                found = data.find(b"\n\x1e", at, end)
                cut = end if found < 0 else found + 1
                yield from self._plain(data[at:cut])
            at = cut

    def end(self) -> Iterator[Item]:
        """Give what is left when there will be no more bytes: a line that was cut off."""
        rest, self._rest = self._rest, b""
        if rest:
            yield from self._texts(rest)

    def _separated(self, line: bytes) -> Iterator[Item]:
        if line.startswith(b"\x1e\x1e"):
            yield from self._plain(line, shown=line[1:])
            return
        mac, data = line[1:33], line[33:-1]
        if not hmac.compare_digest(mac, _mac(self._key, self._source, data)):
            yield from self._plain(line)
            return
        yield from self._known(json.loads(data))

    def _known(self, body: dict[str, Any]) -> Iterator[Item]:
        kind, seq = body.pop("k"), body.pop("n")
        self._time = body.pop("t")
        if seq <= self._seq and kind != "part":
            return  # read again after a reconnect
        self._seq = max(seq, self._seq)
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
        else:
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
            cut = cut or text.find("\n", at) + 1 or len(text)
            yield Item("text", {"stream": stream, "text": text[at:cut]}, self._time, None)
            at = cut

    def _show(self, stream: str, line: str, newline: str = "") -> Iterator[Item]:
        """Go from the state of an unfinished line that was shown to its state now."""
        before = self._shown[stream]
        if line.startswith(before):
            text = line[len(before) :] + newline
        else:
            text = "\r" + line + " " * (len(before) - len(line)) + newline
        self._shown[stream] = line
        if text:
            yield Item("text", {"stream": stream, "text": text}, self._time, None)

    def _check(self, body: dict[str, Any]) -> Iterator[Item]:
        for stream, state in body.items():
            tally = self._tally[stream]
            if tally.state() == state:
                continue
            missing, octets = state[0] - tally.lines, state[1] - tally.bytes
            what = f"{missing} lines ({octets} bytes) of {stream}" if missing > 0 else f"part of {stream}"
            yield Item("lost", {"what": f"{what} of {self._source.decode()}"}, self._time, self._seq)
            tally.lines, tally.bytes, tally.crc = state

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
        yield from self._whole(data, body["sha"])

    def _whole(self, data: bytes, digest: str) -> Iterator[Item]:
        if hashlib.sha256(data).hexdigest() != digest:
            what = f"one long output of {self._source.decode()}"
            yield Item("lost", {"what": what}, self._time, self._seq)
            return
        body = json.loads(data)
        del body["n"], body["t"]
        yield Item(body.pop("k"), body, self._time, self._seq)


class _Tally:
    """How much of one stream there was: lines, bytes, and a running CRC-32, which can go on after a gap."""

    def __init__(self) -> None:
        self.lines = self.bytes = self.crc = 0

    def add(self, data: bytes) -> None:
        self.lines += data.count(b"\n")
        self.bytes += len(data)
        self.crc = zlib.crc32(data, self.crc)

    def state(self) -> list[int]:
        return [self.lines, self.bytes, self.crc]


def _mac(key: bytes, source: bytes, data: bytes) -> bytes:
    return hmac.new(key, source + b"\0" + data, "sha256").hexdigest()[:32].encode()


def _dump(body: dict[str, Any]) -> bytes:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=True).encode("ascii")
