"""``clew alerts``: sends a sample alert through the real path, and tells an alert's whole story."""

import argparse
import time
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from ingest.settings import Settings
from ingest.store.access import find_project
from ingest.store.alert_model import Alert, AlertRun, Attempt, Parcel
from ingest.store.alertbook import events_of_alert, read_alert, runs_of_alert
from ingest.store.casebook import Case, read_case
from ingest.store.engine import Store
from ingest.store.outbox import attempts_of, list_parcels
from webui.alerts.amounts import amount
from webui.alerts.mail import BadAddress, addresses
from webui.alerts.postman import deliver_due
from webui.alerts.sample import write_sample
from webui.alerts.setup import make_outlets, make_postman
from webui.analysis.detectors.catalogue import rule_of
from webui.format import clock, money, plural

from .errors import CliError
from .opening import opened_store, read_settings
from .plain import plain_line

_DELIVER_S = 70.0


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Carry out an action. Raises ``CliError``, ``AccessError``, ``SettingsError`` where it cannot be."""
    settings = read_settings(arguments, environ)
    with opened_store(settings) as store:
        if arguments.action == "test":
            return _test(store, settings, arguments)
        return _explain(store, arguments)


def _test(store: Store, settings: Settings, arguments: argparse.Namespace) -> int:
    outlets = make_outlets(settings, store)
    try:
        receivers = addresses(arguments.to) if arguments.to else list(outlets.mails)
    except BadAddress as error:
        raise CliError(str(error)) from error
    if not receivers:
        raise CliError("Nobody to send to: --to ADDRESS, or CLEW_ALERT_TO.")
    project_id = find_project(store, arguments.project).id
    ids = write_sample(store, outlets, receivers, project_id, time.time_ns())
    if not outlets.can_mail:
        print(f"CLEW_SMTP_URL is not set: nothing was sent. The mail can be read at {outlets.desk.base_url}/alerts/deliveries")
        return 0
    return _deliver(store, settings, project_id, ids)


def _deliver(store: Store, settings: Settings, project_id: int, ids: Sequence[str]) -> int:
    """Deliver what was written, here or by a running worker, whoever claims it first, and tell how it went."""
    postman = make_postman(settings, store)
    deadline = time.monotonic() + _DELIVER_S
    while time.monotonic() < deadline:
        deliver_due(store, postman)
        mine = _tried(store, project_id, ids)
        if len(mine) == len(ids):
            break
        time.sleep(0.2)
    status = 0
    for parcel, tries in _tried(store, project_id, ids):
        print(f"{plain_line(parcel.receiver)}: {tries[-1].outcome}, {plain_line(tries[-1].words)}")
        status = status if tries[-1].outcome == "sent" else 1
    return status


def _tried(store: Store, project_id: int, ids: Sequence[str]) -> list[tuple[Parcel, list[Attempt]]]:
    with store.engine.connect() as conn:
        parcels = [one for one in list_parcels(conn, project_id, None, 200) if one.message_id in ids]
        attempts = attempts_of(conn, [one.id for one in parcels])
    return [(one, attempts[one.id]) for one in parcels if one.id in attempts]


def _explain(store: Store, arguments: argparse.Namespace) -> int:
    if not arguments.id.isdecimal():
        raise CliError("An alert is named by its number, as the alerts page and every mail show it.")
    with store.engine.connect() as conn:
        alert = read_alert(conn, find_project(store, arguments.project).id, int(arguments.id[:18]))
        if alert is None:
            raise CliError(f"There is no alert {arguments.id[:18]} in project {arguments.project[:100]}.")
        evidence = evidence_lines(conn, alert, time.time_ns())
        parcels = list(reversed(list_parcels(conn, alert.project_id, alert.id, 200)))
        attempts = attempts_of(conn, [one.id for one in parcels])
    print("\n".join(evidence))
    print("Told" if parcels else "Nobody was told.")
    for parcel in parcels:
        whom = plain_line(parcel.receiver) or "nobody"
        print(f"  {clock(parcel.created_ns)}  {parcel.kind:<9} {whom}: {parcel.state}  {parcel.message_id}")
        for one in attempts.get(parcel.id, ()):
            print(f"    {clock(one.at_ns)}  {one.outcome}: {plain_line(one.words)}")
    return 0


def evidence_lines(conn: Connection, alert: Alert, now_ns: int) -> list[str]:
    """Return what stands behind an alert and what happened to it, a line each, plain."""
    lines = _head(alert, read_case(conn, alert, (), now_ns))
    lines += [_run_line(behind) for behind in runs_of_alert(conn, alert.id)]
    lines.append("What happened")
    for event in events_of_alert(conn, alert.id):
        lines.append(f"  {clock(event.at_ns)}  {event.kind:<13} {plain_line(event.actor)} {plain_line(event.words)}".rstrip())
    return lines


def _run_line(behind: AlertRun) -> str:
    first, last = behind.spans[:8].hex(), behind.spans[-8:].hex()
    steps = f", steps {first} to {last}" if last != first else f", step {first}" if first else ""
    return f"  run {behind.run_id.hex()} of trace {behind.trace_id.hex()}{steps}: {plain_line(behind.sentence)}"


def _head(alert: Alert, case: Case) -> list[str]:
    rule = rule_of(alert.rule)
    usual = f", usually {money(case.usual_nanos)} an hour ({plural(case.usual_weeks, 'week')})" if case.usual_nanos is not None else ""
    return [
        f"Incident {alert.id}: {plain_line(alert.sentence)}",
        f"  {alert.severity}, {alert.state}; rule {alert.rule}, {rule.name.lower()}: {rule.sentence}",
        f"  observed {amount(alert, alert.observed)}, limit {amount(alert, alert.threshold)}. {plain_line(alert.expected)}".rstrip(),
        f"  last hour: {money(sum(nanos for _, nanos in case.minutes))} in {plural(len(case.minutes), 'minute')} with spend{usual}",
        f"  {plural(alert.runs, 'run')} behind it, {money(alert.wasted_nanos)} wasted",
    ]
