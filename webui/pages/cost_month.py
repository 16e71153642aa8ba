"""The month against its budget: what was spent, what it comes to, when the budget is used up, drawn without script."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from webui.analysis.accounts import Budgets, Month, Rate
from webui.analysis.forecast import Estimate
from webui.format import UNKNOWN, duration, money, percent

from .runs import Figure
from .spend import DAY_NS, HOUR_NS, day_words

RULES_HREF = "/alerts/rules#all"

_WIDTH, _HEIGHT, _TOP = 1000.0, 176.0, 12.0
_LAST_TICK = 92.0
"""Percent of the width: words that begin further right would be cut."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A line of the grid or a tick: where it is, and its words."""

    at: str
    text: str


@dataclass(frozen=True, slots=True)
class MonthChart:
    """The drawn month: geometry as numbers of a 1000 by 176 box, and in percent."""

    line: str
    fore: str
    band: str
    limit: str
    limit_label: str
    limit_words: str
    grid: tuple[Mark, ...]
    ticks: tuple[Mark, ...]
    now_x: str
    now_y: str
    now_words: str
    now_late: bool
    """True where there is no room for words to the right of it."""
    ends: Mark | None
    """When the budget is used up."""
    words: str
    basis: str


def month_figures(month: Month, budgets: Budgets, now_ns: int) -> tuple[Figure, ...]:
    """Return how long the budget lasts, and what the month comes to."""
    return (_budget_figure(month, budgets, now_ns), _month_figure(month))


def _budget_figure(month: Month, budgets: Budgets, now_ns: int) -> Figure:
    ahead, today_nanos = month.outlook, month.days.get(month.today, 0)
    if budgets.month_nanos is None and budgets.day_nanos is None:
        return Figure("Budget", "not set", "set one", "", RULES_HREF)
    if budgets.month_nanos is None:
        left = max((budgets.day_nanos or 0) - today_nanos, 0)
        over = today_nanos > (budgets.day_nanos or 0)
        words = f"{money(today_nanos)} of {money(budgets.day_nanos)} today"
        return Figure("Left today", money(left), words, "bad" if over else "", RULES_HREF)
    share = f"{percent(month.spent_nanos, budgets.month_nanos):.0f} % of {money(budgets.month_nanos)} spent"
    if month.spent_nanos >= budgets.month_nanos:
        return Figure("Budget", "used up", share, "bad", RULES_HREF)
    if ahead is None or ahead.used_up is None:
        return Figure("Budget left", money(budgets.month_nanos - month.spent_nanos), share, "", RULES_HREF)
    until = ahead.used_up
    if math.isinf(until.expected):
        early = "" if math.isinf(until.low) else f"; 1 in 10: by {_when(until.low)}"
        return Figure("Budget lasts", "all month", f"{share}{early}", "" if math.isinf(until.low) else "warn", RULES_HREF)
    late = "after the month" if math.isinf(until.high) else _when(until.high)
    note = f"until {_when(until.expected)}; 80 %: {_when(until.low)} to {late}"
    return Figure("Budget lasts", duration(max(round(until.expected * DAY_NS) - now_ns, 0)), note, "warn", RULES_HREF)


def _when(day: float) -> str:
    return day_words(int(day) * DAY_NS)


def _month_figure(month: Month) -> Figure:
    if month.outlook is None:
        return Figure("This month comes to", UNKNOWN, "known from 7 whole days on")
    total = month.outlook.total
    return Figure("This month comes to", f"about {money(_whole(total.expected))}", f"80 %: {interval_words(total)}")


def interval_words(total: Estimate) -> str:
    """Write an interval."""
    return f"{money(_whole(total.low))} to {money(_whole(total.high))}"


def _whole(nanos: float) -> int:
    """Return an estimate with as many digits as it deserves: three."""
    if nanos <= 0:
        return 0
    unit: int = 10 ** max(int(math.log10(nanos)) - 2, 0)
    return round(nanos / unit) * unit


