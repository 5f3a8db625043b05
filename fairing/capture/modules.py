"""The user's own modules: every one that the code imports, transitively, as it stands in its file today.

Local is what neither the standard library nor an installed distribution holds: a module of the project, of a ``src/``
layout, of a folder put on ``sys.path``, of an editable install. It travels by source and is imported in the run.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import os
import site
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec, PathFinder
from pathlib import Path
from types import CodeType

from fairing.capture import credentials, edited, imports
from fairing.spec import File

OWN = frozenset({"fairing", "fairing_builders", "fairing_deployers"})  # they have a layer of their own
_INSTALLED = frozenset({"site-packages", "dist-packages"})
_MARKS = ("pyproject.toml", ".git", "setup.py", "setup.cfg")
_DYNAMIC = ("import_module", "__import__", "pkgutil", "iter_modules", "attach_stub")


@dataclass(frozen=True, slots=True)
class Modules:
    """Local modules, found.

    Args:
        files: Their files, at their place in the code layer, sorted.
        roots: Folders of the code layer that go on ``sys.path``.
        names: Their dotted names, sorted.
        warnings: Sentences the reader should see: a module edited since it was imported.
        external: Dotted names of every other module that the code or they import, less the standard library's.
        reasons: The same names, each with the first local module that imports it.
        suspects: What looks like a credential in their texts.
    """

    files: tuple[File, ...] = ()
    roots: tuple[str, ...] = ("",)
    names: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    external: frozenset[str] = frozenset()
    reasons: tuple[tuple[str, str], ...] = ()
    suspects: tuple[credentials.Suspect, ...] = ()


def project(folder: Path | None = None) -> Path:
    """Return the project's folder: the nearest that holds a ``pyproject.toml`` or ``.git``, from a folder upwards.

    Args:
        folder: Where to start; the working folder if not given. It is the answer where nothing is found.
    """
    start = Path(folder or Path.cwd()).resolve()
    home = Path.home()
    for each in (start, *start.parents):
        if each in {home, Path(each.anchor)} and each != start:
            break
        if any((each / mark).exists() for mark in _MARKS):
            return each
    return start


def collect(found: Iterable[CodeType | str], root: Path) -> Modules:
    """Return the local modules behind code and names, and behind those in turn.

    Args:
        found: Code objects, whose imports are read, and dotted names of modules.
        root: The project's folder.

    Example:
        >>> sorted(collect(["json", "numpy.linalg"], Path.cwd()).external)
        ['numpy', 'numpy.linalg']
    """
    names = [name for each in found for name in ([each] if isinstance(each, str) else imports.of_code(each))]
    walk = _Walk(root)
    walk.follow(names)
    return walk.result()


def local(path: Path | str) -> bool:
    """Whether a module's file is the user's own."""
    text = os.path.abspath(path)  # noqa: PTH100 - links are kept: a linked source tree is the user's
    return _INSTALLED.isdisjoint(Path(text).parts) and not any(text.startswith(place) for place in _places())


def specification(name: str) -> ModuleSpec | None:
    """Return how a module is imported, without importing it or its packages."""
    module = sys.modules.get(name)
    if module is not None and getattr(module, "__spec__", None) is not None:
        return module.__spec__
    parent, _, _ = name.rpartition(".")
    if module is not None and getattr(module, "__file__", None):
        return importlib.util.spec_from_file_location(name, str(module.__file__))
    try:
        if parent:
            above = specification(parent)
            places = above.submodule_search_locations if above else None
            return _below(name, list(places)) if places else None
        return next(filter(None, (finder.find_spec(name, None) for finder in _finders())), None)
    except (ImportError, ValueError, AttributeError, OSError):
        return None


def _below(name: str, places: list[str]) -> ModuleSpec | None:
    """Return how a module of a package is imported.

    Python itself fails for a namespace below a package that is not imported (``google.cloud``): it asks that for its
    folders, which are known here.
    """
    try:
        return PathFinder.find_spec(name, places)
    except KeyError:
        folders = [Path(place) / name.rpartition(".")[2] for place in places]
        spec = ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = [str(folder) for folder in folders if folder.is_dir()]
        return spec


@contextmanager
def importable(folder: Path) -> Iterator[None]:
    """Find modules as a notebook's own kernel, or a script, does: from its folder too."""
    if str(folder) in sys.path:
        yield
        return
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


