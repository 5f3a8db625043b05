"""Draws what is known of a run: as HTML for a cell, as a few lines of text, and as one line for a terminal.

The HTML is styled in place and by the reader's own colours, so that it reads well in dark themes, and where style
sheets are taken away (GitHub) the words still stand.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from html import escape

from fairing.events import FINAL, Phase, Progress
from fairing.output.fold import Step, View
from fairing.words import counted, duration, size

WORDS: dict[Phase, str] = {
    "building": "building",
    "pending": "starting",
    "running": "running",
    "succeeded": "done",
    "failed": "failed",
    "cancelled": "cancelled",
    "lost": "lost",
}
_COLOURS: dict[Phase, str] = {
    "building": "#3b82f6",
    "pending": "#3b82f6",
    "running": "#3b82f6",
    "succeeded": "#22a06b",
    "failed": "#e5484d",
    "cancelled": "#d9822b",
    "lost": "#d9822b",
}
_FAINT = "opacity:.65"
_MANY = 5


@dataclass(frozen=True, slots=True)
class Head:
    """What a card says besides the run's own state.

    Args:
        name: What runs, as people call it.
        target: Where.
        handle: The run, once it is started.
        text: A short block about what was captured, as text.
        html: The same as HTML, already escaped.
        note: A last sentence, such as how to go on following.
    """

    name: str
    target: str = ""
    handle: str = ""
    text: str = ""
    html: str = ""
    note: str = ""


def html(head: Head, view: View, now: float) -> str:
    """Return the card as HTML."""
    phase = view.steps[-1].phase if view.steps else "pending"
    colour = _COLOURS[phase]
    handle = f'<code style="font-size:.92em;{_FAINT}">{escape(head.handle)}</code>' if head.handle else ""
    target = f'<span style="{_FAINT}">on {escape(head.target)}</span>' if head.target else ""
    rows = [
        f'<div style="display:flex;flex-wrap:wrap;gap:0 .8em;align-items:baseline">'
        f'<span><span style="color:{colour}">●</span> <b>{escape(head.name)}</b></span>{target}{handle}</div>',
        f'<div style="font-size:.92em">{_timeline(view, now)}</div>',
        *(f'<div style="font-size:.92em">{_bar(each)}</div>' for each in view.progress[-_MANY:] if phase not in FINAL),
        *(f'<div style="font-size:.92em;{_FAINT}">{escape(fact)}</div>' for fact in _facts(view)),
        f'<div style="font-size:.92em">{head.html}</div>' if head.html else "",
        f'<div style="font-size:.92em">{escape(head.note)}</div>' if head.note else "",
    ]
    return (
        f'<div style="border-left:3px solid {colour};padding:.15em .8em;margin:.2em 0 .5em;line-height:1.5">'
        f"{''.join(rows)}</div>"
    )


def text(head: Head, view: View, now: float) -> str:
    """Return the card as lines of text."""
    on = f" on {head.target}" if head.target else ""
    first = f"{head.name}{on}" + (f"  {head.handle}" if head.handle else "")
    lines = [first, _phases(view, now), *_facts(view), head.text.rstrip("\n"), head.note]
    return "\n".join(line for line in lines if line)


def line(head: Head, view: View, now: float) -> str:
    """Return one line for a terminal: the name, the phase, and how far it is."""
    if not view.steps:
        return head.name
    step = view.steps[-1]
    parts = [head.name, f"{WORDS[step.phase]} {_took(view.steps, len(view.steps) - 1, now)}".rstrip()]
    parts += [f"{each.task} {_done(each)}" for each in view.progress[-1:] if step.phase not in FINAL]
    if step.reason:
        parts.append(step.reason)
    return " · ".join(parts)


def _timeline(view: View, now: float) -> str:
    if not view.steps:
        return "preparing"
    parts = []
    for index, step in enumerate(view.steps):
        word, took = escape(WORDS[step.phase]), _took(view.steps, index, now)
        last = index == len(view.steps) - 1
        said = f'<b style="color:{_COLOURS[step.phase]}">{word}</b>' if last else word
        parts.append(f"{said} {took}".rstrip())
    reason = view.steps[-1].reason
    return f' <span style="{_FAINT}">›</span> '.join(parts) + (f": {escape(reason)}" if reason else "")


def _phases(view: View, now: float) -> str:
    parts = [f"{WORDS[step.phase]} {_took(view.steps, at, now)}".rstrip() for at, step in enumerate(view.steps)]
    reason = view.steps[-1].reason if view.steps else ""
    return " > ".join(parts) + (f": {reason}" if reason else "")


def _took(steps: tuple[Step, ...], index: int, now: float) -> str:
    step = steps[index]
    if step.phase in FINAL:
        return f"in {duration(step.since - steps[0].since)}" if index else ""
    took = (steps[index + 1].since if index + 1 < len(steps) else now) - step.since
    return duration(took) if took >= 0.05 else ""


def _facts(view: View) -> list[str]:
    facts = [*(f"{topic}: {said}" for topic, said in view.kept), *_again(view.steps)]
    if view.cells != type(view.cells)():
        failed = f", {view.cells.failed} failed" if view.cells.failed else ""
        facts.append(f"{counted(view.cells.done, 'cell')} done{failed}")
    differing = [(name, status) for name, status in view.replicas if not view.over and status.phase != "running"]
    facts += [f"{name}: {WORDS[status.phase]}: {status.reason}".rstrip(": ") for name, status in differing[:_MANY]]
    memory = [value for _, name, value in view.metrics if name == "memory"]
    if memory and not view.over:
        facts.append(f"memory {size(sum(memory))}")
    if view.files:
        named = ", ".join(f"{each.path} ({size(each.size)})" for each in view.files[:_MANY])
        more = f" and {len(view.files) - _MANY} more" if len(view.files) > _MANY else ""
        facts.append(f"files: {named}{more}")
    return facts + [f"lost: {what}" for what in view.lost[:_MANY]]


def _again(steps: tuple[Step, ...]) -> list[str]:
    """Say why a run that ran started again; that it is about to is said where it is said what it waits for."""
    pairs = itertools.pairwise(steps[:-1])
    reasons = [step.reason for before, step in pairs if (before.phase, step.phase) == ("running", "pending")]
    return [f"started again: {reason.partition('; it starts again')[0]}" for reason in reasons[-_MANY:] if reason]


def _bar(progress: Progress) -> str:
    words = f"{escape(progress.task)} {escape(_done(progress))}"
    if not progress.total:
        return words
    share = min(100.0, max(0.0, 100 * progress.done / progress.total))
    return (
        f'<span style="display:inline-block;width:10em;height:.5em;border:1px solid currentColor;opacity:.8">'
        f'<span style="display:block;height:100%;width:{share:.1f}%;background:currentColor"></span></span> {words}'
    )


def _done(progress: Progress) -> str:
    unit = f" {progress.unit}" if progress.unit else ""
    if progress.total is None:
        return f"{progress.done:g}{unit}"
    return f"{progress.done:g} of {progress.total:g}{unit}"
