"""GPUs and TPUs, as a person says them: ``gpus="a100:2"``, ``tpu="v5e:2x4"``.

Which labels nodes have, and what their kinds are called there:
https://cloud.google.com/kubernetes-engine/docs/how-to/gpus (GKE),
https://github.com/NVIDIA/k8s-device-plugin/tree/main/docs/gpu-feature-discovery (NVIDIA, any cluster),
https://karpenter.sh/docs/concepts/scheduling/#well-known-labels (EKS),
https://instinct.docs.amd.com/projects/k8s-device-plugin/en/latest/ (AMD),
https://intel.github.io/intel-device-plugins-for-kubernetes/cmd/gpu_plugin/README.html (Intel), and for TPUs
https://cloud.google.com/kubernetes-engine/docs/concepts/plan-tpus, https://github.com/AI-Hypercomputer/xpk.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from fairing.config.values import nearest, number, wrong
from fairing.errors import ConfigError
from fairing.pod import NVIDIA, Gpus, Tpu

_NVIDIA = ("cloud.google.com/gke-accelerator", "nvidia.com/gpu.product", "karpenter.k8s.aws/instance-gpu-name")
VENDORS: Mapping[str, Gpus] = {
    "nvidia": Gpus(NVIDIA, _NVIDIA),
    "amd": Gpus("amd.com/gpu", ("amd.com/gpu.product-name",)),
    "intel": Gpus("gpu.intel.com/i915", ("gpu.intel.com/product",)),
}
"""Each vendor's resource, and the labels of its nodes."""

_A100 = ("NVIDIA-A100-SXM4-40GB", "NVIDIA-A100-PCIE-40GB", "nvidia-tesla-a100")
_A100_80 = ("NVIDIA-A100-SXM4-80GB", "NVIDIA-A100-80GB-PCIe", "nvidia-a100-80gb")
KINDS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "t4": ("nvidia", ("Tesla-T4", "nvidia-tesla-t4", "t4")),
    "p100": ("nvidia", ("Tesla-P100-PCIE-16GB", "nvidia-tesla-p100")),
    "v100": (
        "nvidia",
        ("Tesla-V100-SXM2-16GB", "Tesla-V100-SXM2-32GB", "Tesla-V100-PCIE-16GB", "nvidia-tesla-v100", "v100"),
    ),
    "a10": ("nvidia", ("NVIDIA-A10",)),
    "a10g": ("nvidia", ("NVIDIA-A10G", "a10g")),
    "a40": ("nvidia", ("NVIDIA-A40",)),
    "l4": ("nvidia", ("NVIDIA-L4", "nvidia-l4", "l4")),
    "l40s": ("nvidia", ("NVIDIA-L40S", "l40s")),
    "a100": ("nvidia", (*_A100, *_A100_80, "a100")),
    "a100-40gb": ("nvidia", _A100),
    "a100-80gb": ("nvidia", _A100_80),
    "h100": (
        "nvidia",
        (
            *("NVIDIA-H100-80GB-HBM3", "NVIDIA-H100-PCIe", "NVIDIA-H100-NVL"),
            "nvidia-h100-80gb",
            "nvidia-h100-mega-80gb",
            "h100",
        ),
    ),
    "h200": ("nvidia", ("NVIDIA-H200", "nvidia-h200-141gb", "h200")),
    "b200": ("nvidia", ("NVIDIA-B200", "nvidia-b200", "b200")),
    "gb200": ("nvidia", ("NVIDIA-GB200", "nvidia-gb200")),
    "mi300x": ("amd", ("AMD_Instinct_MI300X_OAM",)),
}
"""Kinds by the name that people use: whose they are, and what nodes call them."""

_TPUS = {
    "v4": ("tpu-v4-podslice", 3),
    "v5e": ("tpu-v5-lite-podslice", 2),
    "v5p": ("tpu-v5p-slice", 3),
    "v6e": ("tpu-v6e-slice", 2),
    "7x": ("tpu7x", 3),
}
_HOST = 4
"""Chips of one machine of a slice; a slice of eight comes as one machine too, and one chip alone."""

_WRITE = "Write gpus=2, or which ones: gpus='a100:2', gpus='amd:1', gpus='gpu.intel.com/xe:1'."


