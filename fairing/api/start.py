"""From what a person named to a run that has started: taken, described, launched."""

from __future__ import annotations

import logging
import os
import reprlib
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from fairing import plugins, state
from fairing.api import inside
from fairing.capture import ipynb, journal
from fairing.capture.ipynb import Source
from fairing.config import settings
from fairing.config.accelerators import gpu, slice_of
from fairing.config.options import Options, image, octets, options
from fairing.errors import CaptureError, ConfigError
from fairing.output.card import Head
from fairing.output.show import ended, follow, in_notebook, opened, say
from fairing.ports import Reporter
from fairing.run.job import Job, bring
from fairing.spec import BuiltImage, Captured, Group, Pod, Report, Resources, Secret, Target, Workload

if TYPE_CHECKING:
    from fairing.run.notebook import Executed

Taken: TypeAlias = tuple[Captured, Target, Options]


def take(
    subject: Any,
    args: Sequence[Any] | None,
    kwargs: Mapping[str, Any] | None,
    given: Mapping[str, Any],
    *,
    called: bool = True,
) -> Taken:
    """Capture a function, a notebook or a script, with the target and the options that hold for it.

    Args:
        subject: A function, or the path of a notebook or of a script.
        args: What a function is called with; a script's command line.
        kwargs: What a function is called with, by name; a notebook's parameters.
        given: Options that the call gives.
        called: Whether a function is to be called with these; else it may want others.

    Raises:
        CaptureError: It is none of these, or cannot be taken.
        ConfigError: An option is wrong.
    """
    journal.start()
    _sound(args, kwargs)
    if isinstance(subject, str | os.PathLike) and str(subject).endswith(".ipynb"):
        return take_notebook(ipynb.read(subject), kwargs, given)
    decorated: Mapping[str, Any] = getattr(subject, "__fairing__", {})
    target, settled = _settle(options({**decorated, **given}))
    function = subject.__wrapped__ if decorated or hasattr(subject, "__fairing__") else subject
    if callable(function):
        from fairing.capture import function as functions

        return functions.capture(function, tuple(args or ()), dict(kwargs or {}), settled, called), target, settled
    if isinstance(subject, str | os.PathLike) and str(subject).endswith(".py"):
        from fairing.capture import script

        return script.capture(os.fspath(subject), tuple(args or ()), settled), target, settled
    raise CaptureError(
        f"{subject!r} is not a function, a notebook or a script.",
        fix="Pass the function itself, without calling it, or the path of a .ipynb or .py file.",
    )


def take_notebook(
    source: Source, parameters: Mapping[str, Any] | None, given: Mapping[str, Any], **more: float | None
) -> Taken:
    """Capture a notebook; its own metadata may hold options, under ``fairing``.

    Args:
        source: The notebook.
        parameters: Values for its ``parameters`` cell.
        given: Options that the call gives.
        more: How the run executes it: ``cell_timeout`` and ``start_timeout``, in seconds.
    """
    from fairing.capture import notebook

    target, settled = _settle(options(given), options(source.said(), f"metadata of {source.name}"))
    return notebook.capture(source, parameters, settled, notebook.Settings(**more)), target, settled


def take_cell(source: str, names: MutableMapping[str, Any], bring: Sequence[str], given: Mapping[str, Any]) -> Taken:
    """Capture the text of a cell with the names that it reads."""
    from fairing.capture import cell

    journal.start()
    target, settled = _settle(options(given))
    return cell.capture(source, names, tuple(bring), settled), target, settled


def start(captured: Captured, target: Target, settled: Options) -> Job:
    """Launch what was captured, and show its card once."""
    if settled.dry_run:
        return cast(Job, _printed(captured, target, settled))
    with opened(head(captured, target, settled), settled) as screen:
        job = launched(captured, target, settled, screen.show)
        screen.started(str(job.handle))
        screen.note("It goes on by itself: job.follow() shows it, job.result() waits for its value.")
    job.carded()
    return job


