"""Takes a function as it is at this moment, by value, with what it uses; modules of the user's own by source."""

from __future__ import annotations

import hashlib
import inspect
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from fairing.capture import credentials, devices, files, imports, modules, needs, pickled, sources
from fairing.capture.bundle import bundle
from fairing.config.accelerators import gpu
from fairing.config.options import Options, octets
from fairing.errors import CaptureError
from fairing.spec import Captured, Entry, File, Global, Report
from fairing.words import size

ENTRY = "entry.pkl"
ARGUMENTS = "arguments.pkl"
SOURCES = "sources.json"


def capture(
    function: Callable[..., Any],
    args: tuple[Any, ...] = (),
    kwargs: dict[str, Any] | None = None,
    options: Options | None = None,
    complete: bool = True,
) -> Captured:
    """Take a function, the arguments to call it with, and what both need.

    Args:
        function: Any callable: a function of a cell or a module, a lambda, a method, a partial.
        args: Its positional arguments.
        kwargs: Its named arguments.
        options: What else to take along, and what to allow.
        complete: Whether these are all its arguments; else there are none yet.

    Raises:
        CaptureError: It is no function, does not take these, is too large, cannot be pickled, or holds a credential.

    Example:
        >>> capture(len, ([1, 2],)).bundle.entry.name
        'len'
    """
    said = options or Options()
    name = called(function)
    given = arguments(function, name, args, kwargs or {}) if complete else {}
    limit = octets(said.max_size or pickled.LIMIT)
    code = pickled.take(function, name, limit=limit)
    values = pickled.take((args, kwargs or {}), name, given, limit)
    credentials.refuse(name, _suspects(code, values), said.allow or ())
    root = modules.project()
    found = modules.collect(_modules(code, values), root)
    credentials.refuse("your project", found.suspects, said.allow or ())
    data = files.take(said.include or (), root, Path.cwd())
    needed = needs.needs(_reasons(found, code, values), said, root)
    report = _report(name, code, values, found, gpu(said.gpus)[0])
    left_out = (*data.left_out, *needed.left_out)
    report = replace(report, requirements=needed.reasons, files=data.sizes(), left_out=left_out)
    entry = Entry("function", ENTRY, hashlib.sha256(code.data).hexdigest(), name)
    return Captured(bundle(entry, File(ENTRY, code.data), found, data, needed), _inputs(code, values, found), report)


def called(function: Any) -> str:
    """Return what people call a function.

    Raises:
        CaptureError: It is not a function.

    Example:
        >>> called(partial(print, "hello")), called(lambda: None)
        ('print', 'lambda')
    """
    if not callable(function):
        if inspect.iscoroutine(function):
            function.close()  # it was never to run here, and would complain that it did not
        raise CaptureError(
            f"This is not a function but {_article(type(function).__name__)}.",
            fix="Pass the function without calling it (train, not train()), and its arguments as args=… or kwargs=….",
        )
    inner = function
    while isinstance(inner, partial):
        inner = inner.func
    if inspect.isgeneratorfunction(inner) or inspect.isasyncgenfunction(inner):
        raise CaptureError(
            f"{inner.__name__} yields, so its value is a generator, which cannot be sent back.",
            fix="Return a list instead.",
        )
    name = getattr(inner, "__name__", None) or type(inner).__name__
    return "lambda" if name == "<lambda>" else str(name)


def arguments(function: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return arguments by the names of their parameters.

    Raises:
        CaptureError: The function does not take them.
    """
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):  # a builtin that does not say what it takes
        return {**{f"args[{at}]": value for at, value in enumerate(args)}, **kwargs}
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        raise CaptureError(
            f"{name} does not take these arguments: {_unknown(signature, kwargs) or error}.",
            fix=f"It is called as {name}({', '.join(_parameters(signature))}).",
        ) from None
    named: dict[str, Any] = {}
    for key, value in bound.arguments.items():
        kind = signature.parameters[key].kind
        if kind is inspect.Parameter.VAR_KEYWORD:
            named.update(value)
        elif kind is inspect.Parameter.VAR_POSITIONAL:
            named.update((f"{key}[{at}]", each) for at, each in enumerate(value))
        else:
            named[key] = value
    return named


def large(found: Iterable[Global]) -> Iterator[str]:
    """Give a sentence for each captured name that is large."""
    for each in found:
        if each.size > pickled.LARGE:
            yield (
                f"{each.name} ({each.type}) has {size(each.size)} and travels each time: "
                "a file that the function loads, by include=[...], would travel once."
            )


def _inputs(code: pickled.Pickled, values: pickled.Pickled, found: modules.Modules) -> tuple[File, ...]:
    by_value = (each for each, _ in (*code.codes, *values.codes))
    texts = sources.lines(by_value, (str(file.content) for file in found.files))
    return (File(ARGUMENTS, values.data), File(SOURCES, sources.wire(texts)))


def _report(name: str, code: pickled.Pickled, values: pickled.Pickled, found: modules.Modules, gpus: int) -> Report:
    captured = (*code.globals, *values.globals)
    decided = devices.warnings((*code.names, *values.names), gpus)
    return Report(
        entry=name,
        kind="function",
        modules=found.names,
        globals=captured,
        warnings=(
            *(
                f"{by} uses {missing}, which is not defined here."
                for missing, by in (*code.undefined, *values.undefined)
            ),
            *found.warnings,
            *large(captured),
            *decided,
        ),
    )


def _suspects(*taken: pickled.Pickled) -> Iterator[credentials.Suspect]:
    for each in taken:
        for name in each.names:
            if name.value is not os.environ:
                yield from credentials.suspects(name.name, name.value)
        for code, _ in each.codes:
            yield from credentials.in_code(code)


def _modules(code: pickled.Pickled, values: pickled.Pickled) -> Iterator[str]:
    for taken in (code, values):
        yield from taken.modules
        for each, package in taken.codes:
            yield from imports.of_code(each, package)


def _reasons(found: modules.Modules, *taken: pickled.Pickled) -> dict[str, str]:
    """Return the modules that are needed, each with where; local ones too, whose project may itself be installed."""
    reasons = {name: why for name, why in found.reasons if why != "import"}
    for each in taken:
        for code, package in each.codes:
            for name in imports.of_code(code, package):
                reasons.setdefault(name, f"import in {code.co_name}")
        for module, name in each.modules.items():
            if module.partition(".")[0] != "cloudpickle":
                reasons[module] = f"captured {module}.{name}" if name else reasons.get(module, f"import {module}")
    return {**dict.fromkeys(found.names, "the code is part of it"), **reasons}


def _unknown(signature: inspect.Signature, kwargs: dict[str, Any]) -> str:
    """Return what is wrong with the names of arguments; a misspelt one says more than the one it leaves missing."""
    if any(each.kind is each.VAR_KEYWORD for each in signature.parameters.values()):
        return ""
    wrong = next((key for key in kwargs if key not in signature.parameters), None)
    return "" if wrong is None else f"it has no parameter {wrong!r}"


def _parameters(signature: inspect.Signature) -> Iterator[str]:
    for each in signature.parameters.values():
        mark = "*" * (each.kind is each.VAR_POSITIONAL) + "**" * (each.kind is each.VAR_KEYWORD)
        yield f"{mark}{each.name}" + ("=…" if each.default is not inspect.Parameter.empty else "")


def _article(word: str) -> str:
    return f"{'an' if word[:1].lower() in 'aeiou' else 'a'} {word}"
