"""Shows a run while it goes on, in the thread of whoever waits for it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fairing.events import Event, Text
from fairing.options import Options
from fairing.ports import Report as Reporter
from fairing.spec import Report


@contextmanager
def sink(report: Report) -> Iterator[Reporter]:
    """Show what was captured, then what the stages say."""
    yield _show


def show(job: Any, said: Options) -> Any:
    """Show a run's events until it ends, and return its value."""
    for event in job.events():
        _show(event)
    return job.result()


def _show(event: Event) -> None:
    if isinstance(event, Text):
        out = sys.stdout if event.stream == "stdout" else sys.stderr
        out.write(event.text)
        out.flush()
