"""The objects of a run: each is made here, and deleted here.

The Secrets and the ConfigMaps are made first, since the pods mount them; then the Job; then they are given to it, so
that whoever deletes the Job deletes all. What is left of a client that died in between is swept by the next one.
"""

from __future__ import annotations

import base64
import io
import json
import os
import re
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from fairing.artifacts.stores import Store
from fairing.errors import DeployError, FairingError
from fairing.events import Source, Stamp, Status
from fairing.kube import access, beside, pods, probe, volumes
from fairing.kube.beside import Thing
from fairing.kube.connection import Connection
from fairing.kube.watch import Watch
from fairing.oci.layer import PLACES, order, write
from fairing.ports import Reporter
from fairing.run.runner import told
from fairing.runtime import library
from fairing.runtime.pod import HOME
from fairing.spec import BuiltImage, Entry, File, Handle, Workload
from fairing.words import size
from fairing_deployers.job import keeping, stored

CANCELLED = "fairing/cancelled"
"""The annotation of a Job that somebody cancelled."""

OUTPUTS = "fairing/outputs"
"""The annotation with the files that are to be brought back: a JSON list of globs."""

STARTS = "fairing/start-timeout"
"""The annotation with the seconds that a run may wait until it starts."""

REASON = "fairing/not-started"
"""The annotation of a Job that was given up before it started: why, in words."""

QUEUE = "kueue.x-k8s.io/queue-name"
"""The label by which Kueue knows a Job: it resumes it when there is room.
https://kueue.sigs.k8s.io/docs/tasks/run/jobs/"""

_KEEP = 7 * 24 * 3600
"""Seconds that a Job that has ended, its pods and their logs are kept."""

NEEDED: tuple[access.Right, ...] = (
    ("create", "batch", "jobs"),
    ("watch", "batch", "jobs"),
    ("patch", "batch", "jobs"),
    ("delete", "batch", "jobs"),
    ("create", "", "secrets"),
    ("get", "", "secrets"),
    ("patch", "", "secrets"),
    ("patch", "", "configmaps"),
    ("create", "", "configmaps"),
    ("watch", "", "pods"),
    ("get", "", "pods/log"),
)
"""What a user has to be allowed."""

_SERVICE: access.Right = ("create", "", "services")
"""What they have to be allowed besides for a run of several workers."""

_UNBUILT = BuiltImage("", Entry("function", "", "", ""), "", ref="not-built-yet")
_MOST = 16 << 20
"""Bytes of arguments: the cluster keeps them in its own database."""

_PIECE = 900 << 10
"""Bytes of one object of the cluster, which has a mebibyte at most."""

KILLED = [128 + number for number in (4, 6, 7, 8, 9, 11, 15)]
"""Exit codes of processes that were killed: these may run again, and a failure of the user's own code never does."""


def check(reached: Connection, workload: Workload) -> None:
    """Ask the cluster whether this user may make what a run needs.

    Raises:
        AccessError: They may not.
        DeployError: The arguments are too large to travel beside the image.
    """
    octets = sum(file.size() for file in workload.inputs)
    if octets > _MOST:
        raise DeployError(
            f"The arguments ({size(octets)}) are too large to travel to a cluster.",
            why=f"They travel in Secrets, and at most {size(_MOST)} do.",
            fix="Load the data inside the function, from a file (include=[…]) or from storage.",
        )
    several = [_SERVICE] if workload.groups[0].count > 1 else []
    access.refuse(reached, (*(right for right in NEEDED if right[0] == "create"), *several))
    if workload.pod.said():  # what only the cluster can judge is judged before anything is built
        reached.admit(_jobs(reached), manifest(_name(workload.name), _UNBUILT, workload, [], []))


def create(
    reached: Connection, image: BuiltImage, workload: Workload, report: Reporter, store: Store | None = None
) -> Handle:
    """Make a run's objects; on failure none is left."""
    name = _name(workload.name)
    secret, *inputs = _secrets(name, workload)
    mounts = [beside.shared(file, name) for file in (*image.mounts, *_compiled(image))]
    if store is not None:
        store = {**store, "run": name}
    settings, less = keeping.told(reached, workload, store)
    described = _description(name, image, workload, settings)
    things = [secret, described, *inputs, *mounts]
    holding = [each.name for each in (secret, *inputs) if pods.PIECE in each.data]
    body = manifest(name, image, workload, holding, [each.name for each in mounts])
    if store is not None:
        body["metadata"]["annotations"][stored.STORE] = json.dumps(store)
    with beside.placed(reached, things):
        try:
            job = reached.post(_jobs(reached), body)
            owner = beside.reference(job)
            if workload.groups[0].count > 1:
                reached.post(f"/api/v1/namespaces/{reached.namespace}/services", _service(name, owner), bare=True)
            beside.give(reached, things, owner)
        except BaseException:
            with suppress(FairingError):
                reached.delete(f"{_jobs(reached)}/{name}", propagationPolicy="Background")
            raise
    where = f"Job {name} in the namespace {reached.namespace} of {reached.context}"
    report(Status(Stamp(Source("run"), time.time()), "pending", f"{where}; {less}" if less else where))
    beside.sweep(reached, lambda: _every(reached))  # while the pod starts
    return Handle("job", (reached.context, reached.namespace, "job", name), job["metadata"]["uid"])


def _compiled(image: BuiltImage) -> Iterator[File]:
    """Give the bytecode that an image's base lacks, where that was asked before what it has."""
    if image.base and (given := probe.library(image.base)):
        yield File(library.NAME, given)


