"""The API's routes about two runs or many: comparison, the nearest good run, tools, decisions, readiness."""

from flask import Blueprint, Response, request

from ingest.model import Trace
from ingest.store.tally import DAY_NS
from webui.analysis.compare import compare_traces

from .analysis_json import comparison_json, decisions_json, nearest_json, people_json, readiness_json, tools_json
from .api import unknown_trace
from .arguments import expect_known_arguments, id_argument, time_argument
from .errors import ApiError, json_response
from .format import now_ns
from .reads_analysis import Days, decisions, nearest_good, people, readiness, tools, trace_of

api_analysis = Blueprint("api_analysis", __name__, url_prefix="/api/v1")

api_analysis.before_request(expect_known_arguments)


@api_analysis.get("/traces/<trace_id>/nearest-good")
def nearest(trace_id: str) -> Response:
    """Answer the successful runs nearest to a run; none is no error."""
    key = id_argument(trace_id, 32, "trace")
    found = nearest_good(key)
    if not found and trace_of(key) is None:
        raise unknown_trace(trace_id)
    return json_response(nearest_json(key, found))


@api_analysis.get("/compare")
def compare() -> Response:
    """Answer two runs, aligned by step, and where they first part."""
    return json_response(comparison_json(compare_traces(_side("a"), _side("b"))))


def _side(name: str) -> Trace:
    asked = request.args.get(name, "")
    if not asked:
        raise ApiError(400, "bad_parameter", f"{name} is missing.", "Ask for /api/v1/compare?a=TRACE&b=TRACE.")
    found = trace_of(id_argument(asked, 32, "trace"))
    if found is None:
        raise unknown_trace(asked)
    return found


@api_analysis.get("/tools")
def all_tools() -> Response:
    """Answer the tools that were called, with failures, latency, cost and waste."""
    days = _days()
    return json_response(tools_json(tools(days, _agent()), days))


@api_analysis.get("/decisions")
def all_decisions() -> Response:
    """Answer the branch points that were met, how often each option was taken and how that ended."""
    days = _days()
    return json_response(decisions_json(decisions(days, _agent()), days))


@api_analysis.get("/sessions")
def all_sessions() -> Response:
    """Answer the sessions of the newest runs."""
    days = _days()
    return json_response(people_json("session", people("session", days), days))


@api_analysis.get("/users")
def all_users() -> Response:
    """Answer the users of the newest runs."""
    days = _days()
    return json_response(people_json("user", people("user", days), days))


@api_analysis.get("/readiness")
def all_readiness() -> Response:
    """Answer the production checklist of each agent, judged from its traces."""
    days = _days()
    return json_response(readiness_json(readiness(days, _agent()), days))


_DEFAULT_DAYS = 7


def _days() -> Days:
    """Return the UTC days that from and to touch; the last seven by default."""
    now = now_ns()
    to_ns, from_ns = time_argument("to"), time_argument("from")
    end = -(-(now if to_ns is None else to_ns) // DAY_NS)
    first = end - _DEFAULT_DAYS if from_ns is None else from_ns // DAY_NS
    return Days(first, end)


def _agent() -> str | None:
    return request.args.get("agent") or None
