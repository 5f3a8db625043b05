"""Checks what fairing needs on this machine: what ``fairing doctor`` says."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from fairing import plugins, state
from fairing.config import settings
from fairing.errors import FairingError

SCARCE = 1 << 30
"""Bytes below which a disk is called nearly full: a set of dependencies with a framework for training takes more."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked: what was found, whether it will do, and what to do if not."""

    name: str
    found: str
    good: bool = True
    fix: str = ""


class Findings(tuple[Finding, ...]):
    """Findings that read well where they are shown."""

    @property
    def good(self) -> bool:
        """Whether everything will do."""
        return all(each.good for each in self)

    def __repr__(self) -> str:
        wide = max((len(each.name) for each in self), default=0)
        return "\n".join(
            f"{'ok ' if each.good else 'NO '} {each.name:<{wide}}  {each.found} {each.fix}".rstrip() for each in self
        )


def doctor() -> Findings:
    """Check this machine, and what is installed and set on it.

    Example:
        >>> doctor().good  # doctest: +SKIP
        True
    """
    checks: tuple[Callable[[], Iterator[Finding]], ...] = (_python, _folder, _plugins, _settings)
    return Findings(finding for check in checks for finding in check())


def _python() -> Iterator[Finding]:
    new = sys.version_info >= (3, 10)
    system = f"{platform.system()} {platform.machine()}"
    yield Finding(
        "python", f"{platform.python_version()} at {sys.executable}", new, "" if new else "Use 3.10 or newer."
    )
    posix = sys.platform != "win32"
    yield Finding("system", system, posix, "" if posix else "The local target needs Linux or macOS: use WSL.")


def _folder() -> Iterator[Finding]:
    try:
        home = state.private(state.home())
        free = shutil.disk_usage(home).free
    except (FairingError, OSError) as wrong:
        yield Finding("store", str(wrong), good=False)
        return
    room = free >= SCARCE
    yield Finding("store", f"{home}, {free >> 20:,} MiB free", room, "" if room else "Free some: fairing prune.")


def _plugins() -> Iterator[Finding]:
    for group, load in ((plugins.BUILDERS, plugins.builder), (plugins.DEPLOYERS, plugins.deployer)):
        noun = group.rpartition(".")[2]
        names = plugins.installed(group)
        if not names:
            yield Finding(noun, "none", good=False, fix="Reinstall fairing.")
        for name in names:
            try:
                load(name)
            except FairingError as broken:
                yield Finding(noun, str(broken), good=False)
            else:
                yield Finding(noun, name)


def _settings() -> Iterator[Finding]:
    try:
        target = next(each for each in settings.settings() if each.name == "target")
        known = settings.targets()
    except FairingError as wrong:
        yield Finding("settings", str(wrong), good=False)
        return
    yield Finding("target", f"{target.value} ({target.source}), of {', '.join(known)}")
