"""The HTTP API: what scripts, the command line and other programs read. Its document is at ``/api/v1/openapi.json``."""

from collections.abc import Callable

from flask import Blueprint, Response, request

from ingest.store.query import BY, ORDERS, CostTable, Filter, Order, Spent

from .api_json import Json, span_json, summary_json, timestamp, trace_json, usd
from .errors import ApiError, json_response
from .filters import FilterError, parse_filter, parse_time
from .format import now_ns
from .lookup import Lookup, look_up
from .openapi import document
from .reads import ListQuery, reads

api = Blueprint("api", __name__, url_prefix="/api/v1")

MAX_LIMIT = 500
_DAY_NS = 86_400 * 10**9


def id_argument(text: str, digits: int, what: str) -> bytes:
    """Return an id from its hex digits; raises ``ApiError`` 400 for anything else."""
    plain = text.strip().lower()
    if len(plain) == 36 and digits == 32:
        plain = plain.replace("-", "")
    try:
        value = bytes.fromhex(plain)
    except ValueError:
        value = b""
    if len(plain) != digits or len(value) * 2 != digits:
        raise ApiError(400, "malformed", f"A {what} id has {digits} hexadecimal digits.", "GET /api/v1/lookup?q= takes prefixes and more.")
    return value


def limit_argument(default: int = 50) -> int:
    """Return the parameter ``limit``, at most 500."""
    text = request.args.get("limit", str(default))
    if not text.isdecimal() or not 1 <= int(text[:9]) <= MAX_LIMIT:
        raise ApiError(400, "bad_parameter", f"limit is a number from 1 to {MAX_LIMIT}.", "Use cursor to read on.")
    return int(text)


def time_argument(name: str) -> int | None:
    """Return a parameter that is a time: RFC 3339, a date, or relative as in ``-24h``."""
    text = request.args.get(name, "")
    if not text:
        return None
    at = parse_time(text.replace(" ", "+"), now_ns())
    if at is None:
        raise ApiError(400, "bad_parameter", f"{name} is no time: {text[:40]!r}.", "Write 2026-05-12T07:41:00Z, 2026-05-12 or -24h.")
    return at


def filter_argument() -> Filter | None:
    """Return the parameter ``filter``, parsed."""
    try:
        return parse_filter(request.args.get("filter", ""), now_ns())
    except FilterError as error:
        raise ApiError(400, "bad_filter", str(error), error.hint) from error


def _order_argument() -> Order:
    asked = request.args.get("order", "started")
    for order in ORDERS:
        if order == asked:
            return order
    raise ApiError(400, "bad_parameter", f"order is none of {', '.join(ORDERS)}.")


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
        order=_order_argument(),
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
    miss = reads().explain_trace(bytes.fromhex(trace_id.replace("-", "")))
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


@api.get("/sessions/<path:session_id>")
def session(session_id: str) -> Response:
    """Answer the runs of a session in the order they started."""
    found = reads().session(session_id, limit_argument(100))
    if not found:
        raise ApiError(404, "not_found", "No run of this session was ever received here.")
    return json_response({"session_id": session_id, "items": [summary_json(one) for one in found], "next": None})


@api.get("/costs")
def costs() -> Response:
    """Answer what was spent, by any of the groupings."""
    by = tuple(part.strip() for part in request.args.get("by", "day,model").split(",") if part.strip())
    unknown = [part for part in by if part not in BY]
    if unknown or len(set(by)) != len(by):
        raise ApiError(400, "bad_parameter", f"by cannot be {request.args.get('by', '')[:80]!r}.", f"Any of {', '.join(BY)}, each once.")
    now = now_ns()
    from_ns, to_ns = time_argument("from"), time_argument("to")
    table = reads().costs(by, from_ns if from_ns is not None else now - 30 * _DAY_NS, to_ns if to_ns is not None else now)
    return json_response(costs_json(table))


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


def spent_json(spent: Spent) -> Json:
    """Return sums; a cost is ``null`` where no call had a price."""
    known = spent.cost_nanos or spent.unpriced_calls == 0
    return {
        "runs": spent.runs,
        "llm_calls": spent.llm_calls,
        "tool_calls": spent.tool_calls,
        "errors": spent.errors,
        "input_tokens": spent.input_tokens,
        "output_tokens": spent.output_tokens,
        "cache_read_tokens": spent.cache_read_tokens,
        "cache_write_tokens": spent.cache_write_tokens,
        "reasoning_tokens": spent.reasoning_tokens,
        "cost_usd": usd(spent.cost_nanos) if known else None,
        "unpriced_calls": spent.unpriced_calls,
    }
