"""The installed distributions of this environment, as a lock and as files."""

from __future__ import annotations

import hashlib
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def closure(names: tuple[str, ...]) -> tuple[Distribution, ...]:
    """Return the distributions of these names and all that they require, sorted by name."""
    found: dict[str, Distribution] = {}
    queue = [(name, frozenset[str]()) for name in names]
    while queue:
        name, extras = queue.pop()
        key = canonicalize_name(name)
        if key in found and not extras:
            continue
        try:
            found[key] = each = distribution(name)
        except PackageNotFoundError:
            continue
        for text in each.requires or ():
            need = Requirement(text)
            wanted = need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in (*extras, ""))
            if wanted and canonicalize_name(need.name) not in found:
                queue.append((need.name, frozenset(need.extras)))
    return tuple(found[key] for key in sorted(found))


def lock(distributions: tuple[Distribution, ...]) -> str:
    """Return the lock text of installed distributions: name, version, and a hash of what was installed."""
    return "".join(
        f"{canonicalize_name(each.name)}=={each.version} --hash=record:{_digest(each)}\n" for each in distributions
    )


def _digest(each: Distribution) -> str:
    return hashlib.sha256((each.read_text("RECORD") or "").encode()).hexdigest()
