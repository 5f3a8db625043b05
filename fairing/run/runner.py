"""What every runner of a run is told, wherever it runs; its deployer adds where things lie there."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fairing.spec import BuiltImage, Workload


def told(image: BuiltImage, workload: Workload) -> dict[str, Any]:
    """Return what a runner reads of an image and a workload, as JSON takes it."""
    return {
        "entry": asdict(image.entry),
        "roots": list(image.roots),
        "log_level": workload.log_level,
        "in_notebook": workload.in_notebook,
    }
