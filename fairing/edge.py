"""Where exceptions leave fairing: their tracebacks show the person's own lines, and the run's, without ours between."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])


class Edge:
    """Takes our frames off an exception that says all there is to say; a fault of ours keeps them, and says where."""

    def __enter__(self) -> None:
        """Do nothing."""

    def __exit__(self, kind: object, error: BaseException | None, trace: TracebackType | None) -> None:
        """Cut the traceback off before the frame that this stands in; what raises on adds no frame again."""
        if error is not None and trace is not None and hasattr(error, "_render_traceback_"):
            trace.tb_next = None  # Python 3.10 keeps the traceback that it has, so this one frame stays there
            error.__traceback__ = None


def edge(function: F) -> F:
    """Return the function, whose exceptions are shown without our frames."""

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True  # IPython shows the person's own lines around a function that is called in place
        with Edge():
            return function(*args, **kwargs)

    return cast(F, called)
