"""The images on this machine: a valid OCI layout, content-addressed, safe for many writers.

oci-layout  index.json  blobs/sha256/…      the layout that other tools read
trees/<key>                                 folders that are used in place, by what they were made from
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from fairing import state
from fairing.oci import layer
from fairing.spec import File


def put_layer(files: Iterable[File]) -> layer.Written:
    """Write a layer's blob, unless it is there."""
    folder = state.store() / "blobs" / "sha256"
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".part-{secrets.token_hex(8)}"
    try:
        with part.open("wb") as out:
            written = layer.write(files, out)
        part.replace(folder / written.digest.removeprefix("sha256:"))
    finally:
        part.unlink(missing_ok=True)
    return written


def tree(key: str, make: Callable[[Path], None]) -> Path:
    """Return the folder with this key, and make it first if it is not there: whole, or not at all."""
    trees = state.store() / "trees"
    folder = trees / key
    if folder.is_dir():
        return folder
    part = trees / f".part-{secrets.token_hex(8)}"
    part.mkdir(parents=True)
    try:
        make(part)
        try:
            os.rename(part, folder)  # noqa: PTH104 - it must fail where another kernel was faster
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder
