"""The order of the stages. This file alone knows it."""

from __future__ import annotations

from fairing import plugins
from fairing.errors import BuildError
from fairing.ports import Builder, Deployer, Reporter
from fairing.recipe.resolve import asks_uv, resolve
from fairing.spec import BuiltImage, Bundle, Handle, Image, Recipe, Target, Workload
from fairing.words import counted, size


def launch(bundle: Bundle, image: Image, workload: Workload, target: Target, report: Reporter) -> Handle:
    """Carry a bundle through every stage; what can be refused is refused before anything is made."""
    builder, deployer = _met(target)
    deployer.check(workload, target)
    recipe = resolve(bundle, image, target, report)
    builder.check(recipe, target)
    built = builder.build(recipe, target, deployer.takes, report)
    return deployer.deploy(built, workload, target, report)


def build(bundle: Bundle, image: Image, target: Target, report: Reporter) -> BuiltImage:
    """Go as far as the image."""
    builder, deployer = _met(target)
    recipe = resolve(bundle, image, target, report)
    builder.check(recipe, target)
    return builder.build(recipe, target, deployer.takes, report)


def dry_run(bundle: Bundle, image: Image, workload: Workload, target: Target) -> Recipe:
    """Go as far as the recipe: everything that may be refused has been, and nothing has been made."""
    builder, deployer = _met(target)
    deployer.check(workload, target)
    recipe = resolve(bundle, image, target)
    builder.check(recipe, target)
    return recipe


def new(bundle: Bundle, image: Image, target: Target) -> tuple[tuple[str, str], ...]:
    """Say what a build would make anew, and what is ready; nothing is made, and uv is not asked."""
    from fairing.oci import store
    from fairing.recipe import text, tree  # what they need for making one is not needed for a launch that makes none

    code = f"{counted(len(bundle.files), 'file')}, {size(sum(file.size() for file in bundle.files))}"
    if asks_uv(bundle):
        return (("dependencies", "found by uv before the run"), ("code", code))
    recipe = resolve(bundle, image, target)
    state = "ready" if store.has_tree(tree.key(recipe)) else "to be made"
    return (("dependencies", f"{counted(len(text.packages(recipe)), 'package')}, {state}"), ("code", code))


def _met(target: Target) -> tuple[Builder, Deployer]:
    """Return the builder and the deployer of a target: what one makes, the other takes."""
    builder, deployer = plugins.builder(target.builder), plugins.deployer(target.deployer)
    takes = deployer.takes
    if takes in builder.makes:
        return builder, deployer
    fitting = [name for name in plugins.installed(plugins.BUILDERS) if takes in plugins.builder(name).makes]
    raise BuildError(
        f"The builder {target.builder!r} cannot make what the deployer {target.deployer!r} runs.",
        why=f"It leaves images in: {', '.join(sorted(builder.makes))}; {takes} is wanted.",
        fix=f"Use builder={fitting[0]!r}." if fitting else "No installed builder can.",
    )
