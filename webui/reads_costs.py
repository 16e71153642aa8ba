"""What the pages and routes about money ask the store for, for the project that the request may read.

Sums come from the roll-ups and daily tallies: days times combinations of agents, models, tools and ends, whatever the number of runs
and spans. What is read of single runs is bounded, and says by what.
"""

from collections.abc import Sequence
from dataclasses import replace

from flask import g

from ingest.model import TraceSummary
from ingest.store import alertbook, bill, samples, watchbook
from ingest.store.alert_model import Alert
from ingest.store.costs import costs_of
from ingest.store.cube import Check, CubeQuery, CubeRow, check_range, names_in, read_cube, spent_by, spent_on
from ingest.store.query import CostTable
from ingest.store.tally import AGAIN, END, TOOL, TURN
from webui.analysis.accounts import Budgets, Changes, Dear, Marks, Month, Rate, Tallies
from webui.analysis.forecast import outlook, pace_of
from webui.analysis.repricing import price_changes
from webui.pages.spend import DAY_NS, HOUR_NS, PEOPLE, Asked, Period, month_of

from .reads import library

MINUTE_NS = 60 * 10**9
_TEN = 10
_HISTORY_DAYS = 57
_PRICES_BACK_DAYS = 30
"""Prices are compared with those of so many days before a time: what was not used for longer has no earlier price."""
_SHORT_DAYS = 8
"""Up to so many days, the dearest runs are found among all of the time's; see ``bill.dearest_runs``."""


def cube(period: Period, where: Sequence[tuple[str, str]] = ()) -> list[CubeRow]:
    """Return the bill of a time in its smallest parts."""
    return read_cube(library().store, g.project_id, CubeQuery(period.from_ns, period.to_ns, "", tuple(where)))


def charted(period: Period, asked: Asked) -> dict[tuple[int, str], int]:
    """Return nano-dollars by hour or day and by what a page is split by; by model, where that is users or sessions."""
    by = asked.by if asked.by not in PEOPLE else "model"
    return spent_on(library().store, g.project_id, CubeQuery(period.from_ns, period.to_ns, period.bucket, asked.where), by)


def costs_table(query: CubeQuery, by: Sequence[str]) -> CostTable:
    """Return what was spent, grouped by anything and narrowed to anything."""
    return costs_of(library().store, g.project_id, query, by)


def spent(period: Period, where: Sequence[tuple[str, str]] = ()) -> dict[int, int]:
    """Return nano-dollars by the hours or days of a time."""
    return spent_by(library().store, g.project_id, CubeQuery(period.from_ns, period.to_ns, period.bucket, tuple(where)))


def people(period: Period, asked: Asked) -> bill.People | None:
    """Return what users or sessions spent, where a page is split by these."""
    if asked.by not in PEOPLE:
        return None
    return bill.spent_by_people(library().store, g.project_id, _of(period, asked), asked.by)


def _of(period: Period, asked: Asked) -> bill.Period:
    return bill.Period(period.from_ns, period.to_ns, asked.where)


def dearest(period: Period, asked: Asked, most: int = 10) -> list[Dear]:
    """Return the runs that began in a time and cost most."""
    store, project_id = library().store, g.project_id
    is_short = len(period.buckets) * period.bucket_ns <= _SHORT_DAYS * DAY_NS
    found = bill.dearest_runs(store, project_id, _of(period, asked), most, is_short=is_short)
    ids = [one.trace_id for one in found]
    entries = bill.entries_of(store, project_id, ids) if ids else {}
    words = bill.worst_findings(store, project_id, ids) if ids else {}
    return [Dear(one, entries.get(one.trace_id, ()), words.get(one.trace_id, "")) for one in found]


# --- where it was lost ------------------------------------------------------------------------------------------------


