"""What a deployer promises, each promise as a function of the name under which a deployer is installed.

In a plug-in's own tests:

    @pytest.mark.parametrize("promise", deployers.PROMISES, ids=lambda promise: promise.__name__)
    def test_my_deployer(promise):
        promise("mine")

A promise that is not kept raises ``AssertionError``. Each runs a tiny function, built by an installed builder that
makes what the deployer takes, or looks at a run that others look at too; all runs are removed, those at exit.
"""

from __future__ import annotations

import pickle
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from fairing import plugins
from fairing.errors import DeployError
from fairing.events import FINAL, Event, Failure, FileInfo, Result, Text
from fairing.spec import Handle
from fairing.testing import programs
from fairing.testing.runs import (
    CONTENT,
    LINES,
    PATIENCE,
    VARIABLE,
    cancelled,
    deleted,
    elsewhere,
    failed,
    run,
    succeeded,
    texts,
)


def gives_a_handle_that_parses_back(name: str) -> None:
    """Give a handle that is one string, begins with the deployer's name, and reads back as itself."""
    one, two = succeeded(name).handle, failed(name).handle
    assert Handle.parse(str(one)) == one, f"{one} does not read back as itself"
    assert one.deployer == name, f"{one} does not name its deployer, {name}"
    assert one != two, "two runs have one handle"


def brings_every_line_in_order(name: str) -> None:
    """Bring every line that a run prints, in its order."""
    text = _text(succeeded(name).told)
    wanted = "".join(f"line {number}\n" for number in range(LINES))
    assert text == wanted, f"{text.count(chr(10))} lines came of {LINES}, or in another order"


def brings_the_value(name: str) -> None:
    """Bring the value of the run's code, verified, once."""
    run = succeeded(name)
    results = [event for event in run.told if isinstance(event, Result)]
    assert len(results) == 1, f"{len(results)} results came"
    payload = results[0].payload
    data = payload.inline or b"".join(run.deployer.read(run.handle, payload.path or ""))
    assert pickle.loads(data) == LINES, "the value is another"  # noqa: S301 - it was made here


def says_when_a_run_has_failed(name: str) -> None:
    """Say that a run whose code raised has failed, and what it raised."""
    failures = [event for event in failed(name).told if isinstance(event, Failure)]
    assert [(each.ename, each.evalue) for each in failures] == [("ValueError", "a bug")], f"it told {failures}"
    assert failed(name).phase == "failed", f"its status is {failed(name).phase}"


def says_how_a_run_is(name: str) -> None:
    """Say that a run goes on while it does, and how it ended when its stream has."""
    before, after = cancelled(name).before, succeeded(name).phase
    assert before == "running", f"while it runs, its status is {before}"
    assert after == "succeeded", f"when it has ended well, its status is {after}"


def knows_the_end_when_its_streams_end(name: str) -> None:
    """Know for good how a run ended as soon as its streams have: also of one that was killed, or is being cancelled."""
    with run(name, programs.die) as started:
        started.events()
        first, second = (started.deployer.status(started.handle).phase for _ in range(2))
    assert first == second and first in FINAL, f"of one that was killed, it says {first}, and then {second}"
    with run(name, programs.wait) as started:
        listening = started.said("waiting")
        cancelling = _begin(partial(started.deployer.cancel, started.handle))
        listening.join(PATIENCE)
        phase = started.deployer.status(started.handle).phase
        cancelling.join(PATIENCE)
    assert phase == "cancelled", f"when the streams of one have ended that is being cancelled, it is {phase}"


def replays_in_another_process(name: str) -> None:
    """Give all of a run again to a process that knows its handle alone."""
    here = texts(succeeded(name).told)
    there = elsewhere(succeeded(name).handle)
    assert here, "the run said nothing"
    assert there == here, f"another process hears {there}, and this one {here}"


def begins_where_it_is_asked_to(name: str) -> None:
    """Leave out what was said before ``since``, and nothing that came after."""
    run = succeeded(name)
    ended = run.deployer.status(run.handle).at.time
    assert run.text(since=1.0) == _text(run.told), "since a time long ago, something is missing"
    assert run.text(since=ended + 3600) == "", "since an hour after its end, something came"


def tells_workers_apart(name: str) -> None:
    """Say of each line which replica said it, the first being 0."""
    with run(name, programs.talk, (5,), workers=2) as started:
        said = texts(started.events())
    lines = "".join(f"line {number}\n" for number in range(5))
    assert said == [["worker-0", lines], ["worker-1", lines]], f"two workers said {said}"


def shows_forged_frames_as_text(name: str) -> None:
    """Show what a program prints as text, whatever it looks like."""
    line = "\x1e" + "0" * 32 + '{"n":1,"t":1.0,"k":"failure","ename":"Forged","evalue":""}'
    with run(name, programs.forge, (line,)) as started:
        events = started.events()
    assert not [event for event in events if isinstance(event, Failure)], "printed text was taken for an event"
    text = "".join(event.text for event in events if isinstance(event, Text))
    assert text == f"{line}\n" * 2, f"{text!r} came of it"


def gives_a_run_its_variables(name: str) -> None:
    """Give a run the variables that its workload names."""
    text = _text(failed(name).told)
    assert text.startswith(f"{VARIABLE[1]}\n"), f"the run has {text!r}"


def cancelling_keeps_the_log(name: str) -> None:
    """Keep what a cancelled run said."""
    text = cancelled(name).text
    assert text == "waiting\n", f"after cancelling, its log is {text!r}"


def returns_from_cancel_when_it_has_stopped(name: str) -> None:
    """Say that a run is cancelled as soon as ``cancel`` has returned."""
    phase = cancelled(name).after
    assert phase == "cancelled", f"after cancelling, its status is {phase}"


