"""Runs a script as ``python script.py arguments`` would: it is ``__main__``, and its exit code is the run's."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from fairing.runtime.outcome import failure, payload
from fairing.runtime.tell import Teller


def run(spec: dict[str, Any], source: bytes, tell: Teller) -> int:
    """Run the script; tell its end or its exception."""
    path = Path(spec["code"]) / spec["entry"]["path"]
    main = sys.modules["__main__"]
    main.__file__ = str(path)  # multiprocessing starts other processes by it
    sys.argv[:] = [str(path), *spec["entry"]["arguments"]]
    sys.path.insert(0, str(path.parent))
    try:
        exec(compile(source, str(path), "exec"), main.__dict__)  # noqa: S102 - running it is what was asked for
    except SystemExit as leaving:
        if leaving.code not in {None, 0}:
            return _left(leaving.code, tell)
    except BaseException as error:  # noqa: BLE001 - whatever the user's code raises is told
        tell("failure", failure(spec, error))
        return 1
    tell("result", {"payload": payload(spec, "result", None)})
    return 0


def _left(code: Any, tell: Teller) -> int:
    """Tell that the script said how it ends, as the interpreter does: a number is the code, a text is said, and 1."""
    if not isinstance(code, int):
        print(code, file=sys.stderr)  # noqa: T201 - as the interpreter does
    number = code & 0xFF if isinstance(code, int) else 1
    tell("failure", {"ename": "SystemExit", "evalue": str(code), "code": number})
    return number
