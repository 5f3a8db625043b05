"""A log is read whole, whatever a node gives of it, as long as its runner's own copy can be had; else it is told."""

import itertools
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from fairing.kube.whole import Gap, Whole
from fairing.runtime.frames import LONG, Decoder, Encoder
from fairing.runtime.segments import Segments, read

KEY = b"k" * 32


def written(counts, *, width=400):
    """Return a log of numbered lines of both streams, beyond the length from which on it may be rotated."""
    log = bytearray()
    encoder = Encoder(KEY, "worker-0", log.extend)
    numbers = {"stdout": itertools.count(), "stderr": itertools.count()}
    for number, count in enumerate((40 + LONG // 200 // width, *counts)):
        stream = "stderr" if number % 2 else "stdout"
        for _ in range(1 if number else 100):
            lines = [f"{stream} {next(numbers[stream])} {'.' * (width - 20)}\n" for _ in range(count)]
            encoder.text(stream, "".join(lines).encode())
        encoder.checkpoint()
    encoder.end()
    return bytes(log), {stream: next(each) for stream, each in numbers.items()}


def read_whole(connections, fetch):
    """Return the texts of each stream, and what is told to be lost, of what several connections bring."""
    whole, decoder = Whole(KEY, "worker-0", fetch), Decoder(KEY, "worker-0")
    items = []
    for pieces in connections:
        whole.again()
        given = [each for piece in pieces for each in whole.feed(piece)]
        items += decoded(decoder, given)
    return [*items, *decoded(decoder, whole.rest()), *decoder.end()]


def decoded(decoder, given):
    for each in given:
        if isinstance(each, Gap):
            decoder.gap(each.stream)
        else:
            yield from decoder.feed(each.data)


def numbers(items, stream):
    text = "".join(item.body["text"] for item in items if item.kind == "text" and item.body["stream"] == stream)
    return [int(line.split()[1]) for line in text.splitlines()]


def lost(items, stream):
    return sum(
        int(count)
        for item in items
        if item.kind == "lost"
        for count, of in re.findall(r"(\d+) lines \(\d+ bytes\) of (\w+)", item.body["what"])
        if of == stream
    )


def cut(log, spans):
    """Return parts of a log, each of whole lines."""
    starts = [0, *(each.end() for each in re.finditer(b"\n", log))]
    for start, size in spans:
        first = starts[min(start, len(starts) - 1)]
        yield log[first : starts[min(start + size, len(starts) - 1)]]


spans = st.lists(st.tuples(st.integers(0, 2500), st.integers(0, 900)), max_size=8)
counts = st.lists(st.integers(0, 30), max_size=12)


@given(counts, spans, st.integers(1, 1 << 16))
@settings(max_examples=60)
def test_whatever_connections_bring_every_line_is_read_once_and_in_order(tmp_path_factory, counts, spans, size):
    log, count = written(counts)
    folder = tmp_path_factory.mktemp("log")
    kept = Segments(folder)
    kept.append(log)
    kept.close()
    connections = [[part[at : at + size] for at in range(0, len(part), size)] for part in cut(log, spans)]
    items = read_whole([*connections, [log[-3000:]]], lambda start, end: read(folder, start, end))
    for stream, each in count.items():
        assert numbers(items, stream) == list(range(each))
    assert {item.kind for item in items} == {"text"}


@given(counts, spans, st.integers(0, 2500))
@settings(max_examples=60)
def test_lines_that_are_missing_in_the_middle_of_a_connection_are_read_in_their_place(
    tmp_path_factory, counts, spans, start
):
    log, count = written(counts)
    folder = tmp_path_factory.mktemp("log")
    kept = Segments(folder)
    kept.append(log)
    kept.close()
    parts = [log[: LONG + 100_000].rpartition(b"\n")[0] + b"\n", *cut(log, spans), log[-3000:].partition(b"\n")[2]]
    items = read_whole([parts], lambda start, end: read(folder, start, end))
    for stream, each in count.items():
        assert numbers(items, stream) == list(range(each))


@given(counts, st.integers(0, 2500), st.integers(0, 2500))
@settings(max_examples=60)
def test_what_can_be_had_nowhere_is_told_with_its_exact_number_of_lines(counts, first, second):
    log, count = written(counts)
    (head,) = cut(log, [(0, first)])
    (tail,) = cut(log, [(second, 10_000)])
    items = read_whole([[head], [tail]], lambda start, end: iter(()))
    for stream, each in count.items():
        found = numbers(items, stream)
        assert found == sorted(set(found))
        assert len(found) + lost(items, stream) == each
    assert sum(item.kind == "lost" for item in items) <= 1


@given(counts, st.integers(1, 40))
@settings(max_examples=30)
def test_what_the_copy_lacks_as_well_is_told_once(tmp_path_factory, counts, part):
    log, count = written(counts)
    folder = tmp_path_factory.mktemp("log")
    kept = Segments(folder, limit=len(log) * part // 40)
    lines = log.splitlines(keepends=True)
    for at in range(0, len(lines), 40):
        kept.append(b"".join(lines[at : at + 40]))
    kept.close()
    items = read_whole([[log[-3000:].partition(b"\n")[2]]], lambda start, end: read(folder, start, end))
    for stream, each in count.items():
        assert len(numbers(items, stream)) + lost(items, stream) == each
    assert sum(item.kind == "lost" for item in items) <= 1


def test_lines_of_a_log_that_no_node_rotates_are_given_as_they_come():
    log = bytearray()
    encoder = Encoder(KEY, "worker-0", log.extend)
    encoder.text("stdout", b"first\n")
    whole = Whole(KEY, "worker-0", lambda start, end: iter(()))
    assert b"".join(piece.data for piece in whole.feed(bytes(log))) == log


def test_a_log_without_a_frame_is_given_as_it_is():
    whole = Whole(KEY, "worker-0", lambda start, end: iter(()))
    given = [each for _ in range(40) for each in whole.feed(b"plain\n" * 50_000)] + list(whole.rest())
    assert b"".join(each.data for each in given if not isinstance(each, Gap)) == b"plain\n" * 2_000_000
