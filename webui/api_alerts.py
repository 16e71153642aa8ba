"""The API of alerts and of stopping: what scripts read and do, and what the SDK's guard asks."""

from typing import Any

from flask import Blueprint, Response, request

from ingest.store.alert_model import Alert
from ingest.store.watchbook import RuleSetting

from . import reads_alerts
from .alerts_json import alert_json, parcel_json, rule_json, silence_json, whole_alert_json
from .analysis.detectors.catalogue import CATALOGUE
from .api_json import Json, timestamp
from .arguments import expect_known_arguments, id_argument, limit_argument
from .errors import ApiError, json_response
from .pages.stop import NO_REASON

alerts_api = Blueprint("alerts_api", __name__, url_prefix="/api/v1")
alerts_api.before_request(expect_known_arguments)

STATES = ("pending", "firing", "recovering", "resolved")
_MOST_REASON = 300


@alerts_api.get("/alerts")
def alerts() -> Response:
    """Answer alerts, the newest first."""
    states = tuple(part.strip() for part in request.args.get("state", "").split(",") if part.strip())
    unknown = [state for state in states if state not in STATES]
    if unknown:
        raise ApiError(400, "bad_parameter", f"There is no state {unknown[0][:40]!r}.", f"Any of {', '.join(STATES)}, joined by commas.")
    limit = limit_argument()
    found = reads_alerts.listed(states, _before(), limit + 1)
    following = str(found[limit - 1].id) if len(found) > limit else None
    return json_response({"items": [alert_json(one) for one in found[:limit]], "next": following})


def _before() -> int | None:
    text = request.args.get("cursor", "")
    if text and (not text.isdecimal() or len(text) > 15):
        raise ApiError(400, "bad_cursor", "This cursor was not given by this list.", "Start without cursor.")
    return int(text) if text else None


def the_alert(alert_id: str) -> Alert:
    """Return an alert by the number in an address. Raises ``ApiError`` 404."""
    found = reads_alerts.one(int(alert_id)) if alert_id.isdecimal() and len(alert_id) < 16 else None
    if found is None:
        raise ApiError(404, "not_found", "There is no such alert here.", "GET /api/v1/alerts lists all there are.")
    return found


@alerts_api.get("/alerts/<alert_id>")
def alert(alert_id: str) -> Response:
    """Answer one alert with its evidence, history and deliveries."""
    found = the_alert(alert_id)
    return json_response(_whole(found))


def _whole(found: Alert) -> Json:
    parcels, attempts = reads_alerts.parcels(found.id)
    sent = [parcel_json(parcel, attempts.get(parcel.id, ())) for parcel in parcels]
    return whole_alert_json(found, reads_alerts.behind(found.id), reads_alerts.history(found.id), sent)


@alerts_api.post("/alerts/<alert_id>/ack")
def acknowledge(alert_id: str) -> Response:
    """Note that somebody looks after an alert: it is not told again until it gets worse. Doing it twice changes nothing."""
    _body()
    reads_alerts.acknowledge(the_alert(alert_id), reads_alerts.actor())
    return json_response(_whole(the_alert(alert_id)))


@alerts_api.post("/alerts/<alert_id>/resolve")
def resolve(alert_id: str) -> Response:
    """End an alert by hand. Doing it twice changes nothing."""
    _body()
    reads_alerts.resolve(the_alert(alert_id), reads_alerts.actor())
    return json_response(_whole(the_alert(alert_id)))


@alerts_api.post("/alerts/<alert_id>/silence")
def silence(alert_id: str) -> Response:
    """Hear nothing of what an alert is about for some hours."""
    asked = _body()
    found = the_alert(alert_id)
    reads_alerts.silence(found, reads_alerts.actor(), _hours(asked.get("hours", 4)), _reason(asked))
    return json_response({"items": [silence_json(one) for one in reads_alerts.silences()], "next": None}, 201)


def _hours(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= reads_alerts.LONGEST_SILENCE_H:
        raise ApiError(400, "bad_parameter", f"hours is a number above 0 and at most {reads_alerts.LONGEST_SILENCE_H}.")
    return float(value)


def _reason(asked: Json) -> str:
    reason = asked.get("reason", "")
    if not isinstance(reason, str) or len(reason) > _MOST_REASON:
        raise ApiError(400, "bad_parameter", f"reason is a text of at most {_MOST_REASON} characters.")
    return reason


@alerts_api.get("/alerts/silences")
def silences() -> Response:
    """Answer silences, the newest first."""
    return json_response({"items": [silence_json(one) for one in reads_alerts.silences()], "next": None})


@alerts_api.get("/alerts/rules")
def rules() -> Response:
    """Answer every rule with what the project has set of it."""
    settings = reads_alerts.rule_settings()
    own = {key[2]: value for key, value in settings.items() if not key[1]}
    return json_response({"items": [rule_json(rule, own.get(rule.id, RuleSetting())) for rule in CATALOGUE], "next": None})


@alerts_api.get("/alerts/deliveries")
def deliveries() -> Response:
    """Answer what was told to whom, the latest first, with each attempt."""
    parcels, attempts = reads_alerts.parcels(None, limit_argument(100))
    return json_response({"items": [parcel_json(parcel, attempts.get(parcel.id, ())) for parcel in parcels], "next": None})


def _body() -> Json:
    """Return the JSON object that came with the request; none is an empty one. Raises ``ApiError`` 400."""
    if not request.get_data():
        return {}
    if not request.is_json:
        raise ApiError(415, "not_json", "The body must be JSON.", "Send Content-Type: application/json.")
    found = request.get_json(silent=True)
    if not isinstance(found, dict):
        raise ApiError(400, "bad_body", "The body must be a JSON object.")
    return found


# --- stopping -----------------------------------------------------------------------------------------------------


@alerts_api.post("/traces/<trace_id>/stop")
def stop(trace_id: str) -> Response:
    """Ask a live run to stop, or all runs of a trace. The SDK's guard hears of it within seconds."""
    asked = _body()
    wanted, run = id_argument(trace_id, 32, "trace"), asked.get("run")
    if run is not None and not isinstance(run, str):
        raise ApiError(400, "bad_parameter", "run is the id of a run, 16 hexadecimal digits.")
    fresh = reads_alerts.stop_trace(wanted, id_argument(run, 16, "run") if run else b"", _reason(asked) or NO_REASON)
    if fresh is None:
        raise ApiError(404, "not_found", "No span of this trace was ever received here.", "GET /api/v1/lookup?q= takes other ids.")
    return json_response(_control(wanted, id_argument(run, 16, "run") if run else b""), 202 if fresh else 200)


@alerts_api.get("/traces/<trace_id>/control")
def control(trace_id: str) -> Response:
    """Answer whether a run is to stop, who wants it and why."""
    run = request.args.get("run", "")
    return json_response(_control(id_argument(trace_id, 32, "trace"), id_argument(run, 16, "run") if run else b""))


def _control(trace_id: bytes, run_id: bytes) -> Json:
    wanted = reads_alerts.stop_wanted(trace_id, run_id)
    if wanted is None:
        return {"stop": False}
    return {"stop": True, "by": wanted.stopped_by, "reason": wanted.reason, "asked_at": timestamp(wanted.asked_ns)}
