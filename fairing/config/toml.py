"""Reads a file of settings: options, and targets with theirs. What is wrong in it is told with its line.

gpus = 1                       # fairing.toml, ~/.config/fairing/config.toml; in pyproject.toml under [tool.fairing]
target = "big"

[targets.big]
deployer = "local"
memory = "16Gi"

[registries."registry.test:5000"]
insecure = true                # plain HTTP; or: ca = "authority.pem"
mirror = "mirror.test/hub"
username = "ci"                # before what docker login left; the password is in a variable, and in no file
password_env = "REGISTRY_PASSWORD"
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fairing.config.options import NAMES, Options, nearest, options
from fairing.errors import ConfigError
from fairing.spec import RegistryRule, Target

LARGEST = 1 << 20


@dataclass(frozen=True, slots=True)
class Settings:
    """What one file says, and where each option, by its keys from the outermost, stands in it."""

    options: Options
    targets: tuple[Target, ...]
    registries: tuple[RegistryRule, ...]
    place: Callable[..., str]


def read(path: Path) -> Settings:
    """Read a file.

    Raises:
        ConfigError: It is not TOML, or says something that has no meaning.
    """
    text = _text(path)
    prefix = _prefix(path)
    table = _table(_parse(path, text), prefix, path)
    file = _File(path, text, prefix)
    plain = {key: value for key, value in table.items() if key not in _TABLES}
    said = file.options(plain, ())
    targets = tuple(file.target(name, value) for name, value in file.named(table, "targets"))
    registries = tuple(file.registry(name, value) for name, value in file.named(table, "registries"))
    return Settings(said, targets, registries, lambda *keys: file.place(keys))


def parsed(text: str) -> dict[str, Any]:
    """Return a document of TOML.

    Raises:
        ValueError: It is none.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    document: dict[str, Any] = tomllib.loads(text)
    return document


def speaks(path: Path) -> bool:
    """Whether a pyproject.toml has settings of ours; one that cannot be read is its owner's affair."""
    try:
        text = _text(path)
        return "fairing" in text and "fairing" in _parse(path, text).get("tool", {})
    except (ConfigError, TypeError):
        return False


def text(value: Any) -> str:
    """Return an option's value as a person would write it."""
    if isinstance(value, tuple):
        return ", ".join("=".join(map(str, each)) if isinstance(each, tuple) else str(each) for each in value)
    return str(value).lower() if isinstance(value, bool) else str(getattr(value, "name", value))