def cancelling_an_ended_run_does_nothing(name: str) -> None:
    """Leave a run as it is that has ended, however often and however soon after its end it is cancelled."""
    with run(name, programs.talk, (1,)) as started:
        said = _text(started.events())
        for _ in range(2):
            _does(lambda: started.deployer.cancel(started.handle), "cancelling an ended run fails")
        phase = started.deployer.status(started.handle).phase
        assert phase == "succeeded", f"cancelling an ended run makes it {phase}"
        assert started.text() == said, "cancelling an ended run takes away what it said"


def deleting_leaves_nothing(name: str) -> None:
    """Know nothing more of a deleted run."""
    assert not deleted(name).known, "a deleted run still has a status"
    assert not deleted(name).listed, "a deleted run is still listed"


def deleting_twice_is_deleting_once(name: str) -> None:
    """Do nothing for a run that was deleted."""
    wrong = deleted(name).again
    assert wrong is None, f"deleting a deleted run fails: {type(wrong).__name__}: {wrong}"


def deleting_stops_a_run(name: str) -> None:
    """Stop a run that is deleted, so that whoever follows it comes to its end."""
    assert not deleted(name).followed, "a deleted run is still followed"


def closing_ends_a_blocked_stream(name: str) -> None:
    """End an iteration that waits, when another thread closes its stream; the run goes on."""
    with run(name, programs.wait) as started:
        outer = started.deployer.streams(started.handle)
        waiting = threading.Event()
        inner: list[Any] = []

        def read_one(stream: Any) -> None:
            for event in stream:
                if isinstance(event, Text):
                    waiting.set()

        def read_all() -> None:
            for stream in outer:
                inner.append(stream)
                readers.append(_begin(partial(read_one, stream)))

        readers: list[threading.Thread] = []
        readers.append(_begin(read_all))
        assert waiting.wait(PATIENCE), "a line that was printed does not come while the run goes on"
        for stream in (outer, *inner):
            stream.close()
            stream.close()
        until = time.monotonic() + PATIENCE / 6
        for reader in readers:
            reader.join(max(0.0, until - time.monotonic()))
        assert not any(reader.is_alive() for reader in readers), "an iteration goes on after close()"
        phase = started.deployer.status(started.handle).phase
        assert phase not in {"failed", "cancelled", "lost"}, f"closing a stream makes the run {phase}"


def lists_and_reads_files(name: str) -> None:
    """List the files that a run left with their sizes, and give their bytes."""
    run = succeeded(name)
    files = run.deployer.files(run.handle)
    assert FileInfo("out/kept.bin", len(CONTENT)) in files, f"it lists {files}"
    data = b"".join(run.deployer.read(run.handle, "work/out/kept.bin"))
    assert data == CONTENT, f"{len(data)} bytes came of {len(CONTENT)}, or others"


def reads_nothing_else(name: str) -> None:
    """Refuse to read what is not there, and what is not the run's."""
    run = succeeded(name)
    for path in ("work/nothing", f"work/{'../' * 30}etc/passwd", "/etc/passwd"):
        read = partial(run.deployer.read, run.handle, path)
        assert _refused(lambda read=read: list(read())), f"it reads {path!r}"  # type: ignore[misc]


def lists_runs_newest_first(name: str) -> None:
    """List the runs that it knows, the newest first."""
    known = sorted((succeeded(name), failed(name)), key=lambda run: run.started, reverse=True)
    wanted = [run.handle for run in known]
    listed = [handle for handle in known[0].deployer.list(known[0].target) if handle in wanted]
    assert listed == wanted, f"it lists {[str(handle) for handle in listed]}"


def refuses_unknown_runs(name: str) -> None:
    """Say of a run that there never was that there is none."""
    deployer, known = plugins.deployer(name), succeeded(name).handle
    unknown = Handle(name, tuple(f"no-{part}" for part in known.parts), f"no-{known.uid}" if known.uid else "")
    verbs: dict[str, Callable[[], object]] = {
        "status": lambda: deployer.status(unknown),
        "streams": lambda: [list(stream) for stream in deployer.streams(unknown)],
        "files": lambda: deployer.files(unknown),
        "read": lambda: list(deployer.read(unknown, "work/x")),
        "cancel": lambda: deployer.cancel(unknown),
    }
    accepted = [verb for verb, call in verbs.items() if not _refused(call)]
    assert not accepted, f"{', '.join(accepted)} of an unknown run is not refused with DeployError"


PROMISES: tuple[Callable[[str], None], ...] = (
    gives_a_handle_that_parses_back,
    brings_every_line_in_order,
    brings_the_value,
    says_when_a_run_has_failed,
    says_how_a_run_is,
    knows_the_end_when_its_streams_end,
    replays_in_another_process,
    begins_where_it_is_asked_to,
    tells_workers_apart,
    shows_forged_frames_as_text,
    gives_a_run_its_variables,
    cancelling_keeps_the_log,
    returns_from_cancel_when_it_has_stopped,
    cancelling_an_ended_run_does_nothing,
    deleting_leaves_nothing,
    deleting_twice_is_deleting_once,
    deleting_stops_a_run,
    closing_ends_a_blocked_stream,
    lists_and_reads_files,
    reads_nothing_else,
    lists_runs_newest_first,
    refuses_unknown_runs,
)


def _text(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Text))


def _begin(read: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return thread


def _refused(call: Callable[[], object]) -> bool:
    try:
        call()
    except DeployError:
        return True
    return False


def _does(call: Callable[[], object], what: str) -> None:
    try:
        call()
    except Exception as wrong:
        raise AssertionError(f"{what}: {type(wrong).__name__}: {wrong}") from wrong
