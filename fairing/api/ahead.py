"""What can be had ahead of a run: what would be taken along, and the image."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import Any

from fairing.api.start import make, previewed, take
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
    said,
    verb,
)
from fairing.image import Image
from fairing.spec import BuiltImage, Report, Target


@verb
def preview(
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
) -> Report:
    """Say what would be taken along; nothing is built and nothing runs.

    Args:
        subject: A function, or the path of a notebook or of a script.
        args: What the function would be called with; a script's command line.
        kwargs: What the function would be called with, by name; a notebook's parameters. Both may be left out.

    Raises:
        FairingError: What ``submit`` would refuse while capturing.

    Example:
        >>> preview(pow, args=(2, 5)).entry  # doctest: +SKIP
        'pow'
    """
    return previewed(*take(subject, args, kwargs, said(locals()), called=bool(args or kwargs)))


@verb
def build(
    subject: Callable[..., Any] | str | PathLike[str],
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
) -> BuiltImage:
    """Make the image that a run of this would start from, and run nothing.

    Args:
        subject: A function, or the path of a notebook or of a script.

    Raises:
        FairingError: It cannot be taken, or the image cannot be made.

    Example:
        >>> build("train.py").digest  # doctest: +SKIP
        'sha256:…'
    """
    return make(*take(subject, (), None, said(locals()), called=False))
