"""What a message about an alert is made of: its runs, what its agent spends and used to spend, and what changed."""

from collections.abc import Sequence
from statistics import median
from typing import Any

import msgspec
from sqlalchemy import Connection, func, select, tuple_

from .alert_model import Alert, AlertRun
from .alert_schema import spend_minute
from .alertbook import runs_of_alert, struct_of
from .blame import Share, contributing_runs, spend_split
from .clip import clip
from .derived import rollup_hour, run

_HOUR_NS = 3_600_000_000_000
_MINUTE_NS = 60_000_000_000
_WEEK_HOURS = 168
_WEEKS = 6
_SHOWN_RUNS = 200
_RECENT_RUNS = 500


class RunFact(msgspec.Struct, frozen=True):
    """What is known of a run."""

    trace_id: bytes
    run_id: bytes
    agent: str
    status: str
    termination: str
    started_ns: int
    ended_ns: int | None
    input: str | None
    version: str | None
    cost_nanos: int | None
    unpriced_calls: int
    llm_calls: int
    tool_calls: int
    steps: int


class Change(msgspec.Struct, frozen=True):
    """A version of an agent that is new: since when it runs, and what ran before."""

    version: str
    since_ns: int
    before: str | None


class Case(msgspec.Struct, frozen=True):
    """Everything that is known of an alert when a message about it is written."""

    alert: Alert
    runs: tuple[tuple[AlertRun, RunFact | None], ...] = ()
    """The dearest first; at most 200."""
    minutes: tuple[tuple[int, int], ...] = ()
    """What the agent spent in each of the last sixty minutes in which it did, nano-dollars."""
    usual_nanos: int | None = None
    """What the agent spends an hour, at this hour of the week."""
    usual_weeks: int = 0
    change: Change | None = None
    good_trace: bytes | None = None
    """The agent's latest run that completed."""
    contributors: tuple[tuple[AlertRun, RunFact | None], ...] = ()
    """Of an alert about many runs: those that contribute most, the worst first."""
    split: tuple[Share, ...] = ()
    """Who spent what it is about."""


def read_case(conn: Connection, alert: Alert, fresh: Sequence[AlertRun], now_ns: int) -> Case:
    """Return a case; ``fresh`` are runs behind the alert that are not stored yet."""
    behind = {(one.trace_id, one.run_id): one for one in runs_of_alert(conn, alert.id, _SHOWN_RUNS)}
    behind |= {(one.trace_id, one.run_id): one for one in fresh}
    facts = run_facts(conn, alert.project_id, list(behind)[:_SHOWN_RUNS])
    pairs = [(one, facts.get(key)) for key, one in behind.items()]
    pairs.sort(key=lambda pair: (-((pair[1].cost_nanos if pair[1] else None) or -1), -pair[0].observed, pair[0].trace_id))
    usual, weeks = usual_hour(conn, alert.project_id, alert.agent, now_ns)
    contributors = [] if pairs else contributing_runs(conn, alert, now_ns)
    known = run_facts(conn, alert.project_id, [(one.trace_id, one.run_id) for one in contributors])
    return Case(
        alert,
        tuple(pairs),
        tuple(spend_by_minute(conn, alert.project_id, alert.agent, now_ns // _MINUTE_NS - 60)),
        usual,
        weeks,
        _change(conn, alert.project_id, alert.agent, now_ns),
        _good_trace(conn, alert.project_id, alert.agent, {trace_id for trace_id, _ in behind}),
        tuple((one, known.get((one.trace_id, one.run_id))) for one in contributors),
        tuple(spend_split(conn, alert, now_ns)),
    )


def run_facts(conn: Connection, project_id: int, keys: Sequence[tuple[bytes, bytes]]) -> dict[tuple[bytes, bytes], RunFact]:
    """Return what is known of runs, by trace and run."""
    found: dict[tuple[bytes, bytes], RunFact] = {}
    for start in range(0, len(keys), 100):
        some = tuple_(run.c.trace_id, run.c.run_id).in_(keys[start : start + 100])
        wanted = select(*_columns()).where(run.c.project_id == project_id, some)
        for row in conn.execute(wanted).mappings():
            one: RunFact = struct_of(RunFact, row)
            found[one.trace_id, one.run_id] = one
    return found


def _columns() -> list[Any]:
    return [run.c[name] for name in RunFact.__struct_fields__]


def spend_by_minute(conn: Connection, project_id: int, agent: str, since_minute: int) -> list[tuple[int, int]]:
    """Return (minute, nano-dollars) of what was spent since a minute; an empty agent means all."""
    s = spend_minute.c
    wanted = select(s.minute, func.sum(s.cost_nanos)).where(s.project_id == project_id, s.minute >= since_minute)
    if agent:
        wanted = wanted.where(s.agent == agent)
    return [(int(row[0]), int(row[1])) for row in conn.execute(wanted.group_by(s.minute).order_by(s.minute))]


def usual_hour(conn: Connection, project_id: int, agent: str, now_ns: int) -> tuple[int | None, int]:
    """Return the middle of what an agent spent at this hour of the week and the hours beside it, and over how many weeks."""
    if not agent:
        return None, 0
    now_hour = now_ns // _HOUR_NS
    hours = [now_hour - week * _WEEK_HOURS + beside for week in range(1, _WEEKS + 1) for beside in (-1, 0, 1)]
    r = rollup_hour.c
    wanted = select(r.hour, func.sum(r.cost_nanos)).where(r.project_id == project_id, r.agent == agent, r.hour.in_(hours)).group_by(r.hour)
    spent = {int(row[0]): int(row[1]) for row in conn.execute(wanted)}
    weeks = [week for week in range(1, _WEEKS + 1) if any(now_hour - week * _WEEK_HOURS + beside in spent for beside in (-1, 0, 1))]
    if not weeks:
        return None, 0
    counted = [spent.get(hour, 0) for hour in hours if any(abs(now_hour - week * _WEEK_HOURS - hour) <= 1 for week in weeks)]
    return round(median(counted)), len(weeks)


def _change(conn: Connection, project_id: int, agent: str, now_ns: int) -> Change | None:
    """Return the version that an agent's latest run has, where it is new since yesterday."""
    wanted = select(run.c.version, run.c.started_ns).where(run.c.project_id == project_id, run.c.agent == clip(agent))
    rows = conn.execute(wanted.order_by(run.c.started_ns.desc()).limit(_RECENT_RUNS)).all()
    if not rows or rows[0].version is None:
        return None
    same = [row for row in rows if row.version == rows[0].version]
    others = [row for row in rows if row.version != rows[0].version]
    since_ns = min(row.started_ns for row in same)
    if not others or now_ns - since_ns > 24 * _HOUR_NS:
        return None
    return Change(rows[0].version, since_ns, others[0].version)


def _good_trace(conn: Connection, project_id: int, agent: str, but: set[bytes]) -> bytes | None:
    wanted = select(run.c.trace_id).where(
        run.c.project_id == project_id, run.c.agent == clip(agent), run.c.termination == "completed", run.c.ended_ns.is_not(None)
    )
    for trace_id in conn.execute(wanted.order_by(run.c.started_ns.desc()).limit(50)).scalars():
        if bytes(trace_id) not in but:
            return bytes(trace_id)
    return None
