"""A run in a notebook's cell, in a real kernel: the card, the log under it, and what a front end makes of both."""

import re

import pytest


def test_a_cell_shows_one_card_then_the_output_then_the_value(kernel):
    cell = kernel.run("def f(n):\n    print('hello')\n    return n * 2\nfairing.train(f, (21,))")
    assert [output["type"] for output in cell.outputs] == ["display", "stream", "display"]
    (card,) = cell.cards
    assert "done" in card["text/plain"] and "local://f-" in card["text/plain"]
    assert cell.text == "hello\n"
    assert cell.displays[-1]["text/plain"] == "42"


def test_the_card_needs_no_script_and_no_widget_and_escapes_what_it_says(kernel):
    cell = kernel.run("def f(): pass\nfairing.train(f, name='a<b>c')")
    (card,) = cell.cards
    assert set(card) == {"text/plain", "text/html"}
    assert "<script" not in card["text/html"]
    assert "a&lt;b&gt;c" in card["text/html"] and "a<b>c" in card["text/plain"]


def test_stdout_and_stderr_stay_apart(kernel):
    cell = kernel.run("def f():\n    import sys\n    print('out')\n    print('err', file=sys.stderr)\nfairing.train(f)")
    assert cell.streams == [("stdout", "out\n"), ("stderr", "err\n")]


def test_streams_that_alternate_become_one_so_that_fewer_than_fifty_outputs_exist(kernel):
    cell = kernel.run(
        "def f():\n    import sys\n    for i in range(200):\n"
        "        print('out', i)\n        print('err', i, file=sys.stderr)\nfairing.train(f)"
    )
    assert len(cell.outputs) < 20
    wanted = [f"{name} {index}" for index in range(200) for name in ("out", "err")]
    assert cell.text.splitlines() == wanted


def test_a_progress_bar_is_redrawn_in_place(kernel):
    cell = kernel.run(
        "def f():\n    import sys, time\n    for i in range(4):\n"
        "        print(f'\\rstep {i}', end='', flush=True)\n        time.sleep(0.3)\n    print()\nfairing.train(f)"
    )
    assert cell.text.splitlines() == ["step 3"]


def test_a_bar_on_stderr_stays_under_the_prints_of_stdout(kernel):
    cell = kernel.run(
        "def f():\n    import sys, time\n    for i in range(4):\n"
        "        print(f'\\rbar {i}', end='', file=sys.stderr, flush=True)\n"
        "        time.sleep(0.6)\n        print('line', i, flush=True)\n"
        "    print('\\rbar 4', file=sys.stderr)\nfairing.train(f)"
    )
    lines = [line.rstrip() for line in cell.text.splitlines()]
    assert lines == [f"line {index}" for index in range(4)] + ["bar 4"]
    assert len(cell.outputs) == 2


def test_at_most_two_thousand_lines_are_shown_then_where_the_rest_is_and_how_much(kernel):
    cell = kernel.run("def f():\n    for i in range(5000):\n        print('line', i)\nfairing.train(f)")
    lines = cell.text.splitlines()
    assert lines[:2000] == [f"line {index}" for index in range(2000)]
    assert ".logs()" in lines[2000] and "%fairing logs local://f-" in lines[2000]
    assert lines[2001:] == ["… 3,000 more lines (30 kB) in the log, not shown here"]


def test_at_most_a_megabyte_is_shown(kernel):
    cell = kernel.run("def f():\n    for i in range(40):\n        print('x' * 50_000)\nfairing.train(f)")
    assert 900_000 < len(cell.text) < 1_001_000
    assert "the rest is in the log" in cell.text


def test_lines_carry_the_worker_only_where_there_are_several(kernel):
    code = "def f():\n    print('a')\n    print('b')\n"
    one = kernel.run(code + "fairing.train(f)")
    assert one.text == "a\nb\n"
    two = kernel.run(code + "fairing.train(f, workers=2)")
    assert sorted(two.text.splitlines()) == ["[worker-0] a", "[worker-0] b", "[worker-1] a", "[worker-1] b"]


def test_submit_shows_its_card_once_and_prints_nothing_into_later_cells(kernel):
    first = kernel.run("def f():\n    print('noise')\njob = fairing.submit(f)\njob")
    assert len(first.cards) == 1 and "noise" not in first.text
    later = kernel.run("job.wait()\nprint('later')")
    assert later.text == "later\n" and not later.displays[:-1]
    again = kernel.run("job.follow()")
    assert again.text == "noise\n" and len(again.cards) == 1
    assert first.text == ""


