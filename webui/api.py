"""The HTTP API: what scripts, the command line and other programs read. Its document is at ``/api/v1/openapi.json``."""

from collections.abc import Callable

from flask import Blueprint, Response, request

from ingest.store.cube import CubeQuery
from ingest.store.query import CostTable

from .api_costs import narrowing
from .api_json import Json, span_json, summary_json, timestamp, trace_json
from .arguments import (
    by_argument,
    expect_known_arguments,
    filter_argument,
    id_argument,
    limit_argument,
    order_argument,
    skip_argument,
    time_argument,
)
from .costs_json import spent_json
from .errors import ApiError, json_response
from .format import now_ns
from .lookup import Lookup, look_up
from .openapi import document
from .reads import ListQuery, reads
from .reads_costs import costs_table

api = Blueprint("api", __name__, url_prefix="/api/v1")

_DAY_NS = 86_400 * 10**9

api.before_request(expect_known_arguments)


@api.get("/openapi.json")
def openapi() -> Response:
    """Answer the API's own description."""
    return json_response(document())


@api.get("/lookup")
def lookup() -> Response:
    """Answer which traces a text is about, or why none."""
    found = look_up(request.args.get("q", ""), reads().sources())
    return json_response(lookup_json(found), 200 if found.matches else 404)


def lookup_json(found: Lookup) -> Json:
    """Return a lookup's answer."""
    matches = [
        {
            "kind": match.kind,
            "trace_id": match.trace_id.hex(),
            "span_id": match.span_id.hex() if match.span_id else None,
            "agent": match.agent,
            "started_at": timestamp(match.started_ns),
            "matched": match.matched,
        }
        for match in found.matches
    ]
    return {"matches": matches, "miss": {"reason": found.miss.reason, "message": found.miss.message} if found.miss else None}


@api.get("/traces")
def traces() -> Response:
    """Answer trace summaries, newest first unless told otherwise."""
    query = ListQuery(
        filter=filter_argument(),
        from_ns=time_argument("from"),
        to_ns=time_argument("to"),
        order=order_argument(),
        limit=limit_argument(),
        cursor=request.args.get("cursor"),
    )
    summaries, cursor = reads().listed(query)
    return json_response({"items": [summary_json(one) for one in summaries], "next": cursor})


@api.get("/traces/<trace_id>")
def trace(trace_id: str) -> Response:
    """Answer one trace with its runs and steps."""
    found = reads().trace(id_argument(trace_id, 32, "trace"))
    if found is None:
        raise unknown_trace(trace_id)
    return json_response(trace_json(found, reads().project_name()))


def unknown_trace(trace_id: str) -> ApiError:
    """Return the error for a trace that is not here, with what is known of it."""
    miss = reads().explain_trace(id_argument(trace_id, 32, "trace"))
    if miss is not None:
        return ApiError(404, miss.reason, miss.message)
    return ApiError(404, "not_found", "No span of this trace was ever received here.", "GET /api/v1/lookup?q= takes other ids.")


@api.get("/traces/<trace_id>/spans")
def spans(trace_id: str) -> Response:
    """Answer every stored span of a trace, whole."""
    found = reads().spans(id_argument(trace_id, 32, "trace"))
    if not found:
        raise unknown_trace(trace_id)
    return json_response({"items": [span_json(one) for one in found], "next": None})


@api.get("/traces/<trace_id>/spans/<span_id>")
def span(trace_id: str, span_id: str) -> Response:
    """Answer one stored span, whole."""
    found = reads().span(id_argument(trace_id, 32, "trace"), id_argument(span_id, 16, "span"))
    if found is None:
        raise ApiError(404, "not_found", "No span of this id is stored in this trace.")
    return json_response(span_json(found))


@api.get("/sessions/<whole:session_id>")
def session(session_id: str) -> Response:
    """Answer the runs of a session in the order they started."""
    limit, skipped = limit_argument(100), skip_argument()
    found = reads().session(session_id, skipped + limit + 1)
    if not found:
        raise ApiError(404, "not_found", "No run of this session was ever received here.", "New runs are listed within 2 seconds.")
    shown = found[skipped : skipped + limit]
    following = str(skipped + limit) if len(found) > skipped + limit else None
    return json_response({"session_id": session_id, "items": [summary_json(one) for one in shown], "next": following})


@api.get("/costs")
def costs() -> Response:
    """Answer what was spent, by any of the groupings."""
    now = now_ns()
    from_ns, to_ns = time_argument("from"), time_argument("to")
    since, until = from_ns if from_ns is not None else now - 30 * _DAY_NS, to_ns if to_ns is not None else now
    return json_response(costs_json(costs_table(CubeQuery(since, until, where=narrowing()), by_argument())))


_GROUP_JSON: dict[str, Callable[[int | str], str]] = {
    "hour": lambda hour: timestamp(int(hour) * 3600 * 10**9) or "",
    "day": lambda day: (timestamp(int(day) * _DAY_NS) or "")[:10],
}


def costs_json(table: CostTable) -> Json:
    """Return a cost table."""
    rows = []
    for row in table.rows:
        group = zip(table.by, row.group, strict=True)
        rows.append({by: _GROUP_JSON[by](value) if by in _GROUP_JSON else (value or None) for by, value in group} | spent_json(row.spent))
    return {"by": list(table.by), "rows": rows, "total": spent_json(table.total)}
