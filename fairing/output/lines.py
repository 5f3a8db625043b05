"""Text events → what to write, for places where lines can be redrawn and for places where they cannot."""

from __future__ import annotations

from typing import TypeAlias

from fairing.events import Source, Text

_Key: TypeAlias = tuple[Source, str]


class Names:
    """The names that stand before lines: none until more than one replica is seen or known of."""

    def __init__(self, replicas: int = 1) -> None:
        self.shown = replicas > 1

    def before(self, source: Source) -> str:
        """Return what stands before a line of this source."""
        if source.role in {"run", "build"}:
            return ""
        self.shown = self.shown or source.index > 0
        return f"[{source}] " if self.shown else ""


class Whole:
    """Whole lines alone, each in its final state: for files, pipes and saved notebooks."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._begun: dict[_Key, str] = {}
        self._bars: set[_Key] = set()

    def feed(self, event: Text) -> str:
        """Return the lines that a text completes."""
        key, text = (event.at.source, event.stream), event.text
        before = self._names.before(event.at.source)
        if not before and key not in self._begun and text.endswith("\n") and "\r" not in text:
            return text
        if "\r" in text:
            self._bars.add(key)
        text = self._begun.pop(key, "") + text
        end = text.rfind("\n") + 1
        if end < len(text):
            self._begun[key] = final(text[end:])
        return _named(_finals(text[:end]), before)

    def pause(self) -> str:
        """Return what is unfinished and was never redrawn: something else is shown, and comes after it."""
        written = {key: line for key, line in self._begun.items() if key not in self._bars}
        for key in written:
            del self._begun[key]
        return "".join(_named(line, self._names.before(source)) for (source, _), line in written.items())

    def rest(self) -> str:
        """Return what will never be completed, as lines."""
        begun, self._begun = self._begun, {}
        return "".join(_named(line + "\n", self._names.before(source)) for (source, _), line in begun.items() if line)


class Redrawn:
    r"""Lines with the unfinished one at the bottom, redrawn in place by a carriage return.

    Of several unfinished lines (a progress bar on stderr, replicas that print at the same time) one is at the bottom;
    whole lines of the others are put above it.
    """

    def __init__(self, names: Names) -> None:
        self._names = names
        self._begun: dict[_Key, str] = {}
        self._bottom: _Key | None = None

    @property
    def unfinished(self) -> bool:
        """Whether the cursor stands behind an unfinished line."""
        return self._bottom is not None

    def feed(self, event: Text) -> str:
        """Return what to write for a text, carriage returns included."""
        key, text = (event.at.source, event.stream), event.text
        before = self._names.before(event.at.source)
        if self._bottom in {None, key} and not before:
            self._remember(key, text)
            return text
        erased = self._erase()
        whole, newline, rest = (self._begun.pop(key, "") + text).rpartition("\n")
        if rest:
            self._begun[key] = final(rest)
        above = _named(_finals(whole + newline), before)
        padded = above
        if erased and above:
            first, _, others = above.partition("\n")
            padded = first.ljust(erased) + "\n" + others
        return ("\r" if erased else "") + padded + self._draw(key, erased if not above else 0)

    def interrupt(self) -> None:
        """Begin anew below: something else was shown."""
        self._bottom = None

    def rest(self) -> str:
        """Return what ends the unfinished line at the bottom."""
        ends, self._bottom = ("\n" if self._bottom else ""), None
        self._begun.clear()
        return ends

    def _remember(self, key: _Key, text: str) -> None:
        rest = text.rpartition("\n")[2]
        begun = rest if "\n" in text else self._begun.get(key, "") + rest
        self._begun.pop(key, None)
        if begun:
            self._begun[key] = final(begun)
        self._bottom = key if begun else None

    def _erase(self) -> int:
        """Return the width of the line at the bottom."""
        if self._bottom is None:
            return 0
        return len(self._names.before(self._bottom[0])) + len(self._begun.get(self._bottom, ""))

    def _draw(self, key: _Key, erased: int) -> str:
        """Return the unfinished line that is to stand at the bottom: the one of this key, else any."""
        chosen = key if key in self._begun else next(iter(self._begun), None)
        self._bottom = chosen
        if chosen is None:
            return ""
        return (self._names.before(chosen[0]) + self._begun[chosen]).ljust(erased)


def final(line: str) -> str:
    r"""Return what is left to see of a line when its carriage returns have done their work.

    Example:
        >>> final("10%\r20%")
        '20%'
    """
    if "\r" not in line:
        return line
    shown = ""
    for part in line.split("\r"):
        plain = part.isascii() and shown.isascii() and "\x1b" not in part + shown
        shown = part + shown[len(part) :] if plain or not part else part
    return shown


def _finals(lines: str) -> str:
    if "\r" not in lines:
        return lines
    return "\n".join(final(line) for line in lines.split("\n"))


def _named(lines: str, before: str) -> str:
    if not before or not lines:
        return lines
    return before + lines[:-1].replace("\n", "\n" + before) + lines[-1]
