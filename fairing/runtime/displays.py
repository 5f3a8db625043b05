"""``display`` and its relatives, in a run that has no IPython kernel; IPython's own, where it is imported, come here.

What is displayed is told to the parent as a MIME bundle, made in ``bundles`` out of the same methods that IPython asks.
"""

from __future__ import annotations

import builtins
import os
import sys
from typing import Any

from fairing.runtime import imports
from fairing.runtime.tell import Teller

_teller: list[Teller] = []
"""The way out of this process, as ``sys.stdout`` is one; none in a spawned worker, where nobody listens."""


class DisplayHandle:
    """What was displayed under an id, to be updated."""

    def __init__(self, display_id: str | None = None) -> None:
        self.display_id = display_id or os.urandom(16).hex()

    def __repr__(self) -> str:
        return f"<DisplayHandle display_id={self.display_id}>"

    def display(self, obj: Any, **given: Any) -> None:
        """Display it (again) as a new output under the same id."""
        display(obj, display_id=self.display_id, **given)

    def update(self, obj: Any, **given: Any) -> None:
        """Put it where this was displayed."""
        update_display(obj, display_id=self.display_id, **given)


def install(tell: Teller, *, notebook: bool = False) -> None:
    """Make ``display`` a built-in name, as it is in a notebook, and let IPython's and others' come here.

    Args:
        tell: Takes events.
        notebook: Whether a notebook shows them; ``tqdm.auto`` asks IPython for that, and the run has none.
    """
    _teller[:] = [tell]
    builtins.display = display  # type: ignore[attr-defined]
    sys.displayhook = displayhook
    imports.after("IPython.core.display_functions", _ipython)
    imports.after("tqdm.notebook", _bars)
    if notebook:
        imports.after("tqdm.autonotebook", _chosen)


def display(
    *objs: Any,
    include: Any = None,
    exclude: Any = None,
    metadata: dict[str, Any] | None = None,
    transient: dict[str, Any] | None = None,
    display_id: str | bool | None = None,
    raw: bool = False,
    clear: bool = False,
    update: bool = False,
    **_: Any,
) -> DisplayHandle | None:
    """Display values, richly where they can be.

    Args:
        objs: The values.
        include: MIME types to show alone.
        exclude: MIME types to leave out.
        metadata: Of the output.
        transient: May hold the ``display_id``.
        display_id: A name under which it can be updated; ``True`` makes one.
        raw: Whether the values are MIME bundles already.
        clear: Whether what was shown before is cleared.
        update: Whether to put them where another was displayed under this id.

    Returns:
        A handle for updates, where there is a ``display_id``.

    Raises:
        TypeError: It is an update, and no ``display_id`` says of what.
    """
    name = (transient or {}).get("display_id") if display_id is None else display_id
    handle = None if name is None else DisplayHandle(name if isinstance(name, str) else None)
    if update and handle is None:
        raise TypeError("display_id required for update_display")  # in IPython's words
    if clear:
        clear_output(wait=True)
    for obj in objs:
        _display(obj, handle, update, raw, include, exclude, metadata)
    return handle


def update_display(obj: Any, *, display_id: str, **given: Any) -> None:
    """Put a value where another was displayed under this id."""
    raw, include, exclude, metadata = (given.get(each) for each in ("raw", "include", "exclude", "metadata"))
    _display(obj, DisplayHandle(display_id), True, bool(raw), include, exclude, metadata)


def clear_output(wait: bool = False) -> None:
    """Clear what was shown so far: at once, or when the next output comes."""
    if _teller:
        _teller[0]("clear", {"wait": wait})


def publish(
    data: dict[str, Any],
    metadata: dict[str, Any] | None = None,
    display_id: str | None = None,
    update: bool = False,
) -> None:
    """Display a MIME bundle; where nobody listens (a spawned worker), print its text."""
    if _teller:
        body = {"data": data, "metadata": metadata or {}, "display_id": display_id, "update": update}
        _teller[0]("display", body)
    elif "text/plain" in data:
        print(data["text/plain"])  # noqa: T201 - as IPython does without a kernel


def displayhook(value: Any) -> None:
    """Display the value of an expression, as a cell does with its last."""
    if value is not None:
        builtins._ = value  # type: ignore[attr-defined]
        display(value)


def _display(
    obj: Any, handle: DisplayHandle | None, update: bool, raw: bool, include: Any, exclude: Any, metadata: Any
) -> None:
    from fairing.runtime.bundles import bundle  # here, for its time

    data, about = (dict(obj), metadata or {}) if raw else bundle(obj, include, exclude)
    if not data:
        return  # it has displayed itself
    publish(data, {**about, **(metadata or {})}, handle.display_id if handle else None, update)


def _ipython(module: Any) -> None:
    """Bring IPython's functions here, for as long as no shell of IPython runs in this process."""

    def wanted() -> bool:
        shell = sys.modules.get("IPython.core.interactiveshell")
        return shell is None or not shell.InteractiveShell.initialized()

    def routed(theirs: Any, ours: Any) -> Any:
        def either(*args: Any, **kwargs: Any) -> Any:
            return (ours if wanted() else theirs)(*args, **kwargs)

        either.__name__, either.__doc__ = theirs.__name__, theirs.__doc__
        return either

    def published(data: Any, metadata: Any = None, *_: Any, transient: Any = None, update: bool = False) -> None:
        publish(data, metadata, (transient or {}).get("display_id"), update)

    ours = {"display": display, "update_display": update_display, "clear_output": clear_output}
    for name, function in {**ours, "publish_display_data": published}.items():
        setattr(module, name, routed(getattr(module, name), function))


def _bars(module: Any) -> None:
    from fairing.runtime import bars

    bars.install(module)


def _chosen(module: Any) -> None:
    from tqdm import notebook

    module.tqdm, module.trange = notebook.tqdm, notebook.trange
