"""A builder by a stranger keeps every promise; for each promise, one that breaks it breaks that one alone."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from fairing.testing import builders
from tests.contracts.strangers import asked, broken_promises, install

STRANGER = '''
"""One layer for all of the code, on fairing's toolkit: what a plug-in package would hold."""

from __future__ import annotations

import time

from fairing import plugins
from fairing.errors import BuildError
from fairing.events import Source, Stamp, Status
from fairing.oci import runner, store
from fairing.ports import Reporter
from fairing.recipe import tree
from fairing.spec import BuiltImage, Destination, Layer, Recipe, Target


class Stranger:
    """Builds images of three layers."""

    makes: frozenset[Destination] = frozenset({"layers"})

    def check(self, recipe: Recipe, target: Target) -> None:
        """Refuse Debian packages."""
        if recipe.apt:
            raise BuildError(f"No Debian packages here ({', '.join(recipe.apt)}).", fix=plugins.another(recipe, target))

    def build(self, recipe: Recipe, target: Target, to: Destination, report: Reporter) -> BuiltImage:
        """Make the layers that are missing."""
        with store.using():
            report(Status(Stamp(Source("build"), time.time()), "building", "three layers"))
            layers = (self.dependencies(recipe, report), runner.layer().layer, self.code(recipe))
            image = store.put_image(recipe, layers)
        return BuiltImage(
            digest=image.digest,
            entry=recipe.entry,
            python=recipe.python,
            layers=layers,
            roots=recipe.roots,
            env=recipe.env,
            data=recipe.data,
        )

    def dependencies(self, recipe: Recipe, report: Reporter) -> Layer:
        """Return the tree of the recipe's lock."""
        key = tree.key(recipe)
        return Layer("dependencies", key, store.tree(key, lambda folder: tree.make(recipe, folder, report)))

    def code(self, recipe: Recipe) -> Layer:
        """Return the layer of the recipe's files, large ones too."""
        return store.put_layer("code", recipe.files).layer
'''

BROKEN = {
    "makes_what_it_says": """
class Broken(Stranger):
    makes = frozenset({"layers", "registry"})
""",
    "same_input_same_digest": """
class Broken(Stranger):
    def build(self, recipe, target, to, report):
        zone = ("ZONE", os.environ.get("TZ", ""))
        return super().build(replace(recipe, env=(*recipe.env, zone)), target, to, report)
""",
    "same_recipe_makes_nothing": """
class Broken(Stranger):
    def build(self, recipe, target, to, report):
        (state.home() / "builds.log").write_text(str(time.time()))
        return super().build(recipe, target, to, report)
""",
    "changed_code_changes_code_alone": """
class Broken(Stranger):
    def dependencies(self, recipe, report):
        key = tree.key(recipe)[:32] + recipe.entry.sha256[:32]
        return Layer("dependencies", key, store.tree(key, lambda folder: tree.make(recipe, folder, report)))
""",
    "holds_the_recipes_files": """
class Broken(Stranger):
    def code(self, recipe):
        return store.put_layer("code", [replace(file, mode=0o644) for file in recipe.files]).layer
""",
    "is_there_by_its_digest": """
class Broken(Stranger):
    def build(self, recipe, target, to, report):
        image = super().build(recipe, target, to, report)
        keys = "".join(layer.key for layer in image.layers)
        return replace(image, digest="sha256:" + hashlib.sha256(keys.encode()).hexdigest())
""",
    "says_what_it_does": """
class Broken(Stranger):
    def build(self, recipe, target, to, report):
        return super().build(recipe, target, to, lambda event: report(replace(event, at=Stamp(Source("run"), 0.0))))
""",
    "refuses_what_it_cannot": """
class Broken(Stranger):
    def check(self, recipe, target):
        pass
""",
    "refuses_a_missing_file": """
class Broken(Stranger):
    def code(self, recipe):
        there = [file for file in recipe.files if isinstance(file.content, bytes) or file.content.exists()]
        return store.put_layer("code", there).layer
""",
    "survives_being_killed": """
class Broken(Stranger):
    def dependencies(self, recipe, report):
        folder = state.store() / "trees" / tree.key(recipe)
        with locked(state.store() / "making.lock"):
            if not folder.exists():  # made in place: whoever is killed leaves half of it
                folder.mkdir(parents=True)
                tree.make(recipe, folder, report)
        return Layer("dependencies", folder.name, folder)
""",
    "two_builds_at_once": """
class Broken(Stranger):
    def build(self, recipe, target, to, report):
        with locked(state.store() / "building.lock", wait=False):  # whoever comes second fails
            return super().build(recipe, target, to, report)
""",
    "can_be_run": """
class Broken(Stranger):
    def build(self, recipe, target, to, report):
        image = super().build(recipe, target, to, report)
        return replace(image, layers=[layer for layer in image.layers if layer.kind != "fairing"])
""",
}

IMPORTS = """
import hashlib
import os
from dataclasses import replace

from fairing import state
from fairing.oci.locks import locked

"""


def test_a_strangers_builder_is_short_and_keeps_every_promise(tmp_path):
    assert sum(1 for line in STRANGER.splitlines() if line.strip()) <= 50
    install(tmp_path, "builders", "stranger", STRANGER, "Stranger")
    assert broken_promises(tmp_path, "builders", "stranger") == {"stranger": {}}


def test_each_promise_has_a_builder_that_breaks_it():
    assert set(BROKEN) == {promise.__name__ for promise in builders.PROMISES}


@pytest.fixture(scope="module")
def broken(request, tmp_path_factory):
    """Hold the promises against every broken builder that is asked for, two at a time."""

    def hold(promise):
        folder = tmp_path_factory.mktemp(promise)
        install(folder, "builders", "stranger", STRANGER + IMPORTS + BROKEN[promise], "Broken")
        return broken_promises(folder, "builders", "stranger")["stranger"]

    with ThreadPoolExecutor(2) as pool:
        yield {promise: pool.submit(hold, promise) for promise in asked(request)}


@pytest.mark.parametrize("promise", BROKEN)
def test_a_broken_builder_fails_on_exactly_its_promise(broken, promise):
    assert list(broken[promise].result()) == [promise]
