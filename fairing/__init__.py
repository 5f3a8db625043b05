"""Run the function, cell or notebook in front of you as a job, with its output back in the cell.

    import fairing
    model = fairing.train(train, kwargs={"depth": 8})

Names are loaded when they are first used: ``import fairing`` itself costs a few milliseconds.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fairing.api import attach as attach
    from fairing.api import submit as submit
    from fairing.api import train as train
    from fairing.errors import FairingError as FairingError
    from fairing.job import Job as Job
    from fairing.spec import Image as Image

__version__ = "0.1.0"

_HOMES = {
    "FairingError": "fairing.errors",
    "Image": "fairing.spec",
    "Job": "fairing.job",
    "attach": "fairing.api",
    "submit": "fairing.api",
    "train": "fairing.api",
}

__all__ = ["FairingError", "Image", "Job", "attach", "submit", "train"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'fairing' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return [*globals(), *_HOMES]
