"""Hourly series: an hour far above what this hour of the week has been, a share of failures that grew, and silence. Pure."""

import math
from collections.abc import Mapping, Sequence
from statistics import median

import msgspec

from ingest.findings import Severity

from .budgets import Excess
from .model import Limits

_WEEK = 168
_DAY = 24


class Metric(msgspec.Struct, frozen=True):
    """A figure that an agent has every hour: its unit for the logarithm, and the least growth that matters."""

    name: str
    unit: float
    least: float
    words: str
    """How a value is written, with ``{}`` for its number in units of ``shown``."""
    shown: float = 1.0
    is_mean: bool = False
    """True of a mean over runs: that of a few, as in an hour's first minutes, says nothing."""


METRICS: tuple[Metric, ...] = (
    Metric("cost", 10_000_000, 1_000_000_000, "${:,.2f}", 1e9),
    Metric("tokens", 1_000, 1_000, "{:,.0f} tokens"),
    Metric("runs", 1, 10, "{:,.0f} runs"),
    Metric("duration", 1_000_000, 100_000_000, "{:,.1f} s a run", 1e9, is_mean=True),
)
"""Costs are nano-dollars; the duration is the mean of an hour's runs, nanoseconds, since roll-ups hold sums."""

_SCALE_FLOOR = 0.1
_LEVEL_HOURS = 72
_RESIDUAL_HOURS = 28 * _DAY
_FEWEST_EXPECTED = 10.0
_FEWEST_TO_MISS = 20


class Expectation(msgspec.Struct, frozen=True):
    """What an hour was expected to be, and how surely that is known."""

    value: float
    scale: float
    basis: str
    is_young: bool


def expect(series: Mapping[int, float], hour: int, metric: Metric, first_hour: int) -> Expectation | None:
    """Return what an hour is expected to be; None before three days of data.

    The median of this hour of the week and its neighbours over six weeks, moved by the level of the last three days; the scale is
    the spread of what that leaves over four weeks. Before two weeks: this hour of the day over seven days.
    """
    age = hour - first_hour
    if age < 3 * _DAY:
        return None
    young = age < 2 * _WEEK
    level = _level(series, hour, metric, first_hour, young=young)
    profile = _profile(series, hour, metric, first_hour, young=young)
    residuals = [residual for back in range(2, min(_RESIDUAL_HOURS, age), 1 if not young else 2)
                 if (residual := _residual(series, hour - back, metric, first_hour, young=young)) is not None]  # fmt: skip
    if profile is None or len(residuals) < _DAY:
        return None
    centre = median(residuals)
    spread = 1.4826 * median([abs(one - centre) for one in residuals])
    basis = f"this hour of the day, {min(age // _DAY, 7)} days" if young else f"this hour of the week, {min(age // _WEEK, 6)} weeks"
    return Expectation(math.expm1(profile + level) * metric.unit, max(spread, _SCALE_FLOOR), basis, young)


def _log(value: float, metric: Metric) -> float:
    return math.log1p(max(value, 0.0) / metric.unit)


def _profile(series: Mapping[int, float], hour: int, metric: Metric, first_hour: int, *, young: bool) -> float | None:
    if young:
        hours = [hour - day * _DAY for day in range(1, 8)]
    else:
        hours = [hour - week * _WEEK + beside for week in range(1, 7) for beside in (-1, 0, 1)]
    known = [_log(series.get(one, 0.0), metric) for one in hours if first_hour <= one]
    return median(known) if known else None


def _residual(series: Mapping[int, float], hour: int, metric: Metric, first_hour: int, *, young: bool) -> float | None:
    profile = _profile(series, hour, metric, first_hour, young=young)
    return None if profile is None else _log(series.get(hour, 0.0), metric) - profile


def _level(series: Mapping[int, float], hour: int, metric: Metric, first_hour: int, *, young: bool) -> float:
    recent = [residual for back in range(2, _LEVEL_HOURS)
              if (residual := _residual(series, hour - back, metric, first_hour, young=young)) is not None]  # fmt: skip
    return median(recent) if recent else 0.0


class Series(msgspec.Struct, frozen=True):
    """An agent's hours: its runs, and each metric. Hours that are not there had nothing."""

    agent: str
    first_hour: int
    runs: Mapping[int, float]
    values: Mapping[str, Mapping[int, float]]


def unusual_hours(series: Series, hour: int, limits: Limits) -> list[Excess]:
    """A1: metrics of an hour far above what was expected, where there are runs enough to say so."""
    metrics = [metric for metric in METRICS if _is_high(series, metric, hour)]
    expected_runs = expect(series.runs, hour, METRICS[2], series.first_hour) if metrics else None
    if expected_runs is None or expected_runs.value < _FEWEST_EXPECTED:
        # An hour with few runs says nothing in either direction: single runs and budgets have rules of their own.
        return []
    found = [_unusual(series, metric, hour, limits) for metric in metrics]
    return [one for one in found if one is not None]


