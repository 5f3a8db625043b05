"""Reads the line of a magic: words as a shell has them, values of the notebook by ``$name`` and ``{expression}``.

IPython's own way would put in all values or, when one name is missing, none, and tell nobody; it also keeps quotation
marks. So the magics opt out of it (``no_var_expand``), and each token is read here, with an error that names it.
"""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

from fairing.config.options import ABOUT, CHOICES, FLAGS, NAMES, REPEATED, nearest
from fairing.errors import ConfigError
from fairing.verbs import Flag, Word

CELL = (
    Flag("bring", "names to bring back, a,b; '*' for all that can be", "o", "list"),
    Flag("submit", "start it, and give its job", "b", "yes"),
)
"""What ``%%fairing`` takes besides the options of a run."""

_MARK = "\ue000"
_KEPT = re.compile(f"{_MARK}(\\d+){_MARK}")
_EXPRESSION = re.compile(r"(?<!\{)\{[^{}]*\}(?!\})")
_VALUE = re.compile(r"\$\$|\{\{|\}\}|\$([A-Za-z_]\w*)|\{([^{}]*)\}")


class Token(str):
    """A word of the line; where it stands for one value of the notebook, that value itself."""

    value: Any


def tokens(text: str, names: Mapping[str, Any]) -> list[str]:
    """Split a line as a shell would, and put in the notebook's values.

    Raises:
        ConfigError: A quotation is not closed, or a value cannot be had.

    Example:
        >>> tokens("submit train --name 'my run' --gpus {n + 1}", {"n": 1})
        ['submit', 'train', '--name', 'my run', '--gpus', '2']
    """
    text = text.replace(_MARK, "")
    kept = _EXPRESSION.findall(text)  # their spaces and quotation marks are Python's
    numbers = iter(range(len(kept)))
    try:
        words = shlex.split(_EXPRESSION.sub(lambda _: f"{_MARK}{next(numbers)}{_MARK}", text), posix=True)
    except ValueError as wrong:
        raise ConfigError(f"The line cannot be read: {str(wrong).lower()}.", fix="Close the quotation marks.") from None
    return [_expanded(_KEPT.sub(lambda found: kept[int(found[1])], word), names) for word in words]


def read(
    given: Sequence[str], words: Iterable[Word], flags: Iterable[Flag], *, options: bool, tail: bool, name: str
) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Read the words after a verb: the verb's own by name, and the options of the run; ``None`` when help was shown.

    Raises:
        ConfigError: Something is missing, unknown or too much.
    """
    front, behind = _halves(list(given))
    if any(each in {"-h", "--help"} for each in front):
        _parser(words, flags, options, tail, name).print_help()
        return None
    parser = _parser(words, flags, options, tail, name)
    _refuse_unknown(parser, front, name)
    said, more = parser.parse_known_args(front)
    dashed = next((each for each in more if each.startswith("-")), None)
    if dashed is not None:
        raise ConfigError(
            f"{name}: there is no option {dashed}.", fix="What is meant for a script stands after --." if tail else ""
        )
    if not tail and (more or behind):
        last = said.bring[-1] if getattr(said, "bring", None) else ""
        fix = f"Names are one word: -o {last},{more[0]}." if last and more else f"{name} --help shows what it takes."
        raise ConfigError(f"{name}: {str((more or behind)[0])!r} is too much.", fix=fix)
    own = {word.name for word in words} | {flag.name for flag in flags}
    values = {key: _plain(value) for key, value in vars(said).items() if value is not None}
    asked = {key: value for key, value in values.items() if key in own}
    asked["arguments"] = [str(each) for each in (*more, *behind)]
    return asked, {key: value for key, value in values.items() if key not in own}


def _halves(given: list[str]) -> tuple[list[str], list[str]]:
    at = given.index("--") if "--" in given else len(given)
    return [_dashed(each) for each in given[:at]], given[at + 1 :]


def _dashed(word: str) -> str:
    """Let an option be spelled as in Python too."""
    name, separator, value = word.partition("=")
    return f"{name.replace('_', '-')}{separator}{value}" if word.startswith("--") and "_" in name else word


class _Parser(argparse.ArgumentParser):
    """A parser that raises instead of leaving the process, which is the kernel."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{self.prog}: {message}.", fix=f"{self.prog} --help shows how it is written.")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        raise ConfigError(f"{self.prog}: {message or 'nothing to do'}.")


