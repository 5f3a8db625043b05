"""A log loses nothing and says nothing twice, whatever happens to connections, to the node's files and to who reads."""

import itertools
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest

import fairing
from fairing.errors import FairingError
from fairing.events import Lost, Text
from fairing.kube.connection import connect
from fairing.kube.execute import Output
from fairing.kube.watch import Watch
from tests.kube.test_job import KINDS
from tests.kube.wire import cut, wired

LINES = 100_000
READER = """
import sys, fairing
from fairing.events import Lost, Text
for event in fairing.attach(sys.argv[1]).events():
    if isinstance(event, (Text, Lost)):
        print(event.text if isinstance(event, Text) else f"lost {event.what}", end="", flush=True)
"""


def numbered():
    """Return a function that prints numbered lines; it travels by value."""

    def numbers(count, seconds):
        began = time.monotonic()
        for number in range(count):
            print("line", number)
            if number % 500 == 0:
                time.sleep(max(0.0, began + seconds * number / count - time.monotonic()))
        return count

    return numbers


def stories():
    """Return a function that prints many bytes, and waits to be told before it goes on."""
    from pathlib import Path

    def tell(counts, own="/fairing/own"):
        number = itertools.count()
        for story, count in enumerate(counts):
            for _ in range(count):
                each = next(number)
                print(each, "." * 380, file=sys.stderr if each % 10 == 0 else sys.stdout)
            sys.stdout.flush()
            while story + 1 < len(counts) and not Path(own, f"go-{story}").exists():
                time.sleep(0.05)

    return tell


def shown(events):
    """Return the numbers of the lines of each stream, and what was told to be lost."""
    text, lost = {"stdout": [], "stderr": []}, []
    for event in events:
        if isinstance(event, Text):
            text[event.stream].append(event.text)
        elif isinstance(event, Lost):
            lost.append(event.what)
    lines = {name: "".join(each).splitlines() for name, each in text.items()}
    return {name: [int(line.split()[0]) for line in each] for name, each in lines.items()}, lost


def lines(events):
    return sum(event.text.count("\n") for event in events if isinstance(event, Text))


def upto(events, count):
    """Read on until so many lines were read."""
    read = []
    while count > 0:
        read.append(next(events))
        count -= lines(read[-1:])
    return read


def numbered_to(count):
    return {"stdout": [number for number in range(count) if number % 10], "stderr": list(range(0, count, 10))}


def counted(lost, stream):
    return sum(int(count) for what in lost for count in re.findall(rf"(\d+) lines \(\d+ bytes\) of {stream}", what))


def pod(namespace):
    """Return the path of the one pod there is, once it runs."""
    reached, path = connect(namespace=namespace), KINDS["pods"].format(namespace)
    for _, each in Watch(reached, path):
        if each["status"].get("phase") == "Running":
            return reached, f"{path}/{each['metadata']['name']}"
    raise AssertionError("the watch ended")


def remove(reached, path):
    """Delete a pod, and wait until it is gone."""
    there = reached.get(path)
    reached.delete(path, gracePeriodSeconds=0)
    for gone, _ in Watch(reached, path.rpartition("/")[0], [there]):
        if gone:
            return


def say(reached, path, story):
    """Let the code in a pod go on."""
    b"".join(Output(reached, path, "fairing", ["touch", f"/fairing/own/go-{story}"]))


def log(reached, path, **query):
    answer = reached.stream(f"{path}/log", 60.0, container="fairing", **query)
    try:
        return answer.read()
    finally:
        answer.close()


def rotated(reached, path, before):
    """Wait until a node gives the log from another line on; return its beginning."""
    until = time.monotonic() + 60
    while (now := log(reached, path, limitBytes=300)) == before or not now:
        assert time.monotonic() < until, "the log was not rotated"
        time.sleep(0.2)
    return now


@contextmanager
def home(folder, monkeypatch):
    """Be on another machine, which has nothing of what this one keeps."""
    with monkeypatch.context() as patched:
        patched.setenv("FAIRING_HOME", str(folder))
        yield


