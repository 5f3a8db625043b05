"""The verbs, as a person types them: each is a capture, and one way through the stages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fairing import config, inside
from fairing.capture import function as functions
from fairing.job import Job
from fairing.options import Options, octets, options
from fairing.output.show import show, sink
from fairing.spec import Captured, Group, Handle, Image, Resources, Target, Workload


def train(
    function: Callable[..., Any], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None, **given: Any
) -> Any:
    """Run a function elsewhere, show what it prints as it prints it, and return what it returns."""
    if inside.here(given):
        return inside.call(function, args, kwargs)
    job = submit(function, args, kwargs, **given)
    return show(job, options(given))


def submit(
    function: Callable[..., Any], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None, **given: Any
) -> Job:
    """Start a function elsewhere, and return at once."""
    if inside.here(given):
        return inside.submit(function, args, kwargs)
    target, settled = config.settle(options(given))
    captured = functions.capture(function, tuple(args), dict(kwargs or {}))
    return start(captured, target, settled)


def attach(handle: str) -> Job:
    """Return a run by its handle."""
    return Job(Handle.parse(handle))


def start(captured: Captured, target: Target, settled: Options) -> Job:
    """Launch what was captured."""
    from fairing import launch  # here, since inside a run the verbs work without what the stages need

    with sink(captured.report) as report:
        handle = launch.launch(captured.bundle, image(settled), workload(captured, settled), target, report)
    return Job(handle, captured.report)


def image(settled: Options) -> Image:
    """Return the image that the options name."""
    return settled.image if isinstance(settled.image, Image) else Image(settled.image or "host")


def workload(captured: Captured, settled: Options) -> Workload:
    """Return the workload that the options describe."""
    memory = None if settled.memory is None else octets(settled.memory)
    resources = Resources(settled.cpu, memory, settled.gpus or 0)
    return Workload(
        name=settled.name or captured.bundle.entry.name,
        groups=(Group("worker", settled.workers or 1, resources),),
        inputs=captured.inputs,
        env=settled.env or (),
        timeout=settled.timeout,
        retries=settled.retries or 0,
        outputs=settled.outputs or (),
        grace=10.0 if settled.grace is None else settled.grace,
        limits=settled.limits or "enforce",
    )
