r"""Cuts a stream of bytes into whole lines and the state of the line that is still being written.

A line is folded as a terminal would show it: what follows a carriage return overwrites what stood before it, so that
an hour of a progress bar is one line, its last. Colours and the erasing of a line are followed; a line with any other
control (a tab, a moved cursor) is left as it is, for the terminal or the notebook that shows it.
"""

from __future__ import annotations

import re

from fairing.runtime.frames import LINE

FOLD = 16 * 1024
"""Bytes of an unfinished line after which its overwritten parts are dropped; folding less often is what keeps a bar
that is written a million times linear."""

_CODES = re.compile(r"\x1b\[[0-9;:]*m|\x1b\[[012]?K")
_BACK_TO_START = re.compile("\x08+\r")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_ODD = (
    "[\u0300-\u036f\u0483-\u0489\u0591-\u08ff\u0900-\u0e7f\u1100-\u11ff\u200b-\u200f\u20d0-\u20ff\u2300-\u23ff"
    "\u25a0-\u27bf\u2b00-\u2bff\u2e80-\uabff\ud7b0-\ud7ff\uf900-\ufaff\ufe00-\ufe6f\uff00-\uffef\U00010000-\U0010ffff]"
)
"""Characters that may be of another width than one cell; compiled when there is a line to fold that is not ASCII."""

_RESET = re.compile(r"\x1b\[0*m")


class Lines:
    """One stream's lines, in pieces of any size."""

    def __init__(self) -> None:
        self._open = bytearray()
        self._fold_at = FOLD
        self.changed = False
        """Whether the unfinished line changed since its state was last asked for."""

    def feed(self, data: bytes) -> bytes:
        """Take bytes; return the whole lines they complete."""
        end = data.rfind(b"\n") + 1
        if not end:
            self._grow(data)
            return b""
        whole = bytes(self._open) + data[:end] if self._open else data[:end]
        self._close()
        if end < len(data):
            self._grow(data[end:])
        return _folded(whole) if b"\r" in whole else whole

    def overflow(self) -> bytes:
        """Return the first part of an unfinished line that has become too long to keep, or nothing."""
        if len(self._open) <= LINE:
            return b""
        cut = LINE
        while cut > LINE - 4 and self._open[cut] & 0xC0 == 0x80:  # never inside a character of UTF-8
            cut -= 1
        head = bytes(self._open[:cut])
        del self._open[:cut]
        return head

    def state(self) -> str:
        """Return what the unfinished line looks like now."""
        self.changed = False
        line = bytes(self._open[: -_unfinished(self._open) or None])
        if b"\r" in line:
            line = (
                fold(line).rstrip(b"\r").rpartition(b"\r")[2]
            )  # a line that cannot be folded is what was written last
        return line.decode("utf-8", "replace")

    def rest(self) -> bytes:
        """Return the unfinished line when there will be no more bytes."""
        rest = fold(bytes(self._open)) if b"\r" in self._open else bytes(self._open)
        self._close()
        return rest

    def _grow(self, data: bytes) -> None:
        self._open += data
        self.changed = True
        if len(self._open) > self._fold_at:
            if b"\r" in self._open:
                self._open[:] = _refolded(bytes(self._open))
            self._fold_at = max(FOLD, 2 * len(self._open))

    def _close(self) -> None:
        self._open.clear()
        self._fold_at = FOLD
        self.changed = False


def fold(line: bytes) -> bytes:
    r"""Return what a terminal shows of a line.

    Example:
        >>> fold(b"working\rdone")
        b'doneing'
        >>> fold(b"\x1b[31m 9%\x1b[0m\r\x1b[32m10%\x1b[0m")
        b'\x1b[32m10%\x1b[0m'
    """
    segments = _visible(line)
    if segments is None:
        return line
    shown = segments[0] if len(segments) == 1 else _drawn(segments)
    return shown.encode("utf-8", "surrogateescape")


def _refolded(line: bytes) -> bytes:
    """Return a shorter line that leaves a terminal, its cursor included, as this one does."""
    unfinished = _unfinished(line)
    tail = line[len(line) - unfinished :]
    segments = _visible(line[: len(line) - unfinished], ends=False)
    if segments is None:
        return line
    if len(segments) > 1:
        codes = _style("".join("".join(_CODES.findall(each)) for each in segments[:-1]))
        drawn = _drawn(segments)
        styled = "\x1b[0m" + codes if "\x1b" in drawn or codes else ""
        segments = [drawn, styled + segments[-1]]
    return "\r".join(segments).encode("utf-8", "surrogateescape") + tail


