"""Time on a line of a page's width: linear, or with its idle stretches cut short, in percent and with ticks."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ingest.model import Run, Step
from webui.format import duration

Interval = tuple[int, int]
"""From and until, in nanoseconds."""

_LEAST_SHARE = 0.08
"""An idle stretch shorter than this share of the whole is worth no cut."""
_CUT_WIDTH = 3.0
"""Percent of the width that a cut stretch keeps."""
_MOST_CUTS = 12
_MOST_TICKS = 5_000

_TICKS_S = (
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 43200,
    86400, 604800,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on the axis."""

    x: str
    text: str


@dataclass(frozen=True, slots=True)
class Cut:
    """A stretch in which nothing ran: where it lies on the line, and how long it was."""

    x: str
    width: str
    text: str


class Scale:
    """Places times on the line. ``cuts`` are drawn narrow, whatever their length; ``zero_ns`` is where the ticks count from."""

    def __init__(self, start_ns: int, end_ns: int, cuts: Sequence[Interval] = (), zero_ns: int | None = None) -> None:
        self._zero_ns = start_ns if zero_ns is None else zero_ns
        self.start_ns, self.end_ns = start_ns, max(end_ns, start_ns + 1)
        self.cuts = tuple(cuts)
        kept = self.end_ns - self.start_ns - sum(until - since for since, until in cuts)
        self._per_ns = (100 - _CUT_WIDTH * len(cuts)) / max(kept, 1)
        self._edges: list[int] = [start_ns]
        self._marks: list[float] = [0.0]
        for since, until in cuts:
            self._add(since, self._per_ns * (since - self._edges[-1]))
            self._add(until, _CUT_WIDTH)
        self._add(self.end_ns, self._per_ns * (self.end_ns - self._edges[-1]))

    def _add(self, at_ns: int, width: float) -> None:
        self._edges.append(at_ns)
        self._marks.append(self._marks[-1] + width)

    def place(self, at_ns: int) -> float:
        """Return where a time lies, in percent of the width; times outside lie at the ends."""
        if at_ns <= self.start_ns:
            return 0.0
        if at_ns >= self.end_ns:
            return 100.0
        piece = bisect_right(self._edges, at_ns) - 1
        since, until = self._edges[piece], self._edges[piece + 1]
        share = (at_ns - since) / max(until - since, 1)
        return self._marks[piece] + share * (self._marks[piece + 1] - self._marks[piece])

    def drawn_cuts(self) -> tuple[Cut, ...]:
        """Return the cut stretches as drawn."""
        return tuple(Cut(f"{self.place(a):.2f}%", f"{_CUT_WIDTH:.2f}%", f"{duration(b - a)} idle") for a, b in self.cuts)

    def ticks(self) -> tuple[Tick, ...]:
        """Return marks at round times since the start, none inside a cut or at the right end."""
        shown_s = (self.end_ns - self.start_ns - sum(b - a for a, b in self.cuts)) / 1e9
        step_s = next((tick for tick in _TICKS_S if shown_s / tick <= 8), None)
        if shown_s < 0.001 or step_s is None:
            return (Tick("0%", tick_text((self.start_ns - self._zero_ns) / 1e9, 1)),)
        step_ns = round(step_s * 1e9)
        found: list[Tick] = []
        last = -100.0
        first = -((self._zero_ns - self.start_ns) // step_ns)
        for n in range(first, first + min((self.end_ns - self.start_ns) // step_ns, _MOST_TICKS) + 1):
            at_ns = self._zero_ns + n * step_ns
            x = self.place(at_ns)
            if x - last < 7 or x > 94 or any(a < at_ns < b for a, b in self.cuts):
                continue
            found.append(Tick(f"{x:.2f}%", tick_text(n * step_s, step_s)))
            last = x
        return tuple(found)


def run_interval(run: Run, steps: Sequence[Step], now_ns: int) -> Interval:
    """Return from when until when a run is drawn: until its end, until now while it runs, or until its last sign of life."""
    last = max((step.ended_ns for step in steps), default=run.started_ns)
    first = min((step.started_ns for step in steps), default=run.started_ns)
    end = run.ended_ns if run.ended_ns is not None else now_ns if run.status == "running" else last
    return min(run.started_ns, first), max(end, last, run.started_ns)


def tick_text(at_s: float, step_s: float) -> str:
    """Write a time since the start in the unit that suits the distance of ticks."""
    if step_s < 1 and at_s:
        return f"{at_s * 1000:.0f} ms"
    if step_s < 60:
        return f"{at_s:.0f} s" if at_s < 600 else f"{int(at_s) // 60}:{int(at_s) % 60:02d} min"
    return f"{at_s / 60:.0f} min" if step_s < 3600 else f"{at_s / 3600:g} h"


def idle_stretches(steps: Iterable[Step], start_ns: int, end_ns: int) -> list[Interval]:
    """Return the stretches in which none of the steps ran that are long enough to be worth a cut, in order of time."""
    found: list[Interval] = []
    reached = start_ns
    for since, until in sorted((step.started_ns, end_ns if step.is_open else step.ended_ns) for step in steps):
        if since > reached:
            found.append((reached, min(since, end_ns)))
        reached = max(reached, until)
    if end_ns > reached:
        found.append((reached, end_ns))
    least = _LEAST_SHARE * (end_ns - start_ns)
    long = sorted((one for one in found if one[1] - one[0] >= least), key=lambda one: one[0] - one[1])[:_MOST_CUTS]
    return sorted(long)
