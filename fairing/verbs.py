"""The verbs that are typed as text: one table, of which ``%fairing`` and the ``fairing`` command are both made.

Each verb is a name, what can be written after it, and one call of the API; so nothing works in one and not in another.
"""

from __future__ import annotations

import ast
import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Literal, TypeAlias

import fairing
from fairing.api.runs import Jobs, watch
from fairing.config.options import nearest
from fairing.errors import ConfigError, DeployError
from fairing.events import FileInfo
from fairing.words import Said


class Raw(bytes):
    """A value's bytes as the run pickled them, which a shell is given as they are."""

    __slots__ = ()


class Files(tuple[FileInfo, ...]):
    """Files that read well where they are shown, one a line."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "\n".join(f"{file.size:>12,}  {file.path}" for file in self) or "no files"


Kind: TypeAlias = Literal["subject", "handle", "text", "settings"]


@dataclass(frozen=True, slots=True)
class Word:
    """What is written after a verb without dashes."""

    name: str
    about: str
    kind: Kind = "text"
    default: str | None = None
    """What it is when it is left out; without one it may not be."""
    many: bool = False


@dataclass(frozen=True, slots=True)
class Flag:
    """What is written with dashes, and is an option of this verb alone."""

    name: str
    about: str
    short: str = ""
    kind: Literal["text", "list", "yes"] = "text"

    def spellings(self) -> tuple[str, ...]:
        """Return what may be typed for it, the shortest first."""
        long = f"--{self.name.replace('_', '-')}"
        return (f"-{self.short}", long) if self.short else (long,)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person wrote, read: the words and flags, the options, and the names that the words may mean."""

    words: Mapping[str, Any]
    options: Mapping[str, Any]
    names: Mapping[str, Any] = field(default_factory=dict)

    def subject(self) -> Any:
        """Return the function, or the path, that was named."""
        return subject(self.words["subject"], self.names)

    def job(self) -> fairing.Job:
        """Return the run that was named."""
        return fairing.attach(self.words["handle"], self.words.get("context"))


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb: what is written after it, and what it does.

    Args:
        name: As it is typed.
        about: What it does, one line.
        api: The part of the API that it is: a name of ``fairing``, or of ``fairing.Job``.
        act: Does it, and returns what is shown.
        words: What is written after it.
        flags: Its own options.
        options: Whether it takes the options of a run.
        tail: Whether more may follow after ``--``: a script's command line.
        shell: Whether it makes sense in a shell, where nothing lives on after it.
    """

    name: str
    about: str
    api: str
    act: Callable[[Asked], Any]
    words: tuple[Word, ...] = ()
    flags: tuple[Flag, ...] = ()
    options: bool = False
    tail: bool = False
    shell: bool = True


def subject(name: Any, names: Mapping[str, Any]) -> Any:
    """Return what a name means: a path that ends in .py or .ipynb, a name of the notebook, or ``module:function``.

    Raises:
        ConfigError: It means nothing here.
    """
    if not isinstance(name, str) or name.endswith((".py", ".ipynb")):
        return name
    module, separator, inner = name.partition(":")
    if separator:
        return _imported(module, inner)
    first, *rest = name.split(".")
    if first in names:
        return _attribute(names[first], rest, name)
    known = tuple(each for each, value in names.items() if callable(value) and not each.startswith("_"))
    raise ConfigError(
        f"There is nothing to run called {name!r}.",
        fix=f"{nearest(name, known) if known else ''} Name a .py or .ipynb file, or module:function.".strip(),
    )


def _imported(module: str, name: str) -> Any:
    here = os.getcwd()  # noqa: PTH109 - as sys.path has it
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return _attribute(import_module(module), name.split("."), f"{module}:{name}")
    except (ImportError, ValueError, TypeError) as wrong:
        raise ConfigError(f"{module!r} cannot be imported.", why=f"{wrong}.", fix="Write module:function.") from wrong


def _attribute(value: Any, path: Sequence[str], name: str) -> Any:
    for each in path:
        if not hasattr(value, each):
            known = tuple(own for own in vars(value) if not own.startswith("_"))
            raise ConfigError(
                f"There is nothing to run called {name!r}.", fix=nearest(each, known[-20:]) if known else ""
            )
        value = getattr(value, each)
    return value


def _pairs(given: Sequence[Any]) -> dict[str, Any]:
    """Read ``NAME=VALUE``: a value that reads as Python is that, any other is text."""
    found: dict[str, Any] = {}
    for each in given:
        name, text = each if isinstance(each, tuple) else str(each).partition("=")[::2]
        if not str(name).isidentifier() or (isinstance(each, str) and "=" not in each):
            raise ConfigError(f"{each!r} is not a parameter.", fix="Write NAME=VALUE.")
        found[name] = text if isinstance(each, tuple) else _read(text)
    return found


def _read(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def _called(asked: Asked) -> dict[str, Any]:
    """Return what a subject is called with, as ``submit`` takes it."""
    return {
        "args": list(asked.words.get("arguments") or ()),
        "kwargs": _pairs(asked.words.get("parameter") or ()),
        **asked.options,
    }


def _run(asked: Asked) -> Any:
    __tracebackhide__ = True  # inside a run it is called in place
    what, given = asked.subject(), _called(asked)
    args, kwargs = given.pop("args"), given.pop("kwargs")
    if isinstance(what, str) and what.endswith(".py"):
        return fairing.run_script(what, args, **given)
    if isinstance(what, str):
        return fairing.run_notebook(what, kwargs, **given)
    return fairing.train(what, args, kwargs, **given)


def _follow(asked: Asked) -> fairing.Job:
    job = asked.job()
    watch(job)
    job.carded()
    return job


def _status(asked: Asked) -> Jobs:
    job = asked.job()
    _ = job.status  # of a run that is not there this raises, where a list would say that it is gone
    return Jobs([job])


def _result(asked: Asked) -> Any:
    path, timeout = asked.words.get("save"), asked.words.get("timeout")
    job = asked.job()
    if timeout is not None:
        job.wait(_seconds("timeout", timeout))
    if path:
        return job.save(path)
    return Raw(job.result(raw=True)) if asked.words.get("raw") else job.result(trust=asked.words.get("trust"))


def _delete(asked: Asked) -> Said | None:
    job = asked.job()
    try:
        _ = job.status
    except DeployError as wrong:  # there is none, and who mistyped a handle is to see it; or it is damaged
        job.delete()
        return Said(wrong.what)
    job.delete()
    return None


def _use(asked: Asked) -> None:
    pairs = [
        each if isinstance(each, tuple) else str(each).partition("=")[::2] for each in asked.words["settings"] or ()
    ]
    fairing.use(**{**{str(name).replace("-", "_"): value for name, value in pairs}, **asked.options})


def _prune(asked: Asked) -> Said:
    keep = asked.words.get("keep")
    given: dict[str, Any] = {} if keep is None else {"keep": _whole("keep", keep)}
    if (older := asked.words.get("older_than")) is not None:
        given["older_than"] = _seconds("older_than", older)
    return Said(fairing.prune(**given, dry_run=bool(asked.words.get("dry_run"))))


def _whole(name: str, value: Any) -> int:
    if not str(value).isdecimal():
        raise ConfigError(f"{name}={value!r} is not possible.", fix=f"{name} is a whole number, at least 0.")
    return int(value)


def _seconds(name: str, value: Any) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < math.inf:
        raise ConfigError(f"{name}={value!r} is not possible.", fix=f"{name} is a number of seconds, at least 0.")
    return seconds


_SUBJECT = Word("subject", "a .py or .ipynb file, a function's name, or module:function", "subject")
_HANDLE = Word("handle", "the run, such as local://train-1f3a", "handle")
_CONTEXT = Flag("context", "what your kubeconfig calls the run's cluster, where that is not the current context")
_PARAMETER = Flag("parameter", "a notebook's parameter or a function's argument, NAME=VALUE", "p", "list")
_RUN: Mapping[str, Any] = {"words": (_SUBJECT,), "flags": (_PARAMETER,), "options": True, "tail": True}

VERBS: Mapping[str, Verb] = {
    each.name: each
    for each in (
        Verb("run", "run it, show its output, give its value", "train", _run, **_RUN),
        Verb("submit", "start it, and go on", "submit", lambda a: fairing.submit(a.subject(), **_called(a)), **_RUN),
        Verb(
            "preview",
            "say what would be taken",
            "preview",
            lambda a: fairing.preview(a.subject(), **_called(a)),
            **_RUN,
        ),
        Verb(
            "build",
            "make the image, and run nothing",
            "build",
            lambda a: Said(fairing.build(a.subject(), **a.options).digest),
            words=(_SUBJECT,),
            options=True,
        ),
        Verb(
            "jobs",
            "list the runs",
            "jobs",
            lambda a: fairing.jobs(a.words.get("target")),
            flags=(Flag("target", "of which target"),),
        ),
        Verb("status", "say how a run is", "Job.status", _status, (_HANDLE,), (_CONTEXT,)),
        Verb(
            "logs",
            "show what a run has written",
            "Job.logs",
            lambda a: a.job().logs(a.words.get("to")),
            (_HANDLE,),
            (Flag("to", "write all of it to this file, until the run ends"), _CONTEXT),
        ),
        Verb("attach", "show a run from its start, and follow it", "attach", _follow, (_HANDLE,), (_CONTEXT,)),
        Verb(
            "result",
            "wait for a run's value",
            "Job.result",
            _result,
            (_HANDLE,),
            (
                Flag("raw", "its bytes, as it was pickled; nothing is loaded", kind="yes"),
                Flag("save", "write those bytes to this file; nothing is loaded"),
                Flag("timeout", "seconds to wait; the run goes on"),
                Flag("trust", "load it although the run was not submitted from here", kind="yes"),
                _CONTEXT,
            ),
        ),
        Verb(
            "files",
            "list the files that a run left",
            "Job.files",
            lambda a: Files(a.job().files()),
            (_HANDLE,),
            (_CONTEXT,),
        ),
        Verb(
            "download",
            "bring files of a run here",
            "Job.download",
            lambda a: a.job().download(a.words["pattern"], a.words.get("to") or "."),
            (_HANDLE, Word("pattern", "which files, as a glob", default="*")),
            (Flag("to", "the folder to put them in"), _CONTEXT),
        ),
        Verb(
            "cancel",
            "stop a run; what it wrote is kept",
            "Job.cancel",
            lambda a: a.job().cancel(),
            (_HANDLE,),
            (_CONTEXT,),
        ),
        Verb("delete", "remove a run", "Job.delete", _delete, (_HANDLE,), (_CONTEXT,)),
        Verb(
            "use",
            "set options for what follows; alone: forget them",
            "use",
            _use,
            (Word("settings", "NAME=VALUE", "settings", default="", many=True),),
            options=True,
            shell=False,
        ),
        Verb(
            "config",
            "show each setting, and where it came from",
            "settings",
            lambda a: fairing.settings(**a.options),
            options=True,
        ),
        Verb("images", "list the images on this machine", "images", lambda _: fairing.images()),
        Verb(
            "prune",
            "remove images that nothing uses",
            "prune",
            _prune,
            flags=(
                Flag("keep", "how many stay in any case"),
                Flag("older_than", "seconds since an image's last use after which it may go"),
                Flag("dry_run", "only say what would be removed", kind="yes"),
            ),
        ),
        Verb(
            "doctor",
            "check what fairing needs",
            "doctor",
            lambda a: fairing.doctor(a.words.get("target")),
            flags=(Flag("target", "the place to check; else where runs go now"),),
        ),
    )
}
