"""A comparison: ours and a peer's, alternating, and what is asked of their medians."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field


class Missing(Exception):
    """What is measured beside, or on, is not here; the message says how to get it."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two ways to do the same thing.

    Args:
        name: What is done.
        ours: Does it with fairing; may return how many of its seconds count, else all do.
        peer: Does it without; likewise.
        against: What the peer is, in a few words.
        times: The most that ours may take, as a multiple of the peer; ``None`` promises nothing, and is shown …
        plus: … and seconds on top of that.
        rounds: How often both are done.
        clean: Run before each of ours, outside the measurement.
    """

    name: str
    ours: Callable[[], object]
    peer: Callable[[], object]
    against: str
    times: float | None = 1.0
    plus: float = 0.0
    rounds: int = 10
    clean: Callable[[], object] = field(default=lambda: None)


@dataclass(frozen=True, slots=True)
class Figure:
    """Something that is measured once, and has no peer.

    Args:
        name: What it is.
        measure: Measures it.
        most: The most that it may be.
        unit: Of both.
    """

    name: str
    measure: Callable[[], float]
    most: float
    unit: str


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured.

    Args:
        cells: Of the table, but the last.
        kept: Whether the promise is kept; ``None`` where there is none.
    """

    cells: tuple[str, ...]
    kept: bool | None


def measure(what: Pair | Figure) -> Row:
    """Measure a figure; or do both of a pair once to warm up, then alternating."""
    if isinstance(what, Figure):
        found = what.measure()
        shown, promise = f"{found:.0f} {what.unit}", f"≤ {what.most:g} {what.unit}"
        return Row((what.name, shown, "–", "–", "–", "–", promise), found <= what.most)
    what.clean()
    what.ours(), what.peer()
    ours, peer = [], []
    for _ in range(what.rounds):
        what.clean()
        ours.append(_timed(what.ours))
        peer.append(_timed(what.peer))
    return _row(what, statistics.median(ours), statistics.median(peer))


def table(rows: Iterable[Row]) -> str:
    """Return the rows as a Markdown table."""
    lines = ["| what | fairing | peer | | ratio | over | promise | |", "|---|--:|--:|---|--:|--:|---|---|"]
    words = {True: "kept", False: "MISSED", None: "–"}
    lines += [f"| {' | '.join((*row.cells, words[row.kept]))} |" for row in rows]
    return "\n".join(lines)


def _row(pair: Pair, ours: float, peer: float) -> Row:
    ratio = f"{ours / peer:.2f}" if peer > 0.001 else "–"
    over = f"{(ours - peer) * 1000:+.0f} ms"
    times = [ratio, over, "–"] if pair.times is None else [ratio, over, f"≤ {_promise(pair.times, pair.plus)}"]
    kept = None if pair.times is None else ours <= peer * pair.times + pair.plus
    return Row((pair.name, f"{ours * 1000:.0f} ms", f"{peer * 1000:.0f} ms", pair.against, *times), kept)


def _promise(times: float, plus: float) -> str:
    return " + ".join(part for part in (f"{times:g} ×", f"{plus * 1000:g} ms" if plus else "") if part)


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    counted = work()
    return counted if isinstance(counted, float) else time.perf_counter() - started
