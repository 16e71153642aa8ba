"""Alerts in the store: what is open, what is behind it, what happened to it, and what people said to it."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, RowMapping, and_, func, or_, select

from .alert_model import Alert, AlertEvent, AlertRun, AuditEntry, SeenFinding, Silence, StopRequest
from .alert_schema import alert, alert_event, alert_run, audit, silence, stop_request
from .bulk import Transaction, transaction
from .derived import finding, run
from .engine import Store
from .schema import trace

_IDS_A_STATEMENT = 500

_ALERT_COLUMNS = tuple(alert.c.keys())
_RUN_COLUMNS = tuple(alert_run.c.keys())


def struct_of(kind: type[Any], row: RowMapping | dict[str, Any]) -> Any:
    """Return a value of a row: columns have the names of fields, and bytes are bytes on either store."""
    return kind(**{name: bytes(value) if isinstance(value, memoryview) else value for name, value in row.items()})


def rows_of(values: Iterable[Any], columns: Sequence[str]) -> list[tuple[Any, ...]]:
    """Return values as rows of a table."""
    return [tuple(getattr(value, name) for name in columns) for value in values]


# --- what the watch reads -----------------------------------------------------------------------------------------


def unresolved(conn: Connection, since_ns: int) -> list[Alert]:
    """Return every alert that is not over, and those that were over at ``since_ns`` or later."""
    wanted = select(alert).where(or_(alert.c.state != "resolved", alert.c.resolved_ns >= since_ns)).order_by(alert.c.id)
    return [struct_of(Alert, row) for row in conn.execute(wanted).mappings()]


def next_alert_id(conn: Connection) -> int:
    """Return the number of the next alert. Only who holds the watch's lease makes alerts, so nobody else takes it."""
    return (conn.execute(select(func.max(alert.c.id))).scalar() or 0) + 1


def findings_page(conn: Connection, after: tuple[int, int, bytes, int], most: int) -> list[SeenFinding]:
    """Return findings in the order of (seen, project, trace, place) after a place, each with the end of its run."""
    seen_ns, project_id, trace_id, place = after
    f = finding.c
    later = or_(
        f.seen_ns > seen_ns,
        and_(
            f.seen_ns == seen_ns,
            or_(
                f.project_id > project_id,
                and_(f.project_id == project_id, or_(f.trace_id > trace_id, and_(f.trace_id == trace_id, f.place > place))),
            ),
        ),
    )
    same_run = and_(run.c.project_id == f.project_id, run.c.trace_id == f.trace_id, run.c.run_id == f.run_id)
    columns = [f[name] for name in SeenFinding.__struct_fields__ if name != "ended_ns"]
    wanted = select(*columns, run.c.ended_ns).select_from(finding.outerjoin(run, same_run)).where(f.seen_ns >= seen_ns, later)
    ordered = wanted.order_by(f.seen_ns, f.project_id, f.trace_id, f.place).limit(most)
    return [struct_of(SeenFinding, row) for row in conn.execute(ordered).mappings()]


def all_linked_until(conn: Connection, now_ns: int) -> int:
    """Return a time until which everything that arrived is linked."""
    oldest = conn.execute(select(func.min(trace.c.dirty_ns)).where(trace.c.dirty_ns.is_not(None))).scalar()
    return min(now_ns, oldest) if oldest is not None else now_ns


def known_runs(conn: Connection, trace_ids: Sequence[bytes]) -> dict[tuple[int, str, bytes, bytes], AlertRun]:
    """Return what alerts have on traces, by project, fingerprint, trace and run."""
    found: dict[tuple[int, str, bytes, bytes], AlertRun] = {}
    for start in range(0, len(trace_ids), _IDS_A_STATEMENT):
        wanted = select(alert_run).where(alert_run.c.trace_id.in_(trace_ids[start : start + _IDS_A_STATEMENT]))
        for row in conn.execute(wanted).mappings():
            one: AlertRun = struct_of(AlertRun, row)
            found[one.project_id, one.fingerprint, one.trace_id, one.run_id] = one
    return found


class RunSign(msgspec.Struct, frozen=True):
    """The latest sign of life of a run behind an alert."""

    alert_id: int
    project_id: int
    fingerprint: str
    trace_id: bytes
    run_id: bytes
    ended_ns: int | None
    last_seen_ns: int | None


