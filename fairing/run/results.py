"""Values and errors of runs, loaded here: verified first, and refused in words where they cannot be loaded.

What is unpickled came in frames with the run's own MAC, or lies under a hash that such a frame gave. That proves which
run it comes from, not that the run means well: a run that was not submitted from here is loaded only when trusted.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import platform
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from fairing import state
from fairing.errors import ResultRefused
from fairing.events import Payload, Source
from fairing.shell import current
from fairing.spec import Handle

Read = Callable[[str], Iterable[bytes]]
"""Gives a file of the run in pieces."""

_OTHERWISE = (
    "job.result(raw=True) gives its bytes, and job.save(path) keeps them in a file; "
    "in a shell, fairing result --raw and --save do."
)
_TORCH = re.compile(r"deserialize object on (?:a )?(\w+) device", re.IGNORECASE)


def trusted(handle: Handle, trust: bool | None) -> bool:
    """Say whether values of a run may be unpickled: it was submitted from here, or its reader says so."""
    return bool(trust) or state.recorded(handle.key)


def fetch(payload: Payload, source: Source, read: Read) -> bytes:
    """Return a payload's bytes, verified.

    Raises:
        ResultRefused: They are not the bytes that the run made.
    """
    if payload.missing:
        raise ResultRefused(f"The run's value ({payload.size:,} bytes) cannot be brought here.", why=payload.missing)
    if payload.inline is not None:
        data = payload.inline
    elif payload.path is not None:
        placed = payload.path.count("/") > 1  # by its deployer; a runner names its own spool alone
        path = payload.path if placed else f"spool/{source}/{payload.path.rpartition('/')[2]}"
        data = b"".join(read(path))
    else:
        raise ResultRefused(
            "The run's value was not kept.",
            why=f"It could not be pickled there: {payload.summary}." if payload.summary else "",
            fix="Return what can be pickled, or write it to a file and name that in outputs=[…].",
        )
    if len(data) != payload.size or hashlib.sha256(data).hexdigest() != payload.sha256:
        raise ResultRefused(
            "The run's value is not what the run made.",
            why=f"{len(data)} bytes came, with another hash than the run gave for its {payload.size} bytes.",
        )
    return data


def load(payload: Payload, data: bytes, may: bool) -> Any:
    """Return a payload's value.

    Args:
        payload: What is said of it: which Python and cloudpickle wrote it, looked at before anything is loaded.
        data: Its bytes, verified.
        may: Whether it may be unpickled.

    Raises:
        ResultRefused: It may not, or cannot, be loaded here; the sentence says what is missing.
    """
    if payload.codec == "none":
        return None
    if payload.codec == "json":
        return json.loads(data)
    if not may:
        raise ResultRefused(
            f"The run's value ({payload.summary}) was not loaded.",
            why="The run was not submitted from here, and loading a value runs code that comes with it.",
            fix="If you trust whoever submitted it: job.result(trust=True).",
        )
    _header(payload)
    return _unpickle(payload, data)


def _header(payload: Payload) -> None:
    """Refuse what another Python wrote: bytecode of another minor version crashes the interpreter, and never fails."""
    import cloudpickle

    here, there = platform.python_version(), payload.python
    if there and there.split(".")[:2] != here.split(".")[:2]:
        raise ResultRefused(
            f"The run's value ({payload.summary}) was written by Python {there} and this is Python {here}.",
            why="Pickles of functions and classes hold bytecode, which differs between the two.",
            fix=f"Load it with Python {'.'.join(there.split('.')[:2])}; {_OTHERWISE}",
        )
    if payload.cloudpickle and payload.cloudpickle.split(".")[0] != cloudpickle.__version__.split(".")[0]:
        raise ResultRefused(
            f"The run's value ({payload.summary}) was written by cloudpickle {payload.cloudpickle} "
            f"and this is cloudpickle {cloudpickle.__version__}.",
            fix=f"Install cloudpickle {payload.cloudpickle} here; {_OTHERWISE}",
        )


def _unpickle(payload: Payload, data: bytes) -> Any:
    from fairing.capture import returned

    what = f"The run's value ({payload.summary}, {payload.size:,} bytes) cannot be loaded here."
    try:
        value = returned.loads(data)  # verified, trusted, and written by this Python
    except ModuleNotFoundError as missing:
        name = (missing.name or str(missing)).partition(".")[0]
        raise ResultRefused(
            what, why=f"It needs the package {name}, which is not installed here.", fix=f"Install it; {_OTHERWISE}"
        ) from missing
    except Exception as broken:
        device = _TORCH.search(str(broken))
        if device:
            name = "CUDA" if device[1].lower() == "cuda" else device[1]
            why = f"It holds tensors of a {name} device, and there is none here."
            fix = f"Return it from the run with .cpu(); {_OTHERWISE}"
        else:
            why, fix = f"{type(broken).__name__}: {broken}.", _OTHERWISE
        raise ResultRefused(what, why=why, fix=fix) from broken
    if b"matplotlib.figure" in data:
        _drawable()
    return value


def _drawable() -> None:
    """Let this notebook draw figures, where it has made none itself: until then it shows their text."""
    if os.environ.get("MPLBACKEND", "").endswith("backend_inline") and current() is not None:
        with suppress(Exception):  # the figure itself is there
            importlib.import_module("matplotlib_inline.backend_inline")
