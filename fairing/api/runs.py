"""Runs that exist already: found by their handles, or listed."""

from __future__ import annotations

import time
from dataclasses import replace
from html import escape

from fairing import plugins, state
from fairing.api import inside
from fairing.config import settings
from fairing.config.options import Options
from fairing.edge import edge
from fairing.errors import ConfigError, FairingError
from fairing.run.job import Job
from fairing.spec import Handle, Target


class Jobs(list[Job]):
    """Runs that read well where they are shown."""

    def rows(self) -> list[tuple[str, str, str, str]]:
        """Return each run's handle, phase, when it was submitted (if from here), and the reason of its phase."""
        return [_row(job) for job in self]

    def __repr__(self) -> str:
        rows = self.rows()
        wide = max((len(row[0]) for row in rows), default=0)
        lines = (f"{handle:<{wide}}  {phase:<9}  {when:<16}  {why}".rstrip() for handle, phase, when, why in rows)
        return "\n".join(lines) or "no runs"

    def _repr_html_(self) -> str:
        rows = [("run", "phase", "started", ""), *self.rows()]
        cells = [
            "".join(f"<td style='text-align:left;white-space:nowrap'>{escape(text)}</td>" for text in row)
            for row in rows
        ]
        return f"<table>{''.join(f'<tr>{each}</tr>' for each in cells)}</table>" if len(rows) > 1 else "no runs"


@edge
def attach(handle: str | Handle, context: str | None = None) -> Job:
    """Return a run by its handle, whoever started it.

    Args:
        handle: Such as ``"local://train-1f3a9c2e"``; ``jobs()`` lists them.
        context: What your kubeconfig calls the run's cluster, where that is neither the handle's name for it nor your
            current context.

    Raises:
        ConfigError: It is not a handle, or of no cluster.

    Example:
        >>> attach("local://train-1f3a9c2e").follow()  # doctest: +SKIP
    """
    found = handle if isinstance(handle, Handle) else Handle.parse(handle)
    if context is not None:
        if len(found.parts) == 1:
            raise ConfigError(f"{found} runs on no cluster.", fix="Leave out context=.")
        found = replace(found, parts=(context, *found.parts[1:]))
    return Job(found)


def watch(job: Job) -> None:
    """Show a run from its start until it ends, and load nothing of it.

    Raises:
        KeyboardInterrupt: It was interrupted; the run goes on.
    """
    from fairing.output.card import Head
    from fairing.output.show import follow, opened

    said = Options()
    with opened(Head(job.handle.parts[-1]), said) as screen:
        follow(job, screen, said)


@edge
def jobs(target: Target | str | None = None) -> Jobs:
    """Return the runs that are known at a target, the newest first.

    Args:
        target: Where to look; the target of your settings, if not given.

    Raises:
        ConfigError: There is no such target.

    Example:
        >>> for job in jobs():  # doctest: +SKIP
        ...     print(job.handle, job.status.phase)
    """
    if inside.here({"target": target}):
        return Jobs()  # what was started here was done in place
    there, _ = settings.settle(Options(target=target))
    return Jobs(Job(handle) for handle in plugins.deployer(there.deployer).list(there))


def _row(job: Job) -> tuple[str, str, str, str]:
    handle = str(job.handle)
    started = state.submitted(job.handle.key)
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(started)) if started else ""
    try:
        status = job.status
    except FairingError as gone:  # it was deleted since it was listed
        return handle, "gone", when, gone.what
    return handle, status.phase, when, status.reason