def open_runs(conn: Connection) -> list[RunSign]:
    """Return the runs behind alerts that went on when last looked at."""
    e = alert_run.c
    same_run = and_(run.c.project_id == e.project_id, run.c.trace_id == e.trace_id, run.c.run_id == e.run_id)
    same_trace = and_(trace.c.project_id == e.project_id, trace.c.trace_id == e.trace_id)
    columns = (e.alert_id, e.project_id, e.fingerprint, e.trace_id, e.run_id, run.c.ended_ns, trace.c.last_seen_ns)
    wanted = select(*columns).select_from(alert_run.outerjoin(run, same_run).outerjoin(trace, same_trace)).where(e.is_open == 1)
    return [struct_of(RunSign, row) for row in conn.execute(wanted).mappings()]


def running_silences(conn: Connection, now_ns: int) -> list[Silence]:
    """Return the silences that hold now."""
    wanted = select(silence).where(silence.c.starts_ns <= now_ns, silence.c.ends_ns > now_ns).order_by(silence.c.id)
    return [struct_of(Silence, row) for row in conn.execute(wanted).mappings()]


# --- what the watch writes ----------------------------------------------------------------------------------------

_SET_ALERT = ", ".join(f"{name} = excluded.{name}" for name in _ALERT_COLUMNS if name not in ("id", "acked_ns", "acked_by"))
# What somebody ended by hand meanwhile stays over; one that came back has one flap more.
_SAVE_ALERT = (
    f"(id) DO UPDATE SET {_SET_ALERT} WHERE alert.state <> 'resolved' OR excluded.state = 'resolved' OR excluded.flaps > alert.flaps"
)
_RUN_KEY = ("project_id", "fingerprint", "trace_id", "run_id")
_SET_RUN = ", ".join(f"{name} = excluded.{name}" for name in _RUN_COLUMNS if name not in _RUN_KEY)
_SAVE_RUN = f"(project_id, fingerprint, trace_id, run_id) DO UPDATE SET {_SET_RUN}"


def save_alerts(tx: Transaction, alerts: Sequence[Alert]) -> None:
    """Write alerts, new or changed. Who acknowledged them is left alone: that is said elsewhere, at the same time."""
    tx.insert("alert", _ALERT_COLUMNS, rows_of(alerts, _ALERT_COLUMNS), _SAVE_ALERT)


def clear_acknowledged(tx: Transaction, ids: Sequence[int]) -> None:
    """Forget who acknowledged alerts: they have become worse, or came back."""
    tx.many("UPDATE alert SET acked_ns = NULL, acked_by = '' WHERE id = ?", [(number,) for number in ids])


def save_runs(tx: Transaction, runs: Sequence[AlertRun]) -> None:
    """Write runs behind alerts, new or changed."""
    tx.insert("alert_run", _RUN_COLUMNS, rows_of(runs, _RUN_COLUMNS), _SAVE_RUN)


def close_runs(tx: Transaction, signs: Sequence[RunSign]) -> None:
    """Note that runs behind alerts have ended."""
    keys = [(one.project_id, one.fingerprint, one.trace_id, one.run_id) for one in signs]
    tx.many("UPDATE alert_run SET is_open = 0 WHERE project_id = ? AND fingerprint = ? AND trace_id = ? AND run_id = ?", keys)


def add_events(tx: Transaction, events: Sequence[AlertEvent]) -> None:
    """Write down what happened to alerts."""
    columns = AlertEvent.__struct_fields__
    tx.insert("alert_event", columns, rows_of(events, columns))


def add_audit(tx: Transaction, entries: Sequence[AuditEntry]) -> None:
    """Write down what somebody did."""
    columns = AuditEntry.__struct_fields__
    tx.insert("audit", columns, rows_of(entries, columns))


def add_stops(tx: Transaction, stops: Sequence[StopRequest]) -> int:
    """Ask runs to stop; who asked first is kept. Returns how many were not asked before."""
    columns = StopRequest.__struct_fields__
    before = _count_stops(tx, stops)
    tx.insert("stop_request", columns, rows_of(stops, columns), "(project_id, trace_id, run_id) DO NOTHING")
    return len(stops) - before


def _count_stops(tx: Transaction, stops: Sequence[StopRequest]) -> int:
    asked = "SELECT 1 FROM stop_request WHERE project_id = ? AND trace_id = ? AND run_id = ?"
    return sum(bool(tx.rows(asked, (one.project_id, one.trace_id, one.run_id))) for one in stops)


# --- what people read ---------------------------------------------------------------------------------------------


