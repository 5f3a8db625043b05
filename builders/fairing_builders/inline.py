"""Builds nothing: the image is there already, and the code travels beside it, mounted by the deployer.

No registry is written to, so a person with a kubeconfig and nothing else can run code. What travels is small: an
object of Kubernetes has a mebibyte at most.
"""

from __future__ import annotations

import hashlib
import io
import time

from fairing import plugins
from fairing.errors import BuildError
from fairing.events import Source, Stamp, Status
from fairing.kube import connection, probe
from fairing.oci.layer import PLACES, write
from fairing.pod import Pod
from fairing.ports import Reporter
from fairing.recipe import text
from fairing.recipe.python import minor
from fairing.runtime import installing, library
from fairing.spec import BuiltImage, Destination, File, Recipe, Target
from fairing.words import counted, size
from fairing_builders import carried

MOST = 900 * 1024
"""Bytes that may travel in one object of Kubernetes, with room for what describes them."""


_LIKE = ("pull_secrets", "node_selector", "tolerations", "priority_class")
"""What a pod that says what an image has shares with those of the runs."""

_BROUGHT = frozenset({"cloudpickle", "fairing"})
"""What travels with the code."""

_ELSE = (
    "Name an image= that has them, let dependencies='start' install them when the pod starts, or name a repository= to "
    "push to, with builder='append'."
)


class InlineBuilder:
    """An existing image, plus small files that are mounted over it."""

    makes: frozenset[Destination] = frozenset({"inline"})

    def check(self, recipe: Recipe, target: Target) -> None:
        """Refuse what cannot travel beside an image, and an image that lacks what the code needs.

        Raises:
            BuildError: It asks for Debian packages; or the image cannot be run, has another Python, or lacks packages.
        """
        if recipe.apt:
            raise BuildError(
                f"The builder {target.builder!r} cannot install Debian packages ({', '.join(recipe.apt)}).",
                why="It changes nothing in the image.",
                fix=plugins.another(recipe, target),
            )
        there = _asked(recipe, target)
        if minor(there.python) != minor(recipe.python):
            raise BuildError(
                f"The image {recipe.base} has Python {there.python}, and this kernel has {recipe.python}.",
                why="Bytecode and pickles are made for one minor version.",
                fix=f"Name another image=, or use a kernel with Python {minor(there.python)}.",
            )
        lacking = _lacking(recipe, there)
        if lacking and recipe.source == "start" and not there.installer:
            raise BuildError(
                f"The image {recipe.base} cannot install what the code needs: {', '.join(_few(lacking))}.",
                why="It has neither pip nor uv.",
                fix="Name an image= that has one, or a repository= to push to, with builder='append'.",
            )
        if lacking and recipe.source != "start":
            raise BuildError(
                f"The image {recipe.base} lacks what the code needs: {', '.join(lacking)}.",
                why="With builder='inline' the code alone travels, and packages have to be in the image.",
                fix=_ELSE,
            )

    def build(self, recipe: Recipe, target: Target, to: Destination, report: Reporter) -> BuiltImage:
        """Pack the code.

        Raises:
            BuildError: It is larger than what may travel beside an image.
        """
        there = _asked(recipe, target)
        code = io.BytesIO()
        write(recipe.files, code, PLACES["code"])
        octets = len(code.getvalue())
        if octets > MOST:
            raise BuildError(
                f"The code ({size(octets)}) is too large to travel beside the image.",
                why=f"At most {size(MOST)} fit into an object of Kubernetes.",
                fix="Set repository= and use builder='append', or leave large files out of include=.",
            )
        mounts = [File("code.tar.gz", code.getvalue()), File(carried.NAME, carried.archive())]
        if compiled := probe.library(recipe.base):
            mounts.append(File(library.NAME, compiled))
        if recipe.source == "start" and (lacking := _lacking(recipe, there)):
            mounts.append(File(installing.NAME, text.only(recipe.lock, lacking).encode()))
        files = counted(len(recipe.files), "file")
        way = f"travels: {files}, {size(octets)}, in a ConfigMap beside {recipe.base}: builder='inline' pushes nothing"
        report(Status(Stamp(Source("build"), time.time()), "building", way))
        digest = hashlib.sha256(b"\0".join((there.ref.encode(), *(file.read() for file in mounts)))).hexdigest()
        return BuiltImage(
            digest=f"sha256:{digest}",
            entry=recipe.entry,
            python=recipe.python,
            ref=there.ref,
            roots=recipe.roots,
            env=recipe.env,
            data=recipe.data,
            mounts=tuple(mounts),
        )


def _lacking(recipe: Recipe, there: probe.Contents) -> list[str]:
    """Return the packages that an image lacks: at the very versions, where they can be installed at the start."""
    known = there.packages
    return [
        each
        for each in text.packages(recipe)
        if (name := each.partition("==")[0]) not in _BROUGHT
        and (name not in known or (recipe.source == "start" and f"{name}=={known[name]}" != each))
    ]


def _few(names: list[str]) -> list[str]:
    return names if len(names) <= 5 else [*names[:4], f"and {len(names) - 4} more"]


def _asked(recipe: Recipe, target: Target) -> probe.Contents:
    like = Pod(**{name: value for name in _LIKE if (value := target.option(name))})
    patience = target.option("start_timeout")
    return probe.contents(connection.to(target), recipe.base, like, **({"patience": patience} if patience else {}))
