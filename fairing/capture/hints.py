"""From what a run looked for and did not find, to the option that takes it along."""

from __future__ import annotations

import os
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
    here = Path(os.path.normpath(Path.cwd() / missing))  # not resolved: a link is taken by its own name
    if not here.exists() and not Path(missing).is_absolute():
        here = root / missing
    if not here.exists():
        return ""
    for place in (Path.cwd(), root):
        if here.is_relative_to(place):
            name = here.relative_to(place).as_posix()
            opened = "" if name == os.path.normpath(missing) else f" and open it as {name!r}"
            return f"It is here: take it along with include=[{name!r}]{opened}."
    return f"It is here, outside of the project: copy it into {root} and take it along with include=[...]."


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
