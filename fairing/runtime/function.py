"""Runs a captured function: a pickle of it in the code layer, its arguments beside the image."""

from __future__ import annotations

import base64
import hashlib
import pickle
import platform
import sys
import traceback
from pathlib import Path
from typing import Any

from fairing.runtime.tell import Teller

INLINE = 600 * 1024
"""Bytes of a pickle that travel through the log; more are a file of the spool."""


def run(spec: dict[str, Any], pickled: bytes, tell: Teller) -> int:
    """Call the function; tell its value or its exception."""
    try:
        function = pickle.loads(pickled)  # noqa: S301 - its hash was checked against the run's own description
        args, kwargs = pickle.loads((Path(spec["inputs"]) / "arguments.pkl").read_bytes())  # noqa: S301
        value = function(*args, **kwargs)
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
        if code:
            tell("failure", {"ename": "SystemExit", "evalue": str(leaving.code), "code": code})
        else:
            tell("result", {"payload": payload(spec, "result", None)})
        return code
    except BaseException as error:  # noqa: BLE001 - whatever the user's code raises is told
        tell("failure", failure(spec, error))
        return 1
    tell("result", {"payload": payload(spec, "result", value)})
    return 0


def payload(spec: dict[str, Any], name: str, value: Any) -> dict[str, Any]:
    """Return a value as the fields of a ``Payload``."""
    import cloudpickle

    data = cloudpickle.dumps(value)
    fields: dict[str, Any] = {
        "codec": "cloudpickle",
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "python": platform.python_version(),
        "cloudpickle": cloudpickle.__version__,
        "summary": type(value).__name__,
    }
    if len(data) <= INLINE:
        return {**fields, "inline": base64.b64encode(data).decode()}
    (Path(spec["spool"]) / f"{name}.pkl").write_bytes(data)
    return {**fields, "path": f"spool/{name}.pkl"}


def failure(spec: dict[str, Any], error: BaseException) -> dict[str, Any]:
    """Return an exception as the fields of a ``Failure``."""
    trace = error.__traceback__.tb_next if error.__traceback__ else None
    fields: dict[str, Any] = {
        "ename": type(error).__name__,
        "evalue": str(error),
        "traceback": traceback.format_exception(type(error), error, trace),
        "code": 1,
    }
    try:
        fields["exception"] = payload(spec, "exception", error.with_traceback(None))
    except Exception as unpicklable:  # noqa: BLE001 - a pickle may fail in any way, and the text is told anyhow
        print(f"(the exception itself cannot be brought back: {unpicklable})", file=sys.stderr)  # noqa: T201
    return fields
