"""The chart of what was spent when, as values: its bars, what they lead to, and what happened meanwhile."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ingest.rates import Rates
from webui.analysis.accounts import Marks
from webui.analysis.detectors.catalogue import rule_of
from webui.analysis.repricing import PriceChange
from webui.analysis.spending import CALL_KINDS
from webui.format import UNKNOWN, clip, money, tone

from .cost_tables import against
from .links import filter_text, runs_href
from .spend import DAY_NS, HOUR_NS, PEOPLE, Asked, Period, condition, day_words, runs_of

MOST_SERIES = 5
OTHERS = "others"

_TONES = {"ok": "completed or handed over", "live": "running", "warn": "stopped by a limit or rule", "bad": "failed"}
"""Ends are drawn by what they ask of a reader: nineteen of them are no picture."""


@dataclass(frozen=True, slots=True)
class Series:
    """One part of the bars: nano-dollars by bucket, and the condition that its runs meet."""

    name: str
    look: str
    nanos: Mapping[int, int]
    condition: str


@dataclass(frozen=True, slots=True)
class ChartMark:
    """Something that happened."""

    at_ns: int
    kind: str
    """``deploy``, ``price`` or ``alert``."""
    short: str
    words: str
    href: str

    @property
    def at(self) -> str:
        """Return the day, and the hour where it is known."""
        return day_words(self.at_ns // HOUR_NS * HOUR_NS)


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything that is drawn."""

    asked: Asked
    period: Period
    series: Sequence[Series]
    before: Mapping[int, int]
    """What the time before cost, at the place of the bucket it is compared with."""
    marks: Sequence[ChartMark]

    def href(self, bucket: int, series: Series) -> str:
        """Return the runs that began in a bucket and are part of a series."""
        return bucket_href(self.asked, self.period, bucket, series.condition)


def bucket_href(asked: Asked, period: Period, bucket: int, more: str = "") -> str:
    """Return the runs that began in a bucket."""
    one = Period(bucket * period.bucket_ns, (bucket + 1) * period.bucket_ns, period.bucket, False)
    return runs_of(asked, one, more, order="cost")


def build_chart(
    asked: Asked, period: Period, spent: Mapping[tuple[int, str], int], before: Mapping[int, int], marks: Sequence[ChartMark]
) -> Chart:
    """Return the chart of a bill by bucket and what it is split by; ``before`` is by the buckets of the time before."""
    by = asked.by if asked.by not in PEOPLE else "model"
    sums: dict[str, dict[int, int]] = {}
    for (bucket, value), nanos in spent.items():
        if nanos:
            days = sums.setdefault(tone(value) if by == "termination" else value, {})
            days[bucket] = days.get(bucket, 0) + nanos
    ranked = sorted(sums.items(), key=lambda one: (-sum(one[1].values()), one[0]))
    series = [_series(by, name, nanos) for name, nanos in ranked[:MOST_SERIES]]
    if len(ranked) > MOST_SERIES:
        series.append(Series(OTHERS, "", _added(nanos for _, nanos in ranked[MOST_SERIES:]), ""))
    length = len(period.buckets)
    return Chart(asked, period, series, {bucket + length: nanos for bucket, nanos in before.items()}, marks)


def _series(by: str, name: str, nanos: Mapping[int, int]) -> Series:
    if by == "termination":
        reasons = "" if name == "ok" else name
        return Series(_TONES[name], reasons, nanos, "")
    shown = clip(name, 60) or ("tools" if by in CALL_KINDS else "not stated")
    return Series(shown, "", nanos, condition(by, name) if name else "")


def _added(parts: Iterable[Mapping[int, int]]) -> dict[int, int]:
    found: dict[int, int] = {}
    for part in parts:
        for bucket, nanos in part.items():
            found[bucket] = found.get(bucket, 0) + nanos
    return found


def marks_of(found: Marks) -> tuple[ChartMark, ...]:
    """Return what happened, in the order of time."""
    deploys = (
        ChartMark(
            one.started_ns,
            "deploy",
            f"{clip(one.agent, 24)} {clip(one.version, 16)}",
            f"{clip(one.agent, 40)} {clip(one.version, 40)} {'was the first version seen' if one.is_first else 'first seen'}",
            runs_href(filter=f"{filter_text('agent', one.agent)} and {filter_text('version', one.version)}"),
        )
        for one in found.deploys
    )
    changed = (ChartMark(one.day * DAY_NS, "price", f"price of {clip(one.model, 24)}", price_words(one), "") for one in found.prices)
    alerts = (
        ChartMark(one.opened_ns, "alert", rule_of(one.rule).name.lower(), f"alert: {clip(one.sentence, 120)}", f"/alerts/{one.id}")
        for one in found.alerts
    )
    return tuple(sorted((*deploys, *changed, *alerts), key=lambda mark: (mark.at_ns, mark.kind, mark.words)))


def price_words(change: PriceChange) -> str:
    """Say what a model cost and what it costs, per million tokens."""
    return f"price of {clip(change.model, 60)}: {_per_million(change.before)}, then {_per_million(change.after)}"


def _per_million(rates: Rates | None) -> str:
    if rates is None:
        return "none known"
    # Nano-dollars per million tokens, as everywhere.
    parts = (("in", rates.input), ("out", rates.output))
    return " and ".join(f"{money(tiers[0].nanos_per_mtok)} {word}" for word, tiers in parts if tiers) or "none known"


@dataclass(frozen=True, slots=True)
class BucketRow:
    """A bucket in words, for those who read no chart."""

    name: str
    cost: str
    before: str
    change: str
    href: str
    marks: tuple[ChartMark, ...]


def bucket_rows(
    asked: Asked, period: Period, spent: Mapping[int, int], before: Mapping[int, int], marks: Sequence[ChartMark]
) -> tuple[BucketRow, ...]:
    """Return the buckets of a time, the latest first."""
    length, rows = len(period.buckets), []
    for bucket in reversed(period.buckets):
        now, then = spent.get(bucket, 0), before.get(bucket - length, 0)
        is_open = period.is_open and bucket == period.buckets[-1]
        rows.append(
            BucketRow(
                name=bucket_words(period, bucket) + (", until now" if is_open else ""),
                cost=money(now) if now else UNKNOWN,
                before=money(then) if then else UNKNOWN,
                change=against(now, then) if not is_open else "",
                href=bucket_href(asked, period, bucket),
                marks=tuple(mark for mark in marks if mark.at_ns // period.bucket_ns == bucket),
            )
        )
    return tuple(rows)


def bucket_words(period: Period, bucket: int) -> str:
    """Write a bucket."""
    if period.bucket == "day":
        return day_words(bucket * DAY_NS)
    return f"{day_words(bucket // 24 * DAY_NS)} {bucket % 24:02d}:00"
