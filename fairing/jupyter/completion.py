"""Completes the lines of the magics: verbs, options and their values, runs, files, and names of the notebook.

A matcher of IPython's second kind, since the older hook cannot keep Jedi's guesses at Python out of such a line.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from fairing.config.options import CHOICES, FLAGS, NAMES
from fairing.jupyter.line import CELL
from fairing.verbs import VERBS, Flag, Verb

LISTED = 50
"""Runs that are offered, the newest first."""


def load(shell: Any) -> None:
    """Complete the lines of the magics in this shell."""
    from IPython.core.completer import SimpleCompletion, context_matcher

    @context_matcher()  # type: ignore[untyped-decorator, unused-ignore]
    def fairing_matcher(context: Any) -> dict[str, Any]:
        lines = context.full_text.split("\n")
        before = lines[context.cursor_line][: context.cursor_position] if lines else ""
        found = complete(before, context.cursor_line, shell.user_ns)
        if found is None:
            return {"completions": [], "suppress": False}
        fragment, texts = found
        return {
            "completions": [SimpleCompletion(text=text, type="magic") for text in texts],
            "suppress": True,
            "matched_fragment": fragment,
            "ordered": True,
        }

    unload(shell)
    shell.Completer.custom_matchers.append(fairing_matcher)


def unload(shell: Any) -> None:
    """Complete them no longer."""
    matchers = shell.Completer.custom_matchers
    matchers[:] = [each for each in matchers if getattr(each, "__name__", "") != "fairing_matcher"]


def complete(before: str, row: int, names: Mapping[str, Any]) -> tuple[str, list[str]] | None:
    """Return what is being typed, and what it can become; ``None`` when the line is none of ours.

    Args:
        before: The line, up to the cursor.
        row: The number of the line in its cell, from 0.
        names: The names of the notebook.

    Example:
        >>> complete("%fairing submit --gp", 0, {})
        ('--gp', ['--gpus'])
    """
    cell = re.match(r"%%fairing\s", before) if row == 0 else None
    line = re.search(r"(?:^\s*|=\s*)%fairing\s", before)
    found = cell or line
    if found is None:
        return None
    rest = before[found.end() :]
    words = rest.split()
    fragment = "" if not rest or rest[-1].isspace() else words.pop()
    possible = _options(CELL, True) if cell else None
    texts = _candidates(words, fragment, names) if possible is None else _option(words, fragment, possible, names)
    return fragment, [_word(each) for each in texts if each.startswith(fragment) and each != fragment]


def _word(text: str) -> str:
    """Return what stands for a text in a line: a file's name may have spaces."""
    return shlex.quote(text) if re.search(r"\s", text) else text


def _candidates(words: list[str], fragment: str, names: Mapping[str, Any]) -> list[str]:
    if not words:
        return [*VERBS, "--help"]
    verb = VERBS.get(words[0])
    if verb is None:
        return []
    if fragment.startswith("-") or words[-1].startswith("-"):
        return _option(words, fragment, _options(verb.flags, verb.options), names)
    return _words(verb, names) or list(_options(verb.flags, verb.options))


def _options(flags: Iterable[Flag], run: bool) -> dict[str, str]:
    """Return each spelling, and the option whose value follows it; nothing where none does."""
    known: dict[str, str] = {}
    for flag in flags:
        known |= dict.fromkeys(flag.spellings(), "" if flag.kind == "yes" else flag.name)
    if run:
        known |= {f"--{name.replace('_', '-')}": "" if name in FLAGS else name for name in NAMES}
    return {**known, "--help": ""}


def _option(words: list[str], fragment: str, known: Mapping[str, str], names: Mapping[str, Any]) -> list[str]:
    waiting = known.get(words[-1], "") if words else ""
    if not waiting or fragment.startswith("-"):
        return sorted(known)
    if waiting == "target":
        from fairing.config import settings

        with suppress(Exception):  # a wrong file of settings is told when the line is run
            return sorted(settings.targets())
    if waiting == "bring":
        return ["'*'", *_visible(names)]
    if waiting in {"include", "requirements", "save", "to"}:
        return _paths(fragment, "")
    return list(CHOICES.get(waiting, ())) or [f"${name}" for name in _visible(names)]


def _words(verb: Verb, names: Mapping[str, Any]) -> list[str]:
    kinds = {word.kind for word in verb.words}
    if "handle" in kinds:
        return _handles()
    if "subject" in kinds:
        functions = [name for name in _visible(names) if callable(names[name])]
        return [*functions, *_paths("", ".py"), *_paths("", ".ipynb")]
    if "settings" in kinds:
        return [f"{name}=" for name in NAMES]
    return []


def _visible(names: Mapping[str, Any]) -> list[str]:
    hidden = {"In", "Out", "exit", "quit", "open", "get_ipython"}
    return sorted(name for name in names if not name.startswith("_") and name not in hidden)


def _handles() -> list[str]:
    from fairing import plugins
    from fairing.config import settings

    with suppress(Exception):  # completion never fails
        target = settings.targets()["local"]
        return [str(handle) for handle in plugins.deployer(target.deployer).list(target)[:LISTED]]
    return []


def _paths(fragment: str, suffix: str) -> list[str]:
    folder = fragment.rpartition("/")[0]
    with suppress(OSError):
        there = sorted(Path(folder or ".").iterdir())[:500]
        return [
            f"{folder}/{each.name}" if folder else each.name
            for each in there
            if not each.name.startswith(".") and each.name.endswith(suffix)
        ]
    return []
