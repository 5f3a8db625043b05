"""Amounts of resources as Kubernetes writes them, and as people say them.

https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
"""

from __future__ import annotations

import re

from fairing.words import counted, size

_SUFFIXES = {
    "": 1.0,
    "n": 1e-9,
    "u": 1e-6,
    "m": 1e-3,
    "k": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
    "P": 1e15,
    "E": 1e18,
    **{f"{letter}i": 1024.0**power for power, letter in enumerate("KMGTPE", 1)},
}
_OCTETS = {"memory": "memory", "ephemeral-storage": "disk", "storage": "storage"}


def number(text: str | float) -> float:
    """Return an amount as a number; what is not one is nothing.

    Example:
        >>> number("1500m"), number("2Gi"), number("1e3")
        (1.5, 2147483648.0, 1000.0)
    """
    found = re.fullmatch(r"([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)([A-Za-z]{0,2})", str(text).strip())
    if not found or found[2] not in _SUFFIXES:
        return 0.0
    return float(found[1]) * _SUFFIXES[found[2]]


def words(resource: str, amount: float) -> str:
    """Return an amount of a resource in words.

    Example:
        >>> words("cpu", 1000), words("memory", 2**31), words("nvidia.com/gpu", 1), words("pods", 3)
        ('1,000 CPUs', '2.15 GB of memory', '1 GPU', '3 pods')
    """
    kind = plain(resource)
    if kind in _OCTETS:
        return f"{size(amount)} of {_OCTETS[kind]}"
    if kind == "cpu":
        return f"{amount:,g} CPU{'s' * (amount != 1)}" if amount < 1e6 else f"{amount:,.0f} CPUs"
    if is_gpu(kind):
        return counted(int(amount), "GPU")
    if kind in {"pods", "jobs", "secrets", "configmaps"}:
        return counted(int(amount), kind[:-1])
    return f"{amount:g} of {kind}"


def again(resource: str, amount: float) -> str:
    """Return an amount of a resource that was named just before.

    Example:
        >>> again("nvidia.com/gpu", 2), again("memory", 2e9)
        ('2', '2 GB')
    """
    text = words(resource, amount)
    return text.partition(" of ")[0] if " of " in text else text.partition(" ")[0]


def option(resource: str) -> str:
    """Return the option that asks for a resource; none, if none does.

    Example:
        >>> option("requests.cpu"), option("nvidia.com/gpu"), option("pods")
        ('cpu=', 'gpus=', '')
    """
    kind = plain(resource)
    return (
        "gpus=" if is_gpu(kind) else {"cpu": "cpu=", "memory": "memory=", "ephemeral-storage": "storage="}.get(kind, "")
    )


def plain(resource: str) -> str:
    """Return a resource without what a quota says of it.

    Example:
        >>> plain("requests.nvidia.com/gpu"), plain("count/jobs.batch")
        ('nvidia.com/gpu', 'jobs')
    """
    kind = resource.removeprefix("requests.").removeprefix("limits.")
    return kind.removeprefix("count/").partition(".")[0] if kind.startswith("count/") else kind


def is_gpu(resource: str) -> bool:
    """Say whether a resource is GPUs, whoever makes them."""
    return resource.rpartition("/")[2] in {"gpu", "gpus"} and "/" in resource