def _parser(words: Iterable[Word], flags: Iterable[Flag], options: bool, tail: bool, name: str) -> _Parser:
    usage = f"{name} {' '.join(each.name.upper() for each in words)}".strip()
    usage = f"{usage} [options]{' -- ARGUMENTS' if tail else ''}"
    parser = _Parser(prog=name, usage=_safe(usage), add_help=False, allow_abbrev=False)
    for word in words:
        count = "*" if word.many else None if word.default is None else "?"
        parser.add_argument(
            word.name, metavar=word.name.upper(), nargs=count, default=word.default, help=_safe(word.about)
        )
    for flag in flags:
        _add(parser, flag, flag.kind)
    own = {each.name for each in flags}
    for option in NAMES if options else ():
        if option not in own:
            _add(parser, Flag(option, ABOUT[option]), _kind(option))
    return parser


def _kind(option: str) -> str:
    if option in FLAGS:
        return "yes or no"
    return "list" if option in REPEATED else "text"


def _add(parser: argparse.ArgumentParser, flag: Flag, kind: str) -> None:
    name, about, spellings = flag.name, flag.about, flag.spellings()
    if kind in {"yes", "yes or no"}:
        parser.add_argument(*spellings, dest=name, action="store_true", default=None, help=_safe(about))
        if kind == "yes or no":
            against = [f"--no-{each[2:]}" for each in spellings]
            parser.add_argument(*against, dest=name, action="store_false", default=None, help=argparse.SUPPRESS)
        return
    choices = f" ({' or '.join(CHOICES[name])})" if name in CHOICES else ""
    how: dict[str, Any] = {"action": "append"} if kind == "list" else {}
    parser.add_argument(*spellings, dest=name, metavar="VALUE", help=_safe(about + choices), **how)


def _safe(about: str) -> str:
    return about.replace("%", "%%")


def _refuse_unknown(parser: argparse.ArgumentParser, given: Sequence[str], name: str) -> None:
    known = [each for action in parser._actions for each in action.option_strings]
    for word in given:
        spelled = str(word).partition("=")[0]
        if word.startswith("--") and spelled not in known:
            plain = [each[2:] for each in known if each.startswith("--")]
            near = nearest(spelled[2:].replace("-", "_"), [each.replace("-", "_") for each in plain])
            raise ConfigError(
                f"{name}: there is no option {spelled}.", fix=near.replace("_", "-").replace(" '", " '--")
            )


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [item for each in value for item in _items(_plain(each))]
    return getattr(value, "value", str(value)) if isinstance(value, str) else value


def _items(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return list(value.items())
    return list(value) if isinstance(value, list | set | frozenset) else [value]


def _expanded(word: str, names: Mapping[str, Any]) -> str:
    whole = _VALUE.fullmatch(word)
    if whole and (whole[1] or whole[2] is not None):
        return _token(_value(whole, word, names))
    name, separator, rest = word.partition("=")
    one = _VALUE.fullmatch(rest) if separator and name.isidentifier() else None
    if one and (one[1] or one[2] is not None):
        value = _value(one, word, names)
        token = Token(f"{name}={value}")
        token.value = (name, value)
        return token if not isinstance(value, str) else f"{name}={value}"
    return _VALUE.sub(lambda found: str(_value(found, word, names)), word)


def _token(value: Any) -> str:
    if isinstance(value, str):
        return value
    token = Token(value)
    token.value = value
    return token


def _value(found: re.Match[str], word: str, names: Mapping[str, Any]) -> Any:
    if found[0] in {"$$", "{{", "}}"}:
        return found[0][0]
    expression = found[1] or found[2]
    try:
        return eval(expression, {}, names)  # noqa: S307 - the notebook's own expression, in its own kernel
    except Exception as wrong:  # noqa: BLE001 - whatever it raises, it has no value
        raise ConfigError(
            f"{found[0]} in {word!r} has no value.",
            why=f"{type(wrong).__name__}: {wrong}.",
            fix=f"Write {found[0][0] * 2} for the character itself.",
        ) from None
