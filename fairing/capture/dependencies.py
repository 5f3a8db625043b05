"""Which installed distributions code needs: by its imports, by what it captured, and by what is loaded beside it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping

from fairing.capture.imports import ELSEWHERE
from fairing.environment.closure import closure, needs
from fairing.environment.index import Distribution, canonical, distributions
from fairing.environment.owners import owner

ALWAYS = ("cloudpickle", "the runner loads your code with it")


def find(imported: Mapping[str, str] | Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return the distributions that code needs, each with the reason, sorted by name; not what those require in turn.

    Args:
        imported: Dotted names of modules the code imports, each with where (``{"pandas": "import in train"}``), or
            the names alone. ``from x import y`` is ``"x.y"``: only so can the parts of a namespace be told apart.
            Modules that a pickle names count as imported: loading it imports them.

    Example:
        >>> find({"cloudpickle": "import in train"})
        (('cloudpickle', 'import in train'),)
    """
    found: dict[str, str] = {}
    reasons = _reasons(imported)
    above = {module[:at] for module in reasons for at, character in enumerate(module) if character == "."}
    for module, reason in reasons.items():
        for each in owner(module, parts=module not in above).distributions:
            if each.name not in _OURS:
                found.setdefault(each.name, reason)
            elif module == ELSEWHERE:
                found.setdefault(each.name, "it starts runs elsewhere")
    found.setdefault(*ALWAYS)
    return tuple(sorted(_with_engines(found).items()))


def missing(imported: Mapping[str, str] | Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return the modules that are imported and cannot be taken along, each with the reason."""
    found = {}
    for module, reason in _reasons(imported).items():
        top = module.partition(".")[0]
        if owner(module).missing and top not in _OURS:
            found[top] = f"{reason}, but no such module is installed here"
    return tuple(sorted(found.items()))


def absent(requires: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return what these distributions require and this environment lacks, each with who requires it."""
    return tuple((name, f"required by {by}, but not installed here") for name, by in closure(requires).absent if by)


_USED = frozenset({"ipykernel", "papermill", "kubernetes", "docker"})
_OURS = frozenset({"fairing", "fairing_builders", "fairing_deployers"})
_FOR_DEVELOPERS = frozenset(
    {"test", "tests", "testing", "dev", "develop", "doc", "docs", "lint", "typing", "build", "ci"}
)


def _reasons(imported: Mapping[str, str] | Iterable[str]) -> dict[str, str]:
    reasons = dict(imported) if isinstance(imported, Mapping) else dict.fromkeys(imported, "import")
    return {module: reason for module, reason in reasons.items() if module and module != "__main__"}


def _with_engines(found: dict[str, str]) -> dict[str, str]:
    """Add what is loaded now and is an extra of something needed: pyarrow behind pandas, openpyxl, a file system."""
    installed = distributions()
    loaded = {name.partition(".")[0] for name in tuple(sys.modules)}
    # What the kernel is made of is loaded in every notebook, and what these are made of once we have used them.
    ours = {
        each.name for each in closure(loaded.intersection(("ipykernel", "papermill", "kubernetes", "docker"))).found
    }
    # Of what the code itself needs alone: what those require has extras too, and each is loaded in some notebook.
    names = {each.name for each in closure(found).found}
    new = dict(found)
    for each in (installed[name] for name in found if name in installed):
        for name in sorted(_optional(each) - names - ours):
            if name in installed and loaded.intersection(installed[name].tops):
                new.setdefault(name, f"loaded here, and {each.name} works with it")
    return new


def _optional(each: Distribution) -> set[str]:
    """Return what a distribution can work with, by its extras, less what only its own developers need."""
    wanted, unwanted = set(), {each.name, *map(canonical, _OURS)}
    for need in needs(each):
        if any(extra.partition("-")[0] in _FOR_DEVELOPERS for extra in need.under):  # test-extra, as IPython says
            unwanted.add(need.name)
        elif need.under and "" not in need.under:
            wanted.add(need.name)
    return wanted - unwanted
