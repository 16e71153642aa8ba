"""Links in mails: opening one shows what it would do, and only its button does it. They need no login; each is signed for one deed."""

from flask import Blueprint, Response, g, render_template, request

from ingest.store.alert_model import Alert
from ingest.store.alertbook import Actor
from webui import reads_alerts
from webui.alerts.links import DEEDS, LinkError, Permit, read_token
from webui.errors import ApiError
from webui.format import now_ns, plural
from webui.pages.alert_deeds import DeedPage, ask_page, done_page

alert_links = Blueprint("alert_links", __name__)

_HOURS = 4


@alert_links.get("/a/<int:alert_id>/<deed>")
def ask(alert_id: int, deed: str) -> Response:
    """Show what a link does and ask once more. Programs that open every link in a mail change nothing."""
    permit, alert = _permitted(alert_id, deed)
    page = ask_page(permit.deed, alert, reads_alerts.going_on(alert), request.args.get("t", ""))
    return _page(page)


@alert_links.post("/a/<int:alert_id>/<deed>")
def do(alert_id: int, deed: str) -> Response:
    """Do what the link is for, on behalf of whom the mail went to. Doing it twice changes nothing."""
    permit, alert = _permitted(alert_id, deed)
    who = Actor(permit.receiver or "a mail's link", request.remote_addr or "")
    return _page(done_page(permit.deed, alert, _DOERS[permit.deed](alert, who)))


def _page(page: DeedPage) -> Response:
    return Response(render_template("alert_deed.html", page=page))


def _permitted(alert_id: int, deed: str) -> tuple[Permit, Alert]:
    """Return what a link allows, and the alert. Raises ``ApiError`` where the link is not one for this."""
    if deed not in DEEDS:
        raise ApiError(404, "not_found", "There is no such page.")
    token = request.args.get("t", "") or request.form.get("t", "")
    try:
        permit = read_token(token, reads_alerts.key(), now_ns())
    except LinkError as error:
        raise ApiError(403, "bad_link", str(error), "The alerts page has the same buttons.") from error
    if permit.alert_id != alert_id or permit.deed != deed:
        raise ApiError(403, "bad_link", "This link was made for something else.", "The alerts page has the same buttons.")
    g.project_id = permit.project_id
    alert = reads_alerts.one(alert_id)
    if alert is None:
        raise ApiError(404, "not_found", "There is no such alert here.")
    return permit, alert


def _acknowledge(alert: Alert, who: Actor) -> str:
    return "It is yours now." if reads_alerts.acknowledge(alert, who) else "Somebody looks after it already, or it is over."


def _silence(alert: Alert, who: Actor) -> str:
    if any(one.covers(alert, now_ns()) for one in reads_alerts.silences()):
        return "It is silenced already."
    reads_alerts.silence(alert, who, _HOURS, "from a mail")
    return f"It is silent for {_HOURS} hours."


def _stop(alert: Alert, who: Actor) -> str:
    stopped = reads_alerts.stop_runs(alert, who)
    return f"{plural(stopped, 'run')} asked to stop: each ends before its next call." if stopped else "None of its runs goes on any more."


_DOERS = {"ack": _acknowledge, "silence": _silence, "stop": _stop}
