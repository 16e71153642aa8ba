"""The runs behind the bill: the dearest, what users and sessions spent, what loops wasted, and what changed prices or versions.

Every read is bounded: by runs looked at, or by what roll-ups hold. Each says so.
"""

from collections.abc import Sequence

import msgspec
from sqlalchemy import and_, func, literal_column, select

from ingest.model import TraceSummary
from ingest.rates import Rates

from .alert_model import Alert
from .alert_schema import alert
from .alertbook import struct_of
from .clip import clip
from .costs import is_of_people
from .cube import hours_of
from .derived import finding, ledger, price, rollup_people, summary, tally_day
from .engine import Store
from .lists import summary_of
from .tally import END, TALLY_SUMS, Summed

MOST_RUNS = 10_000
"""So many of the newest runs of a range are added up by user or session where the roll-up does not have what is asked for."""

_DAY_NS = 86_400 * 10**9
_MOST_PEOPLE = 200
_MOST_FINDINGS = 5_000
_MOST_MARKS = 40
_SEEN_DAYS = 90

_TEXTS = {
    "agent": summary.c.agent, "service": summary.c.service, "environment": summary.c.environment, "termination": summary.c.termination,
    "user": summary.c.user_id, "session": summary.c.session_id,
}  # fmt: skip
_BILLED = ("model", "provider", "tool", "operation")

Where = tuple[tuple[str, str], ...]
"""Pairs of what runs are about (an agent, a model, a user ...) and its value."""


class Period(msgspec.Struct, frozen=True):
    """A stretch of time, and what its runs must be about."""

    from_ns: int
    to_ns: int
    where: Where = ()


def _conditions(project_id: int, period: Period) -> list[object]:
    found: list[object] = [summary.c.project_id == project_id]
    for name, value in period.where:
        if name in _TEXTS:
            found.append(_TEXTS[name] == clip(value))
        elif name in _BILLED:
            rows = select(ledger.c.place).where(ledger.c.project_id == project_id, ledger.c.trace_id == summary.c.trace_id)
            found.append(rows.where(ledger.c[name] == clip(value)).exists())
    return found


def dearest_runs(store: Store, project_id: int, period: Period, most: int, *, is_short: bool) -> list[TraceSummary]:
    """Return the traces that began in a time and cost most.

    In a short time all of its traces are looked at, along the index of starts; else the dearest of all times are tried in turn, along
    the index of costs, until enough of them began in the time. The one grows with traces in the time, the other with dearer ones
    outside of it: the caller knows which time is short.
    """
    cost = func.coalesce(summary.c.cost_nanos, literal_column("-1"))
    started = summary.c.started_ns if is_short else summary.c.started_ns + literal_column("0")
    key = cost + literal_column("0") if is_short else cost
    wanted = select(summary).where(*_conditions(project_id, period), started >= period.from_ns, started < period.to_ns, cost > 0)  # type: ignore[arg-type]  # conditions
    with store.engine.connect() as conn:
        return [summary_of(row) for row in conn.execute(wanted.order_by(key.desc(), summary.c.trace_id.desc()).limit(most))]


class Entry(msgspec.Struct, frozen=True):
    """What one trace spent on one model, tool or operation."""

    model: str
    tool: str
    operation: str
    calls: int
    cost_nanos: int


def entries_of(store: Store, project_id: int, trace_ids: Sequence[bytes]) -> dict[bytes, list[Entry]]:
    """Return what some traces spent their money on, the dearest first. Costs their ledger rows, some ten each."""
    columns = ledger.c
    calls = func.sum(columns.llm_calls + columns.tool_calls)
    keys = (columns.trace_id, columns.model, columns.tool, columns.operation)
    wanted = select(*keys, calls, func.sum(columns.cost_nanos)).where(columns.project_id == project_id, columns.trace_id.in_(trace_ids))
    found: dict[bytes, list[Entry]] = {}
    with store.engine.connect() as conn:
        for trace_id, model, tool, operation, number, nanos in conn.execute(wanted.where(columns.operation != "run").group_by(*keys)):
            found.setdefault(bytes(trace_id), []).append(Entry(model, tool, operation, int(number), int(nanos)))
    return {trace_id: sorted(entries, key=lambda one: -one.cost_nanos) for trace_id, entries in found.items()}


def worst_findings(store: Store, project_id: int, trace_ids: Sequence[bytes]) -> dict[bytes, str]:
    """Return, for those of some traces that wasted money, what was found in words. Costs their findings."""
    f = finding.c
    wanted = select(f.trace_id, f.sentence).where(f.project_id == project_id, f.trace_id.in_(trace_ids), f.wasted_nanos > 0)
    with store.engine.connect() as conn:
        return {bytes(trace_id): sentence for trace_id, sentence in conn.execute(wanted.order_by(f.wasted_nanos))}


