"""What a widget shows, in words: for readers that have no kernel and no JavaScript, and for a bar's final state."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from typing import Any

VIEW = "application/vnd.jupyter.widget-view+json"
BAR = 10

_MODEL = "IPY_MODEL_"
_TAG = re.compile(r"<[^>]*>")

State = Mapping[str, Mapping[str, Any]]


def parts(state: State, model: str) -> set[str]:
    """Return a model and all that it is made of."""
    found: set[str] = set()
    queue = [model]
    while queue:
        each = queue.pop()
        if each not in found:
            found.add(each)
            queue += _children(state.get(each, {}))
    return found


def bundle(state: State, model: str, before: Mapping[str, Any]) -> dict[str, Any]:
    """Return a display of a widget with what it shows now as text and HTML."""
    text = plain(state, model)
    if not text:
        return dict(before)
    return {**before, "text/plain": text, "text/html": f"<pre>{html.escape(text)}</pre>"}


def plain(state: State, model: str, depth: int = 0) -> str:
    """Return what a widget shows as text; empty where it shows nothing that is text."""
    fields = state.get(model, {})
    kind = str(fields.get("_model_name", ""))
    children = _children(fields)
    if children and depth < 20:
        shown = filter(None, (plain(state, child, depth + 1).strip() for child in children))
        return _row(" ".join(shown)) if kind == "HBoxModel" else "\n".join(shown)
    if kind in {"FloatProgressModel", "IntProgressModel"}:
        return _bar(fields)
    if kind == "OutputModel":
        return "".join(str(output.get("text", "")) for output in fields.get("outputs", ()))
    value = fields.get("value")
    if kind in {"HTMLModel", "HTMLMathModel", "LabelModel", "TextareaModel"}:
        return html.unescape(_TAG.sub("", str(value or ""))).strip()
    described = str(fields.get("description") or "")
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return f"{described} {value}".strip()
    return f"[{described}]" if kind == "ButtonModel" and described else described


def _children(fields: Mapping[str, Any]) -> list[str]:
    children = fields.get("children")
    if not isinstance(children, list | tuple):
        return []
    return [each[len(_MODEL) :] for each in children if isinstance(each, str) and each.startswith(_MODEL)]


def _bar(fields: Mapping[str, Any]) -> str:
    try:
        low, high = float(fields.get("min") or 0), float(fields.get("max") or 100)
        share = (float(fields.get("value") or 0) - low) / (high - low) if high > low else 0.0
    except (TypeError, ValueError):
        return ""
    full = round(min(max(share, 0.0), 1.0) * BAR)
    bar = f"|{'█' * full}{' ' * (BAR - full)}|"
    return f"{fields.get('description') or ''}{bar}"


def _row(text: str) -> str:
    """Write a bar between its numbers as tqdm does."""
    return re.sub(r" (\|█* *\|)", r"\1", text)
