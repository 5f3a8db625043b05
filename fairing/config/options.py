"""Every option, once: its name, its type, what it means, and how text becomes it.

The verbs of ``fairing``, the magics, the command line, ``FAIRING_<OPTION>``, notebook metadata and TOML all take these,
with one spelling. A test holds the signatures of the verbs against this list.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from os import PathLike
from typing import Any, Literal, TypeAlias, TypedDict, TypeVar, cast

from fairing.config import accelerators, kubernetes, values
from fairing.config.values import nearest as nearest
from fairing.config.values import octets as octets
from fairing.config.volumes import volumes
from fairing.edge import Edge
from fairing.errors import ConfigError
from fairing.image import Image
from fairing.pod import Patch, Secret, Toleration, Volume
from fairing.spec import Target

Texts: TypeAlias = "str | Sequence[str] | None"
"""How a person gives a list of texts: a list, or one text."""
Pairs: TypeAlias = "str | Mapping[str, str] | Sequence[str] | None"
"""How a person gives names and values: ``{"A": "3"}``, ``["A=3"]`` or ``"A=3"``."""
Volumes: TypeAlias = "str | Mapping[str, str | Mapping[str, Any]] | Sequence[str] | None"
"""How a person gives volumes: ``{"/data": "pvc:data"}``, ``["/data=pvc:data"]``, or in the words of the API."""
Tolerations: TypeAlias = "str | Mapping[str, Any] | Sequence[str | Mapping[str, Any]] | None"
"""How a person gives tolerations: ``"gpu=yes:NoSchedule"``, several of these, or in the words of the API."""
Table: TypeAlias = "str | Mapping[str, Any] | None"
"""How a person gives a piece of a manifest: a table, or YAML."""
PodPatch: TypeAlias = "str | PathLike[str] | Mapping[str, Any] | Callable[[dict[str, Any]], dict[str, Any]] | None"
"""How a person changes a pod's template: a table, YAML, a file of YAML, or a function."""
Dependencies: TypeAlias = Literal["installed", "resolved", "start"]
Limits: TypeAlias = Literal["enforce", "best-effort"]
OnInterrupt: TypeAlias = Literal["detach", "cancel"]
F = TypeVar("F", bound=Callable[..., Any])


def _option(default: Any, about: str, *, shown: bool = True) -> Any:
    return field(default=default, metadata={"about": about}, repr=shown)


