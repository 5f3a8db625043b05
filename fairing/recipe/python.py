"""The Python of a run: this one, where it runs on this machine; else that of the image it starts from."""

from __future__ import annotations

import os
import platform as machine
import re
import sys
import sysconfig
from pathlib import Path

from fairing.errors import BuildError
from fairing.image import Image
from fairing.spec import Bundle, Destination


def platform() -> str:
    """Return this machine's platform as the OCI specifications name platforms.

    Example:
        >>> platform().partition("/")[1]
        '/'
    """
    system = {"win32": "windows"}.get(sys.platform, sys.platform)
    processor = machine.machine().lower()
    return f"{system}/{_PROCESSORS.get(processor, processor)}"


def elsewhere(image: Image, to: Destination) -> str:
    """Return the platform of an image for a destination: ``layers`` have this machine's, others' is never guessed."""
    return platform() if to == "layers" else (*image.platforms, "linux/amd64")[0]


def libc() -> str:
    """Return this machine's C library: ``"glibc 2.36"``, ``"musl 1.2"``, or nothing where there is neither."""
    if "musl" in str(sysconfig.get_config_var("SOABI")):
        return "musl 1.2"  # what every musl of the last years is to a wheel
    known = getattr(os, "confstr_names", {})
    return (os.confstr("CS_GNU_LIBC_VERSION") if "CS_GNU_LIBC_VERSION" in known else "") or ""


def runs(needed: str, there: str) -> bool:
    """Return whether what was made for one C library runs with another: the same, and not an older one.

    Example:
        >>> runs("glibc 2.28", "glibc 2.36"), runs("glibc 2.28", "glibc 2.17"), runs("glibc 2.17", "musl 1.2")
        (True, False, False)
    """
    parts = [(each.partition(" ")[0], [int(part) for part in re.findall(r"\d+", each)]) for each in (needed, there)]
    return parts[0][0] == parts[1][0] and parts[0][1] <= parts[1][1]


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


def usual() -> str:
    """Return the image that a run starts from where nobody says another."""
    return f"python:{minor(machine.python_version())}-slim"


def base(bundle: Bundle, image: Image, to: Destination) -> tuple[str, str]:
    """Return the image that a run starts from, and its platform.

    Args:
        bundle: What was captured.
        image: What was asked for; where it names none, the official Python image of the bundle's minor version.
        to: Where the image is to be found.

    Raises:
        BuildError: It cannot be started from there, or the code was captured under another Python.
    """
    here = machine.python_version()
    if minor(bundle.python) != minor(here):
        raise BuildError(
            f"The code was captured under Python {bundle.python}, and the run would have Python {here}.",
            why="Bytecode and pickles are made for one minor version.",
            fix=f"Capture it under Python {minor(here)}.",
        )
    if to == "layers" and {*image.platforms} - {platform()}:
        raise BuildError(
            f"A run on this machine cannot be for {', '.join(image.platforms)}.",
            why=f"This machine is {platform()}.",
            fix="Leave platform out, or name a target with a registry.",
        )
    if to == "layers" and image.base in {"", "host"}:
        return "host", platform()
    if image.base == "host":
        raise BuildError(
            "image='host' is this machine's own Python, which no other machine has.",
            fix=f"Leave image out for {usual()}, or name one.",
        )
    named = re.search(r"python[:/@-]?(\d+\.\d+)", os.fspath(image.base))
    if named and named[1] != minor(bundle.python):
        raise BuildError(
            f"The image {image.base!r} cannot be started from here.",
            why=f"It has Python {named[1]}, and this kernel has {bundle.python}.",
            fix=f"Leave image out, or use a kernel with Python {named[1]}.",
        )
    if to == "layers":
        raise BuildError(
            f"The image {image.base!r} cannot be started from here.",
            why="A run on this machine uses this machine's own Python; other images need a target with a registry.",
            fix="Leave image out, or use image='host'.",
        )
    return image.base or usual(), elsewhere(image, to)


_PROCESSORS = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386", "x86": "386"}
