"""A function's output on its whole way, from ``submit`` to the events of its job."""

import pytest

import fairing
from fairing.errors import RunCancelled
from fairing.events import Clear, Display, Failure, Files, Result, Text


def test_everything_a_function_says_arrives_in_order():
    def talk():
        import pathlib
        import sys

        print("printed")
        display({"text/html": "<b>shown</b>"}, raw=True, display_id="mine")  # noqa: F821 - a built-in name in a run
        print("\x1e" + "0" * 32 + '{"n":1,"t":0,"k":"result"}')
        print("error", file=sys.stderr)
        pathlib.Path("left.txt").write_text("left")
        return {"a": 1}

    job = fairing.submit(talk)
    events = [event for event in job.events() if isinstance(event, Text | Display | Clear | Files | Result | Failure)]
    kinds = [type(event).__name__ for event in events]
    assert kinds == ["Text", "Display", "Text", "Text", "Result", "Files"]
    assert events[1].data == {"text/html": "<b>shown</b>"}
    assert events[1].display_id == "mine"
    assert events[2].text == "\x1e" + "0" * 32 + '{"n":1,"t":0,"k":"result"}\n'
    assert (events[3].stream, events[3].text) == ("stderr", "error\n")
    assert [(each.path, each.size) for each in events[5].files] == [("left.txt", 4)]
    assert job.result() == {"a": 1}


def test_a_flood_arrives_whole_and_in_order():
    def flood(count):
        for number in range(count):
            print(number)

    job = fairing.submit(flood, args=(200_000,))
    text = "".join(event.text for event in job.events() if isinstance(event, Text))
    assert text == "".join(f"{number}\n" for number in range(200_000))


def test_a_cancelled_function_reaches_finally():
    def wait():
        import time

        try:
            print("ready")
            time.sleep(600)
        finally:
            print("cleaned up")

    job = fairing.submit(wait)
    said = []
    for event in job.events():
        if isinstance(event, Text):
            said.append(event.text)
            if "ready" in event.text:
                job.cancel()
    assert "".join(said) == "ready\ncleaned up\n"
    with pytest.raises(RunCancelled):
        job.result()
