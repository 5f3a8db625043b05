"""A value → a MIME bundle, out of the methods that IPython's own formatters ask; IPython itself is not needed."""

from __future__ import annotations

import io
import sys
import traceback
from base64 import b64encode
from collections.abc import Collection
from typing import Any

_METHODS = {
    "_repr_html_": "text/html",
    "_repr_markdown_": "text/markdown",
    "_repr_latex_": "text/latex",
    "_repr_svg_": "image/svg+xml",
    "_repr_png_": "image/png",
    "_repr_jpeg_": "image/jpeg",
    "_repr_pdf_": "application/pdf",
    "_repr_json_": "application/json",
    "_repr_javascript_": "application/javascript",
}
_CANARY = "_ipython_canary_method_should_not_exist_"

Bundle = tuple[dict[str, Any], dict[str, Any]]


def bundle(value: Any, include: Collection[str] | None = None, exclude: Collection[str] | None = None) -> Bundle:
    """Return a value's MIME bundle and its metadata; an empty one, where the value has displayed itself.

    Args:
        value: Anything.
        include: MIME types to return alone.
        exclude: MIME types to leave out.
    """
    if _asked(value, "_ipython_display_") is not None:
        return {}, {}
    data: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    for method, mime in _METHODS.items():
        got = _asked(value, method)
        if got is not None:
            _put(data, metadata, mime, got)
    figure = _figure(value)
    if figure is not None:
        data["image/png"] = figure
    whole = _asked(value, "_repr_mimebundle_", include=include, exclude=exclude)
    if whole is not None:
        more, about = whole if isinstance(whole, tuple) else (whole, {})
        for mime, got in more.items():
            _put(data, metadata, mime, got)
        metadata.update(about)
    if "text/plain" not in data:
        data["text/plain"] = _plain(value)
    kept = {
        mime: got
        for mime, got in data.items()
        if (include is None or mime in include) and (exclude is None or mime not in exclude)
    }
    return kept, {mime: about for mime, about in metadata.items() if mime in kept or "/" not in mime}


def _asked(value: Any, method: str, **kwargs: Any) -> Any:
    """Return what one of the display methods gives, ``None`` where there is none or it fails."""
    if isinstance(value, type):
        return None
    try:
        if getattr(value, _CANARY, None) is not None:
            return None  # an object that has every attribute
        function = getattr(value, method, None)
        if not callable(function):
            return None
        got = function(**kwargs)
    except NotImplementedError:
        return None
    except Exception:  # noqa: BLE001 - IPython, too, shows the error and what else there is
        traceback.print_exc()
        return None
    return True if method == "_ipython_display_" else got


def _put(data: dict[str, Any], metadata: dict[str, Any], mime: str, got: Any) -> None:
    if isinstance(got, tuple) and len(got) == 2:
        got, metadata[mime] = got
    if isinstance(got, bytes):
        got = b64encode(got).decode() if mime != "image/svg+xml" else got.decode("utf-8", "replace")
    data[mime] = got


def _figure(value: Any) -> str | None:
    """Return a figure of matplotlib as PNG: it has no method that says so."""
    figure = sys.modules.get("matplotlib.figure")
    if figure is None or not isinstance(value, figure.Figure):
        return None
    return png(value)


def png(figure: Any) -> str:
    """Draw a figure as a notebook does."""
    buffer = io.BytesIO()
    if figure.canvas is None:
        from matplotlib.backend_bases import FigureCanvasBase

        FigureCanvasBase(figure)
    figure.canvas.print_figure(
        buffer,
        format="png",
        dpi=figure.dpi,
        facecolor=figure.get_facecolor(),
        edgecolor=figure.get_edgecolor(),
        bbox_inches="tight",
    )
    return b64encode(buffer.getvalue()).decode()


def _plain(value: Any) -> str:
    pretty = sys.modules.get("IPython.lib.pretty")
    try:
        if pretty is not None:
            return str(pretty.pretty(value))
        if not isinstance(value, (dict, list, tuple, set, frozenset)):
            return repr(value)
        from pprint import pformat

        return pformat(value)
    except Exception:  # noqa: BLE001 - IPython, too, shows the error and what else there is
        traceback.print_exc()
        return f"<{type(value).__qualname__}>"
