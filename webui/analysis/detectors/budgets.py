"""Money over time: budgets, burn rates and velocity. Pure functions of what was spent; where it is kept is the store's business."""

from collections.abc import Mapping, Sequence
from statistics import median

import msgspec

from ingest.findings import Severity

from .model import Limits

_NANOS = 1_000_000_000


class Excess(msgspec.Struct, frozen=True):
    """A rule that tables meet: how badly, and how it was expected to be."""

    rule: str
    severity: Severity
    agent: str
    subject: str
    observed: float
    threshold: float
    sentence: str
    expected: str


class Budget(msgspec.Struct, frozen=True):
    """A budget: what it is called (``day``, ``month``), how much it allows, and how long it lasts."""

    period: str
    nanos: int
    length_minutes: int


def severity_of(observed: float, limits: Limits) -> Severity | None:
    """Return how bad a figure is."""
    if limits.critical is not None and observed >= limits.critical:
        return "critical"
    return "warning" if limits.warning is not None and observed >= limits.warning else None


def budget_level(budget: Budget, spent_nanos: int, limits: Limits) -> Excess | None:
    """B2: the share of a budget that is spent; a warning names the half and then four fifths of it."""
    if budget.nanos <= 0:
        return None
    share = spent_nanos / budget.nanos
    severity = severity_of(share, limits)
    if severity is None:
        return None
    mark = next((mark for mark in (1.0, 0.8) if share >= mark), limits.warning or 0.5)
    sentence = f"{share:.0%} of the {budget.period}'s budget of {_usd(budget.nanos)} is spent: {_usd(spent_nanos)}"
    return Excess("B2", severity, "", budget.period, share, mark, sentence, f"told at half, four fifths and all of {_usd(budget.nanos)}.")


_BURN: tuple[tuple[float, int, int], ...] = ((14.4, 60, 5), (6.0, 360, 30), (1.0, 4_320, 360))
"""How many times what the budget allows, over a long and a short window in minutes: the windows of the SRE workbook."""


def burn_rate(budget: Budget, spent: Mapping[int, int], limits: Limits) -> Excess | None:
    """B3: spend so fast that the budget will not last, over a long and a short window, so that it is neither a blip nor over.

    ``spent`` is nano-dollars by the length of the window in minutes.
    """
    allowed = budget.nanos / budget.length_minutes
    if allowed <= 0:
        return None
    for times, long, short in _BURN:
        rates = [spent.get(window, 0) / window / allowed for window in (long, short)]
        if min(rates) >= times and (severity := severity_of(times, limits)) is not None:
            sentence = f"spend is {min(rates):,.1f} times what the {budget.period}'s budget of {_usd(budget.nanos)} allows"
            windows = f"the last {_length(long)} and the last {_length(short)}"
            expected = f"below {times:g} times over {windows}; {_usd(round(allowed * 60))} an hour is allowed."
            return Excess("B3", severity, "", budget.period, min(rates), times, sentence, expected)
    return None


def velocity(ten_minutes: int, hour: int, usual: Sequence[int], limits: Limits) -> Excess | None:
    """B4: spend without a budget. ``usual`` are the ten-minute spends of the last week in which anything was spent."""
    middle = median(usual) if len(usual) >= 10 else 0
    floors = (max(10 * _NANOS, 10 * middle), max(20 * _NANOS, 5 * 6 * middle))
    times = min(ten_minutes / floors[0], hour / floors[1])
    severity = severity_of(times, limits)
    if severity is None:
        return None
    known = f"ten times the usual {_usd(round(middle))} (median of {len(usual):,} tens of minutes in 7 days)"
    basis = known if middle > _NANOS else "the least that is told of"
    sentence = f"{_usd(ten_minutes)} were spent in 10 minutes and {_usd(hour)} in an hour"
    expected = f"below {_usd(round(floors[0]))} in 10 minutes, {basis}, and below {_usd(round(floors[1]))} in an hour."
    return Excess("B4", severity, "", "spend", times, 1.0, sentence, expected)


def costly(agent: str, cost_nanos: int, past: Sequence[int], limits: Limits) -> Excess | None:
    """B5: a run that costs far more than its agent's runs do; ``past`` are the costs of its finished runs of 30 days, at least 50."""
    if len(past) < _FEWEST_RUNS:
        return None
    ordered = sorted(past)
    top, middle = ordered[min(int(len(ordered) * 0.99), len(ordered) - 1)], median(ordered)
    floor = max(_NANOS / 2, 3 * top, 10 * middle)
    times = cost_nanos / floor
    severity = severity_of(times, limits)
    if severity is None:
        return None
    sentence = f"a run of {agent} cost {_usd(cost_nanos)}, {cost_nanos / max(middle, 1):,.0f} times the median"
    basis = f"three times the 99th percentile {_usd(top)} and ten times the median {_usd(round(middle))}"
    expected = f"below {_usd(round(floor))}: {basis} of {len(past):,} runs."
    return Excess("B5", severity, agent, "cost", times, 1.0, sentence, expected)


_FEWEST_RUNS = 50


def _usd(nanos: int) -> str:
    dollars = nanos / _NANOS
    return f"${dollars:,.0f}" if dollars >= 1_000 else (f"${dollars:,.2f}" if dollars >= 0.1 else f"${dollars:.4f}")


def _length(minutes: int) -> str:
    return f"{minutes} min" if minutes < 120 else (f"{minutes // 60} h" if minutes <= 2_880 else f"{minutes // 1440} d")
