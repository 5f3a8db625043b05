"""The order of the stages. This file alone knows it."""

from __future__ import annotations

import time
from dataclasses import replace

from fairing import plugins
from fairing.errors import BuildError
from fairing.events import Source, Stamp, Status
from fairing.image import Image
from fairing.ports import Builder, Deployer, Founded, Reporter
from fairing.recipe import python
from fairing.recipe.resolve import asks_uv, resolve
from fairing.spec import BuiltImage, Bundle, Destination, Handle, Recipe, Target, Workload
from fairing.words import counted, size


def launch(bundle: Bundle, image: Image, workload: Workload, target: Target, report: Reporter) -> Handle:
    """Carry a bundle through every stage; what can be refused is refused before anything is made."""
    builder, deployer, to = _met(target)
    deployer.check(workload, target)
    recipe = resolve(bundle, _founded(image, deployer, target, to, report), to, report)
    builder.check(recipe, target)
    built = builder.build(recipe, target, to, report)
    return deployer.deploy(built, workload, target, report)


def build(bundle: Bundle, image: Image, target: Target, report: Reporter) -> BuiltImage:
    """Go as far as the image."""
    builder, deployer, to = _met(target)
    recipe = resolve(bundle, _founded(image, deployer, target, to, report), to, report)
    builder.check(recipe, target)
    return builder.build(recipe, target, to, report)


def dry_run(bundle: Bundle, image: Image, workload: Workload, target: Target) -> Recipe:
    """Go as far as the recipe: everything that may be refused has been, and nothing has been made."""
    builder, deployer, to = _met(target)
    deployer.check(workload, target)
    recipe = resolve(bundle, _founded(image, deployer, target, to), to)
    builder.check(recipe, target)
    return recipe


def new(bundle: Bundle, image: Image, target: Target) -> tuple[tuple[str, str], ...]:
    """Say what a build would make anew, and what is ready; nothing is made, and uv is not asked."""
    from fairing.oci import store
    from fairing.recipe import text, tree  # what they need for making one is not needed for a launch that makes none

    code = f"{counted(len(bundle.files), 'file')}, {size(sum(file.size() for file in bundle.files))}"
    *_, to = _met(target)
    if asks_uv(bundle, image, to):
        return (("dependencies", "found by uv before the run"), ("code", code))
    recipe = resolve(bundle, image, to)
    state = "ready" if store.has_tree(tree.key(recipe)) else "to be made"
    return (("dependencies", f"{counted(len(text.packages(recipe)), 'package')}, {state}"), ("code", code))


def _founded(
    image: Image, deployer: Deployer, target: Target, to: Destination, report: Reporter | None = None
) -> Image:
    """Return an image with the base that its deployer knows of, where none is named, and say which that is."""
    if image.base or to == "layers" or not isinstance(deployer, Founded):
        return image
    base, why = deployer.base(target)
    if why and report:
        report(Status(Stamp(Source("build"), time.time()), "building", f"stands on: {base or python.usual()}, {why}"))
    return replace(image, base=base)


def _met(target: Target) -> tuple[Builder, Deployer, Destination]:
    """Return the builder and the deployer of a target, and where they meet: what one makes, the other takes."""
    builder, deployer = plugins.builder(target.builder), plugins.deployer(target.deployer)
    if common := sorted(builder.makes & deployer.takes):
        return builder, deployer, common[0]
    fitting = [name for name in plugins.installed(plugins.BUILDERS) if deployer.takes & plugins.builder(name).makes]
    raise BuildError(
        f"The builder {target.builder!r} cannot make what the deployer {target.deployer!r} runs.",
        why=f"It leaves images in: {', '.join(sorted(builder.makes))}; wanted is: {', '.join(sorted(deployer.takes))}.",
        fix=f"Use builder={fitting[0]!r}." if fitting else "No installed builder can.",
    )
