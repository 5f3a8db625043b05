"""Images on a base, in a registry: what is checked before anything is made, and the push of what the registry lacks."""

from __future__ import annotations

import platform as machine
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from fairing import plugins, state
from fairing.errors import BuildError, ConfigError, FairingError, RegistryError
from fairing.image import Image
from fairing.oci import config, known, layout, pinned, rules, store
from fairing.oci.blob import Blob
from fairing.oci.complete import packed
from fairing.oci.pinned import Pinned
from fairing.oci.reference import Reference, parse
from fairing.oci.transfer import Transfer, opened
from fairing.ports import Founded
from fairing.recipe import fit, python
from fairing.spec import BuiltImage, Finding, Layer, Recipe, Target
from fairing.words import size
from fairing_builders import granted

Say = Callable[[str], None]


_WHERE = (
    "Set repository='registry.example.com/team/fairing', in the call, fairing.use or fairing.toml; without a registry, "
    "builder='inline' sends the code alone."
)
_NOW_AND_THEN = 3.0
"""Seconds between two words on how far a push is."""


class Made(NamedTuple):
    """An image's layers, for one platform."""

    recipe: Recipe
    base: Pinned
    layers: Sequence[Layer]


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
            fix=_WHERE,
        )
    to = repository(target)
    base = pinned.find(recipe.base, recipe.platform) or _asked(recipe, target)
    _same_python(recipe.python, base)
    fit.fitted(recipe, base.facts.libc)
    if not known.allowed(to):
        settings = replace(
            rules.settings(target.registries, granted.by(target)), attempts=2
        )  # somebody waits for the answer
        with Transfer(settings) as transfer:
            transfer.registry(to.registry).check_push(to.repository)


def examine(target: Target) -> Iterator[Finding]:
    """Say whether images may be pushed where a target says, and whether what they stand on will do."""
    if not target.option("repository"):
        yield Finding("registry", "no repository is named", good=False, fix=_WHERE)
        return
    to = repository(target)
    with Transfer(replace(rules.settings(target.registries, granted.by(target)), attempts=2)) as transfer:
        try:
            transfer.registry(to.registry).check_push(to.repository)
            yield Finding("registry", f"images may be pushed to {to.registry}/{to.repository}")
        except RegistryError as wrong:
            yield Finding("registry", f"{wrong.what} {wrong.why}".strip(), good=False, fix=wrong.fix)
        image = target.option("image") or Image()
        named = image if isinstance(image, Image) else Image(image)
        here = machine.python_version()
        name = named.base or _founded(target) or python.usual()
        for platform in named.platforms or (python.elsewhere(named, "registry"),):
            yield _will_do(name, platform, here, transfer, target)


def _founded(target: Target) -> str:
    """Return the image that a target's deployer knows its runs had best stand on, if any."""
    deployer = plugins.deployer(target.deployer)
    with suppress(FairingError):  # it cannot be reached, which its own findings say
        return deployer.base(target)[0] if isinstance(deployer, Founded) else ""
    return ""


def _will_do(name: str, platform: str, here: str, transfer: Transfer, target: Target) -> Finding:
    try:
        base = pinned.ask(name, platform, transfer, target.registries)
        _same_python(here, base)
    except BuildError as wrong:
        return Finding("image", f"{wrong.what} {wrong.why}".strip(), good=False, fix=wrong.fix)
    return Finding("image", f"{name} {_about(platform, base)}")


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
    say(f"base: {base.name} {_about(recipe.platform, base)}")
    fitting, wrong = fit.fitted(recipe, base.facts.libc)
    if wrong:
        named = ", ".join(wrong[:3]) + (f" and {len(wrong) - 3} more" if len(wrong) > 3 else "")
        say(f"dependencies: resolved for {base.facts.libc}, where what is installed here does not run: {named}")
    return fitting, base


def finish(made: Sequence[Made], target: Target, say: Say) -> BuiltImage:
    """Write the documents of an image, for each platform, and push what the registry is not known to have.

    Raises:
        RegistryError: It cannot be stored.
    """
    to = repository(target)
    first, *others = [_image(each, named=len(made) == 1, target=target, say=say) for each in made]
    recipe, whole = made[0].recipe, first
    if others:
        whole = _index([first, *others], [each.recipe for each in made], target, say)
    say(f"travels: inside an image, in {to.registry}/{to.repository}: repository= names it")
    return BuiltImage(
        digest=whole.digest,
        entry=recipe.entry,
        python=recipe.python,
        ref=f"{to.registry}/{to.repository}@{whole.digest}",
        layers=first.layers,
        roots=recipe.roots,
        env=recipe.env,
        data=recipe.data,
        paths=tuple(config.paths(recipe.python)),
        platforms=tuple(each.recipe.platform for each in made),
        base=recipe.base,
    )


class _Stored(NamedTuple):
    """An image, or an index of several, that is in the registry."""

    digest: str
    media_type: str
    size: int
    layers: tuple[Layer, ...] = ()


