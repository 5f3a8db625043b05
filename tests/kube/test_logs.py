"""A log loses nothing and says nothing twice, whatever happens to the API server meanwhile."""

import random
import threading
import time

import pytest

import fairing
from fairing.events import Lost, Text
from fairing.kube.logs import _Place

LINES = 100_000


@pytest.mark.restarts_cluster
def test_a_hundred_thousand_lines_come_once_each_while_the_api_server_is_killed(there, script):
    over = threading.Event()

    def numbered(count, seconds):
        began = time.monotonic()
        for number in range(count):
            print("line", number)
            if number % 500 == 0:
                time.sleep(max(0.0, began + seconds * number / count - time.monotonic()))
        return count

    def kill():
        while not over.wait(random.uniform(1.0, 4.0)):
            script("program", "kill", "kube-apiserver")
            over.wait(random.uniform(0.0, 1.0))
            script("program", "start", "kube-apiserver")

    job = fairing.submit(numbered, (LINES, 20.0))
    killing = threading.Thread(target=kill)
    killing.start()
    try:
        events = list(job.events())
    finally:
        over.set()
        killing.join()
    lines = "".join(event.text for event in events if isinstance(event, Text)).splitlines()
    assert lines == [f"line {number}" for number in range(LINES)]
    assert [event.what for event in events if isinstance(event, Lost)] == []
    assert job.result() == LINES


def stamped(*lines):
    return b"".join(f"2026-01-01T00:00:{second:06.3f}Z {text}\n".encode() for second, text in lines)


def test_lines_of_one_second_that_were_read_are_left_out_when_they_come_again():
    place = _Place()
    assert place.new(stamped((1.0, "a"), (2.0, "b"), (2.0, "b"))) == b"a\nb\nb\n"
    assert place.second == "2026-01-01T00:00:02"
    place.again()
    assert place.new(stamped((2.0, "b"), (2.0, "b"), (2.0, "b"), (3.0, "c"))) == b"b\nc\n"


def test_where_the_log_was_rotated_meanwhile_the_newer_lines_alone_are_taken():
    place = _Place()
    place.new(stamped((1.0, "a"), (1.1, "b"), (1.2, "c")))
    place.again()
    assert place.new(stamped((1.1, "b"), (1.2, "c"), (1.3, "d"))) == b"d\n"


def test_a_log_that_is_read_again_with_nothing_new_gives_nothing():
    place = _Place()
    place.new(stamped((1.0, "a"), (1.5, "b")))
    for _ in range(3):
        place.again()
        assert place.new(stamped((1.0, "a"), (1.5, "b"))) == b""
