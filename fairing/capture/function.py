"""Takes a function as it is at this moment, by value, with what it uses."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable
from typing import Any

import cloudpickle

from fairing.errors import CaptureError
from fairing.spec import Bundle, Captured, Entry, File, Report


def capture(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Captured:
    """Take a function and the arguments to call it with.

    Raises:
        CaptureError: It is not a function, or cannot be pickled.
    """
    if not callable(function):
        raise CaptureError(f"{function!r} is not a function.", fix="Pass the function itself, without calling it.")
    data = cloudpickle.dumps(function)
    name = getattr(function, "__name__", type(function).__name__)
    entry = Entry("function", "entry.pkl", hashlib.sha256(data).hexdigest(), name)
    arguments = File("arguments.pkl", cloudpickle.dumps((args, kwargs)))
    bundle = Bundle(entry, (File("entry.pkl", data),), ("cloudpickle",), (), platform.python_version())
    return Captured(bundle, (arguments,), Report(name, "function"))