def _image(made: Made, *, named: bool, target: Target, say: Say) -> _Stored:
    recipe, base, layers = made
    to, kind = repository(target), base.base.manifest.media_type
    whole = tuple(_written(layer, recipe, base, say) for layer in layers)
    with store.using() as root:
        settings = layout.put(root, config.configuration(recipe, whole, base), config.config_type(base))
        digest, size = _document(root, config.manifest(recipe, whole, settings, base), kind)
        own = [*((str(layer.digest), layer.kind == "code") for layer in whole), (settings["digest"], True)]
        trees = [layer.key for layer in whole if layer.folder is not None]

        def blobs(transfer: Transfer, there: frozenset[str]) -> list[Blob]:
            return [
                *(_known(blob, there, None) for blob in transfer.blobs(base.base, to)),
                *(_known(Blob.file(layout.blob(root, each), each), there, False if new else None) for each, new in own),
            ]

        called = replace(to, tag=store.name(recipe.entry.name, digest) if named else None)
        _pushed(called, _Push(digest, kind, [each for each, _ in own], trees, blobs), target, say)
    return _Stored(digest, kind, size, whole)


def _index(images: Sequence[_Stored], recipes: Sequence[Recipe], target: Target, say: Say) -> _Stored:
    """Store the index of an image's platforms, from which who runs it takes its own."""
    listed = [
        {
            "mediaType": each.media_type,
            "digest": each.digest,
            "size": each.size,
            "platform": config.platform(recipe.platform),
        }
        for each, recipe in zip(images, recipes, strict=True)
    ]
    with store.using() as root:
        document = {"schemaVersion": 2, "mediaType": config.INDEX, "manifests": listed}
        digest, size = _document(root, document, config.INDEX)
        named = replace(repository(target), tag=store.name(recipes[0].entry.name, digest))
        inside = [each.digest for each in images]
        _pushed(named, _Push(digest, config.INDEX, inside, [], lambda *_: []), target, say)
    return _Stored(digest, config.INDEX, size)


def _document(root: Path, document: dict[str, Any], kind: str) -> tuple[str, int]:
    described = layout.put(root, document, kind)
    return str(described["digest"]), int(described["size"])


def _asked(recipe: Recipe, target: Target) -> Pinned:
    with opened(target.registries, granted.by(target)) as transfer:
        return pinned.pin(recipe.base, recipe.platform, transfer, target.registries)


def _about(platform: str, base: Pinned) -> str:
    """Say what is known of a base, and what is only believed."""
    facts = base.facts
    told = [
        platform,
        f"Python {facts.python}" if facts.python else "its Python is believed to fit",
        facts.libc or "C library unknown",
    ]
    return f"({', '.join(told)}), {base.base.manifest.digest[:19]}…"


def _same_python(version: str, base: Pinned) -> None:
    there, here = base.facts.python, python.minor(version)
    if there and python.minor(there) != here:
        raise BuildError(
            f"The image {base.name!r} cannot be started from here.",
            why=f"It has Python {there}, and this kernel has {version}.",
            fix=f"Use image='python:{here}-slim' or another with Python {here}, or a kernel with Python {there}.",
        )


def _written(layer: Layer, recipe: Recipe, base: Pinned, say: Say) -> Layer:
    """Return a layer with its blob: that of a folder is written when it is first pushed."""
    if layer.digest is not None:
        return layer
    writing = partial(say, f"{layer.kind}: being packed")
    blob = packed(layer.kind, layer.key, recipe.python, base.facts.interpreter, writing)
    return replace(layer, digest=blob.digest, diff_id=blob.diff_id, size=blob.size)


class _Push(NamedTuple):
    """What is pushed: the digest and the kind of a document of the store, and what it stands for."""

    digest: str
    media_type: str
    inside: Sequence[str]
    trees: Sequence[str]
    blobs: Callable[[Transfer, frozenset[str]], list[Blob]]


def _pushed(to: Reference, what: _Push, target: Target, say: Say) -> None:
    """Push a document and its blobs, if the registry is not known to have it."""
    called = str(to) if to.tag else f"{to}@{what.digest[:19]}…"
    seen = known.image(to, what.digest)
    if seen:
        say(f"image: {called}, ready")
        return
    with opened(target.registries, granted.by(target)) as transfer:
        inside = tuple(what.inside)
        if seen is None and transfer.registry(to.registry).has_manifest(to.repository, what.digest):
            done = "ready"
        else:
            blobs = what.blobs(transfer, known.blobs(to))
            if missing := sum(blob.size for blob in blobs if not blob.known):
                say(f"pushing to {to.registry}: {size(missing)} at most")
            manifest = layout.blob(state.store(), what.digest).read_bytes()
            transfer.push(to, blobs, manifest, what.media_type, _watch(to, say))
            inside, done = (*inside, *(blob.digest for blob in blobs)), "new"
    known.note(to, what.digest, dict.fromkeys(inside), what.trees)
    say(f"image: {called}, {done}")


def _watch(to: Reference, say: Say) -> Callable[[int], None]:
    """Return what says now and then how far a push is."""
    last = time.monotonic()

    def watch(read: int) -> None:
        nonlocal last
        if time.monotonic() - last >= _NOW_AND_THEN:
            last = time.monotonic()
            say(f"pushing to {to.registry}: {size(read)} sent")

    return watch


def _known(blob: Blob, there: frozenset[str], else_: bool | None) -> Blob:
    """Say what is known of a blob: what was made just now is sent without asking whether it is there."""
    return replace(blob, known=True if blob.digest in there else else_)
