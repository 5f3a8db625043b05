"""A run, by its handle: everything that can be asked of it."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from pathlib import Path
from typing import Any

from fairing import plugins, state
from fairing.config.options import Options, options
from fairing.edge import Edge, edge
from fairing.events import FINAL, Event, Failure, FileInfo, Payload, Status
from fairing.output import card
from fairing.output.card import Head
from fairing.output.fold import View, fold
from fairing.output.show import detached, follow, opened
from fairing.run import brought, failures, results
from fairing.run.follow import Merged, asynchronously
from fairing.shell import execution
from fairing.spec import Handle, Report
from fairing.words import Said

QUIET = 0.25
"""Seconds without output after which a log that is still being written counts as read up to now."""


class Job:
    """A run that was started, here or elsewhere.

    Example:
        >>> job = fairing.submit(train)  # doctest: +SKIP
        >>> job.result()  # doctest: +SKIP
    """

    handle: Handle
    report: Report | None = None
    _view = View()
    _complete = False
    _hint: failures.Hint | None = None
    _shown_in: int | None = None

    def __init__(self, handle: Handle, report: Report | None = None, hint: failures.Hint | None = None) -> None:
        self.handle = handle
        self.report = report
        self._hint = hint
        self._deployer = plugins.deployer(handle.deployer)

    @property
    @edge
    def status(self) -> Status:
        """How it is now.

        Raises:
            DeployError: There is no such run.
        """
        if self._view.status is not None and self._view.over:
            return self._view.status
        status = self._deployer.status(self.handle)
        self._view = fold(self._view, status)
        return status

    def events(self, since: float | None = None) -> Iterator[Event]:
        """Follow it from its start until it ends.

        Args:
            since: Leave out what was said before, in seconds since 1970.

        Raises:
            DeployError: There is no such run.
        """
        beats = Beats(self, None, since)
        try:
            for event in beats:
                if event is not None:
                    yield event
        finally:
            beats.close()

    def beats(self, every: float | None) -> Beats:
        """Follow it from its start; ``None`` says that nothing came for ``every`` seconds."""
        return Beats(self, every)

    @edge
    def follow(self, **given: Any) -> Any:
        """Show it here until it ends, as if this cell had started it, and return its value.

        Args:
            given: ``on_interrupt``, ``trust``, ``trust_html`` and ``outputs``, as of ``fairing.train``.

        Raises:
            Detached: It was interrupted; the run goes on.
            FairingError: An option is wrong, the run ended badly, or its value cannot be loaded here.
            Exception: What the run's code raised, as itself.

        Example:
            >>> fairing.attach("local://train-1f3a9c2e").follow()  # doctest: +SKIP
        """
        said = options(given)
        with opened(Head(self._name()), said) as screen:
            follow(self, screen, said)
            bring(self, said)
        return self.result(trust=said.trust)

    @edge
    def logs(self, to: str | os.PathLike[str] | None = None) -> Any:
        """Return what it has written so far; or write all of it to a file, until it ends.

        Args:
            to: The file; its path is returned.

        Raises:
            DeployError: There is no such run.

        Example:
            >>> job.logs("run.log")  # doctest: +SKIP
        """
        from fairing.output.file import File

        if to is None:
            return self._read()
        path = Path(to)
        with path.open("w", encoding="utf-8", errors="surrogateescape", newline="", buffering=1 << 18) as file:
            sink = File(file)
            for event in self.beats(0.2):
                if event is None:
                    sink.beat()
                else:
                    sink.show(event)
            sink.close()
        return path

    @edge
    def wait(self, timeout: float | None = None) -> Status:
        """Wait for its end and return how it ended.

        Args:
            timeout: Seconds to wait at most.

        Raises:
            TimeoutError: It is still running then; it goes on.
            Detached: It was interrupted; the run goes on.

        Example:
            >>> job.wait(60).phase  # doctest: +SKIP
            'succeeded'
        """
        self._wait(timeout, lambda: False)
        return self.status

    @edge
    def result(self, timeout: float | None = None, *, raw: bool = False, trust: bool | None = None) -> Any:
        """Wait for its end and return its value, or raise its exception.

        Args:
            timeout: Seconds to wait at most.
            raw: Return the value's bytes as the run pickled them, and load nothing.
            trust: Load it although the run was not submitted from here.

        Raises:
            TimeoutError: It is still running then; it goes on.
            ResultRefused: The value cannot, or must not, be loaded here.
            RunFailed: The run ended badly, and not by an exception that exists here.
            Exception: What the run's code raised, as itself.

        Example:
            >>> fairing.submit(pow, args=(2, 5)).result()  # doctest: +SKIP
            32
        """
        self._wait(timeout, self._misses_value)
        result = self._view.result
        if result and result.payload.missing:  # said now, while it waits where it is
            results.fetch(result.payload, result.at.source, self._pieces)
        if result is None or (self._view.status is not None and self._view.status.phase != "succeeded"):
            may = results.trusted(self.handle, trust)
            raise failures.error(
                self.handle, self._view, lambda failure, payload: self._exception(failure, payload, may), self._hint
            )
        data = results.fetch(result.payload, result.at.source, self._pieces)
        return data if raw else results.load(result.payload, data, results.trusted(self.handle, trust))

    @edge
    def save(self, path: str | os.PathLike[str]) -> Path:
        """Wait for its end, write the value's bytes to a file, and load nothing; return the file's path.

        Args:
            path: The file; one that is there is replaced.

        Raises:
            RunFailed: The run ended badly; or the exception that its code raised.
            ResultRefused: The value cannot be had.

        Example:
            >>> job.save("model.pkl")  # doctest: +SKIP
        """
        data = self.result(raw=True)
        with state.replacing(Path(path)) as part:
            part.write_bytes(data)
        return Path(path)

    @edge
    def files(self) -> tuple[FileInfo, ...]:
        """List what it left in its working folder, as it is now.

        Raises:
            DeployError: There is no such run.
        """
        return self._deployer.files(self.handle)

    @edge
    def download(self, pattern: str = "*", to: str | os.PathLike[str] = ".") -> tuple[Path, ...]:
        """Bring files of its working folder here.

        Args:
            pattern: A glob over the whole path or the file's name: ``"*.csv"``, ``"models/*"``.
            to: The folder to put them in, under their own paths; files that are there are replaced.

        Returns:
            The files as they lie here; none, where nothing matches.

        Raises:
            DeployError: There is no such run.
            AccessError: A file cannot be written here.
            ResultRefused: A file would lie outside that folder.

        Example:
            >>> job.download("*.csv", to="data")  # doctest: +SKIP
        """
        found = [file.path for file in self.files() if brought.matches(file.path, pattern)]
        return tuple(brought.write(self.handle, path, Path(to), self._pieces(f"work/{path}")) for path in found)

    @edge
    def cancel(self) -> None:
        """Stop it and return when it has stopped; what it wrote stays. One that has ended stays as it is.

        Raises:
            DeployError: There is no such run.
        """
        self._deployer.cancel(self.handle)

    @edge
    def delete(self) -> None:
        """Stop it, and remove it and everything that was made for it; one that is gone already stays gone."""
        self._deployer.delete(self.handle)
        state.forget(self.handle.key)

    def carded(self) -> None:
        """Remember that the cell that runs shows this job's card already."""
        self._shown_in = execution()

    def __await__(self) -> Generator[Any, None, Any]:
        async def result() -> Any:
            __tracebackhide__ = True
            if not self._complete:
                async for _ in self:
                    pass
            with Edge():
                return self.result()

        return result().__await__()

    def __aiter__(self) -> AsyncIterator[Event]:
        return asynchronously(lambda: self.beats(QUIET), self._left)

    def __repr__(self) -> str:
        step = self._view.steps[-1:]
        return f"Job({str(self.handle)!r}{''.join(f', {card.WORDS[each.phase]}' for each in step)})"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """Show what is known of it, without asking anybody."""
        head = Head(self._name(), handle=str(self.handle))
        if execution() is not None and self._shown_in == execution():
            return {"text/plain": repr(self)}  # its card is in this cell already
        now = time.time()
        return {"text/plain": card.text(head, self._view, now), "text/html": card.html(head, self._view, now)}

    def _left(self, cancelled: BaseException) -> None:
        """Let a cell that is interrupted while it awaits show that the run goes on, as one that waits does."""
        cancelled._render_traceback_ = failures.Shown((str(detached(self.handle)),))  # type: ignore[attr-defined]

    def _name(self) -> str:
        return self.report.entry if self.report else self.handle.parts[-1]

    def _read(self) -> str:
        import io

        from fairing.output.file import File

        out = io.StringIO()
        sink, beats = File(out), self.beats(QUIET)
        try:
            for event in beats:
                if event is None:
                    break
                sink.show(event)
        finally:
            beats.close()
        sink.close()
        return Said(out.getvalue())

    def _wait(self, timeout: float | None, enough: Callable[[], bool]) -> None:
        until = None if timeout is None else time.monotonic() + timeout
        while not self._complete and not enough():  # streams that were cut are followed again
            try:
                until = self._drain(until, enough)
            except KeyboardInterrupt:
                raise detached(self.handle) from None

    def _misses_value(self) -> bool:
        """Say whether it is known already that its value cannot be had here."""
        return self._view.result is not None and bool(self._view.result.payload.missing)

    def _drain(self, until: float | None, enough: Callable[[], bool]) -> float | None:
        """Read it to its end, or until a time; return that time, or ``None`` if the run has ended by then."""
        beats = self.beats(None)
        try:
            while True:
                left = None if until is None else until - time.monotonic()
                if left is not None and left <= 0:
                    if self._deployer.status(self.handle).phase not in FINAL:
                        raise failures.waiting(self.handle)
                    until = left = None  # only its log is still to be read
                beats.wait_for(left)
                next(beats)
                if enough():
                    return until
        except StopIteration:
            return until
        finally:
            beats.close()

    def _pieces(self, path: str) -> Iterator[bytes]:
        yield from self._deployer.read(self.handle, path)

    def _exception(self, failure: Failure, payload: Payload, may: bool) -> Any:
        data = results.fetch(payload, failure.at.source, self._pieces)
        return results.load(payload, data, may)


