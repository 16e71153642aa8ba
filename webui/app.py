"""The web application: pages for people and the API for programs, over one store."""

import logging
from time import perf_counter

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.routing import BaseConverter

from ingest.settings import Settings
from ingest.store.engine import Store
from ingest.store.lists import BadCursor
from ingest.store.query import UnknownField

from .api import api
from .api_alerts import alerts_api
from .api_analysis import api_analysis
from .api_costs import api_costs
from .assets import asset_href
from .errors import ApiError, error_response
from .reads import AWAY, Library, library
from .security import admit, secure
from .telemetry import Telemetry
from .views import alert_rules
from .views.agents import agents_views
from .views.alert_links import alert_links
from .views.compare import compare_views
from .views.costs import costs_views
from .views.decisions import decisions_views
from .views.errors import refuse
from .views.exports import exports_views
from .views.files import files_views
from .views.health import health_views
from .views.home import home_views
from .views.people import people_views
from .views.readiness import readiness_views
from .views.run import run_views
from .views.runs import runs_views
from .views.saved import saved_views_views
from .views.settings import settings_href, settings_views
from .views.stop import stop_views
from .views.terminations import terminations_views
from .views.tools import tools_views
from .zones import zone_name

log = logging.getLogger(__name__)

_BLUEPRINTS = (
    api, api_analysis, api_costs, home_views, runs_views, exports_views, saved_views_views, run_views, stop_views, compare_views,
    costs_views, decisions_views, alerts_api, alert_rules.alerts_views, alert_links,
    tools_views, terminations_views, agents_views, people_views, readiness_views, settings_views, files_views, health_views,
)  # fmt: skip

_RETRY_S = "2"


class _Whole(BaseConverter):
    """The rest of a path, whatever it is: names of sessions, users and agents may begin with a slash."""

    regex = ".+"
    part_isolating = False


def create_app(settings: Settings, store: Store) -> Flask:
    """Return the application. It holds no state of its own but counters and caches; requests may run in many threads."""
    app = Flask(__name__, static_folder=None)
    app.url_map.merge_slashes = False
    app.url_map.converters["whole"] = _Whole
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True, "autoescape": True}
    app.jinja_env.globals |= {"asset": asset_href, "zone": zone_name, "settings_href": settings_href}
    app.config["MAX_CONTENT_LENGTH"] = 1 << 20
    app.extensions["clew"] = Library(settings, store, Telemetry())
    app.before_request(_start)
    app.before_request(admit)
    app.after_request(_finish)
    _tell_errors(app)
    for blueprint in _BLUEPRINTS:
        app.register_blueprint(blueprint)
    return app


def _tell_errors(app: Flask) -> None:
    app.register_error_handler(ApiError, _tell)
    app.register_error_handler(HTTPException, _tell_http)
    app.register_error_handler(BadCursor, _tell_cursor)
    app.register_error_handler(UnknownField, _tell_field)
    for away in AWAY:
        app.register_error_handler(away, _tell_away)


def _start() -> None:
    g.started = perf_counter()


def _finish(response: Response) -> Response:
    library().telemetry.count(request.endpoint or "none", response.status_code, perf_counter() - g.started)
    return secure(response)


def _tell(error: ApiError) -> Response:
    return error_response(error) if _is_for_programs() else refuse(error)


def _is_for_programs() -> bool:
    return request.path.startswith("/api/") or request.path == "/metrics"


_WORDS = {
    404: ("There is no such page.", ""),
    405: ("This address cannot be asked that way.", ""),
    413: ("The request is too large.", ""),
    500: ("Something in Clew is wrong; its log says what.", ""),
}
_API_WORDS = {404: ("There is no such route.", "GET /api/v1/openapi.json lists all there are.")}


def _tell_http(error: HTTPException) -> Response:
    status = error.code or 500
    words = _WORDS | (_API_WORDS if _is_for_programs() else {})
    message, hint = words.get(status, (error.description or error.name, ""))
    response = _tell(ApiError(status, error.name.lower().replace(" ", "_"), message, hint))
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return response


def _tell_cursor(error: BadCursor) -> Response:
    return _tell(ApiError(400, "bad_cursor", f"{str(error).capitalize()}.", "Start without cursor."))


def _tell_field(error: UnknownField) -> Response:
    return _tell(ApiError(400, "bad_filter", f"{str(error)[:200].capitalize()}."))


def _tell_away(error: Exception) -> Response:
    """Answer that the store is busy, away or not of this version; any other complaint of it is a fault of ours."""
    reason = library().explain(error)
    if reason is None:
        raise error
    log.warning("the store did not answer: %s", type(error).__name__)
    response = _tell(ApiError(503, "store_unavailable", reason, "Try again in a few seconds."))
    response.headers["Retry-After"] = _RETRY_S
    return response
