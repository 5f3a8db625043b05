"""What the runs of the suite of deployers run: apart, so that a run imports nothing else."""

from __future__ import annotations


def work(lines: int, content: bytes) -> int:
    """Print numbered lines, leave a file in a folder, and return how many lines there were."""
    import pathlib

    for number in range(lines):
        print("line", number)  # noqa: T201 - a run prints
    pathlib.Path("out").mkdir()
    pathlib.Path("out/kept.bin").write_bytes(content)
    return lines


def talk(lines: int) -> None:
    """Print numbered lines."""
    for number in range(lines):
        print("line", number)  # noqa: T201 - a run prints


def fail(variable: str, words: str) -> None:
    """Print a variable, and raise an error."""
    import os

    print(os.environ.get(variable))  # noqa: T201 - a run prints
    raise ValueError(words)


def die() -> None:
    """Be killed."""
    import os
    import signal

    os.kill(os.getpid(), signal.SIGKILL)


def wait() -> None:
    """Say that it waits, and wait until it is ended."""
    import signal

    print("waiting", flush=True)  # noqa: T201 - a run prints
    while True:
        signal.pause()


def forge(line: str) -> None:
    """Print something that looks like a frame, from Python and from another program."""
    import subprocess

    print(line, flush=True)  # noqa: T201 - a run prints
    subprocess.run(["printf", "%s\n", line], check=True)
