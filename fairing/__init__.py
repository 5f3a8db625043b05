"""Run the function, cell or notebook in front of you as a job, with its output back in the cell.

    import fairing
    model = fairing.train(train, kwargs={"depth": 8})

Names are loaded when they are first used: ``import fairing`` itself costs a few milliseconds.
"""

from __future__ import annotations

from importlib import import_module

# Type checkers know the name; typing itself is half of what a run would load first. An editor believes a plain False.
TYPE_CHECKING = bool()  # noqa: UP018
if TYPE_CHECKING:
    from typing import Any

    from fairing.api.ahead import build as build
    from fairing.api.ahead import preview as preview
    from fairing.api.checkup import doctor as doctor
    from fairing.api.decorated import remote as remote
    from fairing.api.documents import run_cell as run_cell
    from fairing.api.documents import run_notebook as run_notebook
    from fairing.api.documents import run_script as run_script
    from fairing.api.runs import attach as attach
    from fairing.api.runs import jobs as jobs
    from fairing.api.storage import images as images
    from fairing.api.storage import prune as prune
    from fairing.api.train import submit as submit
    from fairing.api.train import train as train
    from fairing.config.settings import settings as settings
    from fairing.config.settings import use as use
    from fairing.errors import FairingError as FairingError
    from fairing.image import Image as Image
    from fairing.run.job import Job as Job
    from fairing.spec import Target as Target

__version__ = "0.1.0"

_HOMES = {
    "FairingError": "fairing.errors",
    "Image": "fairing.image",
    "Job": "fairing.run.job",
    "Target": "fairing.spec",
    "attach": "fairing.api.runs",
    "build": "fairing.api.ahead",
    "doctor": "fairing.api.checkup",
    "images": "fairing.api.storage",
    "jobs": "fairing.api.runs",
    "preview": "fairing.api.ahead",
    "prune": "fairing.api.storage",
    "remote": "fairing.api.decorated",
    "run_cell": "fairing.api.documents",
    "run_notebook": "fairing.api.documents",
    "run_script": "fairing.api.documents",
    "settings": "fairing.config.settings",
    "submit": "fairing.api.train",
    "train": "fairing.api.train",
    "use": "fairing.config.settings",
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
