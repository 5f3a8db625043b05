"""A comparison: ours and a peer's, alternating, and what is asked of their medians."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Pair:
    """Two ways to do the same thing.

    Args:
        name: What is done.
        ours: Does it with fairing.
        peer: Does it without.
        against: What the peer is, in a few words.
        times: The most that ours may take, as a multiple of the peer …
        plus: … and seconds on top of that.
        rounds: How often both are done.
        clean: Run before each of ours, outside the measurement.
    """

    name: str
    ours: Callable[[], object]
    peer: Callable[[], object]
    against: str
    times: float = 1.0
    plus: float = 0.0
    rounds: int = 10
    clean: Callable[[], object] = field(default=lambda: None)


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured: medians, in seconds."""

    pair: Pair
    ours: float
    peer: float

    @property
    def limit(self) -> float:
        """The most that ours may take, in seconds."""
        return self.peer * self.pair.times + self.pair.plus

    @property
    def kept(self) -> bool:
        """Whether the promise is kept."""
        return self.ours <= self.limit


def measure(pair: Pair) -> Row:
    """Do both once to warm up, then alternating."""
    pair.clean()
    pair.ours(), pair.peer()
    ours, peer = [], []
    for _ in range(pair.rounds):
        pair.clean()
        ours.append(_timed(pair.ours))
        peer.append(_timed(pair.peer))
    return Row(pair, statistics.median(ours), statistics.median(peer))


def table(rows: Iterable[Row]) -> str:
    """Return the rows as a Markdown table."""
    lines = ["| what | fairing | peer | | ratio | over | promise | |", "|---|--:|--:|---|--:|--:|---|---|"]
    for row in rows:
        pair = row.pair
        ratio = f"{row.ours / row.peer:.2f}" if row.peer > 0.001 else "–"
        promise = " + ".join(
            part for part in (f"{pair.times:g} ×", f"{pair.plus * 1000:g} ms" if pair.plus else "") if part
        )
        lines.append(
            f"| {pair.name} | {row.ours * 1000:.0f} ms | {row.peer * 1000:.0f} ms | {pair.against} "
            f"| {ratio} | {(row.ours - row.peer) * 1000:+.0f} ms | ≤ {promise} "
            f"| {'kept' if row.kept else 'MISSED'} |"
        )
    return "\n".join(lines)


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