def list_alerts(conn: Connection, project_id: int, states: Sequence[str], before_id: int | None, most: int) -> list[Alert]:
    """Return a project's alerts in some states, the newest first."""
    wanted = select(alert).where(alert.c.project_id == project_id)
    if states:
        wanted = wanted.where(alert.c.state.in_(states))
    if before_id is not None:
        wanted = wanted.where(alert.c.id < before_id)
    return [struct_of(Alert, row) for row in conn.execute(wanted.order_by(alert.c.id.desc()).limit(most)).mappings()]


def count_alerts(conn: Connection, project_id: int) -> dict[str, int]:
    """Return how many alerts a project has in each state."""
    wanted = select(alert.c.state, func.count()).where(alert.c.project_id == project_id).group_by(alert.c.state)
    return {row[0]: row[1] for row in conn.execute(wanted)}


def read_alert(conn: Connection, project_id: int, alert_id: int) -> Alert | None:
    """Return one alert of a project, None where it has no such."""
    row = conn.execute(select(alert).where(alert.c.id == alert_id, alert.c.project_id == project_id)).mappings().first()
    return None if row is None else struct_of(Alert, row)


def read_alerts(conn: Connection, ids: Sequence[int]) -> list[Alert]:
    """Return alerts by their numbers."""
    found: list[Alert] = []
    for start in range(0, len(ids), _IDS_A_STATEMENT):
        wanted = select(alert).where(alert.c.id.in_(ids[start : start + _IDS_A_STATEMENT]))
        found += [struct_of(Alert, row) for row in conn.execute(wanted).mappings()]
    return found


def runs_of_alert(conn: Connection, alert_id: int, most: int = 50) -> list[AlertRun]:
    """Return the runs behind an alert, those that went on longest in what is wrong first."""
    wanted = select(alert_run).where(alert_run.c.alert_id == alert_id)
    ordered = wanted.order_by(func.coalesce(alert_run.c.wasted_nanos, -1).desc(), alert_run.c.observed.desc(), alert_run.c.trace_id)
    return [struct_of(AlertRun, row) for row in conn.execute(ordered.limit(most)).mappings()]


def events_of_alert(conn: Connection, alert_id: int, most: int = 500) -> list[AlertEvent]:
    """Return what happened to an alert, in order."""
    columns = (alert_event.c[name] for name in AlertEvent.__struct_fields__)
    wanted = select(*columns).where(alert_event.c.alert_id == alert_id).order_by(alert_event.c.id).limit(most)
    return [struct_of(AlertEvent, row) for row in conn.execute(wanted).mappings()]


def alerts_of_trace(conn: Connection, project_id: int, trace_id: bytes) -> list[tuple[Alert, AlertRun]]:
    """Return the alerts that a trace's runs are behind, each with what was found in the run."""
    of_trace = and_(alert_run.c.project_id == project_id, alert_run.c.trace_id == trace_id)
    runs = [struct_of(AlertRun, row) for row in conn.execute(select(alert_run).where(of_trace)).mappings()]
    alerts = {one.id: one for one in read_alerts(conn, sorted({one.alert_id for one in runs}))}
    return [(alerts[one.alert_id], one) for one in runs if one.alert_id in alerts]


def list_silences(conn: Connection, project_id: int, most: int = 200) -> list[Silence]:
    """Return a project's silences, the newest first."""
    wanted = select(silence).where(silence.c.project_id == project_id).order_by(silence.c.id.desc()).limit(most)
    return [struct_of(Silence, row) for row in conn.execute(wanted).mappings()]


def read_stop(conn: Connection, project_id: int, trace_id: bytes, *run_ids: bytes) -> StopRequest | None:
    """Return who was the first to want one of some runs, or the whole trace, to stop, if anybody."""
    s = stop_request.c
    wanted = select(stop_request).where(s.project_id == project_id, s.trace_id == trace_id, s.run_id.in_({*run_ids, b""}))
    row = conn.execute(wanted.order_by(s.asked_ns).limit(1)).mappings().first()
    return None if row is None else struct_of(StopRequest, row)


def list_audit(conn: Connection, project_id: int, most: int = 200) -> list[AuditEntry]:
    """Return what was done in a project, the latest first."""
    columns = (audit.c[name] for name in AuditEntry.__struct_fields__)
    wanted = select(*columns).where(audit.c.project_id == project_id).order_by(audit.c.id.desc()).limit(most)
    return [struct_of(AuditEntry, row) for row in conn.execute(wanted).mappings()]


# --- what people do -----------------------------------------------------------------------------------------------


