"""Settles everything that a builder needs to know."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Literal

from fairing.environment.closure import closure
from fairing.environment.index import canonical, distributions
from fairing.events import Source, Stamp, Text
from fairing.image import Image
from fairing.ports import Reporter
from fairing.recipe import installed, python
from fairing.spec import Bundle, Destination, Recipe


def resolve(bundle: Bundle, image: Image, to: Destination, report: Reporter | None = None) -> Recipe:
    """Return the recipe of a bundle on an image.

    What was stated and is not what is installed is resolved, and then all of it, since the parts have to fit together.

    Args:
        bundle: What was captured.
        image: The image to start from.
        to: Where the image is to be found: as ``layers`` it runs on this machine, by this machine's own Python.
        report: Where to say what the reader should know of, such as an installed file that was changed.

    Raises:
        BuildError: The image cannot be started from, or has another Python than the code.
        DependencyError: What is required cannot be had.
    """
    base, platform = python.base(bundle, image, to)
    bundle = _on(bundle, image)
    stated = _own(bundle, platform)
    source: Literal["installed", "resolved", "start"] = "start" if bundle.dependencies == "start" else "resolved"
    if stated is not None:
        found = installed.pieces((*bundle.requires, *stated))
        lock, source = installed.lock(found), "installed"
        for warning in installed.warnings(found):
            if report:
                report(Text(Stamp(Source("build"), time.time()), f"{warning}\n", "stderr"))
    else:
        lock = _resolved(bundle, platform)
    return Recipe(
        base=base,
        platform=platform,
        python=bundle.python,
        lock=lock,
        source=source,
        apt=image.debian,
        env=image.variables,
        entry=bundle.entry,
        files=tuple(sorted(bundle.files, key=lambda file: file.path)),
        roots=bundle.roots,
        data=bundle.data,
        indexes=_indexes(bundle),
        also=tuple(resolve(bundle, replace(image, platforms=(each,)), to, report) for each in image.platforms[1:]),
    )


def asks_uv(bundle: Bundle, image: Image, to: Destination) -> bool:
    """Whether a bundle's dependencies are not simply those installed here, so that uv has to find them."""
    return _own(_on(bundle, image), python.elsewhere(image, to)) is None


def _on(bundle: Bundle, image: Image) -> Bundle:
    """Return a bundle with what an image is to have stated as well."""
    return replace(bundle, explicit=tuple(dict.fromkeys((*bundle.explicit, *image.requirements))))


def _own(bundle: Bundle, platform: str) -> tuple[str, ...] | None:
    """Return the names of what is stated, where what is installed here is what is stated, and runs there."""
    if bundle.dependencies != "installed" or platform != python.platform():
        return None
    return _names(bundle.explicit)


_HASH = "--hash "


def _names(explicit: Iterable[str]) -> tuple[str, ...] | None:
    """Return stated requirements as names with extras; ``None`` where what is installed is not what is stated."""
    if not explicit:
        return ()
    from packaging.requirements import Requirement

    known = distributions()
    names = []
    for text in explicit:
        stated = Requirement(text)
        if stated.marker and not stated.marker.evaluate():
            continue
        each = known.get(canonical(stated.name))
        if each is None or stated.url or not stated.specifier.contains(each.version, prereleases=True):
            return None
        names.append(f"{each.name}[{','.join(sorted(stated.extras))}]" if stated.extras else each.name)
        if stated.extras and closure([names[-1]]).absent:
            return None
    return tuple(names)


def _resolved(bundle: Bundle, platform: str) -> str:
    """Resolve what is stated and what the code was seen to need, at the versions that are installed."""
    from fairing.recipe import uv  # here, since most runs take what is installed

    known = distributions()
    stated = {_name(text) for text in bundle.explicit}
    projects = {name for name, each in known.items() if each.editable} | {installed.OWN}
    seen = [name for name in bundle.requires if canonical(name) not in stated | projects]
    behind = [
        text
        for each in closure((*bundle.requires, *(_name(text) for text in bundle.explicit))).found
        if each.name in projects
        for text in each.requires
        if "extra ==" not in text and _name(text) not in projects
    ]
    explicit = [text for text in bundle.explicit if _name(text) not in projects]
    constraints = (f"{each.name}=={each.version}" for each in known.values() if each.name not in stated | projects)
    question = uv.Question(
        tuple(sorted({*explicit, *seen, *behind})),
        tuple(sorted(constraints)),
        platform,
        bundle.python,
        _indexes(bundle),
        tuple(option.removeprefix(_HASH) for option in bundle.indexes if option.startswith(_HASH)),
    )
    return uv.lock(question)


def _indexes(bundle: Bundle) -> tuple[str, ...]:
    return tuple(option for option in bundle.indexes if not option.startswith(_HASH))


def _name(requirement: str) -> str:
    return canonical(re.split(r"[\s\[<>=!~;@(]", requirement.strip(), maxsplit=1)[0])
