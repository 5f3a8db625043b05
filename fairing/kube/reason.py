"""Why something does not go on: the noun of ``why`` and of what it is made of."""

from __future__ import annotations

from dataclasses import dataclass

from fairing.words import sentence


@dataclass(frozen=True, slots=True)
class Why:
    """Why a pod does not go on.

    Args:
        what: The reason, as what follows a colon: ``"its image is not in the registry"``.
        fix: What to do, as a sentence.
        hopeless: Whether no waiting helps: nothing but another run does.
        absent: Whether its image is not in the registry.
        names: The kind and the name of what is said not to be there.
    """

    what: str
    fix: str = ""
    hopeless: bool = False
    absent: bool = False
    names: tuple[str, str] | None = None

    def __str__(self) -> str:
        return f"{sentence(self.what)} {self.fix}" if self.fix else self.what


def missing(kind: str, name: str) -> Why:
    """Return that a thing which a pod names is said not to be in its namespace."""
    fix = "Create it first, or name another."
    return Why(f"there is no {kind} {name!r} in its namespace", fix, hopeless=True, names=(kind, name))


def short(said: str, most: int = 400) -> str:
    r"""Return what somebody else said on one line, without an end, and not too long.

    Example:
        >>> short("mount failed:\n  exit status 32. ")
        'mount failed: exit status 32'
    """
    line = " ".join(said.split()).rstrip(".")
    return line if len(line) <= most else f"{line[:most].rstrip()} …"
