"""The papermill engine: ``papermill in.ipynb out.ipynb --engine fairing``.

papermill loads its engines while it is itself being imported, so nothing of it is imported here until the engine is
asked for: else whoever imports this module first could not import papermill any more.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any

from fairing.events import CellStatus, Display, Event, Failure, Text


class _Engine:
    """Runs a notebook as a job; each cell's output goes into papermill's own notebook, bar and files as it comes."""

    @classmethod
    def nb_kernel_name(cls, nb: Any, name: str | None = None) -> str:
        """Return the kernel's name; none has to be installed here by that name."""
        return name or nb.metadata.get("kernelspec", {}).get("name") or "python3"

    @classmethod
    def nb_language(cls, nb: Any, language: str | None = None) -> str:
        """Return the notebook's language."""
        said = (nb.metadata.get("language_info", {}).get("name"), nb.metadata.get("kernelspec", {}).get("language"))
        return language or next(filter(None, said), "python")

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: Any,
        kernel_name: str,  # noqa: ARG003 - papermill gives it
        log_output: bool = False,
        stdout_file: Any = None,
        stderr_file: Any = None,
        start_timeout: float | None = 60,
        execution_timeout: float | None = None,
        input_path: Any = None,
        **given: Any,
    ) -> None:
        """Run the notebook to its end.

        Args:
            nb_man: papermill's record of the notebook and its cells.
            kernel_name: Not used: the run has its own interpreter.
            log_output: Whether output is logged too.
            stdout_file: Where text of stdout is written too.
            stderr_file: Where text of stderr is written too.
            start_timeout: Seconds that the kernel may take to start.
            execution_timeout: Seconds that a cell may take.
            input_path: Where the notebook came from.
            given: Options; stronger than ``FAIRING_*``, which is stronger than ``fairing`` in the notebook's metadata.
        """
        watch = _Watch(nb_man, _Echo(log_output, {"stdout": stdout_file, "stderr": stderr_file}))
        job = None
        try:
            with _ended_by_sigterm():
                timeouts = {"cell_timeout": execution_timeout, "start_timeout": start_timeout}
                job = _submit(nb_man.nb, input_path, given, timeouts)
                for event in job.events():
                    watch.show(event)
                watch.finish(job)
        except BaseException as error:
            watch.fail(type(error).__name__, str(error))
            if job is not None:
                job.cancel()  # whoever ends papermill does not want its work to go on elsewhere
            raise


def __getattr__(name: str) -> Any:
    if name != "FairingEngine":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from papermill.engines import Engine

    return globals().setdefault(name, type(name, (_Engine, Engine), {"__doc__": _Engine.__doc__}))


class _Echo:
    """Logs output and writes it to files, as papermill's own engine does."""

    def __init__(self, log_output: bool, files: Mapping[str, Any]) -> None:
        from papermill.log import logger

        self._logger = logger if log_output else None
        self._files = files

    def show(self, event: Text | Display) -> None:
        if isinstance(event, Text):
            if self._logger:
                (self._logger.info if event.stream == "stdout" else self._logger.warning)(event.text)
            file = self._files[event.stream]
            if file:
                file.write(event.text)
                file.flush()
        elif self._logger and not event.update and "text/plain" in event.data:
            self._logger.info("".join(event.data["text/plain"]))


class _Watch:
    """Keeps papermill's record true: which cell runs, what it put out, which failed, and that none is left running."""

    def __init__(self, nb_man: Any, echo: _Echo) -> None:
        import nbformat

        from fairing.output.notebook import NotebookSink

        self._man = nb_man
        self._echo = echo
        self._sink = NotebookSink(nb_man.nb, nbformat.from_dict)
        self._done = 0

    def show(self, event: Event) -> None:
        self._sink.show(event)
        if isinstance(event, Failure) and self._sink.failed is not None:
            self._failed(self._sink.failed)
        index = event.at.cell
        if index is None or event.at.source.index:
            return
        if isinstance(event, CellStatus):
            self._status(index, event)
        elif isinstance(event, Text | Display):
            self._autosave()
            self._echo.show(event)

    def finish(self, job: Any) -> None:
        """Bring the record to the run's end."""
        from fairing.run.notebook import gather

        self._sink.close()
        gather(job.handle, self._man.nb)
        failed = self._sink.failed
        status = job.status
        if failed is not None:
            self._failed(failed)
        elif status.phase != "succeeded":
            self.fail(*_words(job))
        if status.phase != "succeeded" and self._sink.failed is None:
            job.result()

    def fail(self, ename: str, evalue: str) -> None:
        """Say in the running cell, or in the first that did not run, why nothing more comes."""
        cells = range(self._done, len(self._man.nb.cells))
        first = next((index for index in cells if self._man.nb.cells[index].cell_type == "code"), None)
        failed = self._sink.interrupt(ename, evalue, first)
        self._sink.settle()
        if failed is not None:
            self._failed(failed)

    def _status(self, index: int, event: CellStatus) -> None:
        cell = self._man.nb.cells[index]
        if event.state == "started":
            self._man.cell_start(cell, index)
        elif event.state == "done":
            self._done = index + 1
            self._man.cell_complete(cell, cell_index=index)

    def _failed(self, index: int) -> None:
        cell = self._man.nb.cells[index]
        if cell.metadata.papermill["status"] != self._man.FAILED:
            self._man.cell_exception(cell, cell_index=index)
            self._man.cell_complete(cell, cell_index=index)

    def _autosave(self) -> None:
        man = self._man
        if man.autosave_cell_every and (man.now() - man.last_save_time).total_seconds() >= man.autosave_cell_every:
            self._sink.settle()
            man.autosave_cell()


def _submit(nb: Any, input_path: Any, given: Mapping[str, Any], timeouts: Mapping[str, float | None]) -> Any:
    from papermill.log import logger

    from fairing.api import start
    from fairing.capture.ipynb import Source, normal

    name = PurePath(input_path).name if isinstance(input_path, str) else ""
    name = name if name.endswith(".ipynb") else "notebook.ipynb"
    source = Source(normal(nb, name), name, Path.cwd())
    captured, target, settled = start.take_notebook(source, None, given, **timeouts)
    for sentence in captured.report.warnings:
        logger.warning(sentence)
    job = start.launched(replace(captured, document=None), target, settled, logger.debug)
    logger.info(f"Run: {job.handle}")
    return job


def _words(job: Any) -> tuple[str, str]:
    """Return why a run ended that no cell explains."""
    try:
        job.result()
    except Exception as error:  # noqa: BLE001 - whatever it raises is what is to be said
        return type(error).__name__, str(error)
    return "RunFailed", f"the run ended: {job.status.reason}"


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let a SIGTERM end papermill as Ctrl-C does, so that the run is cancelled; only where nobody handles it."""
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    def end(number: int, frame: Any) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
