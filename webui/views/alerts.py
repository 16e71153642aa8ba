"""Pages of alerts: what is wrong, what is behind it, what was told, and what to do about it."""

import re

from flask import Blueprint, Response, g, render_template, request

from ingest.store.alert_model import Alert
from webui import reads_alerts
from webui.alerts.links import form_token, is_form_token
from webui.errors import ApiError
from webui.format import clock, now_ns
from webui.pages.alert import Told, build_alert_page
from webui.pages.alerts import STATES, banners_of, build_alerts_page, build_deliveries_page, build_silences_page
from webui.reads import library

alerts_views = Blueprint("alerts", __name__)

_OPEN = ("pending", "firing", "recovering")
_MOST = 200
_SECRET = re.compile(r"([?&]t=)[\w-]+")


@alerts_views.before_request
def expect_own_form() -> None:
    """Let nothing be posted but by a form of ours. Raises ``ApiError`` 403."""
    if request.method == "POST" and not is_form_token(request.form.get("form", ""), reads_alerts.key(), now_ns()):
        raise ApiError(403, "old_form", "This form is too old, or not one of ours.", "Open the page again.")


def new_form() -> str:
    """Return what a form of ours carries."""
    return form_token(reads_alerts.key(), now_ns())


def _banners() -> list[str]:
    settings = library().settings
    parcels, _ = reads_alerts.parcels(None, 50)
    return banners_of(bool(settings.smtp_url), bool(settings.alert_to), parcels, reads_alerts.troubled_receivers(), now_ns())


@alerts_views.get("/alerts")
def alerts() -> str:
    """Show the alerts that are open, or those in a state."""
    state = request.args.get("state", "")
    state = state if state in STATES else ""
    found = reads_alerts.listed((state,) if state else _OPEN, None, _MOST)
    page = build_alerts_page(found, reads_alerts.counts(), state, _banners(), now_ns())
    return render_template("alerts.html", nav="alerts", page=page)


def the_alert(alert_id: int) -> Alert:
    """Return an alert. Raises ``ApiError`` 404."""
    found = reads_alerts.one(alert_id)
    if found is None:
        raise ApiError(404, "not_found", "There is no such alert here.", "All alerts are listed on the alerts page.")
    return found


@alerts_views.get("/alerts/<int:alert_id>")
def alert(alert_id: int) -> str:
    """Show one alert: its evidence, its money, its history."""
    found, now = the_alert(alert_id), now_ns()
    parcels, attempts = reads_alerts.parcels(alert_id)
    told = Told(reads_alerts.history(alert_id), parcels, attempts)
    until = max((one.ends_ns for one in reads_alerts.silences() if one.covers(found, now)), default=None)
    form = (new_form(), clock(until, now) if until is not None else "")
    page = build_alert_page(reads_alerts.case(found), told, reads_alerts.going_on(found), form, now)
    return render_template("alert.html", nav="alerts", page=page)


@alerts_views.post("/alerts/<int:alert_id>/<deed>")
def act(alert_id: int, deed: str) -> Response:
    """Do something about an alert and go back to it."""
    found = the_alert(alert_id)
    if deed == "ack":
        reads_alerts.acknowledge(found, reads_alerts.actor())
    elif deed == "resolve":
        reads_alerts.resolve(found, reads_alerts.actor())
    elif deed == "silence":
        reads_alerts.silence(found, reads_alerts.actor(), _hours(), request.form.get("reason", "")[:300])
    elif deed == "stop":
        reads_alerts.stop_runs(found, reads_alerts.actor())
    else:
        raise ApiError(404, "not_found", "There is no such page.")
    return _back_to(f"/alerts/{alert_id}")


def _hours() -> float:
    text = request.form.get("hours", "")
    hours = float(text) if re.fullmatch(r"\d{1,3}(?:\.\d)?", text) else 0.0
    if not 0 < hours <= reads_alerts.LONGEST_SILENCE_H:
        raise ApiError(400, "bad_parameter", f"A silence lasts at most {reads_alerts.LONGEST_SILENCE_H} hours.")
    return hours


def _back_to(path: str) -> Response:
    return Response(status=303, headers={"Location": path})


@alerts_views.get("/alerts/silences")
def silences() -> str:
    """Show all silences, and a form for a new one."""
    page = build_silences_page(reads_alerts.silences(), now_ns())
    return render_template("alert_silences.html", nav="alerts", page=page, form=new_form())


@alerts_views.post("/alerts/silences")
def silence() -> Response:
    """Begin a silence."""
    scope = tuple(request.form.get(name, "").strip()[:120] for name in ("rule", "agent", "subject"))
    if not any(scope):
        hint = "To hear nothing at all, clear CLEW_ALERT_TO."
        raise ApiError(400, "bad_parameter", "A silence names a rule, an agent or a subject.", hint)
    reason = request.form.get("reason", "").strip()[:300]
    if not reason:
        raise ApiError(400, "bad_parameter", "A silence has a reason.")
    reads_alerts.silence_scope((scope[0], scope[1], scope[2]), _hours(), reason)
    return _back_to("/alerts/silences")


@alerts_views.post("/alerts/silences/<int:silence_id>/end")
def end_silence(silence_id: int) -> Response:
    """End a silence before its time."""
    reads_alerts.end_silence(silence_id)
    return _back_to("/alerts/silences")


@alerts_views.get("/alerts/deliveries")
def deliveries() -> str:
    """Show what was told to whom, with each attempt."""
    parcels, attempts = reads_alerts.parcels(None)
    page = build_deliveries_page(parcels, attempts, reads_alerts.troubled_receivers(), _banners(), now_ns())
    return render_template("alert_deliveries.html", nav="alerts", page=page, form=new_form())


@alerts_views.get("/alerts/deliveries/<int:parcel_id>")
def delivery(parcel_id: int) -> str:
    """Show a message as it was written. What its links may do stays between them and whom it went to."""
    found = reads_alerts.parcel(parcel_id)
    if found is None:
        raise ApiError(404, "not_found", "There is no such message here.")
    text = _SECRET.sub(r"\1…", found.body)
    return render_template("alert_message.html", nav="alerts", parcel=found, text=text, written=clock(found.created_ns))


@alerts_views.get("/alerts/deliveries/<int:parcel_id>/html")
def delivery_html(parcel_id: int) -> Response:
    """Answer the HTML of a mail as mail programs show it, in a box from which nothing can be reached."""
    found = reads_alerts.parcel(parcel_id)
    if found is None or not found.html:
        raise ApiError(404, "not_found", "There is no such message here.")
    answer = Response(_SECRET.sub(r"\1…", found.html), content_type="text/html; charset=utf-8")
    # Mails have inline styles, since mail programs take nothing else; and nothing but styles.
    answer.headers["Content-Security-Policy"] = "sandbox; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
    return answer


@alerts_views.post("/alerts/receivers")
def forgive() -> Response:
    """Send mail again to a receiver that refused it."""
    reads_alerts.forgive(request.form.get("receiver", ""))
    return _back_to("/alerts/deliveries")


def project() -> int:
    """Return the request's project."""
    found: int = g.project_id
    return found
