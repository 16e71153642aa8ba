"""Spend in days to come, as an interval. Pure, and nothing where there is too little to go by.

Whole UTC days of the last eight weeks: a level, which recent days move most (their weight halves every ten days); with three weeks
or more, a factor for each day of the week. The interval holds four fifths of what such days would add up to: it is as wide as the
days spread around that, more where one day resembles the next, and as the level itself is uncertain. It knows nothing of what has
never happened: a loop tonight or a launch tomorrow is in no interval, and a spend that grows steadily is followed two weeks late.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

_FEWEST_DAYS = 7
_FEWEST_SPENDING = 4
_MOST_DAYS = 56
_WEEKLY_FROM = 21
_HALF_LIFE_DAYS = 10.0
_Z80 = 1.2815515655446004
_THURSDAY = 3
"""The day of the week of day 0 of the Unix epoch, from Monday."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """An amount and the interval that holds it four times out of five, nano-dollars."""

    expected: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Pace:
    """How much days cost: the level, factors by the day of the week, and how days spread around that."""

    level: float
    factors: tuple[float, ...]
    sigma: float
    level_sigma: float
    likeness: float
    """How much one day resembles the next, from 0 to 0.8."""
    days: int
    is_weekly: bool

    @property
    def basis(self) -> str:
        """Say what it is made of."""
        weekly = " by day of the week" if self.is_weekly else ""
        return f"{self.days} whole days until yesterday{weekly}, recent ones weighing most"

    def factor(self, day: int) -> float:
        """Return how a day of the week compares with all."""
        return self.factors[(day + _THURSDAY) % 7]

    def day(self, day: int) -> float:
        """Return what a day is expected to cost."""
        return self.level * self.factor(day)



def pace_of(spent: Mapping[int, int], today: int) -> Pace | None:
    """Return the pace of the days before ``today`` (days since the epoch; days that are not there cost nothing).

    None before seven whole days, or where fewer than four of them cost anything.
    """
    known = [day for day, nanos in spent.items() if nanos > 0 and day < today]
    if not known:
        return None
    first = max(min(known), today - _MOST_DAYS)
    costs = [float(spent.get(day, 0)) for day in range(first, today)]
    if len(costs) < _FEWEST_DAYS or sum(cost > 0 for cost in costs) < _FEWEST_SPENDING:
        return None
    is_weekly = len(costs) >= _WEEKLY_FROM
    factors = _factors(costs, first) if is_weekly else (1.0,) * 7
    plain = [cost / factors[(first + place + _THURSDAY) % 7] for place, cost in enumerate(costs)]
    return _pace(plain, factors)


def _factors(costs: Sequence[float], first: int) -> tuple[float, ...]:
    """Return how each day of the week compares with all; with few weeks, nearer to one."""
    mean = sum(costs) / len(costs)
    found = []
    for weekday in range(7):
        own = [cost for place, cost in enumerate(costs) if (first + place + _THURSDAY) % 7 == weekday]
        found.append(max((sum(own) / mean + 2.0) / (len(own) + 2.0), 0.05))
    scale = sum(found) / 7
    return tuple(factor / scale for factor in found)


def _pace(plain: Sequence[float], factors: tuple[float, ...]) -> Pace:
    is_weekly = len(plain) >= _WEEKLY_FROM
    weights = [0.5 ** ((len(plain) - 1 - place) / _HALF_LIFE_DAYS) for place in range(len(plain))]
    whole = sum(weights)
    level = sum(map(math.prod, zip(weights, plain, strict=True))) / whole
    # All days count alike for the spread: it is a matter of how such days differ, not of where they are now.
    apart = [cost - level for cost in plain]
    lost = 8 if is_weekly else 1
    sigma = math.sqrt(sum(one * one for one in apart) / max(len(plain) - lost, 1))
    square = sum(one * one for one in apart)
    likeness = sum(map(math.prod, pairwise(apart))) / square if square else 0.0
    likeness = min(max(likeness, 0.0), 0.8)
    share = sum(weight * weight for weight in weights) / whole**2
    level_sigma = sigma * math.sqrt(share * (1 + likeness) / (1 - likeness))
    return Pace(level, factors, sigma, level_sigma, likeness, len(plain), is_weekly)


def add_up(pace: Pace, days: Sequence[int]) -> Estimate:
    """Return what whole days to come add up to."""
    factors = [pace.factor(day) for day in days]
    expected = sum(map(pace.day, days))
    spread = sum(one * one for one in factors)
    for apart in range(1, min(len(factors), 10)):
        spread += 2 * pace.likeness**apart * sum(map(math.prod, zip(factors, factors[apart:], strict=False)))
    variance = pace.sigma**2 * spread + (pace.level_sigma * sum(factors)) ** 2
    return _interval(expected, variance, pace.days)


def _interval(expected: float, variance: float, days: int) -> Estimate:
    """Return the interval of an amount that is never negative, wider where few days are known."""
    if expected <= 0:
        return Estimate(0.0, 0.0, 0.0)
    # Student's t from the normal quantile (Cornish and Fisher), and a log-normal amount with this mean and variance.
    t = _Z80 * (1 + (_Z80**2 + 1) / (4 * max(days - 1, 1)))
    width = math.log1p(variance / expected**2)
    middle = math.log(expected) - width / 2
    return Estimate(expected, math.exp(middle - t * math.sqrt(width)), math.exp(middle + t * math.sqrt(width)))


@dataclass(frozen=True, slots=True)
class Outlook:
    """A period until its end: what was spent, what it will be, and when its budget is used up."""

    spent_nanos: int
    total: Estimate
    path: tuple[Estimate, ...]
    """What will have been spent at the end of each day, from today on."""
    used_up: Estimate | None
    """Days since the epoch, with parts of days, at which the budget is used up; ``high`` is infinite where it may last. None: no budget."""
    basis: str


def outlook(pace: Pace, spent: tuple[int, int], days: tuple[int, int], budget_nanos: int | None) -> Outlook:
    """Return the outlook of a period. ``spent`` is what it cost so far and what of that today did; ``days`` are today and its end.

    What is left of today is what a day like it costs beyond what it did: days are seldom even, so the hour says little.
    """
    so_far, of_today = spent
    today, end = days
    left = max(pace.day(today) - of_today, 0.0)
    path: list[Estimate] = []
    for last in range(today, end):
        more = add_up(pace, range(today + 1, last + 1))
        wide = pace.sigma * (left / pace.level if pace.level else 0.0)
        rest = _interval(left + more.expected, _variance(more) + wide**2, pace.days)
        path.append(Estimate(so_far + rest.expected, so_far + rest.low, so_far + rest.high))
    total = path[-1] if path else Estimate(so_far, so_far, so_far)
    return Outlook(so_far, total, tuple(path), _used_up(path, so_far, today, budget_nanos), pace.basis)


def _variance(more: Estimate) -> float:
    """Return the variance that made an interval, from its width."""
    if more.expected <= 0 or more.low <= 0:
        return 0.0
    return ((more.high - more.low) / (2 * _Z80)) ** 2


def _used_up(path: Sequence[Estimate], so_far: int, today: int, budget_nanos: int | None) -> Estimate | None:
    if not budget_nanos:
        return None
    if so_far >= budget_nanos:
        return Estimate(float(today), float(today), float(today))
    # Much spending comes early, little late.
    lines = ([one.expected for one in path], [one.high for one in path], [one.low for one in path])
    return Estimate(*(_crossing(line, so_far, today, budget_nanos) for line in lines))


def _crossing(line: Sequence[float], so_far: float, today: int, budget: float) -> float:
    """Return when a line of ends of days first reaches a budget, evenly within a day; infinite where it does not."""
    before = float(so_far)
    for place, after in enumerate(line):
        if after >= budget:
            part = (budget - before) / (after - before) if after > before else 1.0
            return today + place + min(max(part, 0.0), 1.0)
        before = after
    return math.inf
