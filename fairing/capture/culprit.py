"""Finds what in a value cannot be pickled, and says it with the way to it."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from fairing.capture.imports import home
from fairing.errors import CaptureError

Fails = Callable[[Any], "Exception | None"]
DEPTH = 12
MANY = 500


class Open(Exception):
    """An open file is on its way into a pickle: its content would be, and not the file."""

    def __init__(self, value: Any) -> None:
        super().__init__(f"{type(value).__name__} is open here")


def refusal(owner: str, name: str, value: Any, error: Exception, fails: Fails) -> CaptureError:
    """Return the error that names what cannot be taken along.

    Args:
        owner: Whose value it is: the function's name.
        name: What it is called; empty for the function itself.
        value: The value.
        error: Why it could not be pickled.
        fails: Tries to pickle a value, and returns the error.
    """
    if "recursion" in str(error):
        what = f"{name} of {owner}" if name else owner
        return CaptureError(f"{what} cannot be taken along.", "It is nested too deeply.", "Make it flatter.")
    path, owner, culprit, why = _search(name, owner, value, error, fails)
    what = f"{path} of {owner}" if path else owner
    reason, fix = _known(path, culprit)
    if not reason:
        text = " ".join(str(why).split())[:200]
        reason, fix = f"{_type(culprit)} cannot be pickled ({text}).", "Make it inside the function."
    return CaptureError(f"{what} cannot be taken along.", reason, fix)


def _search(path: str, owner: str, value: Any, error: Exception, fails: Fails) -> tuple[str, str, Any, Exception]:
    """Go from a value that fails to the innermost part of it that does."""
    seen: set[int] = set()
    for _ in range(DEPTH):
        seen.add(id(value))
        if _known(path, value)[0]:
            break
        for step, whose, part in _parts(path, owner, value):
            wrong = None if id(part) in seen else fails(part)
            if wrong is not None:
                path, owner, value, error = step, whose, part, wrong
                break
        else:
            break
    return path, owner, value, error


def _parts(path: str, owner: str, value: Any) -> Iterator[tuple[str, str, Any]]:
    """Give the parts of a value: the way to each, whose it is, and itself."""
    if isinstance(value, types.FunctionType):
        name = "lambda" if value.__name__ == "<lambda>" else value.__name__
        named = dict(zip(value.__code__.co_freevars, value.__closure__ or (), strict=True))
        cells = {key: cell.cell_contents for key, cell in named.items() if _filled(cell)}
        used = {key: value.__globals__[key] for key in _loaded(value.__code__) if key in value.__globals__}
        held = dict(enumerate(value.__defaults__ or ()))
        yield from ((key, name, part) for key, part in (*cells.items(), *used.items()))
        yield from ((f"a default value of {name}", owner, part) for part in held.values())
        yield from ((f"{name}.{key}", owner, part) for key, part in vars(value).items())
    elif isinstance(value, types.MethodType):
        yield f"self of {value.__func__.__name__}", owner, value.__self__
        yield path, owner, value.__func__
    elif isinstance(value, partial):
        yield from ((path, owner, part) for part in (value.func, *value.args))
        yield from ((key, owner, part) for key, part in value.keywords.items())
    elif isinstance(value, type):
        yield from ((f"{value.__name__}.{key}", owner, getattr(part, "__func__", part)) for key, part in _own(value))
    elif isinstance(value, Mapping):
        yield from ((f"{path}[{key!r}]", owner, part) for key, part in list(value.items())[:MANY])
    elif isinstance(value, list | tuple | set | frozenset):
        yield from ((f"{path}[{at}]", owner, part) for at, part in enumerate(list(value)[:MANY]))
    else:
        yield from _attributes(path, owner, value)


def _attributes(path: str, owner: str, value: Any) -> Iterator[tuple[str, str, Any]]:
    held = getattr(value, "__dict__", None)
    if isinstance(held, dict):
        yield from ((f"{path}.{key}" if path else key, owner, part) for key, part in list(held.items())[:MANY])
    for name in getattr(type(value), "__slots__", ()):
        if isinstance(name, str) and hasattr(value, name):
            yield f"{path}.{name}" if path else name, owner, getattr(value, name)
    if home(value) == "__main__":
        yield type(value).__name__, owner, type(value)


def _own(value: type) -> list[tuple[str, Any]]:
    return [(key, part) for key, part in vars(value).items() if key not in {"__dict__", "__weakref__"}]


def _loaded(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for each in code.co_consts:
        if isinstance(each, types.CodeType):
            yield from _loaded(each)


def _filled(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False


_INSIDE = "Make it inside the function."
_KNOWN: tuple[tuple[str, str, str], ...] = (
    ("_thread._local", "It belongs to the threads of this process.", _INSIDE),
    ("ipywidgets.", "It is a widget of this notebook.", "Pass its value as an argument."),
    ("tqdm.", "It is a progress bar of this notebook.", _INSIDE),
    ("concurrent.futures.", "It belongs to the threads and processes of this one.", _INSIDE),
    ("_thread.", "It is a lock, which belongs to this process.", _INSIDE),
    ("threading.", "It belongs to the threads of this process.", _INSIDE),
    ("_asyncio.", "It belongs to this process's event loop.", _INSIDE),
    ("asyncio.", "It belongs to this process's event loop.", _INSIDE),
    ("sqlite3.", "It is a connection to a database, open in this process.", "Connect inside the function."),
    ("psycopg", "It is a connection to a database, open in this process.", "Connect inside the function."),
    ("sqlalchemy.engine", "It is a connection to a database, open in this process.", "Connect inside the function."),
    ("duckdb.", "It is a connection to a database, open in this process.", "Connect inside the function."),
    ("socket.", "It is a network connection, open in this process.", "Connect inside the function."),
    ("_socket.", "It is a network connection, open in this process.", "Connect inside the function."),
    ("ssl.", "It is a network connection, open in this process.", "Connect inside the function."),
    ("_io.", "It is a file, open in this process.", "Open it inside the function, and name it in include=[...]."),
    ("tempfile.", "It is a file, open in this process.", "Open it inside the function."),
    (
        "builtins.generator",
        "It is a generator, which cannot be copied.",
        "Make it inside the function, or a list of it.",
    ),
    ("builtins.async_generator", "It is a generator, which cannot be copied.", _INSIDE),
    ("builtins.coroutine", "It is a coroutine, which cannot be copied.", "Pass the async function itself."),
    ("builtins.frame", "It is part of this program as it runs.", "Leave it out of the function."),
    ("builtins.traceback", "It is part of this program as it runs.", "Leave it out of the function."),
)


def _known(path: str, value: Any) -> tuple[str, str]:
    """Return why something cannot be taken along, and what to do, for what people often meet."""
    if path == "get_ipython" or home(value).startswith(("IPython.core.interactiveshell", "ipykernel.")):
        why = "get_ipython() is this kernel itself, which the % and ! lines of a function ask, too."
        return why, "Leave it out of the function: the run has no kernel."
    name = _type(value)
    for start, why, fix in _KNOWN:
        if name.startswith(start):
            return why, fix
    return "", ""


def _type(value: Any) -> str:
    return f"{home(value)}.{type(value).__qualname__}"
