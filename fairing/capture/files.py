"""Data files: those that ``include=[...]`` names, less what git or fairing is told to ignore, secrets and links out."""

from __future__ import annotations

import difflib
import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from fairing.errors import CaptureError
from fairing.spec import File

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

SECRETS = tuple(
    """
    .env .env.* *.env id_rsa* id_dsa* id_ecdsa* id_ed25519* *.pem *.key *.p12 *.pfx *.kdbx *.jks *.keystore
    .netrc _netrc .pypirc .pgpass .htpasswd .git-credentials .dockercfg .npmrc pip.conf kubeconfig*
    credentials credentials.* credentials-* secrets.* client_secret*.json service-account*.json service_account*.json
    """.split()  # noqa: SIM905 - thirty quoted names read worse
)
"""Names of files that hold secrets: taken only where they are named exactly."""

SECRET_FOLDERS = frozenset({".aws", ".ssh", ".kube", ".gnupg", ".azure", ".gcloud", ".docker"})
_HARMLESS = (".env.example", ".env.sample", ".env.template", ".env.dist", "*.pub")
_NEVER = frozenset({".git", ".hg", ".svn", "__pycache__", ".ipynb_checkpoints", ".venv", "venv", "node_modules"})
_MAGIC = re.compile(r"[*?\[]")
_IGNORED = "ignored by {}: name it exactly to take it"


