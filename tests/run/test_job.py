"""A run by its handle: its logs, files and events, and waiting for it, also in an event loop."""

import asyncio
import threading
from pathlib import Path

import pytest

import fairing
from fairing import errors
from fairing.events import Files, Result, Status, Text


def test_a_result_waits_no_longer_than_asked_and_the_run_goes_on():
    def slow():
        import time

        time.sleep(60)

    job = fairing.submit(slow)
    with pytest.raises(TimeoutError, match="goes on"):
        job.result(timeout=0.2)
    assert job.status.phase in {"pending", "running"}
    job.cancel()
    with pytest.raises(errors.RunCancelled):
        job.result()


def test_a_run_that_has_ended_gives_its_value_however_short_the_wait():
    job = fairing.submit(lambda: 6)
    job.wait()
    assert fairing.attach(str(job.handle)).result(timeout=0) == 6


def test_an_option_that_following_does_not_know_is_refused_with_the_nearest():
    job = fairing.submit(lambda: 6)
    with pytest.raises(errors.ConfigError, match=r"no option 'trus'\. Did you mean 'trust'"):
        job.follow(trus=True)
    assert job.follow(trust=True) == 6


def test_a_cancelled_job_keeps_its_log():
    def talk():
        import time

        print("said", flush=True)
        time.sleep(60)

    job = fairing.submit(talk)
    for event in job.events():
        if isinstance(event, Text):
            job.cancel()
    assert job.status.phase == "cancelled"
    assert "said\n" in job.logs()


def test_logs_gives_what_was_written_so_far_and_shows_as_itself():
    def talk():
        import time

        print("first", flush=True)
        time.sleep(60)

    job = fairing.submit(talk)
    next(event for event in job.events() if isinstance(event, Text))
    assert job.logs() == "first\n"
    assert repr(job.logs()) == "first\n"
    job.cancel()


def test_logs_to_a_file_writes_all_of_it_to_its_end(tmp_path):
    def talk():
        for index in range(3000):
            print("line", index)

    path = fairing.submit(talk).logs(tmp_path / "run.log")
    assert path.read_text() == "".join(f"line {index}\n" for index in range(3000))


def test_files_are_listed_and_downloaded(tmp_path):
    def write():

        Path("model.bin").write_bytes(b"m" * 1000)
        Path("data").mkdir()
        Path("data/a.csv").write_text("a")
        Path("data/b.txt").write_text("b")

    job = fairing.submit(write)
    job.wait()
    sizes = {file.path: file.size for file in job.files()}
    assert sizes["model.bin"] == 1000 and {"data/a.csv", "data/b.txt"} <= set(sizes)
    assert job.download("*.csv", tmp_path) == (tmp_path / "data" / "a.csv",)
    assert (tmp_path / "data" / "a.csv").read_text() == "a"
    assert not (tmp_path / "data" / "b.txt").exists()


def test_only_files_that_can_be_brought_are_listed_and_none_stops_the_others(tmp_path):
    """A link that leads out, one that leads nowhere and a pipe are no files of the run."""

    def write():
        import os

        Path("model.bin").write_bytes(b"m")
        Path("latest").symlink_to("model.bin")
        Path("out").symlink_to("/etc/passwd")
        Path("nowhere").symlink_to("absent")
        os.mkfifo("pipe")

    job = fairing.submit(write)
    (told,) = (event.files for event in job.events() if isinstance(event, Files))
    assert {file.path: file.size for file in told} == {"latest": 1, "model.bin": 1}
    assert job.files() == told
    assert job.download(to=tmp_path) == (tmp_path / "latest", tmp_path / "model.bin")


def test_a_file_that_cannot_be_written_here_is_told_in_words_and_leaves_nothing(tmp_path):
    def write():

        Path("model").write_bytes(b"m")

    job = fairing.submit(write)
    job.wait()
    (tmp_path / "model").mkdir()
    with pytest.raises(
        errors.AccessError, match=r"'model' of local://.* cannot be written to .*model\. Is a directory"
    ):
        job.download(to=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_outputs_are_brought_back_also_from_a_run_that_fails(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def write():

        Path("best.txt").write_text("so far")
        raise ValueError("later")

    with pytest.raises(ValueError, match="later"):
        fairing.train(write, outputs=["best.txt", "none.*"])
    assert (tmp_path / "best.txt").read_text() == "so far"
    assert "no file that matches 'none.*'" in capsys.readouterr().out


def test_a_deleted_job_is_gone():
    job = fairing.submit(lambda: 1)
    job.wait()
    job.delete()
    job.delete()
    with pytest.raises(errors.DeployError):
        fairing.attach(str(job.handle)).status


def test_awaiting_a_job_gives_its_value_and_leaves_the_loop_free():
    def slow():
        import time

        time.sleep(0.5)
        return 7

    async def both():
        ticks = 0
        waiting = asyncio.ensure_future(_awaited(fairing.submit(slow)))
        while not waiting.done():
            ticks += 1
            await asyncio.sleep(0.02)
        return await waiting, ticks

    value, ticks = asyncio.run(both())
    assert value == 7 and ticks > 3


async def _awaited(job):
    return await job


def test_awaiting_a_job_that_fails_raises_its_exception():
    def fail():
        raise KeyError("depth")

    with pytest.raises(KeyError, match="depth"):
        asyncio.run(_awaited(fairing.submit(fail)))


def test_events_come_in_order_in_an_event_loop_and_leaving_early_leaves_no_thread():
    def talk():
        import time

        for index in range(1000):
            print(index)
        time.sleep(60)

    job = fairing.submit(talk)

    async def some():
        text = ""
        events = aiter(job)
        async for event in events:
            if isinstance(event, Text):
                text += event.text
            if text.endswith("999\n"):
                break
        await events.aclose()
        return text

    assert asyncio.run(some()) == "".join(f"{index}\n" for index in range(1000))
    for thread in threading.enumerate():
        if thread.name.startswith("fairing-follow"):
            thread.join(10)
            assert not thread.is_alive()
    job.cancel()


def test_a_job_shows_what_is_known_without_asking_anybody():
    job = fairing.submit(lambda: 1)
    job.wait()
    job.delete()  # nothing is left that could be asked
    assert repr(job) == f"Job('{job.handle}', done)"
    assert "done in" in job._repr_mimebundle_()["text/plain"]
    assert "●" in job._repr_mimebundle_()["text/html"]


def test_every_event_of_a_run_is_given_and_the_end_is_among_them():
    events = list(fairing.submit(lambda: print("hi") or 4).events())
    assert [event.text for event in events if isinstance(event, Text)] == ["hi\n"]
    assert [type(event) for event in events if isinstance(event, Result)] == [Result]
    assert [event.phase for event in events if isinstance(event, Status)][-1] == "succeeded"


def test_html_of_a_failed_job_escapes_what_the_run_said():
    def fail():
        raise ValueError("<script>")

    job = fairing.submit(fail)
    job.wait()
    assert "<script>" not in job._repr_mimebundle_()["text/html"]