def _visible(line: bytes, *, ends: bool = True) -> list[str] | None:
    """Return the segments between carriage returns that can still be seen; nothing where that is not known."""
    text = line.decode("utf-8", "surrogateescape")
    if "\x08" in text:
        text = _BACK_TO_START.sub("\r", text)  # as Keras does
    segments = text.split("\r")
    if ends:
        while len(segments) > 1 and not segments[-1]:  # a return that nothing follows overwrites nothing
            segments.pop()
    bare = _CODES.sub("", text) if "\x1b" in text else text
    if _CONTROL.search(bare.replace("\r", "")):
        return None
    widths = [_width(each) for each in bare.split("\r")][: len(segments)]
    widest = max(widths)
    first = len(widths) - 1 - widths[::-1].index(widest)
    if first:
        segments[first] = _style("".join("".join(_CODES.findall(each)) for each in segments[:first])) + segments[first]
    return segments[first:]


def _style(codes: str) -> str:
    """Return the colours that are on after these codes."""
    codes = "".join(code for code in _CODES.findall(codes) if code.endswith("m"))
    *_, on = _RESET.split(codes)
    return on


def _drawn(segments: list[str]) -> str:
    """Draw segments over each other, cell by cell."""
    cells: list[tuple[str, str]] = []
    style = ""
    for segment in segments:
        at = 0
        for token in re.split(f"({_CODES.pattern})", segment):
            if token.startswith("\x1b") and token.endswith("m"):
                style = _style(style + token)
            elif token.startswith("\x1b"):
                _erase(cells, at, token)
            else:
                at = _write(cells, at, token, style)
    drawn, on = [], ""
    for character, wanted in cells:
        if wanted != on:
            drawn.append(wanted if not on else "\x1b[0m" + wanted)
            on = wanted
        drawn.append(character)
    if style != on:
        drawn.append("\x1b[0m" + style)
    return "".join(drawn)


def _write(cells: list[tuple[str, str]], at: int, text: str, style: str) -> int:
    for character in text:
        width = _width(character)
        if not width:  # it joins the character before it
            if at:
                cells[at - 1] = (cells[at - 1][0] + character, cells[at - 1][1])
            continue
        cells += [(" ", "")] * (at - len(cells))
        if at < len(cells) and not cells[at][0] and at:
            cells[at - 1] = (" ", cells[at - 1][1])  # the half of a wide character that is left is blank
        new = [(character, style), ("", style)][:width]
        if at + width < len(cells) and not cells[at + width][0]:
            cells[at + width] = (" ", cells[at + width][1])
        cells[at : at + width] = new
        at += width
    return at


def _erase(cells: list[tuple[str, str]], at: int, code: str) -> None:
    what = code[2:-1] or "0"
    if what in {"0", "2"}:
        del cells[at:]
    if what in {"1", "2"}:
        cells[: at + 1] = [(" ", "")] * min(at + 1, len(cells))


def _width(text: str) -> int:
    if text.isascii() or not re.search(_ODD, text):
        return len(text)
    import unicodedata  # here, for its time

    return sum(
        0
        if unicodedata.combining(character) or unicodedata.category(character) in {"Mn", "Me", "Cf"}
        else 2
        if unicodedata.east_asian_width(character) in "WF"
        else 1
        for character in text
    )


def _unfinished(line: bytes | bytearray) -> int:
    """Return how many bytes at the end are the beginning of a character of UTF-8."""
    for back in range(1, min(4, len(line)) + 1):
        byte = line[-back]
        if byte & 0xC0 != 0x80:
            size = 2 if byte >> 5 == 0b110 else 3 if byte >> 4 == 0b1110 else 4 if byte >> 3 == 0b11110 else 1
            return back if size > back else 0
    return 0


def _folded(block: bytes) -> bytes:
    lines = block.split(b"\n")
    return b"\n".join((_ended(line) if b"\r" in line else line) for line in lines)


def _ended(line: bytes) -> bytes:
    """Fold a line that is whole; one that ends as on Windows still does."""
    if not line.endswith(b"\r"):
        return fold(line)
    return (fold(line[:-1]) if b"\r" in line[:-1] else line[:-1]) + b"\r"
