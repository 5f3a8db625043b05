"""The nouns that are handed forward, from capture to deploy.

    Captured, Bundle → Recipe → BuiltImage → Handle          (beside them: Report, Image, Workload, Target)

All are frozen; whatever is done with them is a function elsewhere. Values of environment variables are in no ``repr``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias
from urllib.parse import parse_qs, quote, unquote

from fairing.errors import ConfigError
from fairing.pod import Group as Group
from fairing.pod import Pod as Pod
from fairing.pod import Resources as Resources
from fairing.pod import Secret as Secret
from fairing.rules import RegistryRule as RegistryRule

EntryKind: TypeAlias = Literal["function", "cell", "notebook", "script"]
LayerKind: TypeAlias = Literal["dependencies", "fairing", "files", "code"]
Destination: TypeAlias = Literal["registry", "layers", "daemon", "inline"]


@dataclass(frozen=True, slots=True)
class File:
    """A file that travels: where it will lie (POSIX, relative to its layer), and its bytes or where they are now."""

    path: str
    content: bytes | Path = field(repr=False)
    mode: int = 0o644

    def read(self) -> bytes:
        """Return the file's bytes, wherever they are."""
        return self.content if isinstance(self.content, bytes) else self.content.read_bytes()

    def size(self) -> int:
        """Return how many bytes it has."""
        return len(self.content) if isinstance(self.content, bytes) else self.content.stat().st_size


@dataclass(frozen=True, slots=True)
class Entry:
    """What the run starts with: a file of the code layer, checked by its hash before it is loaded.

    Args:
        kind: How the runner treats the file.
        path: The file, relative to the code layer.
        sha256: Hex digest of the file's bytes.
        name: What people call it: the function's name, the notebook's file name.
        arguments: For a script, its command line.
    """

    kind: EntryKind
    path: str
    sha256: str
    name: str
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Global:
    """A captured name: its type and its size in bytes, never its value."""

    name: str
    type: str
    size: int


