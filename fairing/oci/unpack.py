"""Unpacks layers, and trusts none of them.

``tarfile`` has a filter for this in newer Pythons alone, and it makes an entry harmless where it should be refused:
what has a path that leads out, a device or a setuid bit was not written by us.
"""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import tarfile
import zlib
from pathlib import Path, PurePosixPath, PureWindowsPath

from fairing.errors import BuildError
from fairing.oci.layer import FULL

_BROKEN = (tarfile.TarError, OSError, EOFError, zlib.error, ValueError, OverflowError, LookupError, ArithmeticError)
_SET_ID = stat.S_ISUID | stat.S_ISGID


def unpack(blob: Path, into: Path) -> None:
    """Unpack a layer's blob over a folder: the whole of it, or nothing.

    Args:
        blob: A tar archive, compressed or not.
        into: The folder; it is made if need be, and files that are there already are replaced.

    Raises:
        OSError: The disk is full.
        BuildError: The archive has absolute paths, ``..``, links that lead out, devices or setuid bits, or is broken.

    Example:
        unpack(store / "blobs" / "sha256" / "9f86…", run / "image")
    """
    part = into.parent / f".part-{secrets.token_hex(8)}"
    try:
        into.parent.mkdir(parents=True, exist_ok=True)
        part.mkdir(mode=0o700)
        with tarfile.open(blob) as tar:
            for entry in tar:
                _extract(tar, entry, part)
        _merge(part, into)
    except _Refused as refused:
        raise BuildError(
            f"The layer {blob.name[:12]} is refused.", why=f"{refused}.", fix="Build the image again from its source."
        ) from refused
    except _BROKEN as wrong:
        if isinstance(wrong, OSError) and wrong.errno in FULL:
            raise  # no fault of the layer
        raise BuildError(
            f"The layer {blob.name[:12]} cannot be unpacked.",
            why=f"{str(wrong).rstrip('.') or type(wrong).__name__}.",
            fix="Build the image again.",
        ) from wrong
    finally:
        shutil.rmtree(part, ignore_errors=True)


class _Refused(Exception):
    """What an archive must not have."""


def _extract(tar: tarfile.TarFile, entry: tarfile.TarInfo, root: Path) -> None:
    target = root.joinpath(*_parts(entry.name))
    _folder(target.parent, root, entry.name)
    if entry.mode & _SET_ID:
        raise _Refused(f"{entry.name!r} would run as its owner (setuid or setgid)")
    if entry.isdir():
        _folder(target, root, entry.name)
        return
    if target == root or (target.is_dir() and not target.is_symlink()):
        raise _Refused(f"{entry.name!r} is a file where a folder is")
    target.unlink(missing_ok=True)
    if entry.issym():
        _check_link(entry, len(target.parent.relative_to(root).parts))
        target.symlink_to(entry.linkname)
    elif entry.islnk():
        source = root.joinpath(*_parts(entry.linkname))
        _folder(source.parent, root, entry.linkname)
        if source.is_symlink() or not source.is_file():
            raise _Refused(f"{entry.name!r} is a link to {entry.linkname!r}, which is not one of its files")
        os.link(source, target)
    elif entry.isreg() and not entry.issparse():
        _write(tar, entry, target)
    else:
        raise _Refused(f"{entry.name!r} is neither a file, a folder nor a link")


def _parts(name: str) -> tuple[str, ...]:
    """Return a path's parts, if it leads nowhere but down."""
    path = PurePosixPath(name)
    windows = os.name == "nt" and (PureWindowsPath(name).drive or "\\" in name or ":" in name)
    if path.is_absolute() or ".." in path.parts or "\0" in name or windows:
        raise _Refused(f"{name!r} is a path that leads out of it")
    return path.parts


def _check_link(entry: tarfile.TarInfo, depth: int) -> None:
    """Refuse a link that leads out, alone or through other links.

    It may climb as far as it lies deep, then only descend: all it meets on its way is folders and links like it.
    """
    path = PurePosixPath(entry.linkname)
    climbs = next((at for at, part in enumerate(path.parts) if part != ".."), len(path.parts))
    out = path.is_absolute() or climbs > depth or ".." in path.parts[climbs:] or "\0" in entry.linkname
    if out or not entry.linkname or (os.name == "nt" and PureWindowsPath(entry.linkname).drive):
        raise _Refused(f"{entry.name!r} is a link that leads out of it, to {entry.linkname!r}")


def _folder(folder: Path, root: Path, name: str) -> None:
    """Make a folder and those above it; none may be a link, which could lead out."""
    for each in (*reversed(folder.relative_to(root).parents), folder.relative_to(root)):
        here = root / each
        if here.is_symlink() or (here.exists() and not here.is_dir()):
            raise _Refused(f"{name!r} lies below {each.as_posix()!r}, which is no folder")
        here.mkdir(mode=0o755, exist_ok=True)


def _write(tar: tarfile.TarFile, entry: tarfile.TarInfo, target: Path) -> None:
    content = tar.extractfile(entry)
    assert content is not None  # noqa: S101 - it is a file
    mode = 0o755 if entry.mode & 0o111 else 0o644
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    with content, open(os.open(target, flags, mode), "wb") as file:  # noqa: PTH123 - a descriptor
        shutil.copyfileobj(content, file, 1 << 20)
        if file.tell() != entry.size:
            raise tarfile.ReadError(f"{entry.name!r} is cut off")


def _merge(part: Path, into: Path) -> None:
    """Move what was unpacked over a folder; at once, where the folder is new or empty."""
    try:
        part.rename(into)
        return
    except OSError:
        if not into.is_dir() or into.is_symlink():
            raise
    moves: list[tuple[Path, Path]] = []
    for folder, folders, files in os.walk(part):
        below = Path(folder).relative_to(part)
        _folder(into / below, into, below.as_posix())
        for name in (*files, *(each for each in folders if Path(folder, each).is_symlink())):
            target = into / below / name
            if target.is_dir() and not target.is_symlink():
                raise _Refused(f"{(below / name).as_posix()!r} is a file where a folder is")
            moves.append((Path(folder, name), target))
    for source, target in moves:  # nothing has been moved before everything was found possible
        source.replace(target)
