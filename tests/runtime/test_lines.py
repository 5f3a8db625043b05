"""Lines, in any split, as a terminal shows them."""

import itertools
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from fairing.runtime.lines import FOLD, Lines


def terminal(text):
    """Draw one line as a terminal does, character by character: what is in each column, and in which colour."""
    cells, column, style, at = {}, 0, "", 0
    while at < len(text):
        if text[at] == "\x1b":
            end = next(each for each in range(at + 2, len(text)) if text[each] in "mK")
            code = text[at : end + 1]
            if code.endswith("m"):
                style = "" if code in {"\x1b[m", "\x1b[0m"} else style + code
            else:
                erase(cells, column, code[2:-1] or "0")
            at = end + 1
            continue
        if text[at] == "\r":
            column = 0
        elif text[at] == "\b":
            column = max(column - 1, 0)
        elif unicodedata.combining(text[at]):
            if column:
                before = column - 1 if cells.get(column - 1, ("", ""))[0] else column - 2
                glyph, colour = cells.get(before, (" ", ""))
                cells[before] = (glyph + text[at], colour)
        else:
            wide = unicodedata.east_asian_width(text[at]) in "WF"
            for each in (column, column + wide):
                if cells.get(each, ("x",))[0] == "" and each - 1 in cells and each == column:
                    cells[each - 1] = (" ", cells[each - 1][1])
            after = column + 1 + wide
            if cells.get(after, ("x",))[0] == "":
                cells[after] = (" ", cells[after][1])
            cells[column] = (text[at], style)
            if wide:
                cells[column + 1] = ("", style)
            column += 1 + wide
        at += 1
    row = [cells.get(each, (" ", "")) for each in range(max(cells, default=-1) + 1)]
    while row and row[-1] == (" ", ""):
        row.pop()
    return row


def erase(cells, column, what):
    """Erase to the end of the line (0), to its beginning (1), or all of it (2)."""
    for each in list(cells):
        if (what == "0" and each >= column) or (what == "1" and each <= column) or what == "2":
            del cells[each]


TEXTS = ["\b\b\r", "a", "bc", "█▌", "é", "e\u0301", "世界", "🚀", "\r", "\r", "\r", " ", "xyz"]
CODES = ["\x1b[31m", "\x1b[1m", "\x1b[0m", "\x1b[K", "\x1b[2K"]
pieces = st.lists(st.sampled_from(TEXTS + CODES), max_size=25).map("".join)


def split(data, cuts):
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


@given(pieces, st.lists(st.integers(0, 100)))
def test_a_line_is_shown_as_a_terminal_shows_it_in_any_split(text, cuts):
    lines = Lines()
    whole = b"".join(lines.feed(piece) for piece in split(text.encode() + b"\n", cuts)).decode()
    assert terminal(whole.rstrip("\n")) == terminal(text)


@given(pieces, pieces)
def test_a_long_unfinished_bar_keeps_its_line_and_its_cursor(before, after):
    lines = Lines()
    filler = "\r" + "·" * 40
    lines.feed((filler * (FOLD // len(filler)) + "\r" + before + "\x1b[0m").encode())
    whole = lines.feed((after + "\n").encode()).decode().rstrip("\n")
    assert terminal(whole) == terminal(filler + "\r" + before + "\x1b[0m" + after)


@given(st.lists(st.binary(max_size=40)))
def test_lines_without_returns_are_kept_to_the_byte(written):
    data = b"".join(written).replace(b"\r", b"")
    lines = Lines()
    whole = b"".join(lines.feed(piece.replace(b"\r", b"")) for piece in written)
    assert whole + lines.rest() == data


def test_windows_line_ends_stay():
    assert Lines().feed(b"one\r\ntwo\r\n") == b"one\r\ntwo\r\n"


@given(st.text(min_size=1).filter(lambda text: "\n" not in text and "\r" not in text), st.integers(0, 40))
def test_the_state_of_a_line_never_shows_half_a_character(text, cut):
    data = text.encode("utf-8", "surrogatepass")
    if data.decode("utf-8", "replace") != text:
        return
    lines = Lines()
    lines.feed(data[: cut % (len(data) + 1)])
    assert text.startswith(lines.state())


def test_a_huge_line_written_byte_by_byte_takes_a_step_a_byte():
    lines = Lines()
    pieces = []
    for _ in range(300_000):
        assert lines.feed(b"x") == b""
        while head := lines.overflow():
            pieces.append(head)
    assert b"".join(pieces) + lines.rest() == b"x" * 300_000


def test_a_bar_written_a_hundred_thousand_times_is_its_last_state():
    lines = Lines()
    for number in range(100_000):
        lines.feed(f"\r\x1b[32m{number:6d} {'█' * (number % 20):20}\x1b[0m|".encode())
        assert not lines.overflow()
    assert terminal(lines.state()) == terminal(f"\x1b[32m 99999 {'█' * 19} \x1b[0m|")


def test_a_line_that_cannot_be_folded_is_kept_and_its_newest_state_is_shown():
    lines = Lines()
    bars = b"".join(b"\rstep\t%d" % number for number in range(300))
    lines.feed(bars)
    assert lines.state() == "step\t299"
    assert lines.feed(b"\n") == bars + b"\n"
