"""Starts a run in a pod with the bytecode that was given for it.

Until that is read nothing is imported that an interpreter has not loaded when it starts.
"""

from __future__ import annotations


def main() -> int | str:
    """Take the bytecode, if any was given, then start."""
    from fairing.runtime import library

    library.use(f"/fairing/given/{library.NAME}")

    from fairing.runtime import pod

    return pod.main()
