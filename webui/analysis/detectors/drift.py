"""Slow drift: what an agent's runs cost, or how long the slowest last, creeps up from day to day while no hour is unusual. Pure."""

import math
from collections.abc import Callable, Iterator, Sequence
from statistics import median

import msgspec

from .budgets import Excess
from .model import Limits

DEFAULT = Limits(6.0, None)
"""In sigma, of the cumulative sum."""

LEARNED_DAYS = 28
"""From so many days is it known how much days differ; before them nothing is said."""

FEWEST_RUNS = 20
"""A day of fewer finished runs is left out: a median or 95th percentile of few says nothing."""

_SLACK = 0.5
"""In sigma: what a day is above the level by is counted less this, so that chance alone does not add up."""
_MOST = 3.0
"""In sigma: no day counts more, so that one that is far out is none: three days in a row are the fewest that say something."""
_SCALE_FLOOR = 0.05
_LEAST_GROWTH = 1.1
_LEAST_DAILY_NANOS = 1_000_000_000
_LEAST_NS = 100_000_000


class DayFigure(msgspec.Struct, frozen=True):
    """A day of an agent: its finished runs, the median of what one cost, and the 95th percentile of how long they took."""

    day: int
    """Since the Unix epoch, in UTC."""
    runs: int
    cost_nanos: float | None
    """None where no run has a known cost."""
    duration_ns: float | None


class Drift(msgspec.Struct, frozen=True):
    """What crept up: on which day that was sure, and what is to be said of it."""

    day: int
    found: Excess


class _Measure(msgspec.Struct, frozen=True):
    subject: str
    words: str
    shown: float
    read: Callable[[DayFigure], float | None]
    matters: Callable[[float, float, float], bool]
    """Whether a growth from one value to another is worth a word, in an agent of so many runs a day."""


_MEASURES = (
    _Measure("cost", "cost a median of ${:,.4f}", 1e9, lambda day: day.cost_nanos,
             lambda old, new, runs: (new - old) * runs >= _LEAST_DAILY_NANOS),
    _Measure("duration", "took at most {:,.1f} s in 95 % of cases", 1e9, lambda day: day.duration_ns,
             lambda old, new, runs: new - old >= _LEAST_NS),
)  # fmt: skip


class _Point(msgspec.Struct, frozen=True):
    day: int
    log: float
    runs: int


def drifts(agent: str, days: Sequence[DayFigure], limit: float) -> list[Drift]:
    """A3: when a cumulative sum (CUSUM) of an agent's daily values went beyond ``limit``, in sigma; ``days`` in order, all of them.

    The level is that of the first 28 days. Once it is told, what the days since the drift began have is the new level; so it
    is, silently, of what became less. The same days give the same drifts: nothing else need be remembered.
    """
    found = [drift for measure in _MEASURES for drift in _drifts_of(agent, measure, _points(measure, days), limit)]
    return sorted(found, key=lambda one: one.day)


def _points(measure: _Measure, days: Sequence[DayFigure]) -> list[_Point]:
    known = ((one, measure.read(one)) for one in days if one.runs >= FEWEST_RUNS)
    return [_Point(one.day, math.log(value), one.runs) for one, value in known if value is not None and value > 0]


def _drifts_of(agent: str, measure: _Measure, points: Sequence[_Point], limit: float) -> Iterator[Drift]:
    if len(points) <= LEARNED_DAYS:
        return
    learned = [one.log for one in points[:LEARNED_DAYS]]
    level = median(learned)
    scale = max(1.4826 * median(abs(one - level) for one in learned), _SCALE_FLOOR)
    up, down = _Sum(), _Sum()
    for point in points[LEARNED_DAYS:]:
        up.add((point.log - level) / scale, point)
        down.add((level - point.log) / scale, point)
        if up.total > limit and _is_worth_it(measure, level, up.points):
            yield Drift(point.day, _excess(agent, measure, level, up, limit))
            level, up, down = up.level, _Sum(), _Sum()
        elif down.total > limit:
            level, up, down = down.level, _Sum(), _Sum()


class _Sum:
    """One side of a CUSUM, with the days since it was last nothing: those that the change began with."""

    def __init__(self) -> None:
        self.total = 0.0
        self.points: list[_Point] = []

    def add(self, sigmas: float, point: _Point) -> None:
        """Take in by how much a day is on this side of the level."""
        self.total = max(self.total + min(sigmas, _MOST) - _SLACK, 0.0)
        self.points = [*self.points, point] if self.total > 0 else []

    @property
    def level(self) -> float:
        """Return the middle of the days since the change began."""
        return median(one.log for one in self.points)


def _is_worth_it(measure: _Measure, level: float, since: Sequence[_Point]) -> bool:
    now, runs = median(one.log for one in since), median(one.runs for one in since)
    return math.exp(now - level) >= _LEAST_GROWTH and measure.matters(math.exp(level), math.exp(now), runs)


def _excess(agent: str, measure: _Measure, level: float, up: _Sum, limit: float) -> Excess:
    old, new, days = math.exp(level), math.exp(up.level), len(up.points)
    said = measure.words.format(new / measure.shown)
    sentence = f"{agent}'s runs {said} over the last {days} days, {new / old:.2f} times what they did"
    usual = measure.words.format(old / measure.shown).partition(" ")[2]
    basis = f"the level of {LEARNED_DAYS} days and what has become usual since"
    words = f"{usual} ({basis}); the sum of how far days were above it is {up.total:.1f} sigma, at most {limit:g}."
    return Excess("A3", "warning", agent, measure.subject, up.total, limit, sentence, words)
