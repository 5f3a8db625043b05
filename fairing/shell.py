"""The IPython shell that this process runs in, where it does: what runs in IPython has it loaded already."""

from __future__ import annotations

import sys
from typing import Any


def current() -> Any:
    """Return the shell; ``None`` in plain Python. IPython is not imported for it."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython is not None else None


def execution() -> int | None:
    """Return the number of the cell that runs."""
    return getattr(current(), "execution_count", None)
