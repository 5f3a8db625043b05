"""What travels with the code to an image that does not have it: fairing itself, and cloudpickle, which it needs there.

One archive that Python imports from. What every run starts with is in it as bytecode: nobody can write any beside an
archive, so each run would compile it again.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from fairing import state
from fairing.oci import bytecode, runner
from fairing.runtime.pod import GIVEN

NAME = "runtime.zip"
_STARTED = ("fairing/__init__.py", "fairing/runtime/", "cloudpickle/")
"""What every run starts with."""


def archive() -> bytes:
    """Return the archive of the fairing that runs this; it is made once."""
    import cloudpickle

    return _made(f"{runner.key()} {cloudpickle.__version__}")


@lru_cache(maxsize=1)
def _made(key: str) -> bytes:
    folder = state.private(state.cache() / "carried")
    kept = folder / f"{hashlib.sha256(key.encode()).hexdigest()}.zip"
    with suppress(FileNotFoundError):
        return kept.read_bytes()
    for old in folder.glob("*.zip"):
        old.unlink(missing_ok=True)
    data = _packed()
    with state.replacing(kept) as part:
        part.write_bytes(data)
    return data


def _packed() -> bytes:
    files = {name: (path, data) for name, path, data in (*runner.sources(), *_cloudpickle())}
    started = [name for name in files if name.startswith(_STARTED) and name.endswith(".py")]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as out:
        with bytecode.compiled([(files[name][0], f"{GIVEN}/{NAME}/{name}") for name in started]) as compiled:
            for name, code in zip(started, compiled, strict=True):
                if code:
                    del files[name]
                    _put(out, f"{name}c", code)
        for name, (_, data) in files.items():
            _put(out, name, data)
    return packed.getvalue()


def _put(out: zipfile.ZipFile, name: str, data: bytes) -> None:
    out.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)  # of no time: the same files, the same archive


def _cloudpickle() -> Iterator[tuple[str, Path, bytes]]:
    import cloudpickle

    for path in sorted(Path(cloudpickle.__file__).parent.glob("*.py")):
        yield f"cloudpickle/{path.name}", path, path.read_bytes()
