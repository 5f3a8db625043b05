"""Draws what a capture took: as a short block of text, and as HTML for a cell."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from html import escape

from fairing.spec import Global, Report
from fairing.words import size

WIDTH = 100  # columns
REFERENCE = 120  # bytes: less than any function or class by value
FEW = 6  # items of each kind in the short form


def text(report: Report, most: int | None = FEW) -> str:
    """Return a report as aligned lines of text.

    Args:
        report: The report.
        most: How many items of each kind to name, the largest first; all of them if ``None``.

    Example:
        >>> print(text(Report("train", "function", modules=("helpers",), requirements=(("numpy", "import"),))))
        train (function)
          modules       helpers
          requirements  numpy
    """
    lines = [f"{report.entry} ({report.kind})"]
    for label, items, each_apart in _rows(report, most):
        indent = " " * 16
        for at, item in enumerate(items if each_apart else [", ".join(items)]):
            head = f"  {label:<12}  " if not at else indent
            lines += textwrap.wrap(
                item,
                WIDTH,
                initial_indent=head,
                subsequent_indent=indent,
                break_long_words=False,
                break_on_hyphens=False,
            )
    return "\n".join(lines)


def html(report: Report, most: int | None = FEW, *, titled: bool = True) -> str:
    """Return a report as HTML, in the reader's own colours; a card, which has said what was captured, has no title."""
    rows = []
    for label, items, each_apart in _rows(report, most):
        shown = "<br>".join(map(escape, items)) if each_apart else escape(", ".join(items))
        colour = "color:#d9822b" if label == "warnings" else "opacity:.65"
        rows.append(
            f'<tr style="background:none"><td style="text-align:left;vertical-align:top;padding:0 1.2em 0 0;{colour}">'
            f'{label}</td><td style="text-align:left;padding:0">{shown}</td></tr>'
        )
    title = f"<b>{escape(report.entry)}</b> ({report.kind})" if titled else ""
    return (
        f'<div>{title}<table style="border:none;margin:0;line-height:1.5"><tbody>{"".join(rows)}</tbody></table></div>'
    )


def _rows(report: Report, most: int | None) -> Iterable[tuple[str, list[str], bool]]:
    """Give each kind of thing that there is: its label, its items, and whether each has a line of its own."""
    named = sorted(report.globals, key=lambda each: -each.size)
    if most is not None:
        named = [each for each in named if not _by_reference(each)]
    reasons = most is None
    rows = (
        ("modules", list(report.modules), False),
        ("names", [f"{each.name} ({each.type}, {size(each.size)})" for each in named], False),
        ("files", [f"{path} ({size(octets)})" for path, octets in report.files], False),
        ("requirements", [f"{name} ({why})" if reasons else name for name, why in report.requirements], reasons),
        ("build", [f"{what}: {how}" for what, how in report.new], True),
        ("left out", [f"{what}: {why}" for what, why in report.left_out], True),
        ("warnings", list(report.warnings), True),
    )
    for label, items, each_apart in rows:
        if items:
            yield label, items if label == "warnings" else _few(items, most), each_apart


def _by_reference(each: Global) -> bool:
    """Whether a name brings nothing but a reference into a package, which the requirements name already."""
    return each.size < REFERENCE and each.type in {"function", "class", "module", "builtin_function_or_method", "ufunc"}


def _few(items: list[str], most: int | None) -> list[str]:
    if most is None or len(items) <= most + 1:
        return items
    return [*items[:most], f"and {len(items) - most} more"]
