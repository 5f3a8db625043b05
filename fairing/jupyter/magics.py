"""``%fairing`` and ``%%fairing``: what ``%load_ext fairing`` registers, and nothing else.

They are a thin layer: a line is read into words and options, and one call of the API does the rest.
"""

from __future__ import annotations

from typing import Any

from fairing.config.options import nearest
from fairing.edge import edge
from fairing.errors import ConfigError
from fairing.jupyter import completion, line
from fairing.verbs import VERBS, Asked

NAME = "fairing"


def load(shell: Any) -> None:
    """Register the two magics and their completion with a shell."""
    from IPython.core.magic import no_var_expand, output_can_be_silenced

    def line_magic(text: str) -> Any:
        __tracebackhide__ = True  # inside a run it is called in place, and the person's own lines are shown
        return run_line(text, shell.user_ns)

    def cell_magic(text: str, body: str) -> Any:
        __tracebackhide__ = True
        return run_cell(text, body, shell.user_ns)

    for kind, magic in (("line", line_magic), ("cell", cell_magic)):
        magic.__doc__ = (run_line if kind == "line" else run_cell).__doc__
        shell.register_magic_function(no_var_expand(output_can_be_silenced(edge(magic))), kind, NAME)
    completion.load(shell)


def unload(shell: Any) -> None:
    """Take both away again."""
    for kind in ("line", "cell"):
        shell.magics_manager.magics[kind].pop(NAME, None)
    completion.unload(shell)


def run_line(text: str, names: dict[str, Any]) -> Any:
    """Do what a line says, and return its value: ``job = %fairing submit train --gpus 1``.

    ``%fairing --help`` lists the verbs, ``%fairing submit --help`` the options.

    Raises:
        FairingError: Something is wrong with the line, or with what it asks for.
    """
    __tracebackhide__ = True
    tokens = line.tokens(text.rstrip().removesuffix(";"), names)  # it silences the value, as everywhere in Jupyter
    if not tokens or tokens[0] in {"-h", "--help"}:
        print(_overview())  # noqa: T201 - the cell is where a person asked
        return None
    verb = VERBS.get(str(tokens[0]))
    if verb is None:
        raise ConfigError(f"There is no %fairing {tokens[0]}.", fix=nearest(str(tokens[0]), tuple(VERBS)))
    read = line.read(
        tokens[1:], verb.words, verb.flags, options=verb.options, tail=verb.tail, name=f"%fairing {verb.name}"
    )
    return None if read is None else verb.act(Asked(*read, names))


def run_cell(text: str, body: str, names: dict[str, Any]) -> Any:
    """Run the cell elsewhere, with the names that it reads, and bring back those that ``-o`` asks for.

    ``%%fairing --gpus 1 -o model,score`` waits and shows the run; with ``--submit`` it starts it and gives its job.
    ``%%fairing --help`` lists the options; a line must stand below it.

    Raises:
        FairingError: Something is wrong with the line, the cell, or the run.
        Exception: What the cell raises, as itself.
    """
    import fairing

    __tracebackhide__ = True
    tokens = line.tokens(text, names)
    if tokens and tokens[0] in VERBS:
        raise ConfigError(
            f"%%fairing runs its cell, and takes no {tokens[0]!r}.", fix=f"Write %fairing {tokens[0]}, on a line."
        )
    read = line.read(tokens, (), line.CELL, options=True, tail=False, name="%%fairing")
    if read is None:
        return None
    words, options = read
    bring = [name.strip() for each in words.get("bring") or () for name in str(each).split(",") if name.strip()]
    # The line with the magic is the first of the cell, so that lines in a traceback are the cell's own.
    return fairing.run_cell("\n" + body, names, bring, wait=not words.get("submit"), **options)


def _overview() -> str:
    wide = max(map(len, VERBS))
    rows = "\n".join(f"  {verb.name:<{wide}}  {verb.about}" for verb in VERBS.values())
    top = "%fairing VERB …, %fairing VERB --help"
    return f"{top}\n\n{rows}\n\n%%fairing [-o NAMES] … runs a cell; %%fairing --help, and any line below it"
