"""The log's codec: what is written is what is read, whatever was printed and however it arrives."""

import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairing.runtime.frames import LOG_LIMIT, Decoder, Encoder

KEY = b"k" * 32


def encoder(out, **given):
    return Encoder(KEY, "worker-0", out.append, **given)


def decode(log, cuts=(), **given):
    decoder = Decoder(KEY, "worker-0", **given)
    edges = [0, *sorted(min(cut, len(log)) for cut in cuts), len(log)]
    items = [item for start, end in itertools.pairwise(edges) for item in decoder.feed(log[start:end])]
    return items + list(decoder.end())


def texts(items, stream):
    return "".join(item.body["text"] for item in items if item.kind == "text" and item.body["stream"] == stream)


lines = st.one_of(
    st.binary(max_size=60),
    st.sampled_from([b"", b"\x1e", b"\x1e\x1e", b"\x1e" + b"0" * 32 + b'{"n":1,"t":0,"k":"clear"}', "🚀é".encode()]),
).map(lambda line: line.replace(b"\n", b"") + b"\n")
blocks = st.lists(st.tuples(st.sampled_from(["stdout", "stderr"]), st.lists(lines, min_size=1).map(b"".join)))


@given(blocks, st.lists(st.integers(0, 4000)))
def test_every_stream_is_read_back_as_it_was_written_in_any_split(written, cuts):
    out = []
    log = encoder(out)
    for stream, data in written:
        log.text(stream, data)
    log.end()
    items = decode(b"".join(out), cuts)
    for stream in ("stdout", "stderr"):
        expected = b"".join(data for name, data in written if name == stream).decode("utf-8", "replace")
        assert texts(items, stream) == expected
    assert {item.kind for item in items} <= {"text"}


@given(st.lists(st.binary(max_size=300)))
def test_reading_never_fails_on_any_bytes(pieces):
    decoder = Decoder(KEY, "worker-0")
    items = [item for piece in pieces for item in decoder.feed(piece)] + list(decoder.end())
    assert {item.kind for item in items} <= {"text"}
    if b"\x1e" not in b"".join(pieces):
        assert texts(items, "stdout") == b"".join(pieces).decode("utf-8", "replace")


@given(st.lists(st.tuples(st.integers(0, 100_000), st.binary(max_size=8))), st.data())
@settings(max_examples=50)
def test_a_damaged_log_is_read_and_never_shows_another_event(edits, data):
    out = []
    log = encoder(out)
    log.text("stdout", b"one\ntwo\n")
    log.event("display", {"data": {"text/plain": "x" * 9000}})
    log.text("stderr", b"three\n")
    log.end()
    damaged = bytearray(b"".join(out))
    for at, piece in edits:
        at %= len(damaged)
        damaged[at : at + len(piece)] = piece
    for item in decode(bytes(damaged)):
        assert item.kind in {"text", "lost", "display"}
        if item.kind == "display":
            assert item.body == {"data": {"text/plain": "x" * 9000}}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)


@given(st.lists(st.tuples(json_values, st.integers(0, 4))), st.lists(st.integers(0, 60_000)))
def test_events_of_any_size_are_read_back_in_order(bodies, cuts):
    out = []
    log = encoder(out)
    for number, (body, size) in enumerate(bodies):
        log.event("display", {"data": {"n": number, "body": body, "pad": '"\\é' * (size * 700)}})
        log.text("stdout", b"between\n")
    log.end()
    data = b"".join(out)
    assert max(map(len, data.split(b"\n"))) < 8192
    items = decode(data, cuts)
    assert [item.body["data"]["body"] for item in items if item.kind == "display"] == [body for body, _ in bodies]
    assert not [item for item in items if item.kind == "lost"]


