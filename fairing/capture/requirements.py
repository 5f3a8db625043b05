"""What a person states that the code needs: requirements in a list or in files, and groups of ``pyproject.toml``."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fairing.config.options import Options, nearest
from fairing.config.toml import parsed
from fairing.environment.index import canonical, distributions
from fairing.errors import DependencyError

if TYPE_CHECKING:
    from packaging.requirements import Requirement


class Stated(NamedTuple):
    """Requirements as PEP 508 text, and options of files: where packages are, and the hashes they must have."""

    requirements: tuple[str, ...]
    indexes: tuple[str, ...]


def stated(options: Options, root: Path) -> Stated:
    """Return what the options state: each line read, each name and version checked.

    Args:
        options: ``requirements`` and ``groups`` of it.
        root: The project's folder: relative files are looked for there, ``pyproject.toml`` lies in it.

    Raises:
        DependencyError: A file or a group is not there, or a line is no requirement.

    Example:
        >>> stated(Options(requirements=("pandas >= 2", "tqdm")), Path(".")).requirements
        ('pandas>=2', 'tqdm')
    """
    reading = _Reading()
    for given in options.requirements or ():
        if file := _file(given, root):
            reading.file(file)
        else:
            reading.line(given, "requirements=")
    if options.groups:
        project = root / "pyproject.toml"
        if not project.is_file():
            raise DependencyError(f"{project} is not there.", fix="groups are those of a pyproject.toml.")
        reading.groups(project, options.groups)
    return Stated(tuple(dict.fromkeys(map(str, reading.within()))), tuple(dict.fromkeys(reading.indexes)))


_INDEXES = ("--index-url", "--extra-index-url", "--find-links", "--no-index", "--trusted-host", "--pre")
_SHORT = {"-i": "--index-url", "-f": "--find-links", "-r": "--requirement", "-c": "--constraint", "-e": "--editable"}
_IGNORED = ("--hash", "--no-binary", "--only-binary", "--prefer-binary", "--require-hashes", "--use-feature")


def _file(given: str, root: Path) -> Path | None:
    """Return the file that a text names; a name alone is a package's where such a package is installed."""
    for folder in (Path(), root):
        file = folder / Path(given).expanduser()
        try:
            there = file.is_file()
        except (OSError, ValueError):
            return None
        if there and (not given.isidentifier() or canonical(given) not in distributions()):
            return file.resolve()
    if re.fullmatch(r"[^\s;@\[<>=!~]+", given) and (
        Path(given).suffix in {".txt", ".in", ".toml", ".lock"} or given.startswith((".", "/", "~")) or "/" in given
    ):
        raise DependencyError(f"The requirements file {given!r} is not there.", fix=f"It was looked for in {root}.")
    return None


