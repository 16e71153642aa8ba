"""Alerts into the API's JSON."""

from collections.abc import Sequence

from ingest.store.alert_model import Alert, AlertEvent, AlertRun, Attempt, Parcel, Silence
from ingest.store.watchbook import RuleSetting
from webui.analysis.detectors.catalogue import Rule, rule_of

from .api_json import Json, timestamp, usd


def alert_json(alert: Alert) -> Json:
    """Return an alert as lists have it."""
    return {
        "id": alert.id,
        "state": alert.state,
        "severity": alert.severity,
        "rule": alert.rule,
        "rule_name": rule_of(alert.rule).name,
        "agent": alert.agent or None,
        "subject": alert.subject,
        "sentence": alert.sentence,
        "detail": alert.detail or None,
        "expected": alert.expected or None,
        "observed": alert.observed,
        "threshold": alert.threshold,
        "opened_at": timestamp(alert.opened_ns),
        "fired_at": timestamp(alert.fired_ns),
        "active_at": timestamp(alert.active_ns),
        "resolved_at": timestamp(alert.resolved_ns),
        "acknowledged_at": timestamp(alert.acked_ns),
        "acknowledged_by": alert.acked_by or None,
        "run_count": alert.runs,
        "flaps": alert.flaps,
        "wasted_usd": None if alert.wasted_nanos is None else usd(alert.wasted_nanos),
        "fingerprint": alert.fingerprint,
    }


def run_json(run: AlertRun) -> Json:
    """Return a run behind an alert."""
    return {
        "trace_id": run.trace_id.hex(),
        "run_id": run.run_id.hex(),
        "span_ids": [run.spans[at : at + 8].hex() for at in range(0, len(run.spans), 8)],
        "severity": run.severity,
        "observed": run.observed,
        "since": timestamp(run.since_ns),
        "last_at": timestamp(run.last_ns),
        "sentence": run.sentence,
        "detail": run.detail or None,
        "wasted_usd": None if run.wasted_nanos is None else usd(run.wasted_nanos),
        "running": bool(run.is_open),
    }


def event_json(event: AlertEvent) -> Json:
    """Return something that happened to an alert."""
    return {"at": timestamp(event.at_ns), "kind": event.kind, "actor": event.actor or None, "words": event.words or None}


def parcel_json(parcel: Parcel, attempts: Sequence[Attempt]) -> Json:
    """Return a message with the attempts to deliver it."""
    tries = [{"at": timestamp(one.at_ns), "outcome": one.outcome, "words": one.words} for one in attempts]
    return {
        "id": parcel.id,
        "alert_id": parcel.alert_id or None,
        "kind": parcel.kind,
        "channel": parcel.channel,
        "receiver": parcel.receiver or None,
        "state": parcel.state,
        "subject": parcel.subject,
        "message_id": parcel.message_id,
        "created_at": timestamp(parcel.created_ns),
        "sent_at": timestamp(parcel.sent_ns),
        "error": parcel.error or None,
        "attempts": tries,
    }


def whole_alert_json(alert: Alert, runs: Sequence[AlertRun], events: Sequence[AlertEvent], sent: Sequence[Json]) -> Json:
    """Return an alert with its evidence, its history and what was told of it."""
    history = [event_json(event) for event in events]
    return alert_json(alert) | {"runs": [run_json(run) for run in runs], "history": history, "deliveries": list(sent)}


def silence_json(silence: Silence) -> Json:
    """Return a silence."""
    return {
        "id": silence.id,
        "rule": silence.rule or None,
        "agent": silence.agent or None,
        "subject": silence.subject or None,
        "author": silence.author,
        "reason": silence.reason,
        "starts_at": timestamp(silence.starts_ns),
        "ends_at": timestamp(silence.ends_ns),
    }


def rule_json(rule: Rule, setting: RuleSetting) -> Json:
    """Return a rule with what holds of it."""
    return {
        "rule": rule.id,
        "name": rule.name,
        "sentence": rule.sentence,
        "unit": rule.unit,
        "on": setting.on is not False,
        "warning": setting.warning if setting.warning is not None else rule.limits.warning,
        "critical": setting.critical if setting.critical is not None else rule.limits.critical,
        "stop": setting.stop or None,
    }