@contextmanager
def through(wire, kubeconfig, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setenv("KUBECONFIG", kubeconfig)
        try:
            yield wire
        finally:
            wire.close()


def test_a_hundred_thousand_lines_come_once_each_over_a_wire_that_is_cut(there, cluster, tmp_path, monkeypatch):
    wire, kubeconfig = wired(cluster.kubeconfig, tmp_path)
    job = fairing.submit(numbered(), (LINES, 8.0))
    with through(wire, kubeconfig, monkeypatch):
        reader = fairing.attach(str(job.handle))
        with cut(wire, 7, 0.02, 0.6):
            events = list(reader.events())
    lines = "".join(event.text for event in events if isinstance(event, Text)).splitlines()
    assert lines == [f"line {number}" for number in range(LINES)]
    assert [event.what for event in events if isinstance(event, Lost)] == []
    assert wire.cuts > 5


def test_a_laptop_that_slept_goes_on_where_it_was(there, cluster, tmp_path, monkeypatch):
    def sleep():
        asleep.wait()
        wire.hold()
        wire.knocked.wait()  # nothing came for so long that whoever reads has tried again
        wire.cut()
        wire.release()

    wire, kubeconfig = wired(cluster.kubeconfig, tmp_path)
    job = fairing.submit(numbered(), (20_000, 32.0))
    asleep = threading.Event()
    sleeper = threading.Thread(target=sleep)
    with through(wire, kubeconfig, monkeypatch):
        sleeper.start()
        events = []
        for event in fairing.attach(str(job.handle)).events():
            events.append(event)
            if isinstance(event, Text):
                asleep.set()
        sleeper.join()
    lines = "".join(event.text for event in events if isinstance(event, Text)).splitlines()
    assert lines == [f"line {number}" for number in range(20_000)]


def test_what_a_node_rotates_away_is_read_whole_while_the_pod_runs_and_counted_when_it_has_ended(
    there, cluster, tmp_path, monkeypatch
):
    counts = (65_000, 65_000, 65_000, 500)
    job = fairing.submit(stories(), (counts,))
    reached, path = pod(there)
    slow = iter(job.events())  # reads a little, and is busy until the node has rotated twice
    events = upto(slow, 1)
    first = b""
    for story in range(3):
        first = rotated(reached, path, first or log(reached, path, limitBytes=300))
        if story < 2:
            say(reached, path, story)
    wire, kubeconfig = wired(cluster.kubeconfig, tmp_path)
    with home(tmp_path / "late", monkeypatch), through(wire, kubeconfig, monkeypatch), cut(wire, 7, 1.0, 3.0):
        late_events = upto(iter(fairing.attach(str(job.handle)).events()), sum(counts[:3]))
    events += upto(slow, sum(counts[:3]) - lines(events))
    assert shown(late_events) == (numbered_to(sum(counts[:3])), [])
    say(reached, path, 2)
    events += slow
    whole = numbered_to(sum(counts))
    assert shown(events) == (whole, [])
    job.wait()
    with home(tmp_path / "after", monkeypatch):
        found, lost = shown(fairing.attach(str(job.handle)).events())
    assert len(lost) == 1
    for stream, each in whole.items():
        assert found[stream] == each[len(each) - len(found[stream]) :]
        assert len(found[stream]) + counted(lost, stream) == len(each)
    assert found["stdout"] != whole["stdout"]


def test_a_kernel_that_died_and_a_pod_that_is_gone_take_nothing_along(there, tmp_path):
    job = fairing.submit(stories(), ((3000, 5000),))
    kernel = subprocess.Popen([sys.executable, "-c", READER, str(job.handle)], stdout=subprocess.PIPE)
    read = b""
    while read.count(b"\n") < 2000:
        read += os.read(kernel.stdout.fileno(), 1 << 16)
    kernel.send_signal(signal.SIGKILL)
    kernel.wait()
    kernel.stdout.close()
    reached, path = pod(there)
    say(reached, path, 0)
    assert shown(job.events()) == (numbered_to(8000), [])
    remove(reached, path)
    done = subprocess.run([sys.executable, "-c", READER, str(job.handle)], capture_output=True, text=True, check=True)
    assert sorted(int(line.split()[0]) for line in done.stdout.splitlines()) == list(range(8000))


def paced():
    """Return a function that prints numbered lines for some seconds, and the rest when it is told to."""
    from pathlib import Path

    def tell(count, seconds, go="/fairing/own/go-0"):
        began = time.monotonic()
        for number in range(count):
            print(number, "." * 40)
            if number % 100 == 0:
                time.sleep(max(0.0, began + seconds * number / count - time.monotonic()))
            while number == count - 1000 and not Path(go).exists():
                time.sleep(0.05)

    return tell


def disturbed(there, workers, seconds, disturb):
    """Follow replicas that print 100,000 lines each while something happens; return the lines and losses of each."""

    def disturbance():
        disturb()
        for reached, path in patiently(lambda: running(there)):
            patiently(lambda reached=reached, path=path: say(reached, path, 0))

    job = fairing.submit(paced(), (LINES, seconds), workers=workers)
    disturbing = threading.Thread(target=disturbance)
    events = []
    for event in job.events():
        events.append(event)
        if isinstance(event, Text) and not disturbing.ident:
            disturbing.start()
    disturbing.join()
    return [shown(event for event in events if str(event.at.source) == f"worker-{index}") for index in range(workers)]


def patiently(call):
    """Call until it works: an API server that has just started knows nobody's rights for a moment."""
    until = time.monotonic() + 30
    while True:
        try:
            return call()
        except FairingError:
            if time.monotonic() >= until:
                raise
            time.sleep(0.2)


def running(namespace):
    reached, path = connect(namespace=namespace), KINDS["pods"].format(namespace)
    return [(reached, f"{path}/{each['metadata']['name']}") for each in reached.get(path)["items"]]


@pytest.mark.restarts_cluster
@pytest.mark.parametrize("seed", [1, 2])
def test_every_line_of_every_replica_comes_once_while_the_api_server_is_killed_ten_times(there, script, seed):
    moments = random.Random(seed)

    def kill():
        for _ in range(10):
            time.sleep(moments.uniform(0.2, 2.0))
            script("program", "kill", "kube-apiserver")
            script("program", "start", "kube-apiserver")

    for found, lost in disturbed(there, 2, 40.0, kill):
        assert lost == []
        assert found["stdout"] == list(range(LINES))


@pytest.mark.restarts_cluster
def test_every_line_comes_once_while_the_kubelet_is_killed(there, script):
    def kill():
        for _ in range(3):
            script("program", "kill", "kubelet")
            time.sleep(2.0)
            script("program", "start", "kubelet")

    ((found, lost),) = disturbed(there, 1, 15.0, kill)
    assert lost == []
    assert found["stdout"] == list(range(LINES))
