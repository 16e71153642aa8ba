"""What an alert costs: so far, an hour, and until somebody is at work again. Unknown stays unknown."""

from datetime import datetime, timedelta, tzinfo

import msgspec

from ingest.store.casebook import Case

from .engine import run_goes_on

_MINUTE_NS = 60_000_000_000
_HOUR_NS = 60 * _MINUTE_NS
_MORNING = 8


class Money(msgspec.Struct, frozen=True):
    """The figures of an alert, nano-dollars; None where they are not known."""

    so_far: int | None
    rate: int | None
    """An hour, now; None where nothing goes on."""
    by_morning: int | None
    morning_ns: int
    since_ns: int
    until_ns: int


def money_of(case: Case, now_ns: int, zone: tzinfo) -> Money:
    """Return the figures of a case. What its runs cost is what it costs; a series alert costs what its agent spent meanwhile."""
    known = [fact.cost_nanos for _, fact in case.runs if fact is not None and fact.cost_nanos is not None]
    since_ns = min((run.since_ns for run, _ in case.runs), default=_first_minute_ns(case))
    morning_ns = next_morning(now_ns, zone)
    rate = _rate_of_runs(case, now_ns) if case.runs else _rate_of_minutes(case, now_ns)
    so_far = sum(known) if known else (None if case.runs else sum(nanos for _, nanos in case.minutes) or None)
    by_morning = None if rate is None else (so_far or 0) + round(rate * (morning_ns - now_ns) / _HOUR_NS)
    until_ns = now_ns if rate is not None else max((run.last_ns for run, _ in case.runs), default=now_ns)
    return Money(so_far, rate, by_morning, morning_ns, since_ns, until_ns)


def _first_minute_ns(case: Case) -> int:
    return min((minute for minute, _ in case.minutes), default=case.alert.opened_ns // _MINUTE_NS) * _MINUTE_NS


def _rate_of_runs(case: Case, now_ns: int) -> int | None:
    """Add up what each run that goes on has cost per hour of its life."""
    rate = 0.0
    for run, fact in case.runs:
        if fact is not None and fact.cost_nanos and run_goes_on(fact.ended_ns, run.seen_ns, now_ns):
            lived_ns = max(run.last_ns - fact.started_ns, _MINUTE_NS)
            rate += fact.cost_nanos * _HOUR_NS / lived_ns
    return round(rate) or None


def _rate_of_minutes(case: Case, now_ns: int) -> int | None:
    now = now_ns // _MINUTE_NS
    return 6 * sum(nanos for minute, nanos in case.minutes if minute > now - 10) or None


def next_morning(now_ns: int, zone: tzinfo) -> int:
    """Return the next eight o'clock in the morning of a place."""
    now = datetime.fromtimestamp(now_ns // 10**9, zone)
    morning = now.replace(hour=_MORNING, minute=0, second=0, microsecond=0)
    if morning <= now:
        morning = (now + timedelta(days=1)).replace(hour=_MORNING, minute=0, second=0, microsecond=0)
    return int(morning.timestamp()) * 10**9