@dataclass(frozen=True, slots=True)
class Options:
    """How something is to be run; ``None`` leaves it to the target."""

    target: Target | str | None = _option(None, "where to run: local, or a target of your settings")
    deployer: str | None = _option(None, "the deployer, instead of the target's")
    builder: str | None = _option(None, "the builder, instead of the target's")
    repository: str | None = _option(None, "where images are pushed, such as registry.example.com/team/fairing")
    context: str | None = _option(None, "the cluster, as your kubeconfig names it")
    namespace: str | None = _option(None, "the namespace of the cluster")
    image: Image | str | None = _option(None, "the image to start from")
    platform: tuple[str, ...] | None = _option(None, "the image's platforms, such as linux/arm64; else linux/amd64")
    requirements: tuple[str, ...] | None = _option(None, "packages to install (a list), or a file that lists them")
    groups: tuple[str, ...] | None = _option(None, "dependency groups of pyproject.toml to install")
    dependencies: Dependencies | None = _option(
        None,
        "installed: this environment's own files; resolved: by uv, for the run's platform; start: by pip, in the pod",
    )
    include: tuple[str, ...] | None = _option(None, "data files to take along, as globs")
    allow: tuple[str, ...] | None = _option(None, "names to take along although they look like credentials")
    secrets: tuple[Secret, ...] | None = _option(
        None, "environment variables whose values the run gets, kept out of sight; also as files, or of the cluster"
    )
    env: tuple[tuple[str, str], ...] | None = _option(None, "environment variables of the run, NAME=VALUE", shown=False)
    name: str | None = _option(None, "a readable name for the run")
    workers: int | None = _option(None, "how many ranked processes")
    kind: str | None = _option(None, "the kind of workload")
    cpu: float | None = _option(None, "processors of each worker")
    memory: str | None = _option(None, "memory of each worker, such as 4Gi")
    storage: str | None = _option(None, "the node's own disk that each worker may fill, such as 20Gi")
    gpus: int | str | None = _option(None, "GPUs of each worker, such as 2, a100:2, amd:1")
    tpu: str | None = _option(None, "a slice of TPUs, such as v5e:2x4")
    resources: tuple[tuple[str, str], ...] | None = _option(
        None, "other resources of each worker, NAME=NUMBER, such as nvidia.com/mig-1g.5gb=1"
    )
    volumes: tuple[Volume, ...] | None = _option(None, "what is mounted, PLACE=KIND:NAME, such as /data=pvc:data")
    node_selector: tuple[tuple[str, str], ...] | None = _option(None, "labels that the node must have, NAME=VALUE")
    tolerations: tuple[Toleration, ...] | None = _option(
        None, "taints of nodes that do not matter, such as gpu=yes:NoSchedule"
    )
    affinity: str | None = _option(None, "which nodes and neighbours are wanted, as in a manifest")
    priority_class: str | None = _option(None, "the priority, by the name of its class")
    queue: str | None = _option(None, "the queue of Kueue that admits the run")
    suspend: bool | None = _option(None, "whether the run waits until somebody resumes its Job")
    service_account: str | None = _option(None, "the service account whose token the run has; else it has none")
    pull_secrets: tuple[str, ...] | None = _option(None, "Secrets of the cluster with which the image is pulled")
    labels: tuple[tuple[str, str], ...] | None = _option(None, "labels of the run and its pods, NAME=VALUE")
    annotations: tuple[tuple[str, str], ...] | None = _option(None, "their annotations, NAME=VALUE")
    pod: Patch | None = _option(None, "what changes the pod's template last: a patch, a file of one, or a function")
    limits: Limits | None = _option(None, "what to do where cpu and memory cannot be limited")
    timeout: float | None = _option(None, "seconds until the run is stopped; 0: never")
    start_timeout: float | None = _option(None, "seconds that a run on a cluster may wait until it starts; 0: for ever")
    retries: int | None = _option(None, "how often a run that was killed or lost starts again")
    grace: float | None = _option(None, "seconds between asking a run to end and ending it")
    ttl: int | None = _option(None, "seconds that a run on a cluster is kept after its end")
    outputs: tuple[str, ...] | None = _option(None, "files of the working folder to bring back, as globs")
    artifacts: str | None = _option(
        None, "where a run on a cluster keeps what it leaves: s3://bucket/prefix, file:///mnt/volume, or oci"
    )
    log_limit: str | None = _option(None, "the largest value or display that comes through a pod's log, such as 4Mi")
    linger: float | None = _option(None, "seconds that a pod whose code has ended waits for what is unread")
    max_size: str | None = _option(None, "the largest global or argument that is taken along, such as 64Mi")
    on_interrupt: OnInterrupt | None = _option(None, "what Ctrl-C does to the run")
    trust: bool | None = _option(None, "load values of runs that were not started from here")
    trust_html: bool | None = _option(None, "show scripts in HTML that the run displays")
    dry_run: bool | None = _option(None, "print what would be built, and run nothing")

    def over(self, below: Options) -> Options:
        """Return these options, with those of ``below`` where these say nothing."""
        unsaid = {each.name: getattr(below, each.name) for each in fields(self) if getattr(self, each.name) is None}
        return replace(self, **unsaid)


class Given(TypedDict, total=False):
    """Options as keywords, for signatures that stand for one that spells them out."""

    target: Target | str | None
    deployer: str | None
    builder: str | None
    repository: str | None
    context: str | None
    namespace: str | None
    image: Image | str | None
    platform: Texts
    requirements: Texts
    groups: Texts
    dependencies: Dependencies | None
    include: Texts
    allow: Texts
    secrets: Pairs
    env: Pairs
    name: str | None
    workers: int | None
    kind: str | None
    cpu: float | None
    memory: str | int | None
    storage: str | int | None
    gpus: int | str | None
    tpu: str | None
    resources: Pairs
    volumes: Volumes
    node_selector: Pairs
    tolerations: Tolerations
    affinity: Table
    priority_class: str | None
    queue: str | None
    suspend: bool | None
    service_account: str | None
    pull_secrets: Texts
    labels: Pairs
    annotations: Pairs
    pod: PodPatch
    limits: Limits | None
    timeout: float | None
    start_timeout: float | None
    retries: int | None
    grace: float | None
    ttl: int | None
    outputs: Texts
    artifacts: str | None
    log_limit: str | int | None
    linger: float | None
    max_size: str | int | None
    on_interrupt: OnInterrupt | None
    trust: bool | None
    trust_html: bool | None
    dry_run: bool | None


NAMES = tuple(each.name for each in fields(Options))
ABOUT: Mapping[str, str] = {each.name: each.metadata["about"] for each in fields(Options)}

PLACES = (
    *("repository", "context", "namespace", "pull_secrets"),
    *("node_selector", "tolerations", "priority_class", "start_timeout"),
)
"""Options that say where something is, and how it is had: builders and deployers find them in the target."""

