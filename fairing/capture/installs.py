"""Cells that install packages: what they install becomes requirements of the run, and they are not executed there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_LINE = re.compile(
    r"""(?P<indent>[ \t]*) (?P<sign>[!%]?) [ \t]*
        (?: (?:\{?sys\.executable\}? | \S*python[\d.]*) [ \t]+ -m [ \t]+ )?
        (?P<tool> (?:uv[ \t]+)?pip[\d.]* | conda | mamba | micromamba ) [ \t]+ (?P<verb>install|add) \b (?P<rest>.*)""",
    re.VERBOSE | re.DOTALL,
)
_SHELL = re.compile(r"%%(bash|sh|script|!)")
_PYTHON = re.compile(r"%%(time|timeit|capture|prun)\b")
_END = re.compile(r"&&?|\|\|?|;|[12&]?>.*|<.*")
_WITH_VALUE = frozenset(
    """
    -c --constraint -i --index-url --extra-index-url -f --find-links -t --target --platform --python-version --proxy
    --trusted-host --progress-bar --timeout --retries --prefix --root --src --cache-dir --log --channel -n --name -p
    --index-strategy --only-binary --no-binary --cert --client-cert --upgrade-strategy --python
    """.split()  # noqa: SIM905 - forty quoted names read worse
)
_SOURCES = frozenset({"-i", "--index-url", "--extra-index-url", "-f", "--find-links"})


@dataclass(slots=True)
class Installs:
    """What cells install.

    Args:
        requirements: As PEP 508 text, in order, each once.
        left_out: What could not be taken as a requirement, and why.
    """

    requirements: list[str] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)

    def take(self, source: str, folder: Path) -> str:
        """Take what a cell installs; return the cell without it, each line where it was.

        Args:
            source: The cell's text.
            folder: Where the paths of requirement files start from.

        Example:
            >>> Installs().take("!pip install -q rich", Path())
            'pass  # a requirement of the run: pip install -q rich'
        """
        first = source.lstrip().partition("\n")[0]
        shell = bool(_SHELL.match(first))
        if first.startswith("%%") and not shell and not _PYTHON.match(first):
            return source
        lines: list[str] = []
        for line, tail in _continued(source.split("\n")):
            found = _LINE.fullmatch(line)
            if found is None or bool(found["sign"]) == shell:
                lines.extend((line, *tail))
                continue
            rest = " ".join(each.rstrip().removesuffix("\\") for each in (found["rest"], *tail))
            self._arguments(found["tool"], rest, folder)
            text = " ".join(f"{found['tool']} {found['verb']} {rest}".split())
            lines.append(f"{found['indent']}{':' if shell else 'pass'}  # a requirement of the run: {text}")
            lines.extend("" for _ in tail)
        return "\n".join(lines)

    def _arguments(self, tool: str, rest: str, folder: Path) -> None:
        conda = "pip" not in tool
        words = iter(_words(rest))
        for word in words:
            name, _, value = word.partition("=") if word.startswith("--") else (word, "", "")
            if name in {"-r", "--requirement", "--file"}:
                self._file(value or next(words, ""), folder)
            elif name in {"-e", "--editable"}:
                self._leave(value or next(words, ""), "an editable install; the modules it holds are taken by source")
            elif name in _WITH_VALUE:
                value = value or next(words, "")
                if name in _SOURCES:
                    self._leave(value, "a package index; pip's own configuration is used")
            elif not word.startswith("-"):
                self._one(_from_conda(word) if conda else word)

    def _file(self, name: str, folder: Path) -> None:
        try:
            lines = (folder / name).read_text("utf-8").splitlines()
        except (OSError, ValueError):
            self._leave(name, "a requirements file that cannot be read")
            return
        for line in lines:
            text = line.partition(" #")[0].strip()
            if text and not text.startswith(("#", "-")):
                self._one(text)

    def _one(self, text: str) -> None:
        from packaging.requirements import InvalidRequirement, Requirement  # here, since few cells install anything

        try:
            if Requirement(text).name.lower() in {"python", "pip"}:
                return
        except InvalidRequirement:
            self._leave(text, "no name of a package; state it with requirements=")
            return
        if text not in self.requirements:
            self.requirements.append(text)

    def _leave(self, text: str, why: str) -> None:
        self.left_out.append((text, why))


def _continued(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Give each line, with those that a backslash joins to it; only commands are joined."""
    rest = iter(lines)
    for line in rest:
        tail: list[str] = []
        last = line
        while last.rstrip().endswith("\\") and line.lstrip()[:1] in {"!", "%"}:
            following = next(rest, None)
            if following is None:
                break
            tail.append(following)
            last = following
        yield line, tail


def _words(text: str) -> list[str]:
    try:
        words = shlex.split(text, comments=True)
    except ValueError:  # a quotation that is not closed
        words = text.split()
    end = next((at for at, word in enumerate(words) if _END.fullmatch(word)), len(words))
    return words[:end]


def _from_conda(text: str) -> str:
    """Return conda's ``numpy=1.26`` as pip writes it."""
    text = text.rpartition("::")[2]
    return re.sub(r"^([\w.-]+)=([\w.*]+)(=.*)?$", r"\1==\2", text)