class Person(msgspec.Struct, frozen=True):
    """What one user or session spent; an empty name is all that state none."""

    name: str
    runs: int
    completed: int
    cost_nanos: int
    tokens: int
    unpriced_calls: int
    llm_calls: int


class People(msgspec.Struct, frozen=True):
    """Users or sessions by cost, the dearest first, and what that is known from."""

    items: list[Person]
    total: Person
    more: int
    """How many there are beside those in ``items``."""
    looked: int
    """How many runs are added up."""
    is_all: bool
    """True where these are all runs, added up by the hours of their calls as the rest of the bill is; else they are the newest ones that
    began in the time, at most ``MOST_RUNS``."""


def spent_by_people(store: Store, project_id: int, period: Period, kind: str) -> People:
    """Return what users or sessions spent, as their traces say.

    All of the time, at the cost of its rows of ``rollup_people``, about one a trace; narrowed to more than an agent, the newest
    10,000 traces of it, one row each.
    """
    if is_of_people((kind,), [name for name, _ in period.where]):
        return _all_people(store, project_id, period, kind)
    return _newest_people(store, project_id, period, kind)


def _all_people(store: Store, project_id: int, period: Period, kind: str) -> People:
    r = rollup_people.c
    first, end = hours_of(period.from_ns, period.to_ns)
    tokens = r.uncached_input_tokens + r.cache_read_tokens + r.cache_write_tokens + r.plain_output_tokens + r.reasoning_tokens
    sums = [func.sum(each) for each in (r.runs, r.completed, r.cost_nanos, tokens, r.unpriced_calls, r.llm_calls)]
    who = {"user": r.user_id, "session": r.session_id}[kind]
    totals = [func.sum(each).over() for each in sums]
    wanted = select(who, *sums, func.count().over(), *totals).where(r.project_id == project_id, r.hour >= first, r.hour < end)
    wanted = wanted.where(*(r[name] == clip(value) for name, value in period.where)).group_by(who)
    with store.engine.connect() as conn:
        rows = conn.execute(wanted.order_by(sums[2].desc(), sums[0].desc(), who).limit(_MOST_PEOPLE)).all()
    # Sums of bigint are Decimal on PostgreSQL.
    items = [Person(row[0], *map(int, row[1:7])) for row in rows]
    total = Person("", *map(int, rows[0][8:])) if rows else Person("", 0, 0, 0, 0, 0, 0)
    return People(items, total, rows[0][7] - len(rows) if rows else 0, total.runs, is_all=True)


def _newest_people(store: Store, project_id: int, period: Period, kind: str) -> People:
    who = func.coalesce(_TEXTS[kind], "").label("who")
    s = summary.c
    within = (s.started_ns >= period.from_ns, s.started_ns < period.to_ns)
    columns = (who, s.started_ns, s.termination, s.tokens, s.unpriced_calls, s.llm_calls, s.cost_nanos)
    newest = select(*columns).where(*_conditions(project_id, period), *within)  # type: ignore[arg-type]  # conditions
    base = newest.order_by(s.started_ns.desc(), s.trace_id.desc()).limit(MOST_RUNS).subquery()
    b = base.c
    completed = func.sum((b.termination == "completed").cast(_INTEGER))
    added = ("cost_nanos", "tokens", "unpriced_calls", "llm_calls")
    sums = (func.count(), completed, *(func.sum(func.coalesce(b[name], 0)) for name in added))
    wanted = select(b.who, *sums).group_by(b.who)
    with store.engine.connect() as conn:
        rows = sorted(conn.execute(wanted), key=lambda row: (-row[3], -row[1], row[0]))
    total = Person("", *(int(sum(row[place] for row in rows)) for place in range(1, 7)))
    items = [Person(row[0], *map(int, row[1:7])) for row in rows[:_MOST_PEOPLE]]
    return People(items, total, max(len(rows) - _MOST_PEOPLE, 0), total.runs, is_all=False)


_INTEGER = finding.c.place.type