@dataclass(frozen=True, slots=True)
class Report:
    """What was taken, what was left out and why: known before anything is built.

    Args:
        entry: What the run starts with, as people call it.
        kind: ``"function"``, ``"cell"``, ``"notebook"`` or ``"script"``.
        files: Data files taken by ``include``, with their sizes.
        modules: Local modules taken by source.
        globals: Captured names.
        requirements: Distributions the code needs, and why each (``("pandas", "import in train")``).
        left_out: What was not taken, and why.
        warnings: Sentences the reader should see.
        new: What a build would make and what is ready, where that was asked for.
    """

    entry: str
    kind: EntryKind
    files: tuple[tuple[str, int], ...] = ()
    modules: tuple[str, ...] = ()
    globals: tuple[Global, ...] = ()
    requirements: tuple[tuple[str, str], ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()
    new: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return str(_drawn().text(self, None))

    def _repr_html_(self) -> str:
        return str(_drawn().html(self, None))

    def _repr_pretty_(self, printer: Any, _: bool) -> None:
        printer.text(str(self))


@dataclass(frozen=True, slots=True)
class Bundle:
    """What capture took: the entry, the code with it, and the names of what that code needs.

    Args:
        entry: Where the run starts.
        files: Every file of the code layer, the entry's among them.
        requires: Names of installed distributions the code was seen to need (``"scikit-learn"``).
        explicit: Requirements the user stated (``"torch==2.9"``), as PEP 508 text.
        python: The kernel's version, such as ``"3.11.7"``.
        roots: Folders of the code layer that go on ``sys.path``, such as ``"src"``; ``""`` is its top.
        data: Files of the code layer that also lie in the run's working folder, at the same path.
        dependencies: Whether to take the *installed* files where they will do, to have them *resolved* by uv, or to
            have what is resolved installed when a pod *starts*.
        indexes: Options of requirements files: where packages are (``"--extra-index-url …"``), and the hashes that
            they must have (``"--hash tqdm sha256:…"``).
    """

    entry: Entry
    files: tuple[File, ...]
    requires: tuple[str, ...]
    explicit: tuple[str, ...]
    python: str
    roots: tuple[str, ...] = ("",)
    data: tuple[str, ...] = ()
    dependencies: Literal["installed", "resolved", "start"] = "installed"
    indexes: tuple[str, ...] = field(default=(), repr=False)  # an address may hold a password


@dataclass(frozen=True, slots=True)
class Captured:
    """What a capture gives: the bundle, the files that travel beside the image, and the report.

    Args:
        bundle: What lies in the image.
        inputs: Files that travel beside it.
        report: What was taken, for a person to read.
        document: For a notebook, the document that its outputs go into.
    """

    bundle: Bundle
    inputs: tuple[File, ...]
    report: Report
    document: dict[str, Any] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that a builder needs, and nothing else: the cache key, and what a dry run prints.

    Args:
        base: ``"host"``, or an image by digest.
        platform: Such as ``"linux/amd64"``.
        python: The run's Python version, such as ``"3.11.7"``.
        lock: The dependency key: names, versions, hashes and markers; no address and no comment.
        source: Whether dependencies are the *installed* files of this environment, *resolved* by uv, or resolved by
            uv and installed when a pod *starts*.
        apt: Debian packages, sorted.
        env: Environment of the image.
        entry: Where the run starts.
        files: The code layer's files, sorted by path.
        roots: Folders of the code layer that go on ``sys.path``.
        data: Files of the code layer that also lie in the run's working folder, at the same path.
        indexes: Where uv looks for what is resolved, besides where pip does; no part of the key.
        libc: The C library that what is resolved has to fit, such as ``"glibc 2.31"`` or ``"musl 1.2"``; none is this
            machine's.
        also: The same for other platforms, where it is for several.
    """

    base: str
    platform: str
    python: str
    lock: str
    source: Literal["installed", "resolved", "start"]
    apt: tuple[str, ...]
    env: tuple[tuple[str, str], ...] = field(repr=False)
    entry: Entry
    files: tuple[File, ...]
    roots: tuple[str, ...] = ("",)
    data: tuple[str, ...] = ()
    indexes: tuple[str, ...] = field(default=(), repr=False, compare=False)
    libc: str = ""
    also: tuple[Recipe, ...] = ()


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of an image: a compressed blob, a folder with the same files, or both.

    Args:
        kind: What is in it.
        key: What it was made from; equal keys hold equal files.
        folder: Where its files lie unpacked on this machine, if they do.
        digest: Of the compressed blob, once there is one.
        diff_id: Of the tar inside it.
        size: Bytes of the blob.
    """

    kind: LayerKind
    key: str
    folder: Path | None = None
    digest: str | None = None
    diff_id: str | None = None
    size: int = 0


@dataclass(frozen=True, slots=True)
class BuiltImage:
    """An image by digest, and where it can be had: a reference in a registry, or layers on this machine.

    Args:
        digest: Of its manifest.
        entry: Where the run starts.
        python: The run's Python version.
        ref: Its name in a registry, with the digest.
        layers: Its layers, where they are on this machine.
        roots: Folders of the code layer that go on ``sys.path``.
        env: Its environment.
        data: Files of the code layer that also lie in the run's working folder.
        mounts: Files that are not in it and that the deployer puts beside it: ``code.tar.gz``, ``runtime.zip``.
        paths: Folders in it where Python finds fairing and the dependencies.
        platforms: What it was made for; none, where it is an image that was there.
        base: The name of what it stands on, where it was made on another.
    """

    digest: str
    entry: Entry
    python: str
    ref: str | None = None
    layers: tuple[Layer, ...] = ()
    roots: tuple[str, ...] = ("",)
    env: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    data: tuple[str, ...] = ()
    mounts: tuple[File, ...] = ()
    paths: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    base: str = ""

    def _repr_pretty_(self, printer: Any, _: bool) -> None:
        """Show in a notebook which image it is, and of what."""
        printer.text(f"{self.ref or self.digest} ({self.entry.name}, Python {self.python})")


@dataclass(frozen=True, slots=True)
class Workload:
    """How an image is to be run.

    Args:
        name: A readable stem for the run's name.
        groups: The replicas; the first of the first group gives the value.
        inputs: Files that travel beside the image and never in a layer: arguments, parameters.
        env: Extra variables.
        timeout: Seconds until the run is stopped.
        start_timeout: Seconds that it may wait until its code starts, where it may have to wait for its place.
        retries: How often a run that was killed or lost is started again; a run whose own code failed never is.
        grace: Seconds between SIGTERM and SIGKILL.
        limits: ``"enforce"`` refuses limits that cannot be kept; ``"best-effort"`` runs without them.
        log_level: The level of Python's root logger in the run, as in the kernel.
        in_notebook: Whether a notebook shows it: there ``tqdm.auto`` draws as in a notebook.
        secrets: What the deployer hands over out of sight; a value stands in no noun.
        outputs: Globs of files of the working folder that will be wanted when the run has ended.
        artifacts: Where what it leaves is kept: an address without credentials, or ``"oci"``.
        log_limit: Bytes of a value or a display that may come through its log; ``None`` leaves that to the deployer.
        linger: Seconds that it waits, when its code has ended, for what is unread.
        pod: What only a cluster keeps.
    """

    name: str
    groups: tuple[Group, ...] = (Group(),)
    inputs: tuple[File, ...] = ()
    env: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    timeout: float | None = None
    start_timeout: float | None = None
    retries: int = 0
    grace: float = 10.0
    limits: Literal["enforce", "best-effort"] = "enforce"
    log_level: int = 30
    in_notebook: bool = False
    secrets: tuple[Secret, ...] = ()
    outputs: tuple[str, ...] = ()
    artifacts: str = ""
    log_limit: int | None = None
    linger: float = 60.0
    pod: Pod = Pod()


@dataclass(frozen=True, slots=True, init=False)
class Target:
    """A named place to run: which deployer, which builder, and options that hold there unless said otherwise.

    Args:
        name: As ``target=`` calls it.
        deployer: What runs images there, by the name under which it is installed.
        builder: What makes them.
        options: Names and values of options, as ``defaults`` gives them.
        registries: How registries are spoken to.
        defaults: Any other option of a run: ``memory="2Gi"``.

    Example:
        >>> Target("small", memory="2Gi").options
        (('memory', '2Gi'),)
    """

    name: str
    deployer: str
    builder: str
    options: tuple[tuple[str, Any], ...] = field(repr=False)
    registries: tuple[RegistryRule, ...] = field(repr=False)

    def __init__(
        self,
        name: str,
        deployer: str = "local",
        builder: str = "append",
        options: tuple[tuple[str, Any], ...] = (),
        registries: tuple[RegistryRule, ...] = (),
        **defaults: Any,
    ) -> None:
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "deployer", deployer)
        object.__setattr__(self, "builder", builder)
        object.__setattr__(self, "options", (*options, *defaults.items()))
        object.__setattr__(self, "registries", registries)

    def option(self, name: str) -> Any:
        """Return an option that holds there, or ``None``."""
        return dict(self.options).get(name)


