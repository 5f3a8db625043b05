"""Images on a base, in a registry: what is checked before anything is made, and the push of what the registry lacks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from fairing import state
from fairing.errors import BuildError, ConfigError
from fairing.oci import config, known, layout, pinned, rules, store
from fairing.oci.blob import Blob
from fairing.oci.complete import packed
from fairing.oci.pinned import Pinned
from fairing.oci.reference import Reference, parse
from fairing.oci.transfer import Transfer
from fairing.recipe import fit, python
from fairing.spec import BuiltImage, Layer, Recipe, Target
from fairing.words import size

Say = Callable[[str], None]


def check(recipe: Recipe, target: Target) -> None:
    """Refuse what would go wrong: the repository, the base, the packages on it, and the right to push, in that order.

    A registry is asked once; what it answered is kept.

    Raises:
        ConfigError: No repository is named, or it is none.
        RegistryError: The base cannot be read, or nothing may be pushed.
        BuildError: The base has another Python.
        DependencyError: A package has no wheel that runs on the base.
    """
    if not target.option("repository"):
        raise ConfigError(
            f"The target {target.name!r} has no repository for its images.",
            why="What runs elsewhere is pushed to a registry first.",
            fix="Set repository='registry.example.com/team/fairing', in the call, fairing.use or fairing.toml; without a "
            "registry, builder='inline' sends the code alone.",
        )
    to = repository(target)
    base = pinned.find(recipe.base, recipe.platform) or _asked(recipe, target)
    _same_python(recipe, base)
    fit.fitted(recipe, base.facts.libc)
    if not known.allowed(to):
        settings = replace(rules.settings(target.registries), attempts=2)  # somebody waits for the answer
        with Transfer(settings) as transfer:
            transfer.registry(to.registry).check_push(to.repository)


def repository(target: Target) -> Reference:
    """Return where a target's images are pushed.

    Raises:
        ConfigError: It names none, or one with a tag.
    """
    named = str(target.option("repository"))
    found = parse(named)
    if found.digest or ":" in named.rpartition("/")[2]:
        raise ConfigError(
            f"The repository {named!r} has a tag or a digest.",
            why="Each image gets a tag of its own.",
            fix=f"Write repository={f'{found.registry}/{found.repository}'!r}.",
        )
    return Reference(found.registry, found.repository)


def ready(recipe: Recipe, target: Target, say: Say) -> tuple[Recipe, Pinned]:
    """Return the recipe with dependencies that run on its base, and the base.

    Raises:
        DependencyError: A package has no wheel that runs there.
    """
    base = pinned.find(recipe.base, recipe.platform) or _asked(recipe, target)
    say(f"base: {base.name} {_about(base)}")
    fitting, wrong = fit.fitted(recipe, base.facts.libc)
    if wrong:
        named = ", ".join(wrong[:3]) + (f" and {len(wrong) - 3} more" if len(wrong) > 3 else "")
        say(f"dependencies: resolved for {base.facts.libc}, where what is installed here does not run: {named}")
    return fitting, base


def finish(recipe: Recipe, base: Pinned, layers: Sequence[Layer], target: Target, say: Say) -> BuiltImage:
    """Write the image's documents, and push what the registry is not known to have.

    Raises:
        RegistryError: It cannot be stored.
    """
    to = repository(target)
    whole = [_written(layer, recipe, base) for layer in layers]
    settings = config.configuration(recipe, whole, base)
    with store.using() as root:
        described = layout.put(root, settings, config.config_type(base))
        manifest = layout.put(root, config.manifest(recipe, whole, described, base), base.base.manifest.media_type)
        digest = manifest["digest"]
        named = replace(to, tag=store.name(recipe.entry.name, digest))
        own = [*whole, Layer("code", "", None, described["digest"], None, described["size"])]
        done = "ready" if known.image(to, digest) else _pushed(named, digest, own, base, target, say)
    say(f"image: {named}, {done}")
    return BuiltImage(
        digest=digest,
        entry=recipe.entry,
        python=recipe.python,
        ref=f"{to.registry}/{to.repository}@{digest}",
        layers=tuple(whole),
        roots=recipe.roots,
        env=recipe.env,
        data=recipe.data,
    )


def _asked(recipe: Recipe, target: Target) -> Pinned:
    with Transfer(rules.settings(target.registries)) as transfer:
        return pinned.pin(recipe.base, recipe.platform, transfer, target.registries)


def _about(base: Pinned) -> str:
    """Say what is known of a base, and what is only believed."""
    facts = base.facts
    told = [
        f"Python {facts.python}" if facts.python else "its Python is believed to fit",
        facts.libc or "C library unknown",
    ]
    return f"({', '.join(told)}), {base.base.manifest.digest[:19]}…"


def _same_python(recipe: Recipe, base: Pinned) -> None:
    there, here = base.facts.python, python.minor(recipe.python)
    if there and python.minor(there) != here:
        raise BuildError(
            f"The image {base.name!r} cannot be started from here.",
            why=f"It has Python {there}, and this kernel has {recipe.python}.",
            fix=f"Use image='python:{here}-slim' or another with Python {here}, or a kernel with Python {there}.",
        )


def _written(layer: Layer, recipe: Recipe, base: Pinned) -> Layer:
    """Return a layer with its blob: that of a folder is written when it is first pushed."""
    if layer.digest is not None:
        return layer
    blob = packed(layer.kind, layer.key, recipe.python, base.facts.interpreter)
    return replace(layer, digest=blob.digest, diff_id=blob.diff_id, size=blob.size)


def _pushed(to: Reference, digest: str, own: Sequence[Layer], base: Pinned, target: Target, say: Say) -> str:
    """Push an image; return whether it was new to the registry."""
    root = state.store()
    there = known.blobs(to)
    trees = [layer.key for layer in own if layer.folder is not None]
    with Transfer(rules.settings(target.registries)) as transfer:
        if known.image(to, digest) is None and transfer.registry(to.registry).has_manifest(to.repository, digest):
            known.note(to, digest, (str(layer.digest) for layer in own), trees)
            return "ready"
        blobs = [
            *(_known(blob, there, None) for blob in transfer.blobs(base.base, to)),
            *(_known(_blob(root, layer), there, False if layer.kind == "code" else None) for layer in own),
        ]
        if missing := sum(blob.size for blob in blobs if not blob.known):
            say(f"pushing to {to.registry}: {size(missing)} at most")
        manifest = layout.blob(root, digest).read_bytes()
        transfer.push(to, blobs, manifest, base.base.manifest.media_type)
        known.note(to, digest, (blob.digest for blob in blobs), trees)
    return "new"


def _blob(root: Path, layer: Layer) -> Blob:
    return Blob.file(layout.blob(root, str(layer.digest)), str(layer.digest))


def _known(blob: Blob, there: frozenset[str], else_: bool | None) -> Blob:
    """Say what is known of a blob: what was made just now is sent without asking whether it is there."""
    return replace(blob, known=True if blob.digest in there else else_)