class Actor(msgspec.Struct, frozen=True):
    """Who does something, and from where."""

    name: str
    address: str = ""


def acknowledge(store: Store, one: Alert, actor: Actor, now_ns: int) -> bool:
    """Note that somebody looks after an alert; False where somebody does already, or it is over. Raises ``StoreBusy``."""
    with transaction(store) as tx:
        statement = "UPDATE alert SET acked_ns = ?, acked_by = ?, changed_ns = ? WHERE id = ? AND acked_ns IS NULL AND state <> 'resolved'"
        done = tx.run(statement, (now_ns, actor.name, now_ns, one.id)) > 0
        if done:
            add_events(tx, [AlertEvent(one.id, now_ns, "acknowledged", actor.name)])
            add_audit(tx, [AuditEntry(one.project_id, now_ns, actor.name, actor.address, "acknowledge", f"alert {one.id}")])
    return done


def resolve(store: Store, one: Alert, actor: Actor, now_ns: int) -> bool:
    """End an alert by hand; False where it is over already. What is found later opens a new one. Raises ``StoreBusy``."""
    with transaction(store) as tx:
        statement = "UPDATE alert SET state = 'resolved', resolved_ns = ?, changed_ns = ? WHERE id = ? AND state <> 'resolved'"
        done = tx.run(statement, (now_ns, now_ns, one.id)) > 0
        if done:
            tx.run("UPDATE alert_run SET is_open = 0 WHERE alert_id = ?", (one.id,))
            add_events(tx, [AlertEvent(one.id, now_ns, "resolved", actor.name, "by hand")])
            add_audit(tx, [AuditEntry(one.project_id, now_ns, actor.name, actor.address, "resolve", f"alert {one.id}")])
    return done


def add_silence(store: Store, one: Silence, actor: Actor, alert_id: int = 0) -> None:
    """Begin a silence; ``alert_id`` names the alert that it was asked for at, if any. Raises ``StoreBusy``."""
    columns = tuple(name for name in Silence.__struct_fields__ if name != "id")
    after = msgspec.json.encode({name: getattr(one, name) for name in columns}).decode()
    with transaction(store) as tx:
        tx.insert("silence", columns, rows_of([one], columns))
        if alert_id:
            add_events(tx, [AlertEvent(alert_id, one.made_ns, "silenced", actor.name, one.reason)])
        add_audit(tx, [AuditEntry(one.project_id, one.made_ns, actor.name, actor.address, "silence", _scope(one), "", after)])


def _scope(one: Silence) -> str:
    parts = (("rule", one.rule), ("agent", one.agent), ("subject", one.subject))
    return " ".join(f"{name} {value}" for name, value in parts if value) or "all"


def end_silence(store: Store, project_id: int, silence_id: int, actor: Actor, now_ns: int) -> bool:
    """End a silence before its time; False where it is none or over. Raises ``StoreBusy``."""
    with transaction(store) as tx:
        statement = "UPDATE silence SET ends_ns = ? WHERE id = ? AND project_id = ? AND ends_ns > ?"
        done = tx.run(statement, (now_ns, silence_id, project_id, now_ns)) > 0
        if done:
            add_audit(tx, [AuditEntry(project_id, now_ns, actor.name, actor.address, "end silence", f"silence {silence_id}")])
    return done


def ask_to_stop(store: Store, stops: Sequence[StopRequest], actor: Actor, alert_id: int = 0) -> int:
    """Ask runs to stop and return how many were not asked before. Raises ``StoreBusy``."""
    with transaction(store) as tx:
        fresh = add_stops(tx, stops)
        if fresh:
            add_audit(tx, [audit_of_stop(one, actor) for one in stops])
        if fresh and alert_id:
            add_events(tx, [AlertEvent(alert_id, stops[0].asked_ns, "stop", actor.name, f"{fresh} asked to stop")])
    return fresh


def audit_of_stop(one: StopRequest, actor: Actor) -> AuditEntry:
    """Return the audit entry of a stop."""
    what = f"run {one.run_id.hex()} of trace {one.trace_id.hex()}" if one.run_id else f"trace {one.trace_id.hex()}"
    return AuditEntry(one.project_id, one.asked_ns, actor.name, actor.address, "stop", what, "", one.reason)


def trace_exists(conn: Connection, project_id: int, trace_id: bytes) -> bool:
    """Tell whether anything of a trace is stored."""
    wanted = select(trace.c.trace_id).where(trace.c.project_id == project_id, trace.c.trace_id == trace_id)
    return conn.execute(wanted).first() is not None
