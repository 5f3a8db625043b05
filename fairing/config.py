"""Which target, and which options: from the call, ``fairing.use``, ``FAIRING_*``, files, and the target, in that order.

The current defaults of ``fairing.use`` are the one piece of global state in this library.
"""

from __future__ import annotations

import os

from fairing.errors import ConfigError
from fairing.options import NAMES, Options, nearest, options
from fairing.spec import Target

BUILT_IN = {"local": Target("local", "local", "append")}

_used = Options()


def use(**given: object) -> None:
    """Set options for every later call in this process; ``use()`` forgets them.

    Raises:
        ConfigError: An option is unknown, or its value is not possible.
    """
    global _used
    _used = options(given).over(_used) if given else Options()


def settle(given: Options) -> tuple[Target, Options]:
    """Return the target and the options that hold for a call.

    Raises:
        ConfigError: No target has that name, or a setting is wrong.
    """
    said = given.over(_used).over(_environment())
    targets = BUILT_IN
    name = said.target or "local"
    if name not in targets:
        raise ConfigError(f"There is no target {name!r}.", fix=nearest(name, tuple(targets)))
    target = targets[name]
    settled = said.over(Options(**dict(target.options)))
    target = Target(name, settled.deployer or target.deployer, settled.builder or target.builder, target.options)
    return target, settled


def _environment() -> Options:
    given = {name: os.environ[f"FAIRING_{name.upper()}"] for name in NAMES if os.environ.get(f"FAIRING_{name.upper()}")}
    return options(given, "environment")
