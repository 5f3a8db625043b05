"""Runs a script as ``python script.py arguments`` would: it is ``__main__``, and its exit code is the run's."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from fairing.runtime import outcome
from fairing.runtime.tell import Teller


def run(spec: dict[str, Any], source: bytes, tell: Teller) -> int:
    """Run the script; tell its end or its exception."""
    path = Path(spec["code"]) / spec["entry"]["path"]
    main = sys.modules["__main__"]
    main.__file__ = str(path)  # multiprocessing starts other processes by it
    sys.argv[:] = [str(path), *spec["entry"]["arguments"]]
    sys.path.insert(0, str(path.parent))

    def call() -> None:
        try:
            exec(compile(source, str(path), "exec"), main.__dict__)  # noqa: S102 - running it is what was asked for
        except SystemExit as leaving:
            if leaving.code is not None and not isinstance(leaving.code, int):
                print(leaving.code, file=sys.stderr)  # noqa: T201 - as the interpreter does
            raise

    return outcome.settle(spec, tell, call)