def shown(captured: Captured, target: Target, settled: Options) -> Any:
    """Launch what was captured, show it until it ends, and return its value."""
    if settled.dry_run:
        return _printed(captured, target, settled)
    with opened(head(captured, target, settled), settled) as screen:
        job = launched(captured, target, settled, screen.show)
        follow(job, screen, settled)
        bring(job, settled, lambda sentence: say(screen, sentence))
    return job.result(trust=settled.trust)


def shown_notebook(
    path: str | os.PathLike[str] | None,
    parameters: Mapping[str, Any] | None,
    output: str | os.PathLike[str] | None,
    given: Mapping[str, Any],
) -> Executed:
    """Launch a notebook, show how far it is until it ends, and return it as it was executed."""
    from fairing.run import notebook

    journal.start()
    _sound(None, parameters, "parameters")
    source = journal.source() if path is None else _notebook(path)
    captured, target, settled = take_notebook(source, parameters, given)
    if settled.dry_run:
        return cast("Executed", _printed(captured, target, settled))
    written = notebook.destination(output, captured.report.entry, Path() if path is None else Path(path).parent)
    with opened(head(captured, target, settled), settled) as screen:
        job = launched(captured, target, settled, screen.show)
        assert isinstance(job, notebook.NotebookJob)  # noqa: S101 - a notebook was taken
        job.path = written
        follow(job, screen, settled)
        bring(job, settled, lambda sentence: say(screen, sentence))
    executed: Executed = job.result()
    return executed


def make(captured: Captured, target: Target, settled: Options) -> BuiltImage:
    """Build what was captured, and launch nothing."""
    from fairing import launch

    with opened(head(captured, target, settled), settled) as screen:
        built = launch.build(captured.bundle, image(settled), target, screen.show)
        ended(screen, "succeeded")
        return built


def previewed(captured: Captured, target: Target, settled: Options) -> Report:
    """Return the report of what was captured, with what a build would make."""
    from fairing import launch

    return replace(captured.report, new=launch.new(captured.bundle, image(settled), target))


def head(captured: Captured, target: Target, settled: Options) -> Head:
    """Return what the card says besides the run's state."""
    from fairing.capture import report

    name = settled.name or captured.report.entry
    html = report.html(captured.report, titled=False)
    return Head(name, target.name, text=report.text(captured.report), html=html)


def workload(captured: Captured, settled: Options) -> Workload:
    """Return the workload that the options describe."""
    return Workload(
        name=settled.name or captured.bundle.entry.name.removesuffix(".ipynb"),
        groups=(_group(settled),),
        inputs=captured.inputs,
        env=settled.env or (),
        timeout=settled.timeout,
        start_timeout=settled.start_timeout,
        retries=settled.retries or 0,
        grace=10.0 if settled.grace is None else settled.grace,
        limits=settled.limits or "enforce",
        log_level=logging.getLogger().level,
        in_notebook=in_notebook(),
        secrets=_there(settled.secrets or ()),
        outputs=settled.outputs or (),
        artifacts=settled.artifacts or "",
        log_limit=None if settled.log_limit is None else octets(settled.log_limit),
        linger=60.0 if settled.linger is None else settled.linger,
        pod=Pod(
            volumes=settled.volumes or (),
            node_selector=settled.node_selector or (),
            tolerations=settled.tolerations or (),
            affinity=settled.affinity or "",
            priority_class=settled.priority_class or "",
            queue=settled.queue or "",
            suspend=settled.suspend or False,
            service_account=settled.service_account or "",
            pull_secrets=settled.pull_secrets or (),
            labels=settled.labels or (),
            annotations=settled.annotations or (),
            ttl=settled.ttl,
            pod=settled.pod or "",
        ),
    )


