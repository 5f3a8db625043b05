"""Builds images without a daemon: each layer is written by content, and only what is new is made.

Bottom to top: dependencies | fairing itself | large files | code. The two lowest are folders that are used in place on
this machine; their blobs are written when something needs them: an export, or a push (``pushed``), where all of it
stands on a base image.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from fairing import plugins
from fairing.errors import BuildError
from fairing.events import Source, Stamp, Status
from fairing.oci import runner, store
from fairing.oci.layer import unreadable
from fairing.ports import Reporter
from fairing.recipe import text, tree
from fairing.spec import BuiltImage, Destination, File, Finding, Layer, Recipe, Target
from fairing.words import counted, size

LARGE = 8 << 20
"""Bytes from which an included file has a layer of its own, which a change of the code leaves as it is."""

MOST = 60
"""Layers of large files; the rest of them share one."""

LIMIT = 127
"""Layers that an image may have: more cannot be stacked where it is run."""


class AppendBuilder:
    """Dependencies, fairing itself, large files and code: appended to the base."""

    makes: frozenset[Destination] = frozenset({"layers", "registry"})

    def check(self, recipe: Recipe, target: Target) -> None:
        """Refuse what needs a command to run inside the image, and what its base or its registry would refuse.

        Raises:
            BuildError: It asks for Debian packages, or the base does not fit.
            ConfigError: It goes to a registry, and the target has no repository.
        """
        if recipe.apt:
            raise BuildError(
                f"The builder {target.builder!r} cannot install Debian packages ({', '.join(recipe.apt)}).",
                why="It runs nothing inside the image.",
                fix=plugins.another(recipe, target),
            )
        if recipe.source == "start":
            raise BuildError(
                f"The builder {target.builder!r} does not install packages when a pod starts.",
                why="They lie in the image.",
                fix="Leave out dependencies='start', or run on a cluster with builder='inline'.",
            )
        if recipe.base != "host":
            from fairing_builders import pushed  # here, since a run on this machine needs no registry

            for each in (recipe, *recipe.also):
                pushed.check(each, target)

    def examine(self, target: Target) -> Iterator[Finding]:
        """Say whether a target's registry and base will do; a run on this machine needs neither."""
        if "layers" not in plugins.deployer(target.deployer).takes:
            from fairing_builders import pushed

            yield from pushed.examine(target)

    def build(self, recipe: Recipe, target: Target, to: Destination, report: Reporter) -> BuiltImage:
        """Make the layers that are missing, and push them where they are to be in a registry.

        Raises:
            RegistryError: The registry does not take them.
            BuildError: A file cannot be read or changes meanwhile, or the disk is full.
        """

        def say(what: str) -> None:
            report(Status(Stamp(Source("build"), time.time()), "building", what))

        if to == "registry":
            from fairing_builders import pushed

            with store.using():
                made = []
                for each in (recipe, *recipe.also):
                    fitting, base = pushed.ready(each, target, say)
                    made.append(pushed.Made(fitting, base, _layers(fitting, report, say, len(base.manifest["layers"]))))
                return pushed.finish(made, target, say)
        with store.using():
            layers = _layers(recipe, report, say)
            image = store.put_image(recipe, layers)
        say(f"image: {image.name}, {_state(image.new)}")
        return BuiltImage(
            digest=image.digest,
            entry=recipe.entry,
            python=recipe.python,
            layers=tuple(layers),
            roots=recipe.roots,
            env=recipe.env,
            data=recipe.data,
        )


Say = Callable[[str], None]


def _layers(recipe: Recipe, report: Reporter, say: Say, below: int = 0) -> list[Layer]:
    apart = max(0, min(MOST, LIMIT - below - 4))  # dependencies, fairing, the large files that share one, the code
    return [_dependencies(recipe, report, say), _runner(say), *_files(recipe.files, say, apart)]


def _dependencies(recipe: Recipe, report: Reporter, say: Say) -> Layer:
    key = tree.key(recipe)
    count = counted(len(text.packages(recipe)), "package")
    say(f"dependencies: {count}, {'ready' if store.has_tree(key) else 'being made'}")
    folder = store.tree(key, lambda folder: tree.make(recipe, folder, report))
    tree.mend(recipe, folder)
    return Layer("dependencies", key, folder)


def _runner(say: Say) -> Layer:
    made = runner.layer()
    say(f"fairing: {_state(made.new)}")
    return made.layer


def _files(files: Sequence[File], say: Say, most: int) -> Iterator[Layer]:
    large = sorted((file for file in files if _size(file) >= LARGE), key=lambda file: (-_size(file), file.path))
    apart = {id(file) for file in large}
    for group in (*([file] for file in large[:most]), large[most:]):
        if group:
            made = store.put_layer("files", group)
            called = group[0].path if len(group) == 1 else f"{len(group)} large files"
            say(f"{called}: {size(sum(map(_size, group)))}, {_state(made.new)}")
            yield made.layer
    code = [file for file in files if id(file) not in apart]
    made = store.put_layer("code", code)
    total = size(sum(map(_size, code)))
    say(f"code: {counted(len(code), 'file')}, {total}, {_state(made.new)}")
    yield made.layer


def _size(file: File) -> int:
    if isinstance(file.content, bytes):
        return len(file.content)
    try:
        return file.content.stat().st_size
    except OSError as wrong:
        raise unreadable(file.content, wrong) from wrong


def _state(new: bool) -> str:
    return "new" if new else "ready"
