"""The ``fairing`` command: the same verbs, from a shell.

Each command is made of the table that ``%fairing`` is made of; options are read by the one list of options.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from fairing.config.options import ABOUT, FLAGS, NAMES, REPEATED
from fairing.errors import RunFailed
from fairing.run.job import Job
from fairing.spec import Report
from fairing.verbs import VERBS, Asked, Flag, Raw, Verb, Word

_SPARE = inspect.Parameter.POSITIONAL_OR_KEYWORD


def main() -> None:
    """Run the command line; the exit code is 0, 1 for an error (or the run's own), 2 for a line that cannot be read."""
    asked = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
    application(asked)()


def application(asked: str = "") -> typer.Typer:
    """Return the application; only the verb that is asked for gets its options, making all of them takes long."""
    made = typer.Typer(
        help="Run functions, notebooks and scripts as jobs, with their output back here.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    made.callback()(_version)
    for verb in VERBS.values():
        if verb.shell:
            made.command(verb.name, help=_sentence(verb.about))(_command(verb, whole=asked in {verb.name, ""}))
    return made


def _say_version(asked: bool) -> None:
    if asked:
        from fairing import __version__

        typer.echo(__version__)
        raise typer.Exit


def _version(
    version: bool = typer.Option(False, "--version", help="Show the version.", is_eager=True, callback=_say_version),
) -> None:
    """Take what stands before a verb."""


def _command(verb: Verb, *, whole: bool) -> Callable[..., None]:
    def command(**given: Any) -> None:
        said = {name: value for name, value in given.items() if value is not None and value != []}
        own = {"arguments", *(word.name for word in verb.words), *(flag.name for flag in verb.flags)}
        words = {name: value for name, value in said.items() if name in own}
        _act(verb, Asked(words, {name: value for name, value in said.items() if name not in own}))

    parameters = [_word(word) for word in verb.words]
    if whole:
        if verb.tail:
            parameters.append(_word(Word("arguments", "a script's command line, after --", many=True, default="")))
        own = {flag.name for flag in verb.flags}
        parameters += [_flag(flag) for flag in verb.flags]
        parameters += [_option(name) for name in NAMES if verb.options and name not in own]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    return command


def _word(word: Word) -> inspect.Parameter:
    needed = word.default is None
    default = typer.Argument(... if needed else None if word.many else word.default, help=_sentence(word.about))
    return inspect.Parameter(word.name, _SPARE, default=default, annotation=list[str] if word.many else str)


def _flag(flag: Flag) -> inspect.Parameter:
    kinds: dict[str, Any] = {"yes": bool, "list": list[str], "text": str}
    default = typer.Option(
        None,
        *flag.spellings(),
        help=_sentence(flag.about),
        show_default=False,
        metavar=None if flag.kind == "yes" else "VALUE",
    )
    return inspect.Parameter(flag.name, _SPARE, default=default, annotation=kinds[flag.kind])


def _option(name: str) -> inspect.Parameter:
    dashed = name.replace("_", "-")
    kind: Any = bool if name in FLAGS else list[str] if name in REPEATED else str
    spelling = f"--{dashed}/--no-{dashed}" if kind is bool else f"--{dashed}"
    default = typer.Option(
        None, spelling, help=_sentence(ABOUT[name]), show_default=False, metavar=None if kind is bool else "VALUE"
    )
    return inspect.Parameter(name, _SPARE, default=default, annotation=kind)


def _sentence(about: str) -> str:
    return about[0].upper() + about[1:] + "."


def _act(verb: Verb, asked: Asked) -> None:
    try:
        value = verb.act(asked)
    except KeyboardInterrupt as interrupted:
        run = getattr(interrupted, "run", None)
        goes_on = f"The run goes on: fairing attach {run} shows it, fairing cancel {run} stops it."
        typer.echo(goes_on if run else str(interrupted) or "Interrupted.", err=True)
        raise typer.Exit(130) from None
    except Exception as wrong:
        lines = getattr(wrong, "_render_traceback_", None)  # of ours one sentence; of the run's own what a cell shows
        if lines is None:
            raise
        typer.echo("\n".join(lines()), err=True)
        raise typer.Exit(_code(wrong)) from None
    if isinstance(value, Raw):
        typer.echo(value, nl=False)
    elif value is not None and verb.name != "attach":  # which has shown all that there is
        typer.echo(_text(value))
    if getattr(value, "good", True) is False:
        raise typer.Exit(1)


def _text(value: Any) -> str:
    """Return what a shell is given: what another command can take, where there is such a thing."""
    if isinstance(value, Job):
        return str(value.handle)
    if type(value) is tuple:  # paths of what was brought; other lists say themselves how they read
        return "\n".join(map(str, value)) or "no files"
    return str(value) if isinstance(value, str | Path | Report) else repr(value)


def _code(wrong: BaseException) -> int:
    """Return the exit code of what failed: a script's own code is handed on."""
    code = wrong.code if isinstance(wrong, RunFailed) else None
    return code if isinstance(code, int) and 0 < code < 256 else 1
