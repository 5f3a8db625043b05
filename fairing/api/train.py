"""The verbs, as a person types them: each is a capture, and one way through the stages.

Every verb spells out every option of ``fairing.config.options``, so that an editor shows them; a test holds them
together.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from fairing.api import inside
from fairing.api.start import shown, start, take
from fairing.config.options import (
    Dependencies,
    Given,
    Limits,
    OnInterrupt,
    Pairs,
    PodPatch,
    Table,
    Texts,
    Tolerations,
    Volumes,
    said,
    verb,
)
from fairing.image import Image
from fairing.run.job import Job
from fairing.spec import Target

if TYPE_CHECKING:
    from typing_extensions import Unpack

R = TypeVar("R")


@overload
def train(  # what an async function returns comes back, not its coroutine
    function: Callable[..., Coroutine[Any, Any, R]],
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    **given: Unpack[Given],
) -> R: ...


@overload
def train(
    function: Callable[..., R],
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
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
) -> R: ...


@verb
def train(
    function: Callable[..., R],
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
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
) -> R:
    """Run a function elsewhere, show what it prints as it prints it, and return what it returns.

    Args:
        function: The function, as it is now.
        args: What it is called with.
        kwargs: What it is called with, by name.

    Raises:
        FairingError: Something is wrong with what was asked, or with the run.
        Exception: What the function itself raises, as itself.

    Example:
        >>> train(pow, args=(2, 5))  # doctest: +SKIP
        32
    """
    given = said(locals())
    __tracebackhide__ = True
    if inside.here(given):
        return cast(R, inside.call(function, args, kwargs))
    return cast(R, shown(*take(function, args, kwargs, given)))


@verb
def submit(
    subject: Callable[..., Any] | str | PathLike[str],
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
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
) -> Job:
    """Start something elsewhere, and return at once.

    Args:
        subject: A function, or the path of a notebook or of a script.
        args: What the function is called with; a script's command line.
        kwargs: What the function is called with, by name; a notebook's parameters.

    Raises:
        FairingError: Something is wrong with what was asked.

    Example:
        >>> job = submit("train.py", args=["--depth", "8"])  # doctest: +SKIP
    """
    given = said(locals())
    if inside.here(given) and callable(subject):
        return inside.submit(subject, args, kwargs)
    if inside.here(given) and str(subject).endswith(".ipynb"):
        return inside.Done(inside.notebook, inside.notebook(subject))
    return start(*take(subject, args, kwargs, given))