def manifest(
    name: str, image: BuiltImage, workload: Workload, inputs: Sequence[str], mounts: Sequence[str]
) -> dict[str, Any]:
    """Return a run's Job.

    Args:
        name: The run's name.
        image: What its pods run.
        workload: How.
        inputs: The Secrets that hold what travels beside the image, a piece each.
        mounts: The ConfigMaps that hold what the image has not.
    """
    group, pod = workload.groups[0], workload.pod
    deadline = {"activeDeadlineSeconds": max(1, round(workload.timeout))} if workload.timeout else {}
    starts = {STARTS: f"{workload.start_timeout:g}"} if workload.start_timeout else {}
    queue = {QUEUE: pod.queue} if pod.queue else {}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "labels": {**dict(pod.labels), **queue, beside.OURS: "fairing", pods.RUN: name},
            "annotations": {**dict(pod.annotations), OUTPUTS: json.dumps(workload.outputs), **starts},
        },
        "spec": {
            **({"suspend": True} if pod.suspend or queue else {}),
            "completionMode": "Indexed",
            "completions": group.count,
            "parallelism": group.count,
            "backoffLimit": workload.retries,
            "ttlSecondsAfterFinished": _KEEP if pod.ttl is None else pod.ttl,
            "podFailurePolicy": {
                "rules": [
                    {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
                    {
                        "action": "FailJob",
                        "onExitCodes": {"containerName": pods.CONTAINER, "operator": "NotIn", "values": KILLED},
                    },
                ]
            },
            **deadline,
            "template": pods.template(name, image, workload, group, inputs, mounts),
        },
    }


def every(reached: Connection) -> tuple[Handle, ...]:
    """Return the handles of fairing's Jobs in a namespace, newest first."""
    jobs = sorted(_every(reached), key=lambda job: str(job["metadata"]["creationTimestamp"]), reverse=True)
    return tuple(
        Handle("job", (reached.context, reached.namespace, "job", job["metadata"]["name"]), job["metadata"]["uid"])
        for job in jobs
    )


def change(reached: Connection, job: dict[str, Any], changes: dict[str, Any]) -> None:
    """Change a Job."""
    reached.patch(f"{_jobs(reached)}/{job['metadata']['name']}", changes)


def delete(reached: Connection, job: dict[str, Any]) -> None:
    """Delete a Job, and return when it is gone; its pods, its Secrets and its ConfigMaps go with it."""
    reached.delete(f"{_jobs(reached)}/{job['metadata']['name']}", propagationPolicy="Foreground")
    for gone, _ in Watch(reached, _jobs(reached), [job], fieldSelector=f"metadata.name={job['metadata']['name']}"):
        if gone:
            return


def key(reached: Connection, job: dict[str, Any]) -> bytes:
    """Return the key that a run's messages are signed with."""
    secret = reached.get(f"/api/v1/namespaces/{reached.namespace}/secrets/{job['metadata']['name']}")
    return base64.b64decode(secret["data"]["key"])


def _jobs(reached: Connection) -> str:
    return f"/apis/batch/v1/namespaces/{reached.namespace}/jobs"


def _name(stem: str) -> str:
    """Return a new name: pods add an index and six characters, and all of it is a label of a host's name."""
    plain = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:40].strip("-") or "run"
    return f"{plain if plain[0].isalpha() else 'run-' + plain}-{secrets.token_hex(4)}"


def _every(reached: Connection) -> list[dict[str, Any]]:
    jobs = reached.get(_jobs(reached), labelSelector=f"{beside.OURS}=fairing")["items"]
    return [{"apiVersion": "batch/v1", "kind": "Job", **job} for job in jobs]  # what is listed does not say it itself


def _secrets(name: str, workload: Workload) -> list[Thing]:
    """Return the Secret of a run, and those that hold what travels beside the image and is too large for it."""
    values = {key: os.environ[variable].encode() for key, variable in volumes.values(workload.secrets)}
    packed = io.BytesIO()
    write(sorted(workload.inputs, key=order), packed)
    data = packed.getvalue()
    own = {"key": secrets.token_bytes(32), **values}
    if len(data) + sum(map(len, values.values())) <= _PIECE:  # nearly always: one object less to make
        return [Thing("secrets", name, name, {**own, pods.PIECE: data})]
    return [
        Thing("secrets", name, name, own),
        *(
            Thing("secrets", f"{name}-inputs-{number}", name, {pods.PIECE: data[at : at + _PIECE]})
            for number, at in enumerate(range(0, len(data), _PIECE))
        ),
    ]


def _description(name: str, image: BuiltImage, workload: Workload, settings: dict[str, Any]) -> Thing:
    described = {
        **told(image, workload),
        "code": f"/{PLACES['code']}",
        "data": list(image.data),
        "role": workload.groups[0].role,
        "env": {"HOME": HOME, "FAIRING_RUN": name, **dict(image.env), **dict(workload.env)},
        **settings,
    }
    return Thing("configmaps", name, name, {"run.json": json.dumps(described).encode()})


def _service(name: str, owner: dict[str, str]) -> dict[str, Any]:
    """Return what gives each pod a name of its own, from before it is ready: ``train-1f3a-0.train-1f3a``."""
    return {
        "metadata": {
            "name": name,
            "labels": {beside.OURS: "fairing", pods.RUN: name},
            "ownerReferences": [owner],
        },
        "spec": {"clusterIP": "None", "publishNotReadyAddresses": True, "selector": {pods.RUN: name}},
    }
