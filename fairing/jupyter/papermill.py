"""The papermill engine: ``papermill in.ipynb out.ipynb --engine fairing``."""

from __future__ import annotations

from papermill.engines import Engine


class FairingEngine(Engine):  # type: ignore[misc]  # papermill has no types
    """Runs a notebook as a job."""
