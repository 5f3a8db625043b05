"""The seams: what a builder, a deployer, a stream and a sink are.

Ours and a stranger's implement these and nothing else; ``fairing.testing`` holds the promises behind each verb as
suites of tests that run over any of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeAlias, TypeVar, runtime_checkable

from fairing.events import Event, FileInfo, Status
from fairing.spec import BuiltImage, Destination, Finding, Handle, Recipe, Target, Workload

T_co = TypeVar("T_co", covariant=True)

Reporter: TypeAlias = Callable[[Event], None]
"""Where a stage says what it is doing."""


class Stream(Protocol[T_co]):
    """Something that arrives in its own time.

    Iterating blocks until there is more or the end; ``close`` may be called from any thread and ends a blocked
    iteration at once.
    """

    def __iter__(self) -> Iterator[T_co]:
        """Iterate, blocking between items."""
        ...

    def close(self) -> None:
        """End it, from any thread; closing twice is closing once."""
        ...


class Builder(Protocol):
    """Makes images out of recipes."""

    makes: frozenset[Destination]
    """Where it can leave an image."""

    def check(self, recipe: Recipe, target: Target) -> None:
        """Raise what would go wrong, before anything is made.

        Raises:
            BuildError: The recipe asks for what this builder cannot do.
        """
        ...

    def build(self, recipe: Recipe, target: Target, to: Destination, report: Reporter) -> BuiltImage:
        """Make the image, or find it made: the same recipe gives the same digest."""
        ...


class Deployer(Protocol):
    """Runs images, and answers for the runs by their handles alone."""

    takes: frozenset[Destination]
    """Where it can find an image."""

    def check(self, workload: Workload, target: Target) -> None:
        """Raise what would go wrong, before anything is built.

        Raises:
            AccessError: The user may not run this there.
            CapacityError: There is no room for it, or its limits cannot be kept.
        """
        ...

    def deploy(self, image: BuiltImage, workload: Workload, target: Target, report: Reporter) -> Handle:
        """Start the run and return at once."""
        ...

    def status(self, handle: Handle) -> Status:
        """Say how the run is now.

        Raises:
            DeployError: There is no such run.
        """
        ...

    def streams(self, handle: Handle, since: float | None = None) -> Stream[Stream[Event]]:
        """Give one stream for each replica, as they appear, from the start (or from ``since``, seconds since 1970)."""
        ...

    def read(self, handle: Handle, path: str) -> Stream[bytes]:
        """Give a file of the run in pieces: ``work/…`` is its working folder, ``spool/…`` what the runner keeps.

        Raises:
            DeployError: There is no such file.
        """
        ...

    def files(self, handle: Handle) -> tuple[FileInfo, ...]:
        """List the files of the run's working folder, as they are now."""
        ...

    def list(self, target: Target) -> tuple[Handle, ...]:
        """List the runs that are still known there, newest first."""
        ...

    def cancel(self, handle: Handle) -> None:
        """Stop the run and keep its evidence; return when it has stopped. Cancelling an ended run does nothing."""
        ...

    def delete(self, handle: Handle) -> None:
        """Remove the run and everything that was made for it. Deleting twice is deleting once."""
        ...


@runtime_checkable
class Examined(Protocol):
    """A builder or a deployer that can say whether a target will do, for ``fairing doctor``."""

    def examine(self, target: Target) -> Iterable[Finding]:
        """Check what it needs there; nothing is made."""
        ...


@runtime_checkable
class Founded(Protocol):
    """A deployer that knows what image its runs had best stand on, where none is named."""

    def base(self, target: Target) -> tuple[str, str]:
        """Return an image, or nothing for the usual one, and why; the reason is shown, unless there is none."""
        ...


class Sink(Protocol):
    """Somewhere to show events."""

    def show(self, event: Event) -> None:
        """Show one event, in the caller's thread."""
        ...

    def close(self) -> None:
        """Nothing more will come: bring what is shown to its final state."""
        ...