LISTS = frozenset({"platform", "requirements", "groups", "include", "allow", "outputs", "pull_secrets"})
PAIRS = frozenset({"env", "secrets", "resources", "volumes", "node_selector", "labels", "annotations"})
REPEATED = LISTS | PAIRS | {"tolerations"}
"""Options that may be written several times, and several values of which stand in one variable, between commas."""

NUMBERS: Mapping[str, tuple[type, float]] = {
    "workers": (int, 1),
    "cpu": (float, 0),
    "timeout": (float, 0),
    "start_timeout": (float, 0),
    "retries": (int, 0),
    "grace": (float, 0),
    "linger": (float, 0),
    "ttl": (int, 0),
}
"""Options that are numbers: their kind, and the least that is possible."""

FLAGS = frozenset({"suspend", "trust", "trust_html", "dry_run"})
CHOICES: Mapping[str, tuple[str, ...]] = {
    "dependencies": ("installed", "resolved", "start"),
    "limits": ("enforce", "best-effort"),
    "on_interrupt": ("detach", "cancel"),
    "kind": ("auto", "job"),
}
_READERS: Mapping[str, Callable[[str, Any, str], Any]] = {
    **dict.fromkeys(LISTS, values.texts),
    **dict.fromkeys(FLAGS, values.flag),
    **dict.fromkeys(("memory", "storage", "max_size", "log_limit"), values.size),
    **dict.fromkeys(("priority_class", "service_account"), kubernetes.name),
    **dict.fromkeys(("labels", "node_selector"), kubernetes.labels),
    "artifacts": values.store,
    "env": values.variables,
    "secrets": kubernetes.secrets,
    "gpus": accelerators.gpus,
    "tpu": accelerators.tpu,
    "resources": kubernetes.resources,
    "volumes": volumes,
    "tolerations": kubernetes.tolerations,
    "affinity": kubernetes.affinity,
    "queue": kubernetes.name,
    "pull_secrets": kubernetes.names,
    "annotations": kubernetes.notes,
    "pod": kubernetes.patch,
}
"""How an option's value is read; any other is a text."""


def options(given: Mapping[str, Any], where: str = "") -> Options:
    """Return options out of names and values, as Python values or as text.

    Args:
        given: Options by name; ``None`` says nothing.
        where: Where they were given, for errors: ``"fairing.toml, line 3"``.

    Raises:
        ConfigError: A name is unknown, or a value is not of its option's kind.

    Example:
        >>> options({"workers": "2", "include": "data/*.csv"}).workers
        2
    """
    unknown = [name for name in given if name not in NAMES]
    if unknown:
        raise ConfigError(values.place(f"There is no option {unknown[0]!r}", where), fix=nearest(unknown[0], NAMES))
    return Options(**{name: _value(name, value, where) for name, value in given.items() if value is not None})


def said(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a verb's caller said of its options, out of the verb's own ``locals()``."""
    return {name: given[name] for name in NAMES if given.get(name) is not None}


def image(settled: Options) -> Image:
    """Return the image that the options name."""
    named = settled.image if isinstance(settled.image, Image) else Image(settled.image or "")
    return named.platform(*settled.platform) if settled.platform else named


def verb(function: F) -> F:
    """Refuse an option that does not exist with the nearest one that does, where Python would only say no."""
    names = frozenset(inspect.signature(function).parameters)

    @functools.wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True  # IPython shows the person's own lines around a function that is called in place
        with Edge():
            if not names.issuperset(kwargs):
                _refuse(next(name for name in kwargs if name not in names), args[0] if args else None)
            return function(*args, **kwargs)

    checked.__doc__ = f"{inspect.cleandoc(function.__doc__ or '')}\n\nOptions:\n{_described()}"
    return cast(F, checked)


def _described() -> str:
    return "\n".join(f"    {name}: {about}." for name, about in ABOUT.items())


def _refuse(name: str, subject: Any) -> None:
    try:
        own = callable(subject) and name in inspect.signature(subject).parameters
    except ValueError:
        own = False
    called = getattr(subject, "__name__", "the function")
    raise ConfigError(
        f"There is no option {name!r}.",
        why=f"{name} is an argument of {called}." if own else "",
        fix=f"Write kwargs={{{name!r}: …}}." if own else nearest(name, NAMES),
    )


def _value(name: str, value: Any, where: str) -> Any:
    if (name, type(value)) in {("image", Image), ("target", Target)}:
        return value
    if name in NUMBERS:
        return values.number(name, value, where, *NUMBERS[name])
    if name in CHOICES and value not in CHOICES[name]:
        raise values.wrong(name, value, where, fix=f"Use {' or '.join(CHOICES[name])}.")
    read: Callable[[str, Any, str], Any] = _READERS.get(name, values.text)
    return read(name, value, where)