def test_an_event_over_the_log_limit_is_a_file_of_the_spool():
    spool = {}

    def keep(number, data):
        spool[f"spool/{number}"] = data
        return f"spool/{number}"

    out = []
    log = encoder(out, spool=keep)
    log.event("display", {"data": {"text/plain": "x" * LOG_LIMIT}})
    log.end()
    (item,) = decode(b"".join(out), fetch=spool.__getitem__)
    assert item.body["data"]["text/plain"] == "x" * LOG_LIMIT
    (size,) = map(len, spool.values())

    def gone(path):
        raise FileNotFoundError(path)

    (lost,) = decode(b"".join(out), fetch=gone)
    assert lost.kind == "lost"
    assert f"{size} bytes" in lost.body["what"]


def test_a_gap_is_one_loss_with_the_exact_count():
    out = []
    log = encoder(out)
    log.text("stdout", b"kept\n")
    log.checkpoint()
    start = len(out)
    log.text("stdout", b"gone 1\ngone 2\n")
    log.text("stderr", b"gone too\n")
    log.event("clear", {"wait": False})
    end = len(out)
    log.text("stderr", b"kept too\n")
    log.text("stdout", b"last\n")
    log.end()
    items = decode(b"".join(out[:start] + out[end:]))
    (lost,) = [item for item in items if item.kind == "lost"]
    # The frames that said which lines were of stderr are gone as well, so the lines are counted in total.
    assert lost.body["what"] == "3 lines (23 bytes) of output and one message of worker-0"
    # One stream alone, its frames there: named.
    cut = [each for each in out if each != b"gone 1\ngone 2\n"]
    (lost,) = [item for item in decode(b"".join(cut)) if item.kind == "lost"]
    assert lost.body["what"] == "2 lines (14 bytes) of stdout of worker-0"


def test_a_lost_part_of_a_long_event_is_told():
    out = []
    log = encoder(out)
    log.event("display", {"data": {"text/plain": "x" * 20_000}})
    log.end()
    items = decode(b"".join(out[:2] + out[3:]))
    assert [(item.kind, item.body) for item in items] == [("lost", {"what": "one message of worker-0"})]


def test_reading_again_after_a_reconnect_repeats_no_event():
    out = []
    log = encoder(out)
    for number in range(5):
        log.event("metric", {"name": "n", "value": number})
    data = b"".join(out)
    assert [item.body["value"] for item in decode(data + data)] == [0, 1, 2, 3, 4]


def test_a_second_runner_in_the_same_log_is_read_from_its_start():
    out = []
    for text in (b"first\n", b"second\n"):
        log = encoder(out)
        log.text("stderr", text)
        log.event("clear", {"wait": True})
        log.end()
    items = decode(b"".join(out))
    assert texts(items, "stderr") == "first\nsecond\n"
    assert [item.kind for item in items] == ["text", "clear", "text", "clear"]


def test_a_frame_by_another_key_or_of_another_source_is_shown_as_the_text_it_is():
    for key, source in ((b"x" * 32, "worker-0"), (KEY, "worker-1")):
        out = []
        log = Encoder(key, source, out.append)
        log.event("result", {"payload": {}})
        items = decode(b"".join(out))
        assert {item.kind for item in items} == {"text"}
        assert texts(items, "stdout").encode() == b"".join(out)


@given(st.lists(st.text(alphabet="ab█🚀 \r", max_size=9), min_size=1))
def test_the_states_of_an_unfinished_line_end_as_that_line(states):
    out = []
    log = encoder(out)
    for state in states:
        log.partial("stderr", state.replace("\r", ""))
    log.text("stderr", b"the end\n")
    log.end()
    cells, column = [], 0
    for character in texts(decode(b"".join(out)), "stderr").rstrip("\n"):
        if character == "\r":
            column = 0
        else:
            cells[column : column + 1] = [character]
            column += 1
    assert "".join(cells).rstrip() == "the end"


@pytest.mark.parametrize("character", ["x", "é", "█", "🚀", '"', "\\"])
def test_a_frame_is_always_under_eight_kibibytes(character):
    out = []
    log = encoder(out)
    log.partial("stdout", character * 70_000)
    log.event("display", {"data": {"text/plain": character * 70_000}})
    assert max(map(len, out)) < 8192
    assert json.loads(out[1][33:])["x"].startswith(character * 500)
