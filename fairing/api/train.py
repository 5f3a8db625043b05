"""The verbs, as a person types them: each is a capture, and one way through the stages.

Every verb spells out every option of ``fairing.config.options``, so that an editor shows them; a test holds them
together.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, MutableMapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from fairing.api import inside
from fairing.api.start import shown, shown_notebook, start, take, take_cell
from fairing.config.options import Dependencies, Given, Limits, OnInterrupt, Texts, Variables, said, verb
from fairing.image import Image
from fairing.run.job import Job
from fairing.spec import Target

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from fairing.run.notebook import Executed

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
    secrets: Texts = None,
    env: Variables = None,
    name: str | None = None,
    workers: int | None = None,
    kind: str | None = None,
    cpu: float | None = None,
    memory: str | int | None = None,
    gpus: int | None = None,
    limits: Limits | None = None,
    timeout: float | None = None,
    start_timeout: float | None = None,
    retries: int | None = None,
    grace: float | None = None,
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
    secrets: Texts = None,
    env: Variables = None,
    name: str | None = None,
    workers: int | None = None,
    kind: str | None = None,
    cpu: float | None = None,
    memory: str | int | None = None,
    gpus: int | None = None,
    limits: Limits | None = None,
    timeout: float | None = None,
    start_timeout: float | None = None,
    retries: int | None = None,
    grace: float | None = None,
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
    secrets: Texts = None,
    env: Variables = None,
    name: str | None = None,
    workers: int | None = None,
    kind: str | None = None,
    cpu: float | None = None,
    memory: str | int | None = None,
    gpus: int | None = None,
    limits: Limits | None = None,
    timeout: float | None = None,
    start_timeout: float | None = None,
    retries: int | None = None,
    grace: float | None = None,
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
        return inside.Done(run_notebook, inside.notebook(subject))
    return start(*take(subject, args, kwargs, given))


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
    secrets: Texts = None,
    env: Variables = None,
    name: str | None = None,
    workers: int | None = None,
    kind: str | None = None,
    cpu: float | None = None,
    memory: str | int | None = None,
    gpus: int | None = None,
    limits: Limits | None = None,
    timeout: float | None = None,
    start_timeout: float | None = None,
    retries: int | None = None,
    grace: float | None = None,
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
    secrets: Texts = None,
    env: Variables = None,
    name: str | None = None,
    workers: int | None = None,
    kind: str | None = None,
    cpu: float | None = None,
    memory: str | int | None = None,
    gpus: int | None = None,
    limits: Limits | None = None,
    timeout: float | None = None,
    start_timeout: float | None = None,
    retries: int | None = None,
    grace: float | None = None,
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
    secrets: Texts = None,
    env: Variables = None,
    name: str | None = None,
    workers: int | None = None,
    kind: str | None = None,
    cpu: float | None = None,
    memory: str | int | None = None,
    gpus: int | None = None,
    limits: Limits | None = None,
    timeout: float | None = None,
    start_timeout: float | None = None,
    retries: int | None = None,
    grace: float | None = None,
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
