"""Runs images as Jobs of Kubernetes (batch/v1): no operator, and only the rights of somebody who may edit a namespace.

    objects    the Secret, the ConfigMaps and the Job of a run       status    a Job and its pods in our words
    found      one by its handle, from any machine                   inside    what is asked of a pod that runs
    streams    follows one
    sidecars   what others put into its pods                         pulling   with which Secrets its pods pull
    waiting    what it waits for                                     told      what is told of it as a whole

Everything that is asked of a run is asked of the cluster, so any process that reaches it can ask.
https://kubernetes.io/docs/concepts/workloads/controllers/job/
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

from fairing.artifacts import stores
from fairing.errors import DeployError, FairingError
from fairing.events import FINAL, Event, FileInfo, Source, Stamp, Status
from fairing.kube import access, connection, here
from fairing.pod import Pod
from fairing.ports import Reporter, Stream
from fairing.spec import BuiltImage, Destination, Finding, Handle, Target, Workload
from fairing_deployers.job import (
    found,
    inside,
    keeping,
    objects,
    pulling,
    sidecars,
    status,
    stored,
    waiting,
)


class JobDeployer:
    """Jobs in a namespace of a cluster."""

    takes: frozenset[Destination] = frozenset({"registry", "inline"})

    def check(self, workload: Workload, target: Target) -> None:
        """Refuse what may not be done there.

        Raises:
            AccessError: The cluster cannot be reached, or the user may not make Jobs there.
            ConfigError: There is no such cluster, or what the run leaves cannot be kept where it is to be.
        """
        stores.settled(workload, target)
        objects.check(connection.to(target), workload)

    def base(self, target: Target) -> tuple[str, str]:
        """Say which image runs stand on: in a notebook pod its own, which has what the notebook has."""
        return here.image(connection.to(target))

    def examine(self, target: Target) -> Iterator[Finding]:
        """Say who the user is on that cluster, and what they may do there."""
        reached = connection.to(target)
        found = tuple(access.findings(reached, objects.NEEDED))
        yield from found
        if all(each.good for each in found if each.name == "cluster"):
            yield from keeping.findings(reached)
        if said := sidecars.left_out(reached, Pod()):
            yield Finding("sidecar", said)
        yield from pulling.findings(reached, target)

    def deploy(self, image: BuiltImage, workload: Workload, target: Target, report: Reporter) -> Handle:
        """Make the Job and what it mounts; on failure nothing is left."""
        reached = connection.to(target)
        workload = pulling.fitted(reached, image, workload)
        handle = objects.create(reached, image, workload, report, stores.settled(workload, target))
        for said in filter(None, (sidecars.left_out(reached, workload.pod), pulling.said(workload.pod))):
            report(Status(Stamp(Source("run"), time.time()), "pending", said))
        return handle

    def status(self, handle: Handle) -> Status:
        """Read how the run is from its Job."""
        reached, job = found.find(handle)
        pods = status.pods(reached, job)
        now = status.of(job, pods)
        if now.phase in FINAL:
            return now
        situation = waiting.now(reached, job, pods)
        return replace(now, phase=situation.phase, reason=str(situation.why))

    def streams(self, handle: Handle, since: float | None = None) -> Stream[Stream[Event]]:
        """Follow the Job, and the log of each of its pods."""
        from fairing_deployers.job.streams import Replicas

        reached, job = found.find(handle)
        return Replicas(reached, job, since)

    def read(self, handle: Handle, path: str) -> Stream[bytes]:
        """Read a file out of the pod that has it, while there is one."""
        reached, job = found.find(handle)
        return inside.read(reached, job, handle, path)

    def files(self, handle: Handle) -> tuple[FileInfo, ...]:
        """List the working folder of the first pod, while there is one."""
        reached, job = found.find(handle)
        return inside.files(reached, job, handle)

    def list(self, target: Target) -> tuple[Handle, ...]:
        """List the Jobs that fairing made in the namespace."""
        return objects.every(connection.to(target))

    def cancel(self, handle: Handle) -> None:
        """End the pods' processes, and keep the Job, its pods and their logs."""
        reached, job = found.find(handle)
        inside.cancel(reached, job)

    def delete(self, handle: Handle) -> None:
        """Cancel the run, and delete what it put into its store, and its Job with all that it owns."""
        try:
            reached, job = found.find(handle)
        except DeployError:
            return
        inside.cancel(reached, job)
        left: FairingError | None = None
        try:
            stored.remove(reached, job)
        except FairingError as wrong:
            left = wrong
        objects.delete(reached, job)
        inside.forget(job)
        if left is not None:
            raise DeployError(f"{handle} is deleted, and what it put into its store is not.", why=str(left)) from left
