"""The same verbs from a shell."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    raise SystemExit("fairing has no commands yet")
