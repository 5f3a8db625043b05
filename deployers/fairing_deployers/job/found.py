"""Finds a run by its handle, on the cluster that has it: whichever context leads there from this machine."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from fairing.errors import AccessError, ConfigError, DeployError, FairingError
from fairing.kube.connection import Connection, Refused, Unreachable, connect
from fairing.spec import Handle

_SOON = 5.0
"""Seconds that a cluster has to answer."""

_PAUSE = 0.5


def find(handle: Handle) -> tuple[Connection, dict[str, Any]]:
    """Return a run's Job, and the way to its cluster: by the handle's context, else by the current one.

    Other machines call a cluster otherwise, or call another so. It is the right one where a Job has the handle's uid.

    Raises:
        DeployError: There is no such run.
        AccessError: A cluster that may have it does not answer.
        ConfigError: No cluster is known here.
    """
    try:
        context, namespace, _, name = handle.parts
    except ValueError:
        raise DeployError(
            f"{handle} is not the handle of a Job.", fix="fairing.jobs() lists those there are."
        ) from None
    ways = list(_ways(context, namespace))
    until = time.monotonic() + _SOON
    while True:
        wrong: dict[str, FairingError] = {}
        for reached in ways:
            try:
                job = reached.get_soon(f"/apis/batch/v1/namespaces/{namespace}/jobs/{name}", _SOON)
                if handle.uid in {"", job["metadata"]["uid"]}:
                    return reached, job
                wrong[reached.context] = _none(handle, reached, "Another run has its name now.")
            except Refused as refused:
                gone = _none(handle, reached, "It was deleted, or never was there.")
                wrong[reached.context] = gone if refused.status == 404 else refused
            except AccessError as refused:
                wrong[reached.context] = refused
        if time.monotonic() > until or not any(isinstance(error, Unreachable) for error in wrong.values()):
            raise _refusal(handle, wrong)
        time.sleep(_PAUSE)  # its API server may be starting again


def _ways(context: str, namespace: str) -> Iterator[Connection]:
    """Give the ways that may lead to a run; the last of them has to be one."""
    first = None
    try:
        first = connect(context, namespace)
        yield first
    except ConfigError:  # it is not known here
        pass
    try:
        current = connect(None, namespace)
    except ConfigError:
        if first is None:
            raise
        return
    if first is None or (current.context, current.host) != (first.context, first.host):
        yield current


def _refusal(handle: Handle, wrong: dict[str, FairingError]) -> FairingError:
    """Say what came of every way: where one did not answer, the run may be there."""
    if len(wrong) == 1 and handle.parts[0] in wrong:
        return next(iter(wrong.values()))
    silent = any(not isinstance(error, NoSuchRun) for error in wrong.values())
    return (AccessError if silent else NoSuchRun)(
        f"The run {handle.parts[-1]} of {handle.parts[0]!r} is not found from here.",
        why=f"{'; '.join(f'{context}: {error.what}'.rstrip('.') for context, error in wrong.items())}.",
        fix=f"Name the context that leads to its cluster: fairing.attach({str(handle)!r}, context='…').",
    )


class NoSuchRun(DeployError):
    """A cluster answers, and does not have the run."""


def _none(handle: Handle, reached: Connection, why: str) -> NoSuchRun:
    return NoSuchRun(
        f"There is no run {handle.parts[-1]} in the namespace {reached.namespace!r} of {reached.context!r}.",
        why=why,
        fix="fairing.jobs() lists those there are.",
    )