def gpus(name: str, value: Any, where: str) -> int | str:
    """Read how many GPUs, and which: a number, or ``KIND:NUMBER``.

    Example:
        >>> gpus("gpus", "2", ""), gpus("gpus", "A100:2", "")
        (2, 'a100:2')
    """
    if not isinstance(value, str) or ":" not in value:
        try:
            return int(number(name, value, where, int, 0))
        except ConfigError as refused:
            raise wrong(name, value, where, fix=refused.fix if not isinstance(value, str) else _WRITE) from None
    kind, _, count = value.strip().rpartition(":")
    kind = kind.lower() if kind.lower() in {*VENDORS, *KINDS} else kind
    many = int(number(name, count, where, int, 1))
    _which(name, kind, value, where)
    return f"{kind}:{many}"


def gpu(settled: int | str | None) -> tuple[int, Gpus | None]:
    """Return how many GPUs were asked for, and which.

    Example:
        >>> gpu("l4:2")[1].kinds
        ('NVIDIA-L4', 'nvidia-l4', 'l4')
    """
    if not isinstance(settled, str):
        return settled or 0, None
    kind, _, count = settled.rpartition(":")
    return int(count), _which("gpus", kind, settled, "")


def tpu(name: str, value: Any, where: str) -> str:
    """Read a slice of TPUs: ``KIND:TOPOLOGY``.

    Example:
        >>> tpu("tpu", "v5e:2x4", "")
        'v5e:2x4'
    """
    kind, _, topology = value.strip().lower().rpartition(":") if isinstance(value, str) else ("", "", "")
    kind = {"tpu7x": "7x", "v7x": "7x"}.get(kind, kind)
    if kind not in _TPUS:
        raise wrong(name, value, where, fix=f"Write tpu='v5e:2x4'. {nearest(kind, tuple(_TPUS))}")
    sides = _TPUS[kind][1]
    if not re.fullmatch(r"[1-9]\d{0,2}(x[1-9]\d{0,2})*", topology) or topology.count("x") != sides - 1:
        example = "x".join("2222"[:sides])
        raise wrong(name, value, where, fix=f"A topology of {kind} has {sides} sides: tpu='{kind}:{example}'.")
    chips = math.prod(map(int, topology.split("x")))
    if chips != 1 and chips % _HOST:
        raise wrong(name, value, where, why=f"It has {chips} chips, and a machine has {_HOST}.", fix="Choose another.")
    return f"{kind}:{topology}"


def slice_of(settled: str, workers: int | None) -> tuple[Tpu, int]:
    """Return each worker's part of a slice of TPUs, and how many workers it takes.

    Raises:
        ConfigError: It is not divided among as many.

    Example:
        >>> slice_of("v5p:2x2x2", None)
        (Tpu(accelerator='tpu-v5p-slice', topology='2x2x2', chips=4), 2)
    """
    kind, _, topology = settled.partition(":")
    accelerator, sides = _TPUS[kind]
    chips = math.prod(map(int, topology.split("x")))
    possible = [1] if chips <= _HOST else [1, 2] if chips == 2 * _HOST and sides == 2 else [chips // _HOST]
    if workers is not None and workers not in possible:
        raise ConfigError(
            f"tpu={settled!r} is not possible with workers={workers}.",
            why=f"A slice has one worker a machine, and this one {' or '.join(map(str, possible))}.",
            fix=f"Leave workers= out, or use workers={possible[-1]}.",
        )
    count = workers or possible[0]
    return Tpu(accelerator, topology, chips // count), count


def _which(name: str, kind: str, value: Any, where: str) -> Gpus:
    if kind in VENDORS:
        return VENDORS[kind]
    if kind.lower() in KINDS:
        vendor, kinds = KINDS[kind.lower()]
        return Gpus(VENDORS[vendor].resource, VENDORS[vendor].labels, kinds)
    head, slash, tail = kind.partition("/")
    if slash and "." in head and re.fullmatch(r"[a-z0-9.-]+/[A-Za-z0-9._-]+", kind):
        return Gpus(kind)
    vendor, label = (head, tail) if slash else ("nvidia", kind)
    if vendor not in VENDORS or not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", label):
        raise wrong(name, value, where, fix=f"{nearest(vendor, tuple(VENDORS))} {_WRITE}")
    if not slash and label.isalnum():
        known = (*KINDS, *VENDORS)
        raise wrong(name, value, where, fix=f"{nearest(kind.lower(), known)} Or name it as the node's label does.")
    return Gpus(VENDORS[vendor].resource, VENDORS[vendor].labels, (label,))
