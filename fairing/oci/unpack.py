"""Unpacks layers, and trusts none of them."""

from __future__ import annotations

import tarfile
from pathlib import Path

from fairing.errors import BuildError


def unpack(blob: Path, into: Path) -> None:
    """Unpack a layer's blob into a folder.

    Raises:
        BuildError: The archive has absolute paths, ``..``, links that lead out, devices, or is broken.
    """
    try:
        with tarfile.open(blob) as tar:
            tar.extractall(into, filter="data")
    except (tarfile.TarError, OSError, EOFError) as wrong:
        raise BuildError(f"The layer {blob.name[:12]} cannot be unpacked.", why=f"{wrong}.") from wrong
