"""Everything that fairing raises, one family.

FairingError                  what happened, to what, why, and what to do next
├── ConfigError               an option, a target or a file of settings is wrong
├── CaptureError              the function, cell or notebook cannot be taken as it is
├── DependencyError           a package cannot be found, resolved or installed
├── BuildError                the image could not be made
│   └── RegistryError         a registry refused, or could not be reached
├── AccessError               you may not do this there
├── CapacityError             there is no room for what was asked
├── DeployError               the workload could not be created or found
├── RunFailed                 the run ended badly; the cause of the user's own exception
│   ├── RunNotStarted         before any of its code ran: no place, no image, no right
│   ├── RunKilled             by a signal that nobody here sent
│   │   └── OutOfMemory       by the kernel, for its memory
│   ├── RunTimedOut           it reached its ``timeout``
│   ├── RunCancelled          somebody cancelled it
│   ├── CellFailed            a cell of a notebook raised
│   └── RunLost               what watched over it is gone, and its end is not known
├── ResultRefused             the value is there and cannot, or must not, be loaded here
└── PluginError               a builder or deployer is missing or broken
"""

from __future__ import annotations

from typing import Any


class FairingError(Exception):
    """What happened, why, and what to do next: one sentence each.

    Args:
        what: What happened, and to what.
        why: The reason, in words a data scientist knows; may be empty.
        fix: What to type or change next; may be empty.

    Example:
        >>> print(FairingError("No target is called 'gpu'.", fix="Known targets: local."))
        No target is called 'gpu'. Known targets: local.
    """

    def __init__(self, what: str, why: str = "", fix: str = "") -> None:
        super().__init__(what, why, fix)
        self.what = what
        self.why = why
        self.fix = fix

    def __str__(self) -> str:
        return " ".join(part for part in (self.what, self.why, self.fix) if part)

    def _render_traceback_(self) -> list[str]:
        """Show the sentence alone in Jupyter: our own frames tell the reader nothing."""
        return [f"{type(self).__name__}: {self}"]


class ConfigError(FairingError):
    """An option, a target or a file of settings is wrong."""


class CaptureError(FairingError):
    """The function, cell, notebook or script cannot be taken as it is."""


class DependencyError(FairingError):
    """A package cannot be found, resolved or installed."""


class BuildError(FairingError):
    """The image could not be made."""


class RegistryError(BuildError):
    """A registry refused a request, or could not be reached."""


class AccessError(FairingError):
    """The person or the service account may not do this there."""


class CapacityError(FairingError):
    """There is no room for what was asked."""


class DeployError(FairingError):
    """The workload could not be created, found or read."""


class RunFailed(FairingError):
    """The run ended badly: raised itself, or as the cause of the user's own exception."""

    code: int | None = None
    """The exit code of its process, where it had one."""


class RunNotStarted(RunFailed):
    """The run ended before any of its code ran: nothing could take it, or what it needs is not there."""


class RunKilled(RunFailed):
    """The run was ended by a signal that nobody here sent."""


class OutOfMemory(RunKilled):
    """The run was ended because it used more memory than it may."""


class RunTimedOut(RunFailed):
    """The run reached its ``timeout`` and was stopped."""


class RunCancelled(RunFailed):
    """The run was cancelled."""


class CellFailed(RunFailed):
    """A cell of a notebook raised: the executed notebook is written, with the traceback in that cell.

    Args:
        what: Which cell of which notebook failed.
        why: The exception's type and text.
        fix: What to do next.
        cell: The cell's place in the notebook, counted from 0.
        traceback: The traceback's lines, as the cell shows them.
    """

    def __init__(
        self, what: str, why: str = "", fix: str = "", cell: int | None = None, traceback: tuple[str, ...] = ()
    ) -> None:
        super().__init__(what, why, fix)
        self.cell = cell
        self.traceback = traceback

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.what, self.why, self.fix, self.cell, self.traceback)

    def _render_traceback_(self) -> list[str]:
        return [*self.traceback, *super()._render_traceback_()]


class RunLost(RunFailed):
    """What watched over the run is gone, and how it ended is not known."""


class ResultRefused(FairingError):
    """The value is there, and cannot or must not be loaded here."""


class PluginError(FairingError):
    """A builder or a deployer is missing or broken."""
