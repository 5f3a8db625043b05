"""The Python of a run: this one, while the base is ``host``."""

from __future__ import annotations

import os
import platform as machine
import re
import sys
from pathlib import Path

from fairing.errors import BuildError
from fairing.spec import Bundle, Image


def platform() -> str:
    """Return this machine's platform as the OCI specifications name platforms.

    Example:
        >>> platform().partition("/")[1]
        '/'
    """
    system = {"win32": "windows"}.get(sys.platform, sys.platform)
    processor = machine.machine().lower()
    return f"{system}/{_PROCESSORS.get(processor, processor)}"


def interpreter() -> Path:
    """Return the interpreter below every virtual environment: the one a dependency tree is used with."""
    return Path(getattr(sys, "_base_executable", sys.executable)).resolve()


def packages(version: str) -> str:
    """Return the folder of packages in a tree, relative to it (``lib/python3.11/site-packages``)."""
    free_threaded = "t" if "t" in getattr(sys, "abiflags", "") else ""
    return f"lib/python{minor(version)}{free_threaded}/site-packages"


def minor(version: str) -> str:
    """Return the minor version of a version: what bytecode, wheels and pickles agree on."""
    return ".".join(version.split(".")[:2])


def check(bundle: Bundle, image: Image) -> None:
    """Refuse an image that cannot be started from, and a Python that is not the code's.

    Raises:
        BuildError: The image is not this machine's interpreter, or the code was captured under another Python.
    """
    here = machine.python_version()
    if minor(bundle.python) != minor(here):
        raise BuildError(
            f"The code was captured under Python {bundle.python}, and the run would have Python {here}.",
            why="Bytecode and pickles are made for one minor version.",
            fix=f"Capture it under Python {minor(here)}.",
        )
    if image.base == "host":
        return
    named = re.search(r"python[:/@-]?(\d+\.\d+)", os.fspath(image.base))
    other = named and named[1] != minor(bundle.python)
    raise BuildError(
        f"The image {image.base!r} cannot be started from here.",
        why=f"It has Python {named[1]}, and this kernel has {bundle.python}."
        if named and other
        else "A run on this machine uses this machine's own Python; other images need a target with a registry.",
        fix=f"Leave image out, or use a kernel with Python {named[1]}."
        if named and other
        else "Leave image out, or use image='host'.",
    )


_PROCESSORS = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386", "x86": "386"}
