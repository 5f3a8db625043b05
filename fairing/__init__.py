"""Run the function, cell or notebook in front of you as a job, with its output back in the cell.

    import fairing
    model = fairing.train(train, kwargs={"depth": 8})

Names are loaded when they are first used: ``import fairing`` itself costs a few milliseconds.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fairing.ahead import build as build
    from fairing.ahead import preview as preview
    from fairing.api import run_cell as run_cell
    from fairing.api import run_notebook as run_notebook
    from fairing.api import run_script as run_script
    from fairing.api import submit as submit
    from fairing.api import train as train
    from fairing.checkup import doctor as doctor
    from fairing.config import settings as settings
    from fairing.config import use as use
    from fairing.decorated import remote as remote
    from fairing.errors import FairingError as FairingError
    from fairing.job import Job as Job
    from fairing.runs import attach as attach
    from fairing.runs import jobs as jobs
    from fairing.spec import Image as Image
    from fairing.spec import Target as Target
    from fairing.storage import images as images
    from fairing.storage import prune as prune

__version__ = "0.1.0"

_HOMES = {
    "FairingError": "fairing.errors",
    "Image": "fairing.spec",
    "Job": "fairing.job",
    "Target": "fairing.spec",
    "attach": "fairing.runs",
    "build": "fairing.ahead",
    "doctor": "fairing.checkup",
    "images": "fairing.storage",
    "jobs": "fairing.runs",
    "preview": "fairing.ahead",
    "prune": "fairing.storage",
    "remote": "fairing.decorated",
    "run_cell": "fairing.api",
    "run_notebook": "fairing.api",
    "run_script": "fairing.api",
    "settings": "fairing.config",
    "submit": "fairing.api",
    "train": "fairing.api",
    "use": "fairing.config",
}

__all__ = [
    "FairingError",
    "Image",
    "Job",
    "Target",
    "attach",
    "build",
    "doctor",
    "images",
    "jobs",
    "preview",
    "prune",
    "remote",
    "run_cell",
    "run_notebook",
    "run_script",
    "settings",
    "submit",
    "train",
    "use",
]


def load_ipython_extension(shell: Any) -> None:
    """Register ``%fairing`` and ``%%fairing``: what ``%load_ext fairing`` calls."""
    import_module("fairing.capture.journal").start(shell)
    import_module("fairing.jupyter.magics").load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """Take ``%fairing`` and ``%%fairing`` away again."""
    import_module("fairing.jupyter.magics").unload(shell)


if not TYPE_CHECKING:  # to a type checker it would say that every name exists

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module 'fairing' has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(_HOMES[name]), name)
        return value


def __dir__() -> list[str]:
    return [*globals(), *_HOMES]
