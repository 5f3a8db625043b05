"""From what a run looked for and did not find, to the option that takes it along."""

from __future__ import annotations

import sys
from pathlib import Path

from fairing.capture import modules


def hint(missing: str, root: Path | None = None) -> str:
    """Return the option to add when what a run missed exists here, else nothing.

    Args:
        missing: A path, or the dotted name of a module.
        root: The project's folder; found from the working folder if not given.

    Example:
        >>> hint("no/such/file.csv")
        ''
    """
    root = root or modules.project()
    return _path(missing, root) or _module(missing, root)


def _path(missing: str, root: Path) -> str:
    if Path(missing).is_absolute():
        here = Path(missing)
        for place in (Path.cwd(), root):
            if here.exists() and here.is_relative_to(place):
                name = here.relative_to(place).as_posix()
                return f"{missing} is here: take it along with include=[{name!r}] and open it as {name!r}."
        if here.exists():
            return (
                f"{missing} is here, outside of the project: copy it into {root} and take it along with include=[...]."
            )
        return ""
    for place in (Path.cwd(), root):
        here = place / missing
        if here.exists() and here.resolve().is_relative_to(place.resolve()):
            name = here.resolve().relative_to(place.resolve()).as_posix()
            return f"It is here: take it along with include=[{name!r}]."
        if here.exists():
            return f"It is here, outside of {place}: copy it into the project and take it along with include=[...]."
    return ""


def _module(missing: str, root: Path) -> str:
    top = missing.partition(".")[0]
    if not missing.replace(".", "").isidentifier() or top in sys.stdlib_module_names:
        return ""
    spec = modules.specification(missing) or modules.specification(top)
    if spec is None:
        return ""
    places = [spec.origin] if spec.has_location and spec.origin else list(spec.submodule_search_locations or ())
    if any(modules.local(place) for place in places):
        for place in (root / top, root / f"{top}.py"):
            if place.exists():
                return f"It is here: import it by name in the function, or take it along with include=[{place.name!r}]."
        return f"{missing} is a module of yours that the code does not import by name: import it in the function."
    from fairing.environment.owners import owner

    names = [each.name for each in owner(missing).distributions]
    return f"It is installed here: take it along with requirements={names!r}." if names else ""