def tallies(period: Period, asked: Asked) -> Tallies:
    """Return the tallies of the days that a time touches, of one agent or all."""
    topics = (END, AGAIN, TOOL, TURN)
    found = bill.tallied(library().store, g.project_id, _of(period, asked), topics)
    return Tallies(period.from_ns // DAY_NS, *(found[topic] for topic in topics))


def wasted(period: Period, asked: Asked) -> list[bill.Waste]:
    """Return what runs wasted after they made no more progress, by the rules."""
    return bill.wasted_runs(library().store, g.project_id, _of(period, asked))


# --- budget, pace and rate ----------------------------------------------------------------------------------------------


def budgets(asked: Asked) -> Budgets:
    """Return the budgets of what a page is about: the project's, or one agent's own; none for any other part."""
    names = [name for name, _ in asked.where]
    if names not in ([], ["agent"]):
        return Budgets(None, None)
    with library().store.engine.connect() as conn:
        settings = watchbook.read_settings(conn, g.project_id)
    said = settings.get((g.project_id, dict(asked.where).get("agent", ""), watchbook.ALL_RULES))
    return Budgets(said.day_nanos or None, said.month_nanos or None) if said is not None else Budgets(None, None)


def month(asked: Asked, budget_nanos: int | None, now_ns: int) -> Month:
    """Return this month. Reads one sum a day over eight weeks."""
    first, end = month_of(now_ns)
    today = now_ns // DAY_NS
    since = min(first, today - _HISTORY_DAYS)
    query = CubeQuery(since * DAY_NS, (today + 1) * DAY_NS, "day", asked.where)
    by_day = spent_by(library().store, g.project_id, query)
    pace = pace_of(by_day, today)
    days = {day: nanos for day, nanos in by_day.items() if day >= first}
    ahead = outlook(pace, (sum(days.values()), days.get(today, 0)), (today, end), budget_nanos) if pace is not None else None
    return Month(first, end, today, days, budget_nanos, ahead)


def rate(now_ns: int) -> Rate:
    """Return the project's present rate. Reads a row a minute and agent of the last week."""
    minute = now_ns // MINUTE_NS
    with library().store.engine.connect() as conn:
        windows = samples.spent_within(conn, g.project_id, minute, (_TEN, 60))
        usual = samples.usual_tens(conn, g.project_id, minute)
    return Rate(windows[_TEN], windows[60], usual)


# --- what happened when -----------------------------------------------------------------------------------------------


def marks(period: Period, asked: Asked) -> Marks:
    """Return new versions, changed prices and alerts of a time."""
    store, project_id, of = library().store, g.project_id, _of(period, asked)
    first_day = period.from_ns // DAY_NS
    agent = dict(asked.where).get("agent")
    deploys = [one for one in bill.first_versions(store, project_id, of) if agent in (None, one.agent)]
    changes = price_changes(bill.prices_since(store, first_day - _PRICES_BACK_DAYS), first_day)
    return Marks(deploys, changes, [one for one in bill.alerts_in(store, project_id, of) if agent is None or one.agent in ("", agent)])


def prices(period: Period) -> list[bill.Priced]:
    """Return the price snapshots of a time and of the thirty days before it."""
    return bill.prices_since(library().store, period.from_ns // DAY_NS - _PRICES_BACK_DAYS)


def check(period: Period) -> Check:
    """Compare the roll-ups of a time with the ledger. Costs every ledger row of it: about 0.5 s a million."""
    return check_range(library().store, g.project_id, period.from_ns, period.to_ns)


# --- home -------------------------------------------------------------------------------------------------------------


def firing(most: int = 5) -> list[Alert]:
    """Return the alerts that fire, the newest first."""
    with library().store.engine.connect() as conn:
        return alertbook.list_alerts(conn, g.project_id, ("firing",), None, most)


def live_runs(most: int = 5) -> list[TraceSummary]:
    """Return the runs that go on and cost most."""
    return bill.live_runs(library().store, g.project_id, most)


def hourly(now_ns: int, days: int) -> dict[int, int]:
    """Return nano-dollars by hour since so many whole days ago. Reads the hourly roll-up of these days."""
    since = (now_ns // DAY_NS - days) * DAY_NS
    return spent_by(library().store, g.project_id, CubeQuery(since, now_ns, "hour"))


def changes(now_ns: int) -> Changes:
    """Return what the last day is compared with."""
    hour = now_ns // HOUR_NS + 1
    now = Period((hour - 24) * HOUR_NS, hour * HOUR_NS, "hour", True)
    before = replace(now, from_ns=now.from_ns - DAY_NS, to_ns=now.from_ns, is_open=False)
    earlier = Period((before.from_ns // DAY_NS - 30) * DAY_NS, before.from_ns, "day", False)
    deploys = bill.first_versions(library().store, g.project_id, bill.Period(now.from_ns, now.to_ns))
    known = names_in(library().store, g.project_id, CubeQuery(earlier.from_ns, earlier.to_ns))
    return Changes(cube(now), cube(before), known, deploys)