class _Walk:
    def __init__(self, root: Path) -> None:
        self._root = root
        self._taken: dict[str, Path] = {}
        self._external: dict[str, str] = {}
        self._warnings: list[str] = []
        self._suspects: list[credentials.Suspect] = []
        self._seen: set[str] = set()
        self._bases: dict[Path, str] = {}
        self._files: dict[str, File] = {}

    def follow(self, names: Iterable[str]) -> None:
        queue = [(name, "") for name in sorted(names, reverse=True)]
        while queue:
            wanted, by = queue.pop()
            for name in imports.parents(wanted):
                top = name.partition(".")[0]
                if name in self._seen or top in sys.stdlib_module_names or top in OWN or top == "__main__":
                    continue
                self._seen.add(name)
                queue.extend((each, name) for each in sorted(self._take(name, by), reverse=True))

    def result(self) -> Modules:
        roots = tuple(dict.fromkeys(["", *sorted(self._bases.values())]))
        files = tuple(self._files[path] for path in sorted(self._files))
        return Modules(
            files=files,
            roots=roots,
            names=tuple(sorted(self._taken)),
            warnings=tuple(self._warnings),
            external=frozenset(self._external),
            reasons=tuple(sorted(self._external.items())),
            suspects=tuple(self._suspects),
        )

    def _take(self, name: str, by: str) -> Iterable[str]:
        """Take one module if it is local, and return what it imports."""
        spec = specification(name)
        path = Path(spec.origin) if spec and spec.has_location and spec.origin else None
        if spec is None and "." in name:
            return ()  # from a import b, where b is a function
        if path is None and spec is not None and any(map(local, spec.submodule_search_locations or ())):
            return ()  # a local folder that is a package without a file of its own
        if path is None or not local(path) or not path.is_file():
            self._external[name] = f"import in {by}" if by else "import"
            return ()
        package = path.name == "__init__.py"
        self._taken[name] = path
        self._place(name, path, package)
        if path.suffix != ".py":
            if path.name.endswith(tuple(EXTENSION_SUFFIXES)):
                self._warnings.append(f"{name} is compiled for this platform and Python.")
            return ()
        source = _source(str(path), path.stat().st_mtime_ns)
        self._warnings.extend(edited.warnings(name, path, source.tree))
        if source.credential:
            self._suspects.append(credentials.text_in(path.name, (path.name, name), source.credential))
        within = name if package else name.rpartition(".")[0]
        wanted = imports.of_tree(source.tree, within)
        return (*wanted, *_siblings(name, path)) if package and source.dynamic else wanted

    def _place(self, name: str, path: Path, package: bool) -> None:
        ending = path.name.partition(".")[2]
        parts = [*name.split("."), "__init__.py"] if package else f"{name.replace('.', '/')}.{ending}".split("/")
        above = path.parents[len(parts) - 1] if len(path.parents) >= len(parts) else path.parent
        same = path == above.joinpath(*parts)
        base = self._base(above) if same else ""
        place = "/".join([*([base] if base else []), *parts])
        self._files[place] = File(place, path)

    def _base(self, above: Path) -> str:
        """Return where in the code layer a folder of ``sys.path`` lies: at its own place in the project, or apart."""
        if above not in self._bases:
            try:
                inside = above.resolve().relative_to(self._root.resolve()).as_posix()
                self._bases[above] = "" if inside == "." else inside
            except ValueError:
                digest = hashlib.sha256(str(above).encode()).hexdigest()[:6]
                self._bases[above] = f"outside/{above.name or 'root'}-{digest}"
        return self._bases[above]


@dataclass(frozen=True, slots=True)
class _Source:
    tree: ast.Module
    dynamic: bool
    credential: str


@lru_cache(maxsize=2048)
def _source(path: str, _changed: int) -> _Source:
    data = Path(path).read_bytes()
    try:
        tree = ast.parse(data, path)
    except SyntaxError:  # the run says it better, with the line
        tree = ast.Module([], [])
    credential = credentials.form(data.decode("utf-8", "replace"), len(data))
    return _Source(tree, any(word.encode() in data for word in _DYNAMIC), credential)


def _siblings(name: str, path: Path) -> Iterator[str]:
    """Give every module of a package that imports some by names it computes: nobody can know which."""
    for each in sorted(path.parent.rglob("*.py")):
        parts = each.relative_to(path.parent).with_suffix("").parts
        if all(part.isidentifier() for part in parts):
            yield ".".join((name, *(parts[:-1] if parts[-1] == "__init__" else parts)))


def _finders() -> Iterator[type[PathFinder]]:
    """Give what finds modules: the finders of editable installs stand beside the one of ``sys.path``."""
    for finder in sys.meta_path:
        if callable(getattr(finder, "find_spec", None)):
            yield finder  # type: ignore[misc]


@lru_cache(maxsize=1)
def _places() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    installed = {paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    installed.update(getattr(site, "getsitepackages", list)())
    installed.add(getattr(site, "getusersitepackages", str)())
    return tuple(os.path.join(os.path.abspath(each), "") for each in installed if each)  # noqa: PTH100, PTH118 - as above
