"""Runs a captured function: a pickle of it in the code layer, its arguments beside the image."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any

from fairing.runtime import captured, outcome
from fairing.runtime.tell import Teller


def run(spec: dict[str, Any], pickled: bytes, tell: Teller) -> int:
    """Call the function; tell its value or its exception."""
    arguments = Path(spec["inputs"]) / "arguments.pkl"
    captured.share(str(Path(spec["code"]) / spec["entry"]["path"]), str(arguments))

    def call() -> Any:
        function = captured.load(pickled)
        args, kwargs = captured.load(arguments.read_bytes())
        value = function(*args, **kwargs)
        if isinstance(value, types.CoroutineType):
            import asyncio

            return asyncio.run(value)
        return value

    return outcome.settle(spec, tell, call)
