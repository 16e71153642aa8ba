"""What pages and the API ask of alerts, and what they do to them, for the project and the person of the request."""

from collections.abc import Sequence

from flask import g
from sqlalchemy import Connection

from ingest.store import alertbook, outbox, watchbook
from ingest.store.alert_model import Alert, AlertEvent, AlertRun, Attempt, Parcel, Receiver, Silence, StopRequest
from ingest.store.alertbook import Actor
from ingest.store.casebook import Case, read_case
from ingest.store.watchbook import RuleSetting, SettingKey, signing_key
from webui.alerts.engine import run_goes_on

from .format import now_ns
from .reads import library

_HOUR_NS = 3_600 * 10**9
LONGEST_SILENCE_H = 30 * 24


def _connect() -> Connection:
    return library().store.engine.connect()


def _project() -> int:
    project_id: int = g.project_id
    return project_id


def actor() -> Actor:
    """Return who asks."""
    found: Actor = g.actor
    return found


def listed(states: Sequence[str], before_id: int | None, most: int) -> list[Alert]:
    """Return alerts in some states, the newest first."""
    with _connect() as conn:
        return alertbook.list_alerts(conn, _project(), states, before_id, most)


def counts() -> dict[str, int]:
    """Return how many alerts there are in each state."""
    with _connect() as conn:
        return alertbook.count_alerts(conn, _project())


def one(alert_id: int) -> Alert | None:
    """Return an alert."""
    with _connect() as conn:
        return alertbook.read_alert(conn, _project(), alert_id)


def behind(alert_id: int, most: int = 50) -> list[AlertRun]:
    """Return the runs behind an alert."""
    with _connect() as conn:
        return alertbook.runs_of_alert(conn, alert_id, most)


def history(alert_id: int) -> list[AlertEvent]:
    """Return what happened to an alert."""
    with _connect() as conn:
        return alertbook.events_of_alert(conn, alert_id)


def case(alert: Alert) -> Case:
    """Return all that is known of an alert."""
    with _connect() as conn:
        return read_case(conn, alert, (), now_ns())


def silences() -> list[Silence]:
    """Return the project's silences."""
    with _connect() as conn:
        return alertbook.list_silences(conn, _project())


def parcels(alert_id: int | None, most: int = 100) -> tuple[list[Parcel], dict[int, list[Attempt]]]:
    """Return the latest parcels, of one alert or all, and the attempts to deliver them."""
    with _connect() as conn:
        found = outbox.list_parcels(conn, _project(), alert_id, most)
        return found, outbox.attempts_of(conn, [parcel.id for parcel in found])


def parcel(parcel_id: int) -> Parcel | None:
    """Return one parcel."""
    with _connect() as conn:
        return outbox.read_parcel(conn, _project(), parcel_id)


def troubled_receivers() -> list[Receiver]:
    """Return receivers that refused lately."""
    with _connect() as conn:
        return outbox.receivers(conn)


def rule_settings() -> dict[SettingKey, RuleSetting]:
    """Return the project's settings of rules."""
    with _connect() as conn:
        return watchbook.read_settings(conn, _project())


def of_trace(trace_id: bytes) -> list[tuple[Alert, AlertRun]]:
    """Return the alerts that a trace's runs are behind."""
    with _connect() as conn:
        return alertbook.alerts_of_trace(conn, _project(), trace_id)


def key() -> bytes:
    """Return the key that signs links and forms."""
    lib = library()
    return signing_key(lib.store, lib.settings.secret_key)


# --- deeds --------------------------------------------------------------------------------------------------------


def acknowledge(alert: Alert, who: Actor) -> bool:
    """Note that somebody looks after an alert."""
    return alertbook.acknowledge(library().store, alert, who, now_ns())


def resolve(alert: Alert, who: Actor) -> bool:
    """End an alert by hand."""
    return alertbook.resolve(library().store, alert, who, now_ns())


def silence(alert: Alert, who: Actor, hours: float, reason: str) -> None:
    """Hear nothing of an alert's rule, agent and subject for some hours."""
    now = now_ns()
    wanted = Silence(0, alert.project_id, alert.rule, alert.agent, alert.subject, who.name, reason, now, now + round(hours * _HOUR_NS), now)
    alertbook.add_silence(library().store, wanted, who, alert.id)


def silence_scope(scope: tuple[str, str, str], hours: float, reason: str) -> None:
    """Hear nothing of a rule, an agent and a subject, each all where it is empty, for some hours."""
    now = now_ns()
    wanted = Silence(0, _project(), *scope, actor().name, reason, now, now + round(hours * _HOUR_NS), now)
    alertbook.add_silence(library().store, wanted, actor())


def end_silence(silence_id: int) -> bool:
    """End a silence before its time."""
    return alertbook.end_silence(library().store, _project(), silence_id, actor(), now_ns())


def stop_runs(alert: Alert, who: Actor) -> int:
    """Ask the runs behind an alert that go on to stop, and return how many those are."""
    now = now_ns()
    with _connect() as conn:
        signs = [sign for sign in alertbook.open_runs(conn) if sign.alert_id == alert.id]
    going = [sign for sign in signs if run_goes_on(sign.ended_ns, sign.last_seen_ns, now)]
    reason = f"alert {alert.id}: {alert.sentence}"[:300]
    stops = [StopRequest(sign.project_id, sign.trace_id, sign.run_id, who.name, reason, now) for sign in going]
    if stops:
        alertbook.ask_to_stop(library().store, stops, who, alert.id)
    return len(stops)


def going_on(alert: Alert) -> int:
    """Return how many runs behind an alert go on."""
    now = now_ns()
    with _connect() as conn:
        signs = [sign for sign in alertbook.open_runs(conn) if sign.alert_id == alert.id]
    return sum(run_goes_on(sign.ended_ns, sign.last_seen_ns, now) for sign in signs)


def stop_trace(trace_id: bytes, run_id: bytes, reason: str) -> bool | None:
    """Ask a run, or all of a trace, to stop; False where that was asked before, None where nothing is known of the trace."""
    with _connect() as conn:
        if not alertbook.trace_exists(conn, _project(), trace_id):
            return None
    stop = StopRequest(_project(), trace_id, run_id, actor().name, reason, now_ns())
    return alertbook.ask_to_stop(library().store, [stop], actor()) > 0


def stop_wanted(trace_id: bytes, *run_ids: bytes) -> StopRequest | None:
    """Return who was the first to want one of some runs, or the whole trace, to stop, if anybody."""
    with _connect() as conn:
        return alertbook.read_stop(conn, _project(), trace_id, *run_ids)


def save_rule(agent: str, rule: str, setting: RuleSetting) -> None:
    """Set a rule."""
    watchbook.save_setting(library().store, (_project(), agent, rule), setting, actor(), now_ns())


def forgive(name: str) -> None:
    """Send mail again to a receiver that refused it."""
    outbox.forgive(library().store, "mail", name)
