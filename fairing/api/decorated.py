"""Options bound to a function: ``@fairing.remote(gpus=1)``."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Generic, ParamSpec, TypeVar, overload

from fairing.api import train
from fairing.config.options import (
    Dependencies,
    Limits,
    OnInterrupt,
    Pairs,
    PodPatch,
    Table,
    Texts,
    Tolerations,
    Volumes,
    options,
    said,
    verb,
)
from fairing.edge import edge
from fairing.errors import CaptureError
from fairing.image import Image
from fairing.run.job import Job
from fairing.spec import Target

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class Remote(Generic[P, R]):
    """A function and the options to run it with: calling it runs it here, ``.remote`` and ``.submit`` there."""

    def __init__(self, function: Callable[P, R], given: Mapping[str, Any]) -> None:
        functools.update_wrapper(self, function)
        self.__wrapped__ = function
        self.__fairing__ = dict(given)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function here."""
        __tracebackhide__ = True
        return self.__wrapped__(*args, **kwargs)

    @overload
    def remote(  # what an async function returns comes back, not its coroutine
        self: Remote[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs
    ) -> T: ...

    @overload
    def remote(self, *args: P.args, **kwargs: P.kwargs) -> R: ...

    @edge
    def remote(self, *args: Any, **kwargs: Any) -> Any:
        """Run the function elsewhere with these arguments, show what it prints, and return its value."""
        __tracebackhide__ = True
        return train.train(self, args, kwargs)

    @edge
    def submit(self, *args: P.args, **kwargs: P.kwargs) -> Job:
        """Start the function elsewhere with these arguments, and return at once."""
        return train.submit(self, args, kwargs)

    def __get__(self, instance: Any, owner: type | None = None) -> Remote[..., R]:
        """Be a method, where the function stands in a class."""
        return self if instance is None else Remote(functools.partial(self.__wrapped__, instance), self.__fairing__)

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel as the function itself: in the run there is nothing to decorate."""
        return _itself, (self.__wrapped__,)

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={'…' if name == 'env' else repr(value)}" for name, value in self.__fairing__.items())
        return f"<{self.__wrapped__!r} with {given}>" if given else repr(self.__wrapped__)


@overload
def remote(function: Callable[P, R], /) -> Remote[P, R]: ...


@overload
def remote(
    *,
    target: Target | str | None = None,
    deployer: str | None = None,
    builder: str | None = None,
    repository: str | None = None,
    context: str | None = None,
    namespace: str | None = None,
    image: Image | str | None = None,
    platform: Texts = None,
    requirements: Texts = None,
    groups: Texts = None,
    dependencies: Dependencies | None = None,
    include: Texts = None,
    allow: Texts = None,
    secrets: Pairs = None,
    env: Pairs = None,
    name: str | None = None,
    workers: int | None = None,
    kind: str | None = None,
    cpu: float | None = None,
    memory: str | int | None = None,
    storage: str | int | None = None,
    gpus: int | str | None = None,
    tpu: str | None = None,
    resources: Pairs = None,
    volumes: Volumes = None,
    node_selector: Pairs = None,
    tolerations: Tolerations = None,
    affinity: Table = None,
    priority_class: str | None = None,
    queue: str | None = None,
    suspend: bool | None = None,
    service_account: str | None = None,
    pull_secrets: Texts = None,
    labels: Pairs = None,
    annotations: Pairs = None,
    pod: PodPatch = None,
    limits: Limits | None = None,
    timeout: float | None = None,
    start_timeout: float | None = None,
    retries: int | None = None,
    grace: float | None = None,
    ttl: int | None = None,
    outputs: Texts = None,
    artifacts: str | None = None,
    log_limit: str | int | None = None,
    linger: float | None = None,
    max_size: str | int | None = None,
    on_interrupt: OnInterrupt | None = None,
    trust: bool | None = None,
    trust_html: bool | None = None,
    dry_run: bool | None = None,
) -> Callable[[Callable[P, R]], Remote[P, R]]: ...


@verb
def remote(
    function: Callable[..., Any] | None = None,
    /,
    *,
    target: Target | str | None = None,
    deployer: str | None = None,
    builder: str | None = None,
    repository: str | None = None,
    context: str | None = None,
    namespace: str | None = None,
    image: Image | str | None = None,
    platform: Texts = None,
    requirements: Texts = None,
    groups: Texts = None,
    dependencies: Dependencies | None = None,
    include: Texts = None,
    allow: Texts = None,
    secrets: Pairs = None,
    env: Pairs = None,
    name: str | None = None,
    workers: int | None = None,
    kind: str | None = None,
    cpu: float | None = None,
    memory: str | int | None = None,
    storage: str | int | None = None,
    gpus: int | str | None = None,
    tpu: str | None = None,
    resources: Pairs = None,
    volumes: Volumes = None,
    node_selector: Pairs = None,
    tolerations: Tolerations = None,
    affinity: Table = None,
    priority_class: str | None = None,
    queue: str | None = None,
    suspend: bool | None = None,
    service_account: str | None = None,
    pull_secrets: Texts = None,
    labels: Pairs = None,
    annotations: Pairs = None,
    pod: PodPatch = None,
    limits: Limits | None = None,
    timeout: float | None = None,
    start_timeout: float | None = None,
    retries: int | None = None,
    grace: float | None = None,
    ttl: int | None = None,
    outputs: Texts = None,
    artifacts: str | None = None,
    log_limit: str | int | None = None,
    linger: float | None = None,
    max_size: str | int | None = None,
    on_interrupt: OnInterrupt | None = None,
    trust: bool | None = None,
    trust_html: bool | None = None,
    dry_run: bool | None = None,
) -> Any:
    """Bind options to a function.

    Args:
        function: The function; without it, a decorator is returned.

    Raises:
        ConfigError: An option's value is not possible.

    Example:
        >>> @remote(memory="2Gi")
        ... def double(x: int) -> int:
        ...     return 2 * x
        >>> double(4)  # here; double.remote(4) elsewhere
        8
    """
    given = said(locals())
    options(given)
    if function is None:
        return lambda bare: Remote(_callable(bare), given)
    return Remote(_callable(function), given)


def _callable(function: Any) -> Any:
    if callable(function):
        return function
    raise CaptureError(f"{function!r} is not a function.", fix="Put @fairing.remote above a function.")


def _itself(function: Any) -> Any:
    return function