def _is_high(series: Series, metric: Metric, hour: int) -> bool:
    """Tell whether an hour is above all such hours before it: cheap, and most hours are not."""
    if metric.is_mean and series.runs.get(hour, 0.0) < _FEWEST_EXPECTED:
        return False
    values = series.values.get(metric.name, {})
    past = (values.get(hour - week * _WEEK + beside, 0.0) for week in range(1, 7) for beside in (-1, 0, 1))
    return values.get(hour, 0.0) > max(past)


def _unusual(series: Series, metric: Metric, hour: int, limits: Limits) -> Excess | None:
    values = series.values.get(metric.name, {})
    value = values.get(hour, 0.0)
    expected = expect(values, hour, metric, series.first_hour)
    if expected is None or expected.value <= 0 or value - expected.value < metric.least:
        return None
    ratio = value / expected.value
    z = (_log(value, metric) - _log(expected.value, metric)) / expected.scale
    is_critical = limits.critical is not None and z > limits.critical and ratio >= 3
    is_warning = limits.warning is not None and not expected.is_young and z > limits.warning and ratio >= 2
    if not (is_critical or is_warning):
        return None
    shown = metric.words.format(value / metric.shown)
    usual = metric.words.format(expected.value / metric.shown)
    sentence = f"{series.agent} had {shown} in an hour, {ratio:.1f} times the usual"
    young = " The baseline is young." if expected.is_young else ""
    words = f"about {usual} (median of {expected.basis}, {z:.1f} sigma below).{young}"
    # While the baseline is young, only what is far out is told, and as a warning.
    severity: Severity = "critical" if is_critical and not expected.is_young else "warning"
    limit = limits.critical if is_critical else limits.warning
    return Excess("A1", severity, series.agent, metric.name, z, limit or 0.0, sentence, words)


def silence(series: Series, hour: int) -> Excess | None:
    """A4: no run in an hour and the one before it, where at least 20 were expected in each; after two weeks."""
    if hour - series.first_hour < 2 * _WEEK or series.runs.get(hour, 0) or series.runs.get(hour - 1, 0):
        return None
    if max(series.runs.values(), default=0) < _FEWEST_TO_MISS:
        return None
    expected = [expect(series.runs, one, METRICS[2], series.first_hour) for one in (hour, hour - 1)]
    if any(one is None or one.value < _FEWEST_TO_MISS for one in expected):
        return None
    first = expected[0]
    assert first is not None
    sentence = f"{series.agent} has not run for two hours"
    words = f"about {first.value:,.0f} runs an hour (median of {first.basis})."
    return Excess("A4", "warning", series.agent, "runs", 2.0, 2.0, sentence, words)


_Z99 = 2.326


def wilson_lower(bad: int, total: int) -> float:
    """Return what a share surely is at least, one-sided at 99 %."""
    if total <= 0:
        return 0.0
    share, z2 = bad / total, _Z99**2
    centre = share + z2 / (2 * total)
    return max((centre - _Z99 * math.sqrt(share * (1 - share) / total + z2 / (4 * total**2))) / (1 + z2 / total), 0.0)


_PSEUDO_RUNS, _PSEUDO_BAD = 20, 1
_FEWEST = 20


def failing(agent: str, recent: tuple[int, int], week: tuple[int, int], limits: Limits) -> Excess | None:
    """A2: the share of runs that did not complete; ``recent`` and ``week`` are (bad, all). It works at once: 20 pseudo-runs at 5 %."""
    bad, total = recent
    if total < _FEWEST:
        return None
    baseline = (week[0] + _PSEUDO_BAD) / (week[1] + _PSEUDO_RUNS)
    surely = wilson_lower(bad, total)
    limit = max(2 * baseline, baseline + 0.05)
    if surely <= limit or limits.warning is None:
        return None
    is_critical = limits.critical is not None and surely > limits.critical
    sentence = f"{bad} of {agent}'s last {total} runs did not complete"
    known = f"the last week had {baseline:.0%} of {week[1]:,} runs" if week[1] else f"{baseline:.0%} is usual where nothing is known"
    words = f"at most {limit:.0%}: {known}; now it is surely above {surely:.0%}."
    return Excess("A2", "critical" if is_critical else "warning", agent, "failed runs", surely, limit, sentence, words)


def percentile(values: Sequence[float], share: float) -> float:
    """Return a percentile of values; 0 of none."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0
