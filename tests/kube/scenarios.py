"""Runs that do not go on, each made on the real cluster: where they happen, and what is told of them."""

import http.client
import json
import struct
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

import fairing
from fairing import plugins
from fairing.events import FINAL, Failure, Status
from fairing.kube.connection import Refused, connect
from fairing.kube.watch import Watch
from fairing.run.job import Job
from fairing.spec import Group, Resources, Target, Workload

PATIENCE = 120.0
PUSH = Path(__file__).parent.parent / "cluster" / "images" / "push_image.py"
PROGRAMS = {
    "hello": "print('hello')",
    "forever": "import signal\nprint('here', flush=True)\nsignal.pause()",
    "memory": "import time\nheld = b'x' * 60_000_000\ntime.sleep(11)\nmore = [b'x' * 10_000_000 for _ in range(20)]",
    "disk": "import signal\nopen('/tmp/much', 'wb').write(b'x' * 60_000_000)\nsignal.pause()",
}


@dataclass
class Told:
    """What was told of a run: each state it was in, what went wrong, what is raised, what another process is told."""

    states: list[Status] = field(default_factory=list)
    failure: Failure | None = None
    error: BaseException | None = None
    elsewhere: Status | None = None
    again: Any = None

    @property
    def reasons(self):
        """The reasons it was given while it waited."""
        return [state.reason for state in self.states]

    @property
    def phases(self):
        """The phases it was in, one after the other."""
        phases = [state.phase for state in self.states]
        return [phase for at, phase in enumerate(phases) if not at or phases[at - 1] != phase]


@dataclass
class Place:
    """A namespace of a scenario's own, and the programs that runs there may be."""

    cluster: Any
    programs: Path
    images: dict[str, str]
    level: str = "restricted"
    namespace: str = field(default_factory=lambda: f"test-{uuid4().hex[:8]}")

    def __enter__(self):
        labels = {"pod-security.kubernetes.io/enforce": self.level}
        self.post("/api/v1/namespaces", {"metadata": {"name": self.namespace, "labels": labels}})
        self.post(f"/api/v1/namespaces/{self.namespace}/serviceaccounts", {"metadata": {"name": "default"}})
        return self

    def __exit__(self, *_):
        self.reached.delete(f"/api/v1/namespaces/{self.namespace}")

    @cached_property
    def reached(self):
        return connect(self.cluster.context, self.namespace)

    def post(self, path, body):
        """Make an object; one that is there already is as good."""
        try:
            return self.reached.post(path, body)
        except Refused as refused:
            if refused.status != 409:
                raise

    def make(self, kind, body):
        """Make an object in the namespace."""
        return self.post(f"/api/v1/namespaces/{self.namespace}/{kind}", body)

    @property
    def target(self):
        where = {"context": self.cluster.context, "namespace": self.namespace, "image": self.cluster.image}
        return Target("cluster", "job", "inline", **where)

    def submit(self, program="hello", **options):
        """Start a run as a person does."""
        return fairing.submit(str(self.programs / f"{program}.py"), target=self.target, **options)

    def deploy(self, image, **workload):
        """Start a run from any image at all."""
        built = replace(fairing.build(str(self.programs / "hello.py"), target=self.target), ref=image)
        work = Workload("hello", (Group(resources=Resources()),), **workload)
        return Job(plugins.deployer("job").deploy(built, work, self.target, lambda event: None))


def ended(job):
    """Follow a run to its end."""
    told = Told()
    for event in _events(job):
        if isinstance(event, Status):
            told.states.append(event)
        elif isinstance(event, Failure) and event.at.source.role == "run":
            told.failure = event
    told.elsewhere = fairing.attach(str(job.handle)).status
    try:
        job.result()
    except BaseException as error:  # noqa: BLE001 - it is what is looked at
        told.error = error
    return told


def seen(job, *words):
    """Follow a run until a reason has each of these words, one after the other; it is still going on then."""
    told, left = Told(), list(words)
    for event in _events(job):
        if isinstance(event, Status):
            told.states.append(event)
            while left and (left[0] in event.reason or event.phase == left[0]):
                del left[0]
            if not left or event.phase in FINAL:
                break
    told.elsewhere = fairing.attach(str(job.handle)).status
    return told


def _events(job):
    until = time.monotonic() + PATIENCE
    beats = job.beats(1.0)
    try:
        for event in beats:
            if event is not None:
                yield event
            assert time.monotonic() < until, "nothing was told of it that ends it"
    finally:
        beats.close()


def quota(reached, body):
    """Make a quota, and wait until it counts."""
    path = f"/api/v1/namespaces/{reached.namespace}/resourcequotas"
    made = reached.post(path, body)
    for _, each in Watch(reached, path, [made]):
        if each.get("status", {}).get("hard"):
            return


def broken(registry, folder):
    """Push images that do not start; return their names."""
    said = folder / "said"
    said.write_text("#!/bin/sh\necho 'python: cannot load libpython' >&2\nexit 127\n")
    alien = folder / "alien"  # the start of a program for another processor
    header = struct.pack("<HHIQQQIHHHHHH", 2, 183, 1, 0x400000, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    alien.write_bytes(
        b"\x7fELF\x02\x01\x01" + bytes(9) + header + struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, 120, 120, 4096)
    )
    named = {}
    for file in (said, alien):
        file.chmod(0o755)
        named[file.name] = f"{registry}/fairing-tests/{file.name}:1"
        command = [PUSH, named[file.name], "--from", f"{registry}/busybox:1.35", "--file", f"{file}=/bin/python"]
        subprocess.run([sys.executable, *command], check=True, capture_output=True)
    return {**named, "foreign": _foreign(registry)}


def _foreign(registry):
    """Push an index that has an image for another platform alone."""
    kind = "application/vnd.oci.image.manifest.v1+json"
    connection = http.client.HTTPConnection(registry)
    path = "/v2/fairing-tests/said/manifests"
    connection.request("GET", f"{path}/1", headers={"Accept": kind})
    answer = connection.getresponse()
    size = len(answer.read())
    manifest = {
        "mediaType": kind,
        "digest": answer.headers["Docker-Content-Digest"],
        "size": size,
        "platform": {"os": "linux", "architecture": "s390x"},
    }
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [manifest]}
    connection.request("PUT", f"{path}/foreign", json.dumps(index), {"Content-Type": index["mediaType"]})
    assert connection.getresponse().status == 201
    connection.close()
    return f"{registry}/fairing-tests/said:foreign"


def side_by_side(made, cluster, folder):
    """Make every scenario happen at once; return what becomes of each, by their names."""
    for name, text in PROGRAMS.items():
        (folder / f"{name}.py").write_text(text)
    images = broken(cluster.registry, folder)
    with Place(cluster, folder, images) as place:
        fairing.build(str(folder / "hello.py"), target=place.target)  # which asks the image once for all

    def happen(scenario):
        with Place(cluster, folder, images) as place:
            return scenario(place)

    with ThreadPoolExecutor(len(made)) as pool:
        return {name: pool.submit(happen, scenario) for name, scenario in made.items()}