def tallied(store: Store, project_id: int, period: Period, topics: Sequence[str]) -> dict[str, list[Summed]]:
    """Return daily tallies by topic, agent and first part, of the whole UTC days that a time touches, of one agent or all.

    Reads ``tally_day`` alone: kinds of things a day times days, whatever the number of runs.
    """
    t = tally_day.c
    wanted = (
        select(t.topic, t.agent, t.a, *(func.sum(t[name]) for name in TALLY_SUMS))
        .where(t.project_id == project_id, t.topic.in_(topics))
        .where(t.day >= period.from_ns // _DAY_NS, t.day < -(-period.to_ns // _DAY_NS))
        .group_by(t.topic, t.agent, t.a)
    )
    agent = dict(period.where).get("agent")
    if agent is not None:
        wanted = wanted.where(t.agent == clip(agent))
    found: dict[str, list[Summed]] = {topic: [] for topic in topics}
    with store.engine.connect() as conn:
        for row in conn.execute(wanted):
            found[row[0]].append(Summed(row[1], row[2], "", "", *map(int, row[3:])))
    return found


class Waste(msgspec.Struct, frozen=True):
    """What one run wasted by one rule's account."""

    rule: str
    agent: str
    subject: str
    trace_id: bytes
    run_id: bytes
    wasted_nanos: int
    sentence: str


def wasted_runs(store: Store, project_id: int, period: Period) -> list[Waste]:
    """Return what runs wasted after they made no more progress, each run once by the rule that says most, the worst first.

    Reads the findings whose trace was last heard of since the time began, at most 5,000: most runs have none.
    """
    f = finding.c
    wanted = select(f.rule, f.agent, f.subject, f.trace_id, f.run_id, f.wasted_nanos, f.sentence).where(
        f.project_id == project_id, f.seen_ns >= period.from_ns, f.since_ns >= period.from_ns, f.since_ns < period.to_ns, f.wasted_nanos > 0
    )
    agent = dict(period.where).get("agent")
    if agent is not None:
        wanted = wanted.where(f.agent == clip(agent))
    with store.engine.connect() as conn:
        rows = conn.execute(wanted.order_by(f.wasted_nanos.desc()).limit(_MOST_FINDINGS)).all()
    once: dict[tuple[bytes, bytes], Waste] = {}
    for row in rows:
        once.setdefault((bytes(row.trace_id), bytes(row.run_id)), Waste(*row[:3], bytes(row.trace_id), bytes(row.run_id), *row[5:]))
    return list(once.values())


class Deploy(msgspec.Struct, frozen=True):
    """A version of an agent, and when its first run began."""

    agent: str
    version: str
    started_ns: int
    is_first: bool
    """True for the first version of an agent that was seen."""


def first_versions(store: Store, project_id: int, period: Period) -> list[Deploy]:
    """Return the versions of agents that were seen in a time and not in the ninety days before it, the newest first.

    Reads the daily tallies of ends of these days, and then one run of each new version along the index of agents.
    """
    t = tally_day.c
    of_ends = (t.project_id == project_id, t.topic == END, t.day >= period.from_ns // _DAY_NS - _SEEN_DAYS)
    seen = select(t.agent, t.c, func.min(t.day)).where(*of_ends).group_by(t.agent, t.c)
    found: list[Deploy] = []
    with store.engine.connect() as conn:
        rows = [(agent, version, day) for agent, version, day in conn.execute(seen) if version]
        known: dict[str, int] = {}
        for agent, _, day in rows:
            known[agent] = min(day, known.get(agent, day))
        fresh = sorted((row for row in rows if row[2] * _DAY_NS + _DAY_NS > period.from_ns), key=lambda row: -row[2])
        for agent, version, day in fresh[:_MOST_MARKS]:
            s = summary.c
            of_version = and_(s.project_id == project_id, s.agent == agent, s.started_ns >= day * _DAY_NS, s.version == version)
            at = conn.execute(select(s.started_ns).where(of_version).order_by(s.started_ns).limit(1)).scalar()
            if at is not None and period.from_ns <= at < period.to_ns:
                found.append(Deploy(agent, version, at, day == known[agent]))
    return sorted(found, key=lambda one: -one.started_ns)


class Priced(msgspec.Struct, frozen=True):
    """What a model's tokens cost on a day, as it was when that was first asked for."""

    provider: str
    model: str
    day: int
    rates: Rates | None


def prices_since(store: Store, first_day: int) -> list[Priced]:
    """Return the snapshots of prices since a day, by model and day. Costs models times days."""
    wanted = select(price.c.provider, price.c.model, price.c.day, price.c.rates).where(price.c.day >= first_day)
    decode = msgspec.json.Decoder(Rates).decode
    with store.engine.connect() as conn:
        rows = conn.execute(wanted.order_by(price.c.provider, price.c.model, price.c.day)).all()
    return [Priced(*row[:3], None if row[3] is None else decode(row[3])) for row in rows]


def alerts_in(store: Store, project_id: int, period: Period) -> list[Alert]:
    """Return the alerts that were opened in a time, the newest first, at most forty. Costs the project's alerts."""
    a = alert.c
    wanted = select(alert).where(a.project_id == project_id, a.opened_ns >= period.from_ns, a.opened_ns < period.to_ns)
    with store.engine.connect() as conn:
        rows = conn.execute(wanted.order_by(a.opened_ns.desc()).limit(_MOST_MARKS)).mappings()
        return [struct_of(Alert, row) for row in rows]


def live_runs(store: Store, project_id: int, most: int) -> list[TraceSummary]:
    """Return the traces that go on and have cost most so far. Looks at the newest 500 of those that go on."""
    s = summary.c
    newest = select(summary).where(s.project_id == project_id, s.status == "running").order_by(s.started_ns.desc(), s.trace_id.desc())
    with store.engine.connect() as conn:
        found = [summary_of(row) for row in conn.execute(newest.limit(500))]
    return sorted(found, key=lambda one: -(one.totals.cost_nanos or 0))[:most]
