"""How what a run leaves comes back, decided before it starts: through its log, out of its pods, or from a store.

Who may execute in pods reads their files through the API server. Many clusters allow nobody to: then a value goes
through the log up to a larger size, and what is larger still needs a store (``artifacts=``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fairing.artifacts.stores import Store
from fairing.kube import access
from fairing.kube.connection import Connection
from fairing.runtime.frames import LOG_LIMIT, limit
from fairing.spec import Finding, Workload
from fairing.words import size

EXECUTE: tuple[access.Right, ...] = (("get", "", "pods/exec"), ("create", "", "pods/exec"))
"""What executing in a pod takes: the request is a GET, and newer servers ask for ``create`` as well."""

LARGEST = 16 << 20
"""Bytes of a value that comes through the log where there is no other way."""


def told(reached: Connection, workload: Workload, store: Store | None) -> tuple[dict[str, Any], str]:
    """Return what a runner is told of how its results come back, and what the person is told, where that is less."""
    fetched = _may(reached)
    usual = LOG_LIMIT if fetched or store else limit(LARGEST)
    settings = {
        "fetched": fetched,
        "log_limit": usual if workload.log_limit is None else limit(workload.log_limit),
        "linger": workload.linger,
        **({"artifacts": store, "outputs": list(workload.outputs)} if store else {}),
    }
    said = "" if fetched or store else f"you may not execute in its pods, so that {_consequence(workload.log_limit)}"
    return settings, said


def findings(reached: Connection) -> Iterator[Finding]:
    """Say whether files can be read out of pods, and what it means where they cannot."""
    if _may(reached):
        yield Finding("pods/exec", "files and values of any size come back out of pods")
    else:
        yield Finding("pods/exec", f"you may not execute in pods, which is no must: {_consequence(None)}")


def _may(reached: Connection) -> bool:
    return access.may(reached, EXECUTE)


def _consequence(said: int | None) -> str:
    return f"files, and values over {size(LARGEST if said is None else said)}, come back from artifacts= alone"
