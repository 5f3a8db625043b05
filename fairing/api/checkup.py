"""Checks what fairing needs on this machine: what ``fairing doctor`` says."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace

from fairing import plugins, state
from fairing.config import settings
from fairing.config.options import Options, image
from fairing.errors import FairingError
from fairing.ports import Examined
from fairing.spec import Finding, Target

SCARCE = 1 << 30
"""Bytes below which a disk is called nearly full: a set of dependencies with a framework for training takes more."""


class Findings(tuple[Finding, ...]):
    """Findings that read well where they are shown."""

    @property
    def good(self) -> bool:
        """Whether everything will do."""
        return all(each.good for each in self)

    def __repr__(self) -> str:
        wide = max((len(each.name) for each in self), default=0)
        return "\n".join(
            f"{'ok ' if each.good else 'NO '} {each.name:<{wide}}  {_sentences(each)}".rstrip() for each in self
        )


def _sentences(each: Finding) -> str:
    stop = "." if each.fix and each.found[-1:] not in ".!?" else ""
    return f"{each.found}{stop} {each.fix}"


def doctor(target: Target | str | None = None) -> Findings:
    """Check this machine, what is installed and set on it, and the place where runs go.

    Args:
        target: Where runs are to go, such as ``"cluster"``; else where they go now.

    Raises:
        ConfigError: There is no such target.

    Example:
        >>> doctor().good  # doctest: +SKIP
        True
    """
    here: tuple[Callable[[], Iterator[Finding]], ...] = (_python, _folder, _plugins, _settings)
    found = [finding for check in here for finding in check()]
    sound = all(finding.good for finding in found if finding.name == "settings")  # else nobody knows where runs go
    return Findings((*found, *(_there(target) if sound else ())))


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


def _there(target: Target | str | None) -> Iterator[Finding]:
    """Ask the builder and the deployer of a target whether it will do."""
    chosen, settled = settings.settle(Options(target=target))
    if settled.image or settled.platform:
        chosen = replace(chosen, options=(*chosen.options, ("image", image(settled))))
    for name, load in ((chosen.deployer, plugins.deployer), (chosen.builder, plugins.builder)):
        try:
            part = load(name)
            if isinstance(part, Examined):
                yield from part.examine(chosen)
        except FairingError as wrong:
            yield Finding(chosen.name, str(wrong), good=False)


def _settings() -> Iterator[Finding]:
    try:
        target = next(each for each in settings.settings() if each.name == "target")
        known = settings.targets()
    except FairingError as wrong:
        yield Finding("settings", str(wrong), good=False)
        return
    yield Finding("target", f"{target.value} ({target.source}), of {', '.join(known)}")
