"""A log in files: what was written is read back from any byte on, as much of it as there is room for."""

import contextlib
import os
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairing.runtime import kept
from fairing.runtime.segments import SEGMENT, Segments, read
from tests.conftest import small_disk


def size(folder):
    return sum(path.stat().st_size for path in folder.iterdir())


@given(st.lists(st.binary(max_size=50_000), max_size=30), st.integers(0, 200_000), st.integers(0, 200_000))
def test_what_was_written_is_read_back_between_any_two_bytes(tmp_path_factory, pieces, start, end):
    folder = tmp_path_factory.mktemp("log")
    segments = Segments(folder, limit=64 << 20)
    for piece in pieces:
        segments.append(piece)
    segments.close()
    whole = b"".join(pieces)
    assert b"".join(data for _, data in read(folder, start, end)) == whole[start:end]
    assert Segments(folder).end == len(whole)


def test_the_newest_is_kept_within_its_limit_and_goes_on_after_a_restart(tmp_path):
    limit, whole = 2 << 20, b""
    for _ in range(4):
        segments = Segments(tmp_path, limit)
        assert segments.end == len(whole)
        for _ in range(50):
            data = os.urandom(10_000).hex().encode()
            whole += data
            segments.append(data)
        segments.close()
    assert size(tmp_path) <= limit
    first, data = 0, b""
    for at, piece in read(tmp_path, 0):
        first, data = first if data else at, data + piece
    assert data == whole[first:] and len(data) > limit // 2


def test_a_long_log_is_compressed_and_read_all_the_same(tmp_path):
    segments = Segments(tmp_path)
    line = b"step 1234567 loss 0.123456 accuracy 0.98765\n"
    for _ in range(50):
        segments.append(line * 25_000)
    segments.close()
    assert size(tmp_path) < 9 * SEGMENT < segments.end
    assert sum(len(data) for _, data in read(tmp_path, 0)) == segments.end
    ((at, data),) = read(tmp_path, 7 * len(line), 9 * len(line))
    assert (at, data) == (7 * len(line), 2 * line)


def test_it_is_read_while_it_is_written_and_what_is_older_goes(tmp_path):
    over = threading.Event()
    gaps = []

    def follow():
        at = 0
        while not over.is_set() or at < segments.end:
            for first, data in read(tmp_path, at):
                if first != at:
                    gaps.append((at, first))
                assert data == bytes((first + index) % 251 for index in range(len(data)))
                at = first + len(data)

    segments = Segments(tmp_path, limit=1 << 20)
    reader = threading.Thread(target=follow)
    reader.start()
    for at in range(0, 4 << 20, 1 << 15):
        segments.append(bytes((at + index) % 251 for index in range(1 << 15)))
    over.set()
    reader.join()
    segments.close()
    assert all(first > at for at, first in gaps)


def test_most_of_a_disk_is_left_to_others_and_a_full_one_fails_nobody(tmp_path):
    small = tmp_path / "small"
    with small_disk(small, "8m"):
        segments = Segments(small / "log")
        for _ in range(200):
            segments.append(os.urandom(1 << 17))
        assert 1 << 20 < size(small / "log") <= 2 << 20
        with (small / "full").open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(1 << 16)):
                pass
        for _ in range(20):
            segments.append(os.urandom(1 << 17))
        segments.close()
        assert segments.end == 220 << 17
        assert size(small / "log") == 0


@pytest.mark.parametrize(("lines", "waits"), [(1000, 0.0), (100_000, 60.0)])
def test_a_pod_waits_for_its_log_to_be_read_where_a_node_may_not_give_all_of_it(run, tmp_path, lines, waits):
    log = tmp_path / "copy"
    ended = run(f"def main():\n    for number in range({lines}):\n        print(number, '.' * 60)", log=str(log))
    assert b"".join(data for _, data in read(log, 0)) == ended.log
    assert kept.waits({**ended.spec, "linger": 60.0}) == waits