def rate_figure(rate: Rate, month: Month, budgets: Budgets) -> Figure:
    """Return what the last hour cost, against what the budget allows or what is usual."""
    usual = sorted(rate.usual_tens)
    if budgets.month_nanos:
        allowed = budgets.month_nanos * HOUR_NS / ((month.end_day - month.first_day) * DAY_NS)
        return Figure("Last hour", money(rate.hour), f"{rate.hour / allowed:.1f} × the budget's pace", _hot(rate.hour, allowed, 1.0))
    if len(usual) >= 10:
        middle = 6 * usual[len(usual) // 2]
        return Figure("Last hour", money(rate.hour), f"usual: {money(middle)} an hour with any", _hot(rate.hour, middle, 5.0))
    return Figure("Last hour", money(rate.hour), "as it arrived")


def _hot(now: float, usual: float, times: float) -> str:
    return "warn" if usual and now > times * usual else ""


def month_chart(month: Month, now_ns: int) -> MonthChart | None:
    """Return the drawn month, or None where nothing was spent in it and nothing is to come."""
    ahead = month.outlook
    top = max(month.spent_nanos, month.budget_nanos or 0, ahead.total.high if ahead is not None else 0)
    if not top:
        return None
    scale = _Scale(month.first_day, month.end_day, top * 1.04)
    so_far = _so_far(month, now_ns)
    now_at = so_far[-1]
    fore = [now_at, *((month.today + 1.0 + place, one.expected) for place, one in enumerate(ahead.path))] if ahead is not None else []
    limit = scale.y(month.budget_nanos) if month.budget_nanos else None
    return MonthChart(
        line=" ".join(scale.point(*at) for at in so_far),
        fore=" ".join(scale.point(*at) for at in fore),
        band=_band(scale, now_at, month),
        limit=f"{limit:.1f}" if limit is not None else "",
        # Above its line, unless that would leave the picture.
        limit_label=f"{limit - 4 if limit > 14 else limit + 12:.1f}" if limit is not None else "",
        limit_words=f"budget {money(month.budget_nanos)}" if limit is not None else "",
        # Words of a line that the budget lies upon could not be read.
        grid=tuple(mark for nanos in _steps(top) if (mark := _grid(scale, nanos, limit)) is not None),
        ticks=tuple(
            Mark(f"{scale.share(day):.1f}%", day_words(day * DAY_NS))
            for day in range(month.first_day, month.end_day, 7)
            if scale.share(day) < _LAST_TICK
        ),
        now_x=f"{scale.share(now_at[0]):.1f}%",
        now_y=f"{scale.y(now_at[1]):.1f}",
        now_words=f"now {money(month.spent_nanos)}",
        now_late=scale.share(now_at[0]) > 75,
        ends=_ends(scale, month),
        words=_words(month),
        basis=ahead.basis if ahead is not None else "",
    )


@dataclass(frozen=True, slots=True)
class _Scale:
    first: int
    end: int
    top: float

    def share(self, day: float) -> float:
        return 100 * (day - self.first) / (self.end - self.first)

    def y(self, nanos: float) -> float:
        return _HEIGHT - (_HEIGHT - _TOP) * nanos / self.top

    def point(self, day: float, nanos: float) -> str:
        return f"{self.share(day) * _WIDTH / 100:.1f},{self.y(nanos):.1f}"


def _so_far(month: Month, now_ns: int) -> list[tuple[float, float]]:
    """Return what had been spent at the end of each day, and now."""
    found, spent = [(float(month.first_day), 0.0)], 0
    for day in range(month.first_day, month.today):
        spent += month.days.get(day, 0)
        found.append((day + 1.0, float(spent)))
    return [*found, (now_ns / DAY_NS, float(month.spent_nanos))]


def _band(scale: _Scale, now_at: tuple[float, float], month: Month) -> str:
    if month.outlook is None:
        return ""
    path = month.outlook.path
    ends = [month.today + 1.0 + place for place in range(len(path))]
    there = [scale.point(day, one.high) for day, one in zip(ends, path, strict=True)]
    back = [scale.point(day, one.low) for day, one in zip(reversed(ends), reversed(path), strict=True)]
    return " ".join((scale.point(*now_at), *there, *back))


def _steps(top: float) -> Sequence[int]:
    """Return three to six round amounts up to the top."""
    unit = 10 ** math.floor(math.log10(top / 3))
    step = next(times * unit for times in (1, 2, 5, 10) if top / (times * unit) <= 6)
    return [round(place * step) for place in range(1, int(top / step) + 1)]


def _grid(scale: _Scale, nanos: int, limit: float | None) -> Mark | None:
    y = scale.y(nanos)
    return None if limit is not None and abs(y - limit) <= 14 else Mark(f"{y:.1f}", money(nanos))


def _ends(scale: _Scale, month: Month) -> Mark | None:
    ahead = month.outlook
    if ahead is None or ahead.used_up is None or math.isinf(ahead.used_up.expected) or ahead.spent_nanos >= (month.budget_nanos or 0):
        return None
    return Mark(f"{scale.share(ahead.used_up.expected):.1f}%", f"used up {_when(ahead.used_up.expected)}")


def _words(month: Month) -> str:
    """Say what is drawn."""
    words = f"Spend added up since {day_words(month.first_day * DAY_NS)}: {money(month.spent_nanos)} so far"
    if month.budget_nanos:
        words += f" of a budget of {money(month.budget_nanos)}"
    if month.outlook is not None:
        total = month.outlook.total
        words += f"; at this pace about {money(_whole(total.expected))} at its end, 80 %: {interval_words(total)}"
    return words
