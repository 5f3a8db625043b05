"""Values that were decided by looking at this machine's devices: a run with GPUs of its own may decide otherwise."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from fairing.capture.imports import home
from fairing.capture.pickled import Name

_TYPES = frozenset(
    {
        ("torch", "device"),
        ("jaxlib", "Device"),
        ("jaxlib", "CudaDevice"),
        ("jaxlib", "CpuDevice"),
        ("tensorflow", "LogicalDevice"),
        ("tensorflow", "PhysicalDevice"),
    }
)
_TEXT = re.compile(r"(cpu|cuda|gpu|mps|xpu|tpu|hip)(:\d+)?|/(device:)?(cpu|gpu):\d+", re.IGNORECASE)
_FLAG = re.compile(r"(^|_)(cuda|gpus?|mps|tpus?|xpu|accelerator)(_|$)", re.IGNORECASE)
_COUNT = re.compile(r"^(n|num|count)_?(gpus?|devices?)$|^(gpu|device|cuda)_?(count|num)$", re.IGNORECASE)


def warnings(names: Iterable[Name], gpus: int) -> Iterator[str]:
    """Give a sentence for each name that holds a device, or what a device check said, when GPUs are asked for.

    Args:
        names: Captured globals and arguments.
        gpus: How many GPUs each worker asks for.

    Example:
        >>> list(warnings([Name("train", "use_cuda", False)], gpus=1))
        ['use_cuda of train was decided by the devices of this machine: decide it inside the function.']
    """
    if gpus:
        for each in names:
            if decided(each.name, each.value):
                kind = " (a torch.device)" if home(each.value).partition(".")[0] == "torch" else ""
                yield (
                    f"{each.name}{kind} of {each.owner} was decided by the devices of this machine: "
                    "decide it inside the function."
                )


def decided(name: str, value: object) -> bool:
    """Whether a value is a device, or has the name and form of what a device check says."""
    if (home(value).partition(".")[0], type(value).__name__) in _TYPES:
        return True
    if isinstance(value, bool):
        return bool(_FLAG.search(name))
    if isinstance(value, str):
        return bool(_TEXT.fullmatch(value))
    return isinstance(value, int) and bool(_COUNT.search(name))
