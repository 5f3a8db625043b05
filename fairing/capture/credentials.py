"""What looks like a credential, by its name or by its form: it must never lie in a layer or beside an image."""

from __future__ import annotations

import dataclasses
import re
import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import CodeType
from typing import Any

from fairing.capture.imports import home, nested
from fairing.errors import CaptureError

DEPTH = 3  # levels of dicts, lists and attributes that are looked into
MANY = 2000  # values that are looked at: a list of a million strings is data
LONG = 16 * 1024  # characters of a string that are read

_FORMS = (
    ("a private key", r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"),
    ("an AWS access key", r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    ("a GitHub token", r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{22,})"),
    ("a GitLab token", r"\bglpat-[\w-]{20,}"),
    ("a Google API key", r"\bAIza[\w-]{35}\b"),
    ("a Hugging Face token", r"\bhf_[A-Za-z0-9]{30,}\b"),
    ("an npm token", r"\bnpm_[A-Za-z0-9]{36}\b"),
    ("a PyPI token", r"\bpypi-[\w-]{50,}"),
    ("a Slack token", r"\bxox[abeoprs]-[\w-]{10,}"),
    ("a Stripe key", r"\b[rs]k_(?:live|test)_[0-9A-Za-z]{16,}"),
    ("an API key", r"\bsk-(?:[\w-]*-)?(?=[A-Za-z0-9_]*[0-9])(?=[A-Za-z0-9_]*[A-Za-z])[A-Za-z0-9_]{20,}"),
    ("a JSON web token", r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}"),
    (
        "an address with a password",
        r"\b[a-z][a-z0-9+.-]{0,30}://[^\s/:@'\"]{0,99}:(?![{<$%*])[^\s/@'\"]{1,200}@[\w.\[-]",
    ),
    (
        "a connection string with a password",
        r"(?i)(?:^|[;\s])(?:password|pwd|accountkey|sharedaccesskey)=(?![{<$%*])[^;\s'\"]{4,}(?:;|\s|$)",
    ),
)
# None of the forms can begin without one of these, and looking for them is much faster than the pattern.
_HINT = re.compile(
    r"-----BEGIN|AKIA|ASIA|gh[pousr]_|github_|glpat|AIza|hf_|npm_|pypi-|xox|k_|sk-|eyJ|://|(?i:key|pwd|word)="
)

_CODE = (type, types.ModuleType, types.FunctionType, types.MethodType, types.BuiltinFunctionType)
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_ALONE = frozenset({"password", "passwd", "passphrase", "pwd", "apikey", "credential", "credentials", "secretkey"})
_LOOSE = frozenset({"secret", "token", "authtoken", "accesstoken"})  # words of other trades too
_KEYS = frozenset({"api", "access", "secret", "private", "account", "auth", "signing", "encryption", "subscription"})
_PASSES = frozenset({"db", "database", "user", "smtp", "mysql", "pg", "postgres", "ftp", "redis", "mongo", "admin"})
_TYPES = frozenset(  # what a table of columns says of its password
    {"str", "string", "text", "bytes", "object", "category", "varchar", "char", "int", "float", "bool", "hash"}
    | {"none", "null", "nan", "true", "false", "drop"}
)
_MARKS = frozenset(
    {"pad", "eos", "bos", "unk", "cls", "sep", "mask", "special", "stop", "start", "end", "next", "prev", "last"}
    | {"first", "cur", "current", "sub", "decoder", "image"}
)


@dataclass(frozen=True, slots=True)
class Suspect:
    """Something that looks like a credential.

    Args:
        path: The way to it: ``config["password"]``.
        names: The names on that way, any of which may be allowed.
        why: What it looks like.
        variable: A name for the environment variable that would hold it.
    """

    path: str
    names: tuple[str, ...]
    why: str
    variable: str = ""


def form(text: str, longest: int = LONG) -> str:
    """Return what a text contains by its form, such as ``"an AWS access key"``, or nothing.

    Example:
        >>> form("postgresql://me:hunter2@db/sales")
        'an address with a password'
        >>> form("https://example.org/data.csv")
        ''
    """
    text = text[:longest]
    if not _HINT.search(text):
        return ""
    return next((kind for kind, pattern in _FORMS if re.search(pattern, text)), "")


def named(name: str, value: object) -> bool:
    """Whether a name says that its value, a text, is a credential.

    Example:
        >>> named("db_password", "hunter2"), named("max_tokens", "512"), named("pad_token", "<pad>")
        (True, False, False)
    """
    value = _text(value)
    if (
        not value
        or value.lower() in _TYPES
        or value.startswith(("/", "./", "~"))
        or any(each.isspace() for each in value)
    ):
        return False
    words = [word.lower() for word in _WORDS.findall(name)]
    while words and (words[-1].isdigit() or words[-1] in {"str", "text", "value"}):
        words.pop()
    if not words:
        return False
    last, before = words[-1], words[-2] if len(words) > 1 else ""
    if last in _ALONE or (last == "key" and before in _KEYS) or (last == "pass" and before in _PASSES):
        return True
    return last in _LOOSE and before not in _MARKS and _random(value)


def text_in(place: str, names: tuple[str, ...], kind: str) -> Suspect:
    """Return the suspect that is a text without a name, in code or in a file.

    Args:
        place: Where it stands: ``"the code"``, ``"helpers.py"``.
        names: What it can be allowed by.
        kind: Its form, as ``form`` gives it.
    """
    known = {_FORMS[-2][0]: "DATABASE_URL", _FORMS[-1][0]: "CONNECTION_STRING"}
    variable = known.get(kind) or kind.partition(" ")[2].replace(" ", "_").upper()
    return Suspect(f"A text in {place}", names, kind, variable)


def suspects(name: str, value: object) -> Iterator[Suspect]:
    """Give what looks like a credential in a value, some levels deep.

    Args:
        name: What the value is called.
        value: The value.
    """
    left = [MANY]
    yield from _look(name, (name,), value, DEPTH, left)


def in_code(code: CodeType, name: str = "") -> Iterator[Suspect]:
    """Give the texts in code, and in the code inside it, that look like credentials.

    Args:
        code: The code.
        name: What they can be allowed by; the name of the function that holds each, if not given.
    """
    for inner in nested(code):
        for value in inner.co_consts:
            if isinstance(value, str | bytes | tuple | frozenset):
                for suspect in suspects("", value):
                    yield text_in("the code", (name or inner.co_name,), suspect.why)


def in_variables(variables: Iterable[tuple[str, str]]) -> Iterator[Suspect]:
    """Give the environment variables of a run or of an image that look like credentials."""
    for name, value in variables:
        for suspect in suspects(name, value):
            yield dataclasses.replace(suspect, path=f"The variable {name!r}", variable=name)


def refuse(
    owner: str, found: Iterable[Suspect], allow: Iterable[str] = (), where: str = "the code or the arguments"
) -> None:
    """Raise for the first suspect that was not allowed.

    Args:
        owner: Whose it is, as people call it: the function's name.
        found: What was found.
        allow: Names to take along all the same.
        where: What it would be stored with.

    Raises:
        CaptureError: A credential would be taken along.
    """
    allowed = frozenset(allow)
    for suspect in found:
        if allowed.isdisjoint((suspect.path, *suspect.names)):
            variable = suspect.variable or re.sub(r"\W+", "_", suspect.names[-1]).strip("_").upper()
            raise CaptureError(
                f"{suspect.path} of {owner} looks like {suspect.why}.",
                f"It would be stored with {where}.",
                f"Put it in an environment variable and pass secrets=[{variable!r}], which the function reads "
                f"with os.environ[{variable!r}]; or take it along with allow=[{suspect.names[-1]!r}].",
            )


def _look(path: str, names: tuple[str, ...], value: object, depth: int, left: list[int]) -> Iterator[Suspect]:
    left[0] -= 1
    if left[0] < 0:
        return
    if isinstance(value, str | bytes | bytearray):
        kind = form(_text(value))
        if kind or named(names[-1], value):
            yield Suspect(path, names, kind or "a credential by its name")
    elif depth:
        for inner, key, each in _inside(path, value):
            yield from _look(inner, names if key is None else (*names, key), each, depth - 1, left)


def _inside(path: str, value: Any) -> Iterator[tuple[str, str | None, Any]]:
    """Give the parts of a value: the way to each, its name if it has one, and itself."""
    if isinstance(value, Mapping) and home(value) in {"builtins", "collections", "types", "__main__"}:
        for key, each in list(value.items())[:MANY]:
            yield f"{path}[{key!r}]" if isinstance(key, str) else path, key if isinstance(key, str) else None, each
    elif type(value) in {list, tuple, set, frozenset}:
        for each in list(value)[:MANY]:
            yield path, None, each
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield f"{path}.{field.name}", field.name, getattr(value, field.name, None)
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        yield from ((f"{path}.{name}", name, each) for name, each in zip(value._fields, value, strict=False))
    elif not isinstance(value, type) and callable(getattr(value, "get_secret_value", None)):
        yield path, "password", value.get_secret_value()  # pydantic's SecretStr says itself what it is
    elif not isinstance(value, _CODE):
        held = getattr(value, "__dict__", None)
        if isinstance(held, dict):
            yield from ((f"{path}.{name}", name, each) for name, each in list(held.items())[:MANY])


def _text(value: object) -> str:
    if isinstance(value, bytes | bytearray):
        return bytes(value[:LONG]).decode("utf-8", "replace")
    return value[:LONG] if isinstance(value, str) else ""


def _random(text: str) -> bool:
    """Whether a text may be a made-up key, and not a word or a mark such as ``<pad>``."""
    if len(text) < 8 or text[0] in "<[{" or text[-1] in ">]}":
        return False
    return any(each.isdigit() for each in text) or len(text) >= 20
