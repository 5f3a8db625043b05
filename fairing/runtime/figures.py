"""The backend that matplotlib uses in a run: ``plt.show()`` displays the open figures, as in a notebook."""

from __future__ import annotations

import sys
from typing import Any

from matplotlib._pylab_helpers import Gcf
from matplotlib.backend_bases import FigureManagerBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from fairing.runtime.displays import display

NAME = f"module://{__name__}"


class FigureManager(FigureManagerBase):
    """Shows its figure by displaying it."""

    def show(self) -> None:
        """Display the figure."""
        display(self.canvas.figure)


class FigureCanvas(FigureCanvasAgg):  # type: ignore[misc]
    """Draws into memory."""

    manager_class = FigureManager


def new_figure_manager(num: int, *args: Any, FigureClass: Any = Figure, **kwargs: Any) -> FigureManager:  # noqa: N803 - pyplot's
    """Make a figure, as ``plt.figure`` asks."""
    return new_figure_manager_given_figure(num, FigureClass(*args, **kwargs))


def new_figure_manager_given_figure(num: int, figure: Any) -> FigureManager:
    """Take a figure in, as ``plt.figure`` asks."""
    return FigureManager(FigureCanvas(figure), num)


def show(*_: Any, close: bool = True, **__: Any) -> None:
    """Display the open figures, and close them."""
    try:
        for manager in Gcf.get_all_fig_managers():
            figure = manager.canvas.figure
            if figure.axes or figure.lines:
                display(figure)
    finally:
        if close:
            Gcf.destroy_all()


def flush() -> None:
    """Display what is still open at the end, where the user's code has chosen no other backend."""
    matplotlib = sys.modules["matplotlib"]
    if matplotlib.get_backend().lower() == NAME:
        show()
