"""Who and what contributes most to an alert that is about many runs: its dearest, slowest or failed runs, and the split of its money."""

from typing import Any

import msgspec
from sqlalchemy import Connection, Select, and_, func, select

from .alert_model import Alert, AlertRun
from .clip import clip
from .derived import rollup_hour, run, summary
from .guilty import Guilt, Key, Look, failed_step, guilty_steps, largest_step, longest_step
from .samples import WANTED_ENDS
from .schema import trace

_MINUTE_NS = 60_000_000_000
_HOUR_NS = 60 * _MINUTE_NS
_SHOWN = 5

_WINDOWS_NS = {"B2": 24 * _HOUR_NS, "B3": 6 * _HOUR_NS, "B4": _HOUR_NS, "A1": 2 * _HOUR_NS, "A2": 15 * _MINUTE_NS, "A3": 24 * _HOUR_NS}
"""How far back each rule about many runs looks for its runs."""

_BEFORE_NS = 6 * _HOUR_NS
"""A run that began so long before may still have had its part."""


class Share(msgspec.Struct, frozen=True):
    """A part of what was spent: whose, how much, and of how much."""

    name: str
    nanos: int
    share: float


def contributing_runs(conn: Connection, alert: Alert, now_ns: int) -> list[AlertRun]:
    """Return the runs that contribute most to an alert about many, the worst first; none where its rule names its runs itself."""
    window_ns = _WINDOWS_NS.get(alert.rule)
    if window_ns is None:
        return []
    rows = conn.execute(_worst(alert, now_ns - window_ns)).all()
    seen = _last_seen(conn, alert.project_id, [bytes(row.trace_id) for row in rows])
    runs = [_as_evidence(alert, row, seen.get(bytes(row.trace_id), row.started_ns)) for row in rows]
    guilty = guilty_steps(conn, [_key(one) for one in runs], _look(alert))
    return [_at_step(one, guilty.get(_key(one))) for one in runs]


def _key(run_behind: AlertRun) -> Key:
    return run_behind.project_id, run_behind.trace_id, run_behind.run_id


def _look(alert: Alert) -> Look:
    """Return by what a step of a run is to blame for an alert."""
    if alert.rule == "A2":
        return failed_step
    return longest_step if alert.subject == "duration" else largest_step


def _at_step(run_behind: AlertRun, guilt: Guilt | None) -> AlertRun:
    return run_behind if guilt is None else msgspec.structs.replace(run_behind, spans=guilt.spans, sentence=guilt.words)


def _worst(alert: Alert, since_ns: int) -> Select[Any]:
    # Where an agent is named its runs are, nested ones too; else whole traces, for which there is an index by time.
    t = run.c if alert.agent else summary.c
    mine = and_(t.project_id == alert.project_id, t.started_ns >= since_ns - _BEFORE_NS)
    mine = and_(mine, (t.started_ns >= since_ns) | t.ended_ns.is_(None) | (t.ended_ns >= since_ns))
    if alert.agent:
        mine = and_(mine, t.agent == clip(alert.agent))
    if alert.rule == "A2":
        mine = and_(mine, t.termination.not_in(WANTED_ENDS))
    columns = (t.trace_id, t.run_id, t.started_ns, t.ended_ns)
    return select(*columns).where(mine).order_by(_weight(alert, t).desc(), t.started_ns.desc()).limit(_SHOWN)


def _weight(alert: Alert, t: Any) -> Any:
    """Return by what runs are compared."""
    if alert.rule == "A2":
        return t.started_ns
    if alert.subject == "duration":
        return func.coalesce(t.ended_ns, t.started_ns) - t.started_ns
    if alert.subject == "tokens":
        return func.coalesce(t.input_tokens, 0) + func.coalesce(t.output_tokens, 0)
    return func.coalesce(t.cost_nanos, 0)


def _last_seen(conn: Connection, project_id: int, trace_ids: list[bytes]) -> dict[bytes, int]:
    wanted = select(trace.c.trace_id, trace.c.last_seen_ns).where(trace.c.project_id == project_id, trace.c.trace_id.in_(trace_ids))
    return {bytes(row[0]): int(row[1]) for row in conn.execute(wanted)} if trace_ids else {}


def _as_evidence(alert: Alert, row: Any, seen_ns: int) -> AlertRun:
    return AlertRun(
        project_id=alert.project_id,
        fingerprint=alert.fingerprint,
        trace_id=bytes(row.trace_id),
        run_id=bytes(row.run_id),
        alert_id=alert.id,
        severity=alert.severity,
        observed=0.0,
        since_ns=row.started_ns,
        last_ns=row.ended_ns if row.ended_ns is not None else seen_ns,
        seen_ns=seen_ns,
        spans=bytes(row.run_id),
        sentence="",
        detail="",
        wasted_nanos=None,
        is_open=int(row.ended_ns is None),
    )


def spend_split(conn: Connection, alert: Alert, now_ns: int) -> list[Share]:
    """Return by whom what an alert is about was spent, the most first: by agent, or by model where an agent is named."""
    window_ns = _WINDOWS_NS.get(alert.rule)
    if window_ns is None or alert.rule == "A2" or alert.subject in ("runs", "duration"):
        return []
    r = rollup_hour.c
    name = r.model if alert.agent else r.agent
    spent = func.sum(r.cost_nanos)
    wanted = select(name, spent).where(r.project_id == alert.project_id, r.hour >= (now_ns - window_ns) // _HOUR_NS)
    if alert.agent:
        wanted = wanted.where(r.agent == clip(alert.agent))
    rows = [(str(row[0]), int(row[1])) for row in conn.execute(wanted.group_by(name).order_by(spent.desc()).limit(50)) if row[1]]
    total = sum(nanos for _, nanos in rows)
    return [Share(named, nanos, nanos / total) for named, nanos in rows[:3] if named] if total > 0 else []
