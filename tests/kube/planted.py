"""Secrets that a test plants, and where they turn up: in any encoding, compressed, inside of archives."""

from __future__ import annotations

import base64
import contextlib
import gzip
import io
import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterator


def secret() -> str:
    """Return a secret that nothing else has; letters and digits, so that no quoting changes it."""
    return f"Pl4nted{os.urandom(12).hex()}"


def forms(text: str) -> set[bytes]:
    """Return what a secret looks like wherever it may turn up: as it is, in hexadecimal, in base64 at any offset."""
    raw = text.encode()
    found = {raw, raw.hex().encode(), raw.hex().upper().encode()}
    for offset in range(3):
        whole = base64.b64encode(b"\0" * offset + raw)
        # the first characters depend on what stands before it, and the last on what follows
        inside = whole.rstrip(b"=")[(offset * 8 + 5) // 6 : (offset + len(raw)) * 8 // 6]
        found |= {inside, inside.translate(bytes.maketrans(b"+/", b"-_"))}
    return found


def unfolded(data: bytes, depth: int = 4) -> Iterator[bytes]:
    """Yield bytes, and what is packed inside of them: gzip, zip, tar."""
    yield data
    if depth == 0:
        return
    if data[:2] == b"\x1f\x8b":
        with contextlib.suppress(OSError, EOFError, zlib.error):
            yield from unfolded(gzip.decompress(data), depth - 1)
    elif data[:2] == b"PK":
        with contextlib.suppress(zipfile.BadZipFile), zipfile.ZipFile(io.BytesIO(data)) as packed:
            for name in packed.namelist():
                yield from unfolded(packed.read(name), depth - 1)
    elif data[257:262] == b"ustar":
        with tarfile.open(fileobj=io.BytesIO(data)) as packed:
            for member in packed:
                if member.isreg() and (file := packed.extractfile(member)):
                    head = file.read(2)
                    if head in {b"\x1f\x8b", b"PK"}:
                        yield from unfolded(head + file.read(), depth - 1)


def held(data: bytes, secrets: dict[str, str]) -> set[str]:
    """Return the names of the secrets that some bytes hold."""
    pieces = list(unfolded(data))
    return {name for name, text in secrets.items() if any(form in piece for form in forms(text) for piece in pieces)}


def inside(document: object) -> Iterator[bytes]:
    """Yield the texts of an object of Kubernetes, names included, and what those of Secrets and ConfigMaps encode."""
    if isinstance(document, dict):
        for name, value in document.items():
            yield str(name).encode()
            yield from inside(value)
            if name in {"data", "binaryData"} and isinstance(value, dict):
                for each in value.values():
                    with contextlib.suppress(ValueError):
                        yield base64.b64decode(each, validate=True)
    elif isinstance(document, list):
        for value in document:
            yield from inside(value)
    else:
        yield str(document).encode()
