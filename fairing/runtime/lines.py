r"""Cuts a stream of bytes into whole lines and the state of the line that is still being written.

A line is folded as a terminal would: what follows a carriage return overwrites what stood before it, so that an hour
of a progress bar is one line, its last.
"""

from __future__ import annotations

from fairing.runtime.frames import LINE


class Lines:
    """One stream's lines, in pieces of any size."""

    def __init__(self) -> None:
        self._open = b""
        self.changed = False
        """Whether the unfinished line changed since its state was last asked for."""

    def feed(self, data: bytes) -> bytes:
        """Take bytes; return the whole lines they complete."""
        end = data.rfind(b"\n") + 1
        if not end:
            self._grow(data)
            return b""
        whole = self._open + data[:end]
        self._open = b""
        self.changed = False
        if end < len(data):
            self._grow(data[end:])
        return _folded(whole) if b"\r" in whole else whole

    def overflow(self) -> bytes:
        """Return the first part of an unfinished line that has become too long to keep, or nothing."""
        if len(self._open) <= LINE:
            return b""
        cut = LINE
        while self._open[cut] & 0xC0 == 0x80:  # never inside a character of UTF-8
            cut -= 1
        head, self._open = self._open[:cut], self._open[cut:]
        return head

    def state(self) -> str:
        """Return what the unfinished line looks like now."""
        self.changed = False
        return self._open.decode("utf-8", "replace")

    def rest(self) -> bytes:
        """Return the unfinished line when there will be no more bytes."""
        rest, self._open = self._open, b""
        self.changed = False
        return rest

    def _grow(self, data: bytes) -> None:
        self._open += data
        self.changed = True
        if b"\r" in self._open:
            # The last return may be the first half of "\r\n", or overwrite: that is known with the next byte.
            line, last = (self._open[:-1], b"\r") if self._open.endswith(b"\r") else (self._open, b"")
            self._open = fold(line) + last


def fold(line: bytes) -> bytes:
    r"""Return what a terminal shows of a line.

    Example:
        >>> fold(b"working\rdone")
        b'doneing'
    """
    shown = b""
    for text in line.split(b"\r"):
        # Widths are not known where there are escape sequences or other than ASCII; then the newest text stands alone.
        plain = text.isascii() and shown.isascii() and b"\x1b" not in text and b"\x1b" not in shown
        shown = text + shown[len(text) :] if plain or not text else text
    return shown


def _folded(block: bytes) -> bytes:
    lines = block.split(b"\n")
    return b"\n".join(
        (fold(line[:-1]) + b"\r" if line.endswith(b"\r") else fold(line)) if b"\r" in line else line for line in lines
    )