_TABLES = ("targets", "registries")


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    text: str
    prefix: tuple[str, ...]

    def options(self, table: dict[str, Any], under: tuple[str, ...]) -> Options:
        said = Options()
        for key, value in table.items():
            if key not in NAMES:
                raise ConfigError(
                    f"There is no option {key!r} ({self.place((*under, key))}).", fix=nearest(key, (*NAMES, *_TABLES))
                )
            said = self._option(key, value, under).over(said)
        return said

    def _option(self, key: str, value: Any, under: tuple[str, ...]) -> Options:
        try:
            return options({key: value})
        except ConfigError:
            return options({key: value}, self.place((*under, key)))  # a line is looked for when it is needed

    def named(self, table: dict[str, Any], what: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the tables in a table, each with its name."""
        found = table.get(what, {})
        if not isinstance(found, dict):
            raise ConfigError(f"{what} is not a table ({self.place((what,))}).", fix=f"Write [{what}.NAME].")
        for name, value in found.items():
            if not isinstance(value, dict):
                where = self.place((what, name))
                raise ConfigError(f"{what}.{name} is not a table ({where}).", fix=f"Write [{what}.NAME].")
            yield name, value

    def registry(self, name: str, table: dict[str, Any]) -> RegistryRule:
        under = ("registries", name)
        kinds = {"insecure": bool, "ca": str, "mirror": str, "username": str, "password_env": str}
        for key, value in table.items():
            where = self.place((*under, key))
            if key in {"password", "token", "auth"}:
                raise ConfigError(
                    f"No {key} is read from a file ({where}).",
                    why="Whoever reads the project would read it too.",
                    fix='Put it in an environment variable and name that: password_env = "REGISTRY_PASSWORD".',
                )
            if key not in kinds:
                raise ConfigError(f"A registry has no {key!r} ({where}).", fix=nearest(key, tuple(kinds)))
            if not isinstance(value, kinds[key]) or value == "":
                kind = "true or false" if kinds[key] is bool else "a text"
                raise ConfigError(f"{key}={value!r} is not possible ({where}).", fix=f"{key} is {kind}.")
        if not name or "/" in name or (table.get("insecure") and "ca" in table):
            why = "Plain HTTP has no certificates." if "ca" in table else "It names a place in a registry."
            fix = "Leave out insecure or ca." if "ca" in table else f'Write [registries."{name.partition("/")[0]}"].'
            raise ConfigError(f"registries.{name} is not possible ({self.place(under)}).", why=why, fix=fix)
        if ("username" in table) != ("password_env" in table):
            raise ConfigError(
                f"registries.{name} has half of a login ({self.place(under)}).",
                fix="Say both username and password_env, or neither.",
            )
        ca = table.get("ca")
        rooted = str(self.path.absolute().parent / Path(ca).expanduser()) if ca else None
        who = table.get("username"), table.get("password_env")
        return RegistryRule(name, table.get("insecure", False), rooted, table.get("mirror"), *who)

    def target(self, name: str, table: dict[str, Any]) -> Target:
        under = ("targets", name)
        if "target" in table:
            raise ConfigError(
                f"A target cannot name another target ({self.place((*under, 'target'))}).", fix="Leave target out."
            )
        said = self.options(table, under)
        defaults = {key: getattr(said, key) for key in table if key not in {"deployer", "builder"}}
        return Target(name, said.deployer or "local", said.builder or "append", tuple(defaults.items()))

    def place(self, keys: tuple[str, ...]) -> str:
        line = _line(self.text, (*self.prefix, *keys))
        return f"{self.path}, line {line}" if line else str(self.path)


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
        if len(data) > LARGEST:
            raise ConfigError(f"{path} is too large for a file of settings.", fix="Is it the right file?")
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except (OSError, UnicodeDecodeError) as wrong:
        raise ConfigError(f"{path} cannot be read.", why=f"{wrong}.") from wrong


def _parse(path: Path, text: str) -> dict[str, Any]:
    try:
        return parsed(text)
    except (RecursionError, ValueError) as wrong:
        raise ConfigError(f"{path} is not TOML.", why=f"{wrong}.") from None


def _prefix(path: Path) -> tuple[str, ...]:
    return ("tool", "fairing") if path.name == "pyproject.toml" else ()


def _table(document: dict[str, Any], prefix: tuple[str, ...], path: Path) -> dict[str, Any]:
    table: Any = document
    for key in prefix:
        table = table.get(key, {}) if isinstance(table, dict) else None
    if not isinstance(table, dict):
        raise ConfigError(f"{'.'.join(prefix)} is not a table ({path}).", fix=f"Write [{'.'.join(prefix)}].")
    return table


def _line(text: str, keys: tuple[str, ...]) -> int | None:
    """Return the line where a key is set.

    The parsers of TOML keep no places; but the key stands in the statement that ends the first beginning of the file in
    which it is there, however it was written (under a header, dotted, in an inline table).
    """
    lines = text.split("\n")
    first = next((number for number, line in enumerate(lines, 1) if keys[-1] in line), 1)
    whole = first - 1
    for number in range(first, len(lines) + 1):
        document = _beginning(lines[:number])
        if _has(document, keys):
            return whole + 1
        whole = whole if document is None else number
    return None


def _beginning(lines: list[str]) -> Any:
    try:
        return _parse(Path(), "\n".join(lines))
    except ConfigError:
        return None


def _has(document: Any, keys: tuple[str, ...]) -> bool:
    for key in keys:
        if not isinstance(document, dict) or key not in document:
            return False
        document = document[key]
    return True