def test_output_lands_in_the_cell_that_waits(kernel):
    kernel.run("def f():\n    print('mine')\n    return 1\njob = fairing.submit(f)")
    other = kernel.run("print('other')")
    cell = kernel.run("job.follow()")
    assert other.text == "other\n"
    assert cell.text == "mine\n"


def test_an_interrupt_leaves_the_run_going_says_how_to_follow_and_stops_run_all(kernel):
    cell = kernel.send(
        "def f():\n    import time\n    print('begun', flush=True)\n    time.sleep(60)\nfairing.train(f)"
    )
    after = kernel.send("print('never')")
    kernel.until(lambda: "begun" in cell.text)
    kernel.interrupt()
    kernel.until(lambda: cell.reply is not None)
    (line,) = cell.error["traceback"]
    assert cell.error["ename"] == "Detached" and 'fairing.attach("local://f-' in line and "cancel" in line
    handle = line.split('"')[1]
    now = kernel.run(
        f"job = fairing.attach({handle!r})\nprint(job.status.phase)\njob.cancel()\nprint(job.status.phase)"
    )
    assert now.text == "running\ncancelled\n"
    assert after.text == ""


def test_on_interrupt_cancel_cancels(kernel):
    cell = kernel.send(
        "def f():\n    import time\n    try:\n        print('begun', flush=True)\n        time.sleep(60)\n"
        "    finally:\n        print('cleaned up')\nfairing.train(f, on_interrupt='cancel')"
    )
    kernel.until(lambda: "begun" in cell.text)
    kernel.interrupt()
    kernel.until(lambda: cell.reply is not None)
    assert cell.error["ename"] == "Stopped" and "was cancelled" in cell.error["traceback"][0]
    assert "cancelled" in cell.cards[0]["text/plain"]
    assert cell.text.splitlines() == ["begun", "cleaned up"]


def test_awaiting_a_job_and_iterating_over_its_events_work_in_a_cell(kernel):
    kernel.run("def f():\n    print('hi')\n    return 3")
    assert kernel.run("await fairing.submit(f)").displays[-1]["text/plain"] == "3"
    cell = kernel.run(
        "async for event in fairing.submit(f):\n    if type(event).__name__ == 'Text': print(event.text, end='')"
    )
    assert cell.text == "hi\n"


INTERRUPT_WHEN_IT_FOLLOWS = """import signal, threading
def watch(before=set(threading.enumerate())):
    while not any(each.name.startswith("fairing-follow") for each in set(threading.enumerate()) - before):
        threading.Event().wait(0.01)
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
threading.Thread(target=watch).start()
"""


@pytest.mark.parametrize(
    "wait", ["job.result()", "[each.wait() for each in [job]]", "await job", "async for each in job: print('!')"]
)
def test_an_interrupt_while_a_job_is_waited_for_says_that_it_goes_on_and_shows_no_frame_of_ours(kernel, wait):
    kernel.run("def f():\n    import time\n    time.sleep(60)\njob = fairing.submit(f)")
    cell = kernel.send(INTERRUPT_WHEN_IT_FOLLOWS + wait)
    kernel.until(lambda: cell.reply is not None)
    shown = "\n".join(cell.error["traceback"])
    assert "The run goes on: fairing.attach(" in shown and "fairing/" not in shown
    assert kernel.run("print(job.status.phase)\njob.cancel()\njob.status").text == "running\n"


def test_a_status_an_image_and_images_are_shown_in_words(kernel):
    cell = kernel.run("def f():\n    pass\njob = fairing.submit(f)\njob.wait()")
    assert cell.displays[-1]["text/plain"] == "succeeded"
    cell = kernel.run("fairing.build(f)")
    assert "done in" in cell.cards[0]["text/plain"]
    assert re.fullmatch(r"sha256:\w{64} \(f, Python [\d.]+\)", cell.displays[-1]["text/plain"])
    assert re.search(
        r"(?m)^ *[\d.]+ .?B  20\d\d-\d\d-\d\d \d\d:\d\d  f-\w+$",
        kernel.run("fairing.images()").displays[-1]["text/plain"],
    )


def test_a_run_that_is_attached_to_has_one_card_which_says_its_handle_once(kernel):
    kernel.run("def f():\n    print('hello')\njob = fairing.submit(f)\njob.wait()")
    cell = kernel.run("%load_ext fairing\n%fairing attach {job.handle}")
    (card,) = cell.cards
    assert card["text/plain"].count("local://") == 1 and cell.text == "hello\n"
