"""Dependency trees: a folder laid out as a virtual environment, used in place, one a lock.

    bin/python → the base interpreter      pyvenv.cfg      lib/pythonX.Y/site-packages      bin/…  share/…  etc/…

Made of installed files it shares them by hard links: no copy, no byte written, and an upgrade of the environment, which
replaces files and does not write into them, leaves it as it is. Nothing here opens a linked file for writing.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import sys
import time
from pathlib import Path

from fairing import state
from fairing.environment.index import Distribution, distributions
from fairing.environment.record import record
from fairing.errors import DependencyError
from fairing.events import Source, Stamp, Text
from fairing.ports import Reporter
from fairing.recipe import installed, python
from fairing.spec import Recipe


def key(recipe: Recipe) -> str:
    """Return the name of a recipe's tree: recipes with equal keys share it."""
    # What is made of installed files is this machine's own whatever image it goes into: a run here and one elsewhere
    # share it.
    own = recipe.base == "host" or recipe.source == "installed"
    fits = f"host\n{python.libc()}\n{sys.base_prefix}" if own else recipe.libc
    text = "\n".join((fits, recipe.platform, recipe.python, recipe.source, recipe.lock))
    return hashlib.sha256(text.encode()).hexdigest()


def make(recipe: Recipe, folder: Path, report: Reporter) -> None:
    """Fill an empty folder with a recipe's dependencies.

    Raises:
        DependencyError: The environment is no longer what the lock says, or uv could not install it.
    """
    site = folder / python.packages(recipe.python)
    site.mkdir(parents=True)
    (folder / "bin").mkdir()
    (folder / "bin" / "python").symlink_to(python.interpreter())
    (folder / "pyvenv.cfg").write_text(
        f"home = {python.interpreter().parent}\ninclude-system-site-packages = false\n"
        f"version = {recipe.python}\nrelocatable = true\n",
        encoding="utf-8",
    )
    if recipe.source == "resolved":
        from fairing.recipe import uv

        uv.install(recipe, folder, report)
        return
    found = [_unchanged(line) for line in recipe.lock.splitlines()]
    shared = _Linked(folder, site, {name for each in found for name in _linked_whole(each.distribution)})
    try:
        for each in found:
            shared.add(each)
        shared.libraries()
    finally:
        shared.close()
    if shared.whole:
        names = ", ".join(sorted(each.distribution.name for each in found if _by_folder(each.distribution)))
        report(_text(f"{names}: installed by conda, used where they are; upgrading them changes runs that go on.\n"))


def mend(recipe: Recipe, folder: Path) -> None:
    """Make good a tree whose files were written into where they are installed, which hard links cannot keep apart.

    Where a distribution was installed anew since the tree was made, the tree's own files are compared with it (they
    alone can have been written into without anybody having looked), and those that differ are replaced.
    """
    if recipe.source == "resolved":
        return
    known = distributions()
    site = folder / python.packages(recipe.python)
    for line in recipe.lock.splitlines():
        each = known.get(line.partition("==")[0])
        if each and not each.editable:
            with contextlib.suppress(OSError):
                now, then = Path(each.info, "RECORD"), site / Path(each.info).name / "RECORD"
                if now.stat().st_dev == then.stat().st_dev and now.stat().st_ino != then.stat().st_ino:
                    _renew(each, site)


_LEFT_OUT = ("direct_url.json", "uv_cache.json", "uv_build.json", "REQUESTED")
"""Addresses and folders of this machine, which concern nobody elsewhere."""


def _unchanged(line: str) -> installed.Piece:
    name = line.partition("==")[0]
    each = distributions().get(name)
    found = installed.piece(each) if each else None
    if found is None or found.line.rstrip("\n") != line:
        raise DependencyError(
            f"{name} was changed while its files were being collected.",
            why="The environment is no longer the one that was captured.",
            fix="Run it again when the installation has ended.",
        )
    return found


def _by_folder(each: Distribution) -> bool:
    """Whether a distribution's libraries look for others by their place, outside of what its RECORD lists."""
    return each.installer == "conda" and any(entry.path.endswith((".so", ".dylib")) for entry in record(each).entries)


def _linked_whole(each: Distribution) -> tuple[str, ...]:
    return tuple(top for top in each.tops if os.path.isdir(os.path.join(each.site, top))) if _by_folder(each) else ()


