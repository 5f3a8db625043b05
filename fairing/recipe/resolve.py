"""Settles everything that a builder needs to know."""

from __future__ import annotations

import platform
import sys

from fairing.recipe import installed
from fairing.spec import Bundle, Image, Recipe, Target


def resolve(bundle: Bundle, image: Image, target: Target) -> Recipe:
    """Return the recipe of a bundle on an image."""
    return Recipe(
        base="host",
        platform=f"{sys.platform}/{platform.machine()}",
        python=bundle.python,
        lock=installed.lock(installed.closure(bundle.requires)),
        source="installed",
        apt=image.apt,
        env=image.env,
        entry=bundle.entry,
        files=tuple(sorted(bundle.files, key=lambda file: file.path)),
        roots=bundle.roots,
        data=bundle.data,
    )
