"""The web application: pages for people and the API for programs, over one store."""

from time import perf_counter

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from ingest.settings import Settings
from ingest.store.engine import Store

from .api import api
from .assets import asset_href
from .errors import ApiError, error_response
from .reads import Library, library
from .security import admit, secure
from .telemetry import Telemetry
from .views.costs import costs_views
from .views.errors import refuse
from .views.files import files_views
from .views.health import health_views
from .views.home import home_views
from .views.people import people_views
from .views.run import run_views
from .views.runs import runs_views

_BLUEPRINTS = (api, home_views, runs_views, run_views, costs_views, people_views, files_views, health_views)


def create_app(settings: Settings, store: Store) -> Flask:
    """Return the application. It holds no state of its own but counters and caches; requests may run in many threads."""
    app = Flask(__name__, static_folder=None)
    app.url_map.merge_slashes = False
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True, "autoescape": True}
    app.jinja_env.globals["asset"] = asset_href
    app.config["MAX_CONTENT_LENGTH"] = 1 << 20
    app.extensions["clew"] = Library(settings, store, Telemetry())
    app.before_request(_start)
    app.before_request(admit)
    app.after_request(_finish)
    app.register_error_handler(ApiError, _tell)
    app.register_error_handler(HTTPException, _tell_http)
    for blueprint in _BLUEPRINTS:
        app.register_blueprint(blueprint)
    return app


def _start() -> None:
    g.started = perf_counter()


def _finish(response: Response) -> Response:
    library().telemetry.count(request.endpoint or "none", response.status_code, perf_counter() - g.started)
    return secure(response)


def _tell(error: ApiError) -> Response:
    return error_response(error) if request.path.startswith("/api/") else refuse(error)


def _tell_http(error: HTTPException) -> Response:
    status = error.code or 500
    words = {404: "There is no such page.", 405: "This address cannot be asked that way.", 413: "The request is too large."}
    return _tell(ApiError(status, error.name.lower().replace(" ", "_"), words.get(status, error.description or error.name)))
