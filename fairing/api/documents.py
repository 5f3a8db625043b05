"""The verbs of what lies in a file or a cell: notebooks, scripts, and the text of a cell.

Every verb spells out every option, as those of ``fairing.api.train`` do.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

from fairing.api import inside
from fairing.api.start import shown, shown_notebook, start, take, take_cell
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
from fairing.run.job import Job
from fairing.spec import Target

if TYPE_CHECKING:
    from fairing.run.notebook import Executed


@verb
def run_notebook(
    path: str | PathLike[str] | None = None,
    parameters: Mapping[str, Any] | None = None,
    output: str | PathLike[str] | None = None,
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
) -> Executed:
    """Run a notebook elsewhere, from its first cell to its last, and return it with its outputs.

    Args:
        path: The notebook; without one, the notebook this is called from: the cells that were run, as they are now.
        parameters: Values for the names of its ``parameters`` cell, injected as papermill does.
        output: Where the executed notebook is written, also when a cell fails; without it, ``<name>-output.ipynb``
            beside the notebook.

    Raises:
        CellFailed: A cell raised; the executed notebook is written, with the traceback in that cell.
        FairingError: Something is wrong with what was asked, or with the run.

    Example:
        >>> run_notebook("train.ipynb", {"depth": 8}).notebook  # doctest: +SKIP
    """
    given = said(locals())
    if inside.here(given):
        return inside.notebook(path)
    return shown_notebook(path, parameters, output, given)


@verb
def run_script(
    path: str | PathLike[str],
    arguments: Sequence[str] = (),
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
) -> None:
    """Run a script elsewhere, as ``python path arguments`` would, and show what it prints.

    Args:
        path: The script, a ``.py`` file.
        arguments: Its command line.

    Raises:
        RunFailed: The script ended with another exit code than 0.
        FairingError: Something is wrong with what was asked.

    Example:
        >>> run_script("train.py", ["--depth", "8"])  # doctest: +SKIP
    """
    given = said(locals())
    shown(*take(path, arguments, None, given))


@verb
def run_cell(
    source: str,
    names: MutableMapping[str, Any] | None = None,
    bring: Sequence[str] = (),
    *,
    wait: bool = True,
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
) -> Job | None:
    """Run the text of a cell elsewhere: what ``%%fairing`` does.

    Args:
        source: The text, as it stands in the cell.
        names: Where the names that it reads are looked up, and where those that it brings back are set.
        bring: Names to bring back; ``["*"]`` brings all that can be pickled.
        wait: Show the run until it ends; else start it, and return its job.

    Raises:
        FairingError: Something is wrong with what was asked, or with the run.
        Exception: What the cell itself raises, as itself.

    Example:
        >>> names = {"a": 2}
        >>> run_cell("b = a * 3", names, bring=["b"])  # doctest: +SKIP
        >>> names["b"]  # doctest: +SKIP
        6
    """
    given = said(locals())
    __tracebackhide__ = True
    space = {} if names is None else names
    if inside.here(given):
        done = inside.submit(inside.cell, (source, space), None)
        return done.result() if wait else done
    taken = take_cell(source, space, bring, given)
    if not wait:
        return start(*taken)
    space.update(shown(*taken) or {})
    return None