def launched(captured: Captured, target: Target, settled: Options, report: Reporter) -> Job:
    """Launch what was captured; what the stages say goes to ``report``."""
    from fairing import launch  # here, since inside a run the verbs work without what the stages need

    if captured.document is not None:
        # Before the run starts: an interrupted import would leave it alone.
        from fairing.run.notebook import NotebookJob

    handle = launch.launch(captured.bundle, image(settled), workload(captured, settled), target, report)
    state.record(handle.key)
    if captured.document is None:
        return Job(handle, captured.report, _hint)
    return NotebookJob(handle, captured.report, captured.document, _hint)


def _notebook(path: Any) -> Source:
    if not isinstance(path, str | os.PathLike):
        raise CaptureError(
            f"{reprlib.repr(path)} is not the path of a notebook.", fix="A function is run by fairing.train(function)."
        )
    return ipynb.read(path)


def _sound(args: Any, kwargs: Any, called: str = "kwargs") -> None:
    """Refuse what holds no arguments, before a text or a table is taken apart into some."""
    if args is not None and (isinstance(args, str | bytes) or not isinstance(args, Sequence)):
        raise ConfigError(
            f"args={reprlib.repr(args)} is not a list of arguments.", fix="Write args=[…], also for one argument."
        )
    if kwargs is not None and not (isinstance(kwargs, Mapping) and all(isinstance(name, str) for name in kwargs)):
        raise ConfigError(
            f"{called}={reprlib.repr(kwargs)} does not give {called.replace('kwargs', 'arguments')} their names.",
            fix=f"Write {called}={{'depth': 8}}.",
        )


def _group(settled: Options) -> Group:
    """Return the replicas: as many as were said, or as a slice of TPUs has machines."""
    memory, storage = (None if each is None else octets(each) for each in (settled.memory, settled.storage))
    count, which = gpu(settled.gpus)
    tpu, workers = slice_of(settled.tpu, settled.workers) if settled.tpu else (None, settled.workers or 1)
    resources = Resources(settled.cpu, memory, count, which, tpu, storage, settled.resources or ())
    return Group("worker", workers, resources)


def _there(secrets: tuple[Secret, ...]) -> tuple[Secret, ...]:
    """Return secrets; one that has no value here is refused before anything is built."""
    lacking = [each.variable for each in secrets if each.variable and each.variable not in os.environ]
    if lacking:
        raise ConfigError(
            f"The secret {lacking[0]!r} has no value here.",
            why="secrets= names environment variables, whose values the run is given.",
            fix=f"Set it in this process first: os.environ[{lacking[0]!r}] = getpass.getpass().",
        )
    return secrets


def _hint(missing: str) -> str:
    from fairing.capture.hints import hint

    return hint(missing)


def _settle(given: Options, document: Options | None = None) -> tuple[Target, Options]:
    """Settle the options, and refuse a target that nothing installed can serve before anything is captured."""
    inside.able()
    target, settled = settings.settle(given, document)
    if more := image(settled).requirements:  # before the capture, which reports what is stated and misses nothing of it
        settled = replace(settled, requirements=(*(settled.requirements or ()), *more))
    _without_credentials("env=", settled.env or (), settled)
    _without_credentials("image=", image(settled).variables, settled)
    if "layers" not in plugins.deployer(target.deployer).takes and settled.artifacts:
        from fairing.artifacts import stores  # here, since few runs have one

        more = stores.requirements(settled.artifacts)
        settled = replace(settled, requirements=(*(settled.requirements or ()), *more))
    plugins.builder(target.builder)
    return target, settled


def _without_credentials(option: str, variables: tuple[tuple[str, str], ...], settled: Options) -> None:
    """Refuse variables whose values are secrets: they are written down where the run is described, or in its image."""
    if variables:
        from fairing.capture import credentials

        credentials.refuse(option, credentials.in_variables(variables), settled.allow or (), "the run or its image")


def _printed(captured: Captured, target: Target, settled: Options) -> None:
    """Go as far as the recipe, and print it: nothing is made, and there is no run."""
    from fairing import launch
    from fairing.recipe.text import text

    recipe = launch.dry_run(captured.bundle, image(settled), workload(captured, settled), target)
    print(text(recipe))  # noqa: T201 - printing it is what was asked for
