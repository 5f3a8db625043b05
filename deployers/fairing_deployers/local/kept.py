"""What a machine cannot keep of what a cluster would: refused where the code would miss it, else said."""

from __future__ import annotations

from collections.abc import Iterator

from fairing.errors import CapacityError
from fairing.pod import NVIDIA
from fairing.spec import Workload

_MISSED = frozenset({"volumes"})
"""What the code would miss."""


def check(workload: Workload) -> None:
    """Refuse what the code would miss, unless the run is to go without.

    Raises:
        CapacityError: It asks for something that only a cluster has.
    """
    missed = list(_missed(workload))
    if missed and workload.limits == "enforce":
        raise CapacityError(
            f"{' and '.join(f'{each}=' for each in missed)} cannot be kept on this machine.",
            why="Processes here have its own files, disk and devices.",
            fix="Choose a target on a cluster, leave it out, or run without: limits='best-effort'.",
        )


def left_out(workload: Workload) -> tuple[str, ...]:
    """Return the options that hold for nothing here."""
    return tuple(dict.fromkeys((*_missed(workload), *workload.pod.said())))


def _missed(workload: Workload) -> Iterator[str]:
    yield from (name for name in workload.pod.said() if name in _MISSED)
    if any(each.secret or each.to.startswith("/") for each in workload.secrets):
        yield "secrets"
    for group in workload.groups:
        asked = group.resources
        if asked.gpu and (asked.gpu.kinds or asked.gpu.resource != NVIDIA):
            yield "gpus"
        kinds = {"tpu": asked.tpu, "storage": asked.storage, "resources": asked.others}
        yield from (name for name, value in kinds.items() if value)