@dataclass(frozen=True, slots=True)
class Handle:
    """A run, as one string: everything that can be asked of a run after its start needs this alone.

    Example:
        >>> Handle.parse("local://train-1f3a").parts
        ('train-1f3a',)
        >>> str(Handle("job", ("arn:aws:eks/a", "ml", "job", "train"), uid="9d"))
        'job://arn%3Aaws%3Aeks%2Fa/ml/job/train?uid=9d'
    """

    deployer: str
    parts: tuple[str, ...]
    uid: str = ""

    def __str__(self) -> str:
        path = "/".join(quote(part, safe="") for part in self.parts)
        return f"{self.deployer}://{path}" + (f"?uid={quote(self.uid, safe='')}" if self.uid else "")

    @property
    def key(self) -> str:
        """What tells the run apart wherever it is asked from: its uid, where it has one."""
        return f"{self.deployer}:{self.uid}" if self.uid else str(self)

    @staticmethod
    def parse(text: str) -> Handle:
        """Read a handle back from its text.

        Raises:
            ConfigError: The text is not a handle.
        """
        scheme, separator, rest = text.strip().partition("://") if isinstance(text, str) else ("", "", "")
        path, _, query = rest.partition("?")
        parts = tuple(unquote(part) for part in path.split("/"))
        if not separator or not scheme.isidentifier() or not all(parts):
            raise ConfigError(
                f"{text!r} is not the handle of a run.",
                fix="A handle looks like local://train-1f3a; fairing.jobs() lists them.",
            )
        return Handle(scheme, parts, parse_qs(query).get("uid", [""])[0])


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked: what was found, whether it will do, and what to do if not."""

    name: str
    found: str
    good: bool = True
    fix: str = ""


def _drawn() -> Any:
    """Return what draws reports, which stands above the nouns."""
    from importlib import import_module

    return import_module("fairing.capture.report")
