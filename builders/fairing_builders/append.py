"""Builds images without a daemon: each layer is written by content, and only what is new is made."""

from __future__ import annotations

import hashlib
import os
import sys
from importlib.metadata import Distribution, distribution
from pathlib import Path

import fairing
from fairing.oci import store
from fairing.ports import Report
from fairing.spec import BuiltImage, Destination, File, Layer, Recipe, Target


class AppendBuilder:
    """Dependencies, fairing itself, large files and code: one layer each, appended to the base."""

    makes: frozenset[Destination] = frozenset({"layers"})

    def check(self, recipe: Recipe, target: Target) -> None:
        """Refuse what needs a command to run inside the image."""

    def build(self, recipe: Recipe, target: Target, to: Destination, report: Report) -> BuiltImage:
        """Make the layers that are missing."""
        dependencies = _dependencies(recipe)
        own = _fairing()
        code = store.put_layer(recipe.files)
        layers = (dependencies, own, Layer("code", code.digest, None, code.digest, code.diff_id, code.size))
        digest = hashlib.sha256("\n".join(layer.key for layer in layers).encode()).hexdigest()
        return BuiltImage(
            digest=f"sha256:{digest}",
            entry=recipe.entry,
            python=recipe.python,
            layers=layers,
            roots=recipe.roots,
            env=recipe.env,
            data=recipe.data,
        )


def _dependencies(recipe: Recipe) -> Layer:
    text = "\n".join((recipe.base, recipe.platform, recipe.python, sys.base_prefix, recipe.lock))
    key = hashlib.sha256(text.encode()).hexdigest()

    def make(folder: Path) -> None:
        minor = ".".join(recipe.python.split(".")[:2])
        site = folder / "lib" / f"python{minor}" / "site-packages"
        site.mkdir(parents=True)
        (folder / "bin").mkdir()
        interpreter = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
        (folder / "bin" / "python").symlink_to(interpreter)
        (folder / "pyvenv.cfg").write_text(f"home = {interpreter.parent}\ninclude-system-site-packages = false\n")
        for line in recipe.lock.splitlines():
            _link(distribution(line.partition("==")[0]), site)

    return Layer("dependencies", key, store.tree(key, make))


def _link(each: Distribution, site: Path) -> None:
    for file in each.files or ():
        source = Path(str(each.locate_file(file)))
        if ".." in file.parts or not source.is_file():
            continue
        target = site / file
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, target)
        except FileExistsError:
            continue


def _fairing() -> Layer:
    """Return the layer of fairing itself: the runner, and what ``import fairing`` needs in a notebook."""
    package = Path(fairing.__file__).parent
    files = [
        File(f"fairing/{path.relative_to(package).as_posix()}", path)
        for path in sorted(package.rglob("*"))
        if path.suffix in {".py", ".typed"}
    ]
    content = hashlib.sha256()
    for file in files:
        content.update(f"{file.path}\0".encode() + hashlib.sha256(file.read()).digest())
    key = content.hexdigest()

    def make(folder: Path) -> None:
        for file in files:
            target = folder / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read())

    return Layer("fairing", key, store.tree(key, make))