class Beats:
    """A job's events; what they tell is kept in the job. Iterating can go on after an interrupt."""

    def __init__(self, job: Job, every: float | None, since: float | None = None) -> None:
        self._job = job
        self._merged = Merged(job._deployer.streams(job.handle, since), every)
        self._view = View()
        self._whole = since is None

    def __iter__(self) -> Iterator[Event | None]:
        return self

    def __next__(self) -> Event | None:
        try:
            event = next(self._merged)
        except StopIteration:
            self._ended()
            raise
        if event is not None:
            self._view = fold(self._view, event)
            if self._whole:
                self._job._view = self._view
        return event

    def wait_for(self, seconds: float | None) -> None:
        """Give ``None`` when nothing comes for so many seconds, from now on."""
        self._merged.every = seconds

    def close(self) -> None:
        """Stop following, from any thread."""
        self._merged.close()

    def _ended(self) -> None:
        job = self._job
        if not self._whole or self._merged.closed:
            return
        if not self._view.over:
            job._view = fold(self._view, job._deployer.status(job.handle))
        job._complete = job._view.status is not None and job._view.status.phase in FINAL


def bring(job: Job, said: Options, missed: Callable[[str], object] | None = None) -> None:
    """Bring the files that ``outputs`` names into this folder."""
    for pattern in said.outputs or ():
        if not job.download(pattern) and missed:
            missed(f"outputs: the run left no file that matches {pattern!r}")
