"""The API's own description, OpenAPI 3.1."""

from functools import cache
from typing import Any

from ingest.model import STEP_KINDS, TERMINATION_REASONS
from ingest.store.query import BY, ORDERS

from .openapi_alerts import alerts_paths, alerts_schemas
from .openapi_analysis import analysis_paths, analysis_schemas
from .openapi_costs import costs_paths, costs_schemas, narrowing_parameters

Schema = dict[str, Any]

_ID32 = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
_ID16 = {"type": "string", "pattern": "^[0-9a-f]{16}$"}
_TIME = {"type": "string", "format": "date-time"}


def _maybe(kind: str, **more: Any) -> Schema:
    return {"type": [kind, "null"], **more}


_TEXT, _NUMBER, _COUNT, _OBJECT = _maybe("string"), _maybe("number"), {"type": "integer"}, {"type": "object"}
_MAYBE_TIME, _MAYBE_ID16 = _maybe("string", format="date-time"), _maybe("string", pattern="^[0-9a-f]{16}$")
_MONEY = _maybe("number", description="US dollars with up to nine decimals; null where no price is known")


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _record(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _either(name: str) -> Schema:
    return {"anyOf": [_ref(name), {"type": "null"}]}


def _page(name: str) -> Schema:
    return _record(items=_list(_ref(name)), next=_TEXT)


_TOTALS = {
    "usage": _ref("Usage"), "cost_usd": _MONEY, "unpriced_calls": _COUNT, "llm_calls": _COUNT, "tool_calls": _COUNT,
    "errors": _COUNT, "decisions": _COUNT, "step_count": _COUNT,
}  # fmt: skip
_WHO = {
    "agent": {"type": "string"}, "service": _TEXT, "version": _TEXT, "environment": _TEXT, "session_id": _TEXT, "user_id": _TEXT,
    "started_at": _TIME, "ended_at": _MAYBE_TIME, "duration_ms": _NUMBER, "status": {"enum": ["ok", "error", "running"]},
    "input": _TEXT, "output": _TEXT,
}  # fmt: skip
_DROPPED = _record(attributes=_COUNT, events=_COUNT, links=_COUNT)
_LOST = _record(attributes=_COUNT, events=_COUNT, links=_COUNT, spans=_COUNT)
_STATE = {"enum": ["settling", "complete", "incomplete", "running"]}
_ATTRIBUTES: Schema = {"type": "object", "additionalProperties": True}


def _schemas() -> dict[str, Schema]:
    return {
        "Error": _record(error=_record(code={"type": "string"}, message={"type": "string"}, hint={"type": "string"})),
        "Usage": _record(**dict.fromkeys(
            ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens"), _maybe("integer"))),
        "Termination": _record(
            reason={"enum": list(TERMINATION_REASONS)}, source={"enum": ["declared", "inferred"]}, detail=_TEXT, span_id=_MAYBE_ID16),
        "Tool": _record(
            name={"type": "string"}, call_id=_TEXT, arguments={}, result=_TEXT, error=_TEXT, source={"enum": ["span", "derived"]}),
        "Option": _record(name={"type": "string"}, because=_TEXT, score=_NUMBER),
        "Decision": _record(
            question=_TEXT, chosen={"type": "string"}, because=_TEXT, source={"enum": ["declared", "derived"]},
            alternatives=_list(_ref("Option"))),
        "Step": _record(
            index=_COUNT, span_id=_ID16, kind={"enum": list(STEP_KINDS)}, name={"type": "string"}, started_at=_TIME, ended_at=_MAYBE_TIME,
            duration_ms=_NUMBER, status={"enum": ["ok", "error"]}, error=_TEXT, thought=_TEXT, input=_TEXT, output=_TEXT,
            usage=_either("Usage"), model=_TEXT, provider=_TEXT, operation=_TEXT, finish_reason=_TEXT, cost_usd=_MONEY,
            cost_source=_TEXT, tool=_either("Tool"), decision=_either("Decision"), run_id=_MAYBE_ID16, children=_list(_ref("Step"))),
        "Run": _record(
            run_id=_ID16, parent_run_id=_MAYBE_ID16, trace_id=_ID32, **_WHO, references=_ATTRIBUTES, termination=_ref("Termination"),
            budget=_record(tokens=_maybe("integer"), usd=_NUMBER, steps=_maybe("integer")), **_TOTALS, steps=_list(_ref("Step"))),
        "Trace": _record(
            trace_id=_ID32, project={"type": "string"}, state=_STATE, span_count=_COUNT, missing_parents=_COUNT, dropped=_LOST,
            first_seen_at=_TIME, last_seen_at=_TIME, runs=_list(_ref("Run")), orphan_steps=_list(_ref("Step"))),
        "Summary": _record(
            trace_id=_ID32, run_id=_ID16, **_WHO, state=_STATE, termination=_OBJECT, **_TOTALS, span_count=_COUNT, run_count=_COUNT),
        "Span": _record(
            trace_id=_ID32, span_id=_ID16, parent_span_id=_MAYBE_ID16, name={"type": "string"}, kind=_COUNT, started_at=_TIME,
            ended_at=_TIME, start_unix_nano={"type": "string"}, end_unix_nano={"type": "string"}, status=_OBJECT,
            trace_state={"type": "string"}, flags=_COUNT, attributes=_ATTRIBUTES, events=_list(_OBJECT), links=_list(_OBJECT),
            resource=_OBJECT, scope=_OBJECT, dropped=_DROPPED, repaired=_list({"type": "string"})),
        "Lookup": _record(
            matches=_list(_record(kind={"enum": ["trace", "session", "user", "reference"]}, trace_id=_ID32, span_id=_MAYBE_ID16,
                                  agent=_TEXT, started_at=_MAYBE_TIME, matched={"type": "string"})),
            miss={"anyOf": [{"type": "null"}, _record(
                reason={"enum": ["never_seen", "settling", "deleted_by_retention", "not_permitted", "malformed"]},
                message={"type": "string"})]}),
        "Spent": _record(**dict.fromkeys(
            ("runs", "llm_calls", "tool_calls", "errors", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens",
             "reasoning_tokens", "unpriced_calls"), _COUNT), cost_usd=_MONEY),
        "Costs": _record(by=_list({"enum": list(BY)}), rows=_list(_ref("Spent")), total=_ref("Spent")),
        "Session": _record(session_id={"type": "string"}, items=_list(_ref("Summary")), next=_TEXT),
    }  # fmt: skip


def _parameter(name: str, schema: Schema, about: str, where: str = "query") -> Schema:
    return {"name": name, "in": where, "required": where == "path", "schema": schema, "description": about}


def _get(about: str, schema: str | Schema, *parameters: Schema, also: tuple[str, ...] = ("400", "401", "404", "503")) -> Schema:
    shape = _ref(schema) if isinstance(schema, str) else schema
    answers: Schema = {"200": {"description": "found", "content": {"application/json": {"schema": shape}}}}
    for status in also:
        answers[status] = {"description": "not answered", "content": {"application/json": {"schema": _ref("Error")}}}
    return {"get": {"summary": about, "parameters": list(parameters), "responses": answers}}


def _paths() -> dict[str, Schema]:
    text: Schema = {"type": "string"}
    trace = _parameter("trace_id", _ID32, "32 hex digits", "path")
    limit = _parameter("limit", {"type": "integer", "minimum": 1, "maximum": 500}, "at most so many items")
    cursor = _parameter("cursor", text, "next of the page before")
    since = _parameter("from", text, "RFC 3339, a date, or relative as in -24h; costs go by whole hours")
    until = _parameter("to", text, "as from; exclusive")
    lookup = _get(
        "Find the run that a text is about",
        "Lookup",
        _parameter("q", text, "an id, its start, a reference, a log line"),
        also=("400", "401", "503"),
    )
    lookup["get"]["responses"]["404"] = {
        "description": "a miss, with its reason",
        "content": {"application/json": {"schema": _ref("Lookup")}},
    }
    return {
        "/api/v1/lookup": lookup,
        "/api/v1/traces": _get(
            "List traces, newest first", _page("Summary"), _parameter("filter", text, "a condition in the filter language"), since, until,
            _parameter("order", {"enum": list(ORDERS)}, "descending"), limit, cursor, also=("400", "401", "503")),
        "/api/v1/traces/{trace_id}": _get("Read a trace: its runs and steps", "Trace", trace),
        "/api/v1/traces/{trace_id}/spans": _get("Read a trace's spans as stored", _page("Span"), trace),
        "/api/v1/traces/{trace_id}/spans/{span_id}": _get(
            "Read one span as stored", "Span", trace, _parameter("span_id", _ID16, "16 hex digits", "path")),
        "/api/v1/costs": _get(
            "Sum up what was spent", "Costs", since, until, _parameter("by", text, f"any of {', '.join(BY)}, joined by commas"),
            *narrowing_parameters(),
            also=("400", "401", "503")),
        "/api/v1/sessions/{session_id}": _get(
            "Read a session's runs in order", "Session", _parameter("session_id", text, "the session's id", "path"), limit, cursor),
    }  # fmt: skip


@cache
def document() -> Schema:
    """Return the whole description."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Clew", "version": "1", "description": "Agent runs, their steps, decisions, termination and cost."},
        "paths": _paths() | costs_paths() | analysis_paths() | alerts_paths(),
        "components": {
            "schemas": _schemas() | costs_schemas() | analysis_schemas() | alerts_schemas(),
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "needed where authentication is on"}},
        },
        "security": [{}, {"key": []}],
    }