@dataclass
class _Reading:
    """What was read so far."""

    found: list[Requirement] = field(default_factory=list)
    bounds: list[Requirement] = field(default_factory=list)
    indexes: list[str] = field(default_factory=list)
    open: tuple[Path, ...] = ()

    def within(self) -> Iterator[Requirement]:
        """Return the requirements, each within the constraints that concern it."""
        for each in self.found:
            for bound in self.bounds:
                if canonical(bound.name) == canonical(each.name):
                    each.specifier &= bound.specifier
            yield each

    def file(self, file: Path, constraints: bool = False) -> None:
        """Read a requirements file of pip's, or the dependencies of a ``pyproject.toml``."""
        if file in self.open:
            return
        if file.name == "pyproject.toml":
            for text in _toml(file).get("project", {}).get("dependencies", ()):
                self.line(str(text), file.name)
            return
        try:
            text = file.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as wrong:
            raise DependencyError(f"The requirements file {file} cannot be read.", why=f"{wrong}.") from wrong
        self.open = (*self.open, file)
        for number, line in _lines(text):
            self.line(line, f"{file.name}, line {number}", file.parent, constraints)
        self.open = self.open[:-1]

    def line(self, line: str, where: str, folder: Path | None = None, constraint: bool = False) -> None:
        """Read one line."""
        if line.startswith("-"):
            self._option(line, where, folder)
            return
        requirement = _parse(re.split(r"\s--?[a-zA-Z]", line, maxsplit=1)[0].strip(), where, folder)
        if requirement is not None:
            (self.bounds if constraint else self.found).append(requirement)
            for digest in re.findall(r"\s--hash[=\s]\s*(\w+:[0-9a-fA-F]+)", line):
                self.indexes.append(f"--hash {canonical(requirement.name)} {digest.lower()}")

    def groups(self, project: Path, names: Sequence[str]) -> None:
        """Read dependency groups (PEP 735), and extras under the same option."""
        content = _toml(project)
        groups: dict[str, Any] = {canonical(str(name)): value for name, value in _table(content, "dependency-groups")}
        for name, value in _table(content.get("project", {}), "optional-dependencies"):
            groups.setdefault(canonical(str(name)), value)
        for name in names:
            self._group(canonical(name), groups, ())

    def _group(self, name: str, groups: Mapping[str, Any], inside: tuple[str, ...]) -> None:
        if name not in groups:
            fix = nearest(name, tuple(groups)) if groups else "It has none."
            raise DependencyError(f"pyproject.toml has no group {name!r}.", fix=fix)
        if name in inside:
            raise DependencyError(
                f"The group {name!r} of pyproject.toml includes itself.",
                why=f"{' includes '.join((*inside, name))}.",
                fix="Take one include-group out.",
            )
        for item in groups[name]:
            if isinstance(item, Mapping) and isinstance(item.get("include-group"), str):
                self._group(canonical(item["include-group"]), groups, (*inside, name))
            else:
                self.line(str(item), f"pyproject.toml, group {name}")

    def _option(self, line: str, where: str, folder: Path | None) -> None:
        name, _, value = re.sub(r"^(-[a-z])(?=\S)", r"\1 ", line).replace("=", " ", 1).partition(" ")
        name, value = _SHORT.get(name, name), value.strip()
        if name in {"--requirement", "--constraint"}:
            file = (folder or Path()) / value
            if not file.is_file():
                raise DependencyError(
                    f"The requirements file {value!r} is not there ({where}).", why=f"It would be {file.absolute()}."
                )
            self.file(file.resolve(), name == "--constraint")
        elif name == "--editable":
            self.found += [found] if (found := _project(value, where, folder)) else []
        elif name in _INDEXES:
            if name == "--find-links" and "://" not in value:
                value = str((folder or Path()).absolute() / value)
            self.indexes.append(f"{name} {value}".strip())
        elif name not in _IGNORED:
            raise DependencyError(
                f"{line.split()[0]!r} is not an option of requirements files ({where}).", fix="Leave it out."
            )


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Return the lines that say something, with their numbers: comments gone, continued ones joined."""
    started, joined = 0, ""
    for number, line in enumerate(text.splitlines(), 1):
        started = started or number
        joined += re.sub(r"(^|\s)#.*$", "", line)
        if joined.endswith("\\"):
            joined = joined[:-1] + " "
            continue
        if joined.strip():
            yield started, joined.strip()
        started, joined = 0, ""
    if joined.strip():
        yield started, joined.strip()


def _parse(text: str, where: str, folder: Path | None) -> Requirement | None:
    from packaging.requirements import InvalidRequirement, Requirement

    if text.startswith((".", "/", "file:")) or re.fullmatch(r"[^\s@]+\.(whl|tar\.gz)", text):
        return _project(text, where, folder)
    try:
        found = Requirement(text)
        return _installed(found, where) if found.url else found
    except InvalidRequirement as wrong:
        shown = re.sub(r"://[^/@\s]*@", "://***@", text)
        why = str(wrong).splitlines()[0].rstrip(".")
        raise DependencyError(
            f"{shown!r} is not a requirement ({where}).",
            why=f"{re.sub(r'://[^/@ ]*@', '://***@', why)}.",
            fix="Write it like pandas, pandas>=2 or pandas[parquet]==2.2.3.",
        ) from None


def _installed(stated: Requirement, where: str) -> Requirement:
    """Return a requirement by address as one by name, where that is how it was installed here."""
    each = distributions().get(canonical(stated.name))
    plain = re.sub(r"^\w+\+|(?<=://)[^/@]*@", "", str(stated.url))
    if each is None or not each.origin or not plain.startswith(re.sub(r"(?<=://)[^/@]*@", "", each.origin)):
        raise DependencyError(
            f"{stated.name} is required by its address ({where}).",
            why="A lock has names, versions and hashes, and no address.",
            fix="Install it here in the same way, and its installed files are taken.",
        )
    stated.url = None
    return stated


def _project(text: str, where: str, folder: Path | None) -> Requirement | None:
    """Return the installed distribution behind a local project or archive."""
    from packaging.requirements import InvalidRequirement, Requirement

    path = shlex.split(text)[0].removeprefix("file://").partition("[")[0]
    place = ((folder or Path()) / path).resolve()
    for each in distributions().values():
        if each.editable and Path(each.editable).resolve() == place:
            return Requirement(each.name)
    name = re.match(r"([A-Za-z0-9_.]+?)-\d", place.name)
    if place.is_file() and name and canonical(name[1]) in distributions():
        try:
            return Requirement(canonical(name[1]))
        except InvalidRequirement:
            pass
    raise DependencyError(
        f"{path!r} is not installed here ({where}).",
        why="A project or an archive on this disk can be had nowhere else.",
        fix=f"Install it (pip install {path}), and its installed files are taken.",
    )


def _toml(file: Path) -> dict[str, Any]:
    try:
        return parsed(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as wrong:
        raise DependencyError(f"{file} cannot be read.", why=f"{wrong}.") from wrong


def _table(content: Mapping[str, Any], name: str) -> list[tuple[str, Any]]:
    table = content.get(name, {})
    return list(table.items()) if isinstance(table, Mapping) else []
