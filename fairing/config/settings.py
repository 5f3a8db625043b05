"""Which target, and which options: from the call, ``fairing.use``, ``FAIRING_*``, files, and the target, in that order.

The current defaults of ``fairing.use`` are the one piece of global state that says what a call means.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from fairing.config import toml
from fairing.config.options import (
    NAMES,
    PLACES,
    REPEATED,
    Dependencies,
    Limits,
    OnInterrupt,
    Options,
    Pairs,
    PodPatch,
    Table,
    Texts,
    Tolerations,
    Volumes,
    nearest,
    options,
    said,
    verb,
)
from fairing.edge import edge
from fairing.errors import ConfigError
from fairing.image import Image
from fairing.spec import RegistryRule, Target

BUILT_IN: Mapping[str, Target] = {
    "local": Target("local"),
    "docker": Target("docker", "docker", "docker"),
    "cluster": Target("cluster", "job", "append"),
}

_PREFIX = "FAIRING_"
_OURS = frozenset({"RUN", "NOTEBOOK", "CAPTURED", "REPLICAS", "COORDINATOR"})
"""Variables that fairing and its deployers set for a run."""

_SERVICE = re.compile(r"SERVICE_(HOST|PORT(_\w+)?)|PORT(_\w+)?")
"""Those that Kubernetes sets in every pod beside a service that is called fairing."""

_used = Options()
_Layer: TypeAlias = "tuple[Callable[[str], str], Options]"


@dataclass(frozen=True, slots=True)
class Setting:
    """An option as it holds now: its value, and where that came from."""

    name: str
    value: Any
    source: str


class Settings(tuple[Setting, ...]):
    """Settings that read well where they are shown."""

    def __repr__(self) -> str:
        rows = [(each.name, toml.text(each.value), each.source) for each in self]
        wide = [max((len(row[at]) for row in rows), default=0) for at in range(2)]
        return "\n".join(f"{name:<{wide[0]}}  {value:<{wide[1]}}  {source}" for name, value, source in rows)


@verb
def use(
    *,
    target: Target | str | None = None,
    deployer: str | None = None,
    builder: str | None = None,
    repository: str | None = None,
    context: str | None = None,
    namespace: str | None = None,
    image: Image | str | None = None,
    platform: Texts = None,
    requirements: Texts = None,
    groups: Texts = None,
    dependencies: Dependencies | None = None,
    include: Texts = None,
    allow: Texts = None,
    secrets: Pairs = None,
    env: Pairs = None,
    name: str | None = None,
    workers: int | None = None,
    kind: str | None = None,
    cpu: float | None = None,
    memory: str | int | None = None,
    storage: str | int | None = None,
    gpus: int | str | None = None,
    tpu: str | None = None,
    resources: Pairs = None,
    volumes: Volumes = None,
    node_selector: Pairs = None,
    tolerations: Tolerations = None,
    affinity: Table = None,
    priority_class: str | None = None,
    queue: str | None = None,
    suspend: bool | None = None,
    service_account: str | None = None,
    pull_secrets: Texts = None,
    labels: Pairs = None,
    annotations: Pairs = None,
    pod: PodPatch = None,
    limits: Limits | None = None,
    timeout: float | None = None,
    start_timeout: float | None = None,
    retries: int | None = None,
    grace: float | None = None,
    ttl: int | None = None,
    outputs: Texts = None,
    artifacts: str | None = None,
    log_limit: str | int | None = None,
    linger: float | None = None,
    max_size: str | int | None = None,
    on_interrupt: OnInterrupt | None = None,
    trust: bool | None = None,
    trust_html: bool | None = None,
    dry_run: bool | None = None,
) -> None:
    """Set options for every later call in this process; ``use()`` forgets them.

    Raises:
        ConfigError: An option's value is not possible, or there is no such target.

    Example:
        >>> use(memory="2Gi")
        >>> use()
    """
    global _used
    given = options(said(locals()))
    if given.target is not None:
        _target(given.target, _files())
    _used = given.over(_used) if given != Options() else Options()


def settle(given: Options, document: Options | None = None) -> tuple[Target, Options]:
    """Return the target and the options that hold for a call.

    Args:
        given: What the call says.
        document: What the notebook's own metadata says; the environment is stronger, files are weaker.

    Raises:
        ConfigError: No target has that name, or a setting is wrong.
    """
    target, layers = _layers(given, document)
    settled = Options()
    for _, layer in layers:
        settled = settled.over(layer)
    places = {name: value for name in PLACES if (value := getattr(settled, name)) is not None}
    merged = {**dict(target.options), **places}
    builder, deployer = settled.builder or target.builder, settled.deployer or target.deployer
    return Target(target.name, deployer, builder, tuple(merged.items()), target.registries), settled


@edge
def settings(**given: Any) -> Settings:
    """Return every option that something sets, with its value and where that came from.

    Args:
        given: Options as a call would have them.

    Raises:
        ConfigError: A setting is wrong.

    Example:
        >>> settings(workers=2)[-1]  # doctest: +SKIP
        Setting(name='workers', value=2, source='the call')
    """
    target, layers = _layers(options(given))
    found = {name: _first(name, layers) for name in NAMES}
    plain = {"target": target.name, "deployer": target.deployer, "builder": target.builder}
    for name, value in plain.items():
        found[name] = found[name] or Setting(name, value, f"target {target.name}" if name != "target" else "default")
    rules = (Setting(f"registries.{rule.registry}", _told(rule), _place(rule)) for rule in target.registries)
    return Settings([*(each for each in found.values() if each is not None), *rules])


def targets() -> Mapping[str, Target]:
    """Return every target by its name: those that come with fairing, the person's, and the project's."""
    return _targets(_files())


def _layers(given: Options, document: Options | None = None) -> tuple[Target, list[_Layer]]:
    """Return the target, and every source of options, the strongest first."""
    files = _files()
    layers: list[_Layer] = [
        (lambda _: "the call", given),
        (lambda _: "fairing.use", _used),
        (lambda name: f"FAIRING_{name.upper()}", _environment()),
        (lambda _: "the notebook's metadata", document or Options()),
        *((file.place, file.options) for file in files),
    ]
    chosen = next((said.target for _, said in layers if said.target is not None), "local")
    target = _target(chosen, files)
    rules = {rule.registry: rule for file in reversed(files) for rule in file.registries}
    rules.update({rule.registry: rule for rule in target.registries})
    target = replace(target, registries=tuple(rules.values()))
    where = f"target {target.name}"
    layers.append((lambda _: where, options(dict(target.options), where)))
    return target, layers


def _told(rule: RegistryRule) -> str:
    told = {name: getattr(rule, name) for name in ("ca", "mirror", "username", "password_env")}
    plain = ["insecure"] if rule.insecure else []
    return ", ".join([*plain, *(f"{name}={value}" for name, value in told.items() if value)])


def _place(rule: RegistryRule) -> str:
    """Return which file says how a registry is spoken to; else the target says so itself."""
    found = (file.place("registries", rule.registry) for file in _files() if rule in file.registries)
    return next(found, "the target")


def _first(name: str, layers: list[_Layer]) -> Setting | None:
    for place, layer in layers:
        value = getattr(layer, name)
        if value is not None:
            return Setting(name, value, place(name))
    return None


def _target(chosen: Target | str, files: tuple[toml.Settings, ...]) -> Target:
    if isinstance(chosen, Target):
        options(dict(chosen.options), f"target {chosen.name}")
        return chosen
    known = _targets(files)
    if chosen not in known:
        raise ConfigError(f"There is no target {chosen!r}.", fix=nearest(chosen, tuple(known)))
    return known[chosen]


def _targets(files: tuple[toml.Settings, ...]) -> Mapping[str, Target]:
    known = dict(BUILT_IN)
    for file in reversed(files):
        known.update({target.name: target for target in file.targets})
    return known


def _files() -> tuple[toml.Settings, ...]:
    """Read the project's file and the person's own, the stronger first."""
    return tuple(toml.read(path) for path in _paths())


def _paths() -> Iterator[Path]:
    try:
        here = Path.cwd()
    except FileNotFoundError:
        raise ConfigError(
            "The folder that this program works in is gone.", fix="Go to one that is there: os.chdir, or cd in a shell."
        ) from None
    for folder in (here, *here.parents):
        named, project = folder / "fairing.toml", folder / "pyproject.toml"
        if named.is_file():
            yield named
            break
        if project.is_file() and toml.speaks(project):
            yield project
            break
    shared = os.environ.get("XDG_CONFIG_HOME")
    own = Path(shared or os.path.expanduser("~/.config")) / "fairing" / "config.toml"  # noqa: PTH111 - there may be no home
    if os.path.isfile(own):  # noqa: PTH113 - another user's folder is as good as none
        yield own


def _environment() -> Options:
    said = Options()
    for name in NAMES:
        variable = f"{_PREFIX}{name.upper()}"
        if text := os.environ.get(variable):
            said = options({name: _split(name, text)}, variable).over(said)
    for variable in sorted(os.environ):
        if variable.startswith(_PREFIX) and os.environ[variable]:
            _refuse_mistyped(variable)
    return said


def _refuse_mistyped(variable: str) -> None:
    """Refuse a variable whose name is nearly one of ours.

    Others are somebody else's.
    """
    known = [f"{_PREFIX}{name.upper()}" for name in (*NAMES, "home")]
    name = variable.removeprefix(_PREFIX)
    if variable in known or name in _OURS or name.startswith("TEST_") or _SERVICE.fullmatch(name):
        return
    near = difflib.get_close_matches(name.upper(), [each.removeprefix(_PREFIX) for each in known], 1, 0.65)
    if near:
        raise ConfigError(f"There is no variable {variable}.", fix=f"Did you mean {_PREFIX}{near[0]}?")


def _split(name: str, text: str) -> Any:
    """Read a list out of one variable: one item, or several between commas; YAML is read as it is."""
    if name not in REPEATED or text.lstrip().startswith(("{", "[")):
        return text
    return [part.strip() for part in text.split(",") if part.strip()]