class _Linked:
    """A tree that shares the files of the environment."""

    def __init__(self, folder: Path, site: Path, whole: set[str]) -> None:
        self.whole = whole
        self._folder = folder
        self._site = str(site)
        self._made = {""}
        self._at = os.open(site, os.O_RDONLY)
        self._libraries: set[str] = set()

    def add(self, each: installed.Piece) -> None:
        """Link the files of one distribution."""
        if each.distribution.editable:
            self._metadata(each.distribution)
            return
        copied = {difference.path for difference in each.differences}
        folders: dict[str, set[str]] = {}
        for entry in record(each.distribution).entries:
            path = entry.path
            if path.startswith(("..", "/")):
                self._outside(each.distribution, path)
            elif path.partition("/")[0] in self.whole:
                self._whole(each.distribution, path.partition("/")[0])
            elif path in copied:
                self._copy(each.distribution, path)
            elif not path.endswith((".pyc", *_LEFT_OUT)):
                parent, _, name = path.rpartition("/")
                folders.setdefault(parent, set()).add(name)
        self._link(each.distribution.site, folders)

    def close(self) -> None:
        """End the work."""
        os.close(self._at)

    def libraries(self) -> None:
        """Where whole folders are linked, let their libraries find each other as they do at home."""
        for prefix in self._libraries:
            for library in Path(prefix, "lib").glob("lib*"):
                if ".so" in library.name or library.suffix == ".dylib":
                    with contextlib.suppress(FileExistsError):
                        (self._folder / "lib" / library.name).symlink_to(library)

    def _link(self, site: str, folders: dict[str, set[str]]) -> None:
        tag = f".{sys.implementation.cache_tag}.pyc"
        at = os.open(site, os.O_RDONLY)
        try:
            for parent in sorted(folders):
                names = folders[parent]
                self._folders(parent)
                prefix = f"{parent}/" if parent else ""
                for name in names:
                    self._share(at, site, prefix + name)
                if any(name.endswith(".py") for name in names):
                    self._bytecode(at, site, f"{prefix}__pycache__", names, tag)
        finally:
            os.close(at)

    def _bytecode(self, at: int, site: str, parent: str, names: set[str], tag: str) -> None:
        """Link the bytecode that is there; what is missing, the first run that imports it writes into the tree."""
        try:
            compiled = [name for name in os.listdir(os.path.join(site, parent)) if name.endswith(tag)]
        except OSError:
            return
        for name in compiled:
            if f"{name[: -len(tag)]}.py" in names:
                self._folders(parent)
                self._share(at, site, f"{parent}/{name}")

    def _share(self, at: int, site: str, path: str) -> None:
        try:
            os.link(path, path, src_dir_fd=at, dst_dir_fd=self._at)
        except (FileExistsError, FileNotFoundError, NotADirectoryError):
            pass  # of two distributions that have it the first keeps it; what is gone was counted in the lock
        except OSError:  # another file system, or somebody else's file
            _copy(os.path.join(site, path), os.path.join(self._site, path))

    def _folders(self, path: str) -> None:
        if path not in self._made:
            self._folders(path.rpartition("/")[0])
            self._made.add(path)
            with contextlib.suppress(FileExistsError):
                os.mkdir(path, 0o755, dir_fd=self._at)

    def _copy(self, each: Distribution, path: str) -> None:
        """Copy what was written into since it was installed: it may well be written into again."""
        self._folders(path.rpartition("/")[0])
        with contextlib.suppress(FileNotFoundError):
            _copy(os.path.join(each.site, path), os.path.join(self._site, path))

    def _whole(self, each: Distribution, top: str) -> None:
        if top not in self._made:
            self._made.add(top)
            self._libraries.add(_prefix(each))
            os.symlink(os.path.realpath(os.path.join(each.site, top)), os.path.join(self._site, top))

    def _metadata(self, each: Distribution) -> None:
        """Give an editable project its name and version; its code travels as source."""
        name = f"{each.name.replace('-', '_')}-{each.version}.dist-info"
        self._folders(name)
        source = Path(each.info, "METADATA" if each.info.endswith(".dist-info") else "PKG-INFO")
        with contextlib.suppress(FileNotFoundError):
            Path(self._site, name, "METADATA").write_bytes(source.read_bytes())

    def _outside(self, each: Distribution, path: str) -> None:
        """Place scripts and data files, which lie beside the packages: ``bin/``, ``share/``, ``etc/``."""
        source = os.path.normpath(os.path.join(each.site, path))
        near = os.path.relpath(source, _prefix(each))
        if near.startswith("..") or os.path.isabs(near) or not os.path.isfile(source):
            return
        target = self._folder / near
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() or target.is_symlink():
            return
        if near.startswith("bin" + os.sep) and (script := _relocatable(Path(source))):
            target.write_bytes(script)
            target.chmod(0o755)
            return
        try:
            os.link(source, target)
        except OSError:
            _copy(source, str(target))


def _renew(each: Distribution, site: Path) -> None:
    known = record(each)
    for entry in known.entries:
        source, target = os.path.join(each.site, entry.path), os.path.join(site, entry.path)
        if not entry.hash or entry.path.startswith(("..", "/")) or os.path.basename(source) in _LEFT_OUT:
            continue
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            now, then = os.stat(source), os.stat(target)
            if now.st_ino != then.st_ino and (now.st_size, now.st_mtime_ns) != (then.st_size, then.st_mtime_ns):
                _replace(source, target)
    name = os.path.basename(each.info)
    _replace(os.path.join(each.info, "RECORD"), os.path.join(site, name, "RECORD"))


def _replace(source: str, target: str) -> None:
    with state.replacing(Path(target)) as part:
        try:
            os.link(source, part)
        except OSError:
            _copy(source, str(part))


def _copy(source: str, target: str) -> None:
    with contextlib.suppress(FileExistsError), open(target, "xb"):
        shutil.copy2(source, target)


def _prefix(each: Distribution) -> str:
    """Return the root of the environment that a distribution lies in, which scripts and data files lie under."""
    above = os.path.dirname(os.path.dirname(each.site))
    return os.path.dirname(above) if os.path.basename(above).startswith("lib") else sys.prefix


_HEADER = b"""#!/bin/sh
'''exec' "$(dirname -- "$(realpath -- "$0")")"/'python' "$0" "$@"
' '''
"""
_SHEBANG = re.compile(rb"#![^\n]*python[^\n]*\n|#!/bin/sh\n'''exec'[^\n]*\n' '''\n")


def _relocatable(script: Path) -> bytes | None:
    """Return a Python script that starts with the Python beside it, wherever that is; ``None`` if it is no such."""
    with script.open("rb") as file:
        if file.read(2) != b"#!":
            return None
    data = script.read_bytes()
    match = _SHEBANG.match(data)
    return _HEADER + data[match.end() :] if match else None


def _text(line: str) -> Text:
    return Text(Stamp(Source("build"), time.time()), line, "stderr")