@dataclass(frozen=True, slots=True)
class Taken:
    """Files found, at their place in the code layer and in the working folder; and what was passed over, and why."""

    files: tuple[File, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()

    def sizes(self) -> tuple[tuple[str, int], ...]:
        """Return the files by their paths and sizes, as a report has them."""
        return tuple((file.path, file.size()) for file in self.files)


def take(patterns: Sequence[str], root: Path, folder: Path | None = None) -> Taken:
    """Return the files that patterns name.

    Args:
        patterns: Files, folders and globs, ``**`` included, relative to the project's folder; ``"!x"`` takes files
            out again.
        root: The project's folder.
        folder: A folder to look in first, such as that of the notebook: what is found there lies in the run where
            the code looks for it, relative to its working folder.

    Raises:
        CaptureError: A pattern names nothing, or only what may not be taken.

    Example:
        >>> [file.path for file in take(["data/*.csv"], Path(".")).files]  # doctest: +SKIP
        ['data/train.csv']
    """
    search = _Search(root.resolve())
    for pattern in patterns:
        if pattern.startswith("!"):
            search.drop(pattern[1:])
            continue
        places = dict.fromkeys(place.resolve() for place in (folder, root) if place is not None)
        within = _upwards(pattern, (folder or root).resolve(), root.resolve())
        if not any(search.find(place, within) for place in places):
            raise _unusable(pattern, places) or _nothing(pattern, root, search.passed)
    return search.result()


def secret(path: str) -> bool:
    """Whether a file's name, or that of a folder it lies in, says that it holds secrets.

    Example:
        >>> secret("config/.env"), secret(".aws/config"), secret("keys.csv"), secret(".env.example")
        (True, True, False, False)
    """
    *folders, name = path.lower().split("/")
    if not SECRET_FOLDERS.isdisjoint(folders):
        return True
    return any(fnmatchcase(name, each) for each in SECRETS) and not any(fnmatchcase(name, each) for each in _HARMLESS)


@dataclass
class _Search:
    root: Path
    found: dict[str, File] = field(default_factory=dict)
    passed: dict[str, str] = field(default_factory=dict)

    def find(self, place: Path, pattern: str) -> bool:
        """Take what a pattern names in one place; return whether there was anything to take."""
        before = len(self.found)
        named = _relative(place, pattern)
        if named is None:
            return False
        path = place / named
        if path.is_file():
            return self._take(place, named)
        if path.is_dir():
            for each in self._walk(place, path, ignored=True):
                self._check(place, each.relative_to(place).as_posix(), path.resolve())
            return True
        matcher = _glob(named)
        start = place.joinpath(*_fixed(named))
        for each in self._walk(place, start, ignored=False) if start.is_dir() else ():
            name = each.relative_to(place).as_posix()
            if matcher.fullmatch(name):
                self._check(place, name)
        return len(self.found) > before or any(matcher.fullmatch(name) for name in self.found)

    def drop(self, pattern: str) -> None:
        """Take files out again."""
        pattern = PurePosixPath(pattern).as_posix()
        matcher = _glob(pattern)
        for name in list(self.found):
            if matcher.fullmatch(name) or name.startswith(f"{pattern}/"):
                del self.found[name]
                self.passed[name] = f"taken out by !{pattern}"

    def result(self) -> Taken:
        left = ((name, why) for name, why in sorted(self.passed.items()) if name not in self.found)
        return Taken(tuple(self.found[name] for name in sorted(self.found)), tuple(left))

    def _check(self, place: Path, name: str, inside: Path | None = None) -> None:
        """Take a file that a pattern or a folder led to, which nobody named."""
        target = (place / name).resolve()
        within = next((each for each in (place, self.root, inside) if each and target.is_relative_to(each)), None)
        if secret(name) or (within and secret(target.relative_to(within).as_posix())):
            self.passed[name] = "looks like a secret: name it exactly to take it"
        elif within is None:
            self.passed[name] = "a link that leaves the project: name it exactly to take it"
        else:
            self._take(place, name)

    def _walk(self, place: Path, start: Path, *, ignored: bool) -> Iterator[Path]:
        """Give the files below a folder; rules of the project hold in each of its folders."""
        top = self.root if place.is_relative_to(self.root) else place
        passed: dict[str, str] = {}
        yield from _walk(top, start, passed, ignored=ignored)
        for name, why in passed.items():
            self.passed[(top / name).relative_to(place).as_posix()] = why

    def _take(self, place: Path, name: str) -> bool:
        path = place / name
        mode = 0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644
        self.found[name] = File(name, path, mode)
        return True


def _upwards(pattern: str, folder: Path, root: Path) -> str:
    """Return a pattern that goes up from a folder of the project as one from the project's own."""
    if ".." not in PurePosixPath(pattern).parts:
        return pattern
    path = Path(os.path.normpath(folder / pattern))  # not resolved: links keep their names, and globs are no paths
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else pattern


def _relative(place: Path, pattern: str) -> str | None:
    """Return a pattern relative to a place, in POSIX form; nothing if it leads out of it."""
    text = pattern.replace(os.sep, "/") if os.sep != "/" else pattern
    if Path(text).is_absolute():
        try:
            text = Path(text).relative_to(place).as_posix()
        except ValueError:
            return None
    parts = [part for part in text.split("/") if part not in {"", "."}]
    return None if ".." in parts else "/".join(parts)


def _glob(pattern: str) -> re.Pattern[str]:
    """Return a glob as a regular expression: ``*`` stays in a folder, ``**`` is any number of folders."""
    text = ""
    parts = pattern.split("/")
    for at, part in enumerate(parts):
        last = at == len(parts) - 1
        if part == "**":
            text += ".*" if last else "(?:[^/]+/)*"
            continue
        text += _part(part) + ("" if last else "/")
    return re.compile(text)


def _part(part: str) -> str:
    text, at = "", 0
    while at < len(part):
        each = part[at]
        end = part.find("]", at + 2) if each == "[" else -1
        if end > 0:
            inner = part[at + 1 : end].replace("\\", "\\\\")
            text += f"[{'^' + inner[1:] if inner.startswith('!') else inner}]"
            at = end
        else:
            text += {"*": "[^/]*", "?": "[^/]"}.get(each, re.escape(each))
        at += 1
    return text


def _fixed(pattern: str) -> list[str]:
    """Return the folders that a glob begins with, so that nothing beside them is looked through."""
    parts = pattern.split("/")[:-1]
    at = next((at for at, part in enumerate(parts) if _MAGIC.search(part)), len(parts))
    return parts[:at]


def _walk(place: Path, start: Path, passed: dict[str, str], *, ignored: bool) -> Iterator[Path]:
    """Give the files below a folder, less what is ignored.

    Args:
        place: Where rules of ``.gitignore`` and ``.fairingignore`` begin.
        start: Where to walk.
        passed: Takes the names of what is left out, and why.
        ignored: Whether ``start`` itself may be ignored: rules of the folders above it then do not count.
    """
    rules = [] if ignored and _why(start, _above(place, start.parent), folder=True) else _above(place, start.parent)
    queue = [(start, rules)]
    while queue:
        folder, above = queue.pop()
        rules = [*above, *_rules(folder)]
        for each in sorted(folder.iterdir()):
            is_folder = each.is_dir() and not each.is_symlink()
            if each.name in _NEVER and is_folder:
                continue
            why = _why(each, rules, folder=is_folder)
            if why:
                passed[each.relative_to(place).as_posix()] = _IGNORED.format(why)
            elif is_folder:
                queue.append((each, rules))
            elif each.is_file():
                yield each
            elif each.is_dir():
                passed[each.relative_to(place).as_posix()] = "a link to a folder: name it exactly to take it"


@dataclass(frozen=True, slots=True)
class _Rules:
    folder: Path
    name: str
    spec: GitIgnoreSpec


def _above(place: Path, folder: Path) -> list[_Rules]:
    if not folder.is_relative_to(place):
        return []
    between = [folder, *folder.parents]
    return [rule for each in reversed(between[: between.index(place) + 1]) for rule in _rules(each)]


def _rules(folder: Path) -> Iterator[_Rules]:
    for name in (".gitignore", ".fairingignore"):
        file = folder / name
        if file.is_file():
            from pathspec import GitIgnoreSpec

            lines = file.read_text("utf-8", "replace").splitlines()
            yield _Rules(folder, name, GitIgnoreSpec.from_lines(lines))


def _why(path: Path, rules: Iterable[_Rules], *, folder: bool) -> str:
    """Return the name of the file whose rule leaves a path out; the last rule that matches decides."""
    why = ""
    for rule in rules:
        if not path.is_relative_to(rule.folder) or path == rule.folder:
            continue
        name = path.relative_to(rule.folder).as_posix() + ("/" if folder else "")
        decided = rule.spec.check_file(name).include
        if decided is not None and (decided or why == rule.name):
            why = rule.name if decided else ""
    return why


def _unusable(pattern: str, places: Iterable[Path]) -> CaptureError | None:
    """Return what is wrong with something that is there by this very name."""
    for path in (place / pattern for place in places):
        if path.is_symlink() and not path.exists():
            return CaptureError(
                f"include={pattern!r} is a link to what is not there: {path.readlink()}.",
                fix="Mend the link, or name what is meant.",
            )
        if path.exists() and not path.is_file() and not path.is_dir():
            return CaptureError(
                f"include={pattern!r} is neither a file nor a folder.", fix="Write what it gives to a file first."
            )
    return None


def _nothing(pattern: str, root: Path, passed: dict[str, str]) -> CaptureError:
    matcher = _glob(pattern)
    for name, why in passed.items():
        if matcher.fullmatch(name) or pattern.startswith(f"{name}/") or pattern in {"**", "*"}:
            return CaptureError(f"include={pattern!r} takes no file.", f"{name} is there, but {why}.")
    if ".." in PurePosixPath(pattern).parts or Path(pattern).is_absolute():
        return CaptureError(
            f"include={pattern!r} names no file in the project {root}.",
            fix="Files outside the project cannot be taken: copy or link it, and name the link.",
        )
    near = difflib.get_close_matches(pattern, list(_names(root)), 1, 0.5)
    fix = f"Did you mean {near[0]!r}?" if near else f"Nothing in {root} has a name like it."
    return CaptureError(f"include={pattern!r} names no file here.", fix=fix)


def _names(root: Path, most: int = 5000) -> Iterator[str]:
    """Give names of files and folders, the nearest first, and not more than a person would wait for."""
    queue, given = [root], 0
    while queue and given < most:
        for each in sorted(queue.pop(0).iterdir()):
            given += 1
            yield each.relative_to(root).as_posix()
            if each.is_dir() and not each.is_symlink() and each.name not in _NEVER:
                queue.append(each)
