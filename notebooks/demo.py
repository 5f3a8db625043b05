"""``make demo``: runs the quickstart notebook on this machine, end to end, and says where the executed one is."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

FOLDER = Path(__file__).parent
EXECUTED = FOLDER / "quickstart-executed.ipynb"


def main() -> int:
    """Execute the quickstart in a kernel of this environment; return 1 when a cell fails."""
    notebook = nbformat.read(FOLDER / "quickstart.ipynb", as_version=4)
    client = NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        resources={"metadata": {"path": str(FOLDER)}},
        extra_arguments=["--log-level=ERROR"],  # what a kernel says of its own sockets is nothing to a newcomer
    )
    started = time.monotonic()
    try:
        client.execute()
    except CellExecutionError as failed:
        sys.stderr.write(f"{failed}\n")
        return 1
    finally:
        nbformat.write(notebook, EXECUTED)
        sys.stdout.write(f"Executed in {time.monotonic() - started:.1f} s: {EXECUTED}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
