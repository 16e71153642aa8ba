"""The part of the API's description that is about two runs or many."""

from typing import Any

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_MAYBE_TEXT: Schema = {"type": ["string", "null"]}
_MAYBE_COUNT: Schema = {"type": ["integer", "null"]}
_MAYBE_NUMBER: Schema = {"type": ["number", "null"]}
_COUNT: Schema = {"type": "integer"}
_NUMBER: Schema = {"type": "number"}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _record(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _either(name: str) -> Schema:
    return {"anyOf": [_ref(name), {"type": "null"}]}


def _days(item: Schema) -> Schema:
    return _record(items=_list(item), next=_MAYBE_TEXT, **{"from": _TEXT, "to": _TEXT})


def analysis_schemas() -> dict[str, Schema]:
    """Return the schemas of the analyses."""
    side = _record(index=_COUNT, span_id=_TEXT, run_id=_TEXT, agent=_TEXT, kind=_TEXT, name=_TEXT, status=_TEXT,
                   duration_ms=_MAYBE_NUMBER, cost_usd=_MAYBE_NUMBER)  # fmt: skip
    difference = _record(what=_TEXT, path=_MAYBE_TEXT, a=_TEXT, b=_TEXT, material={"type": "boolean"})
    return {
        "ComparedStep": side,
        "ComparedPair": _record(pair=_COUNT, a=_either("ComparedStep"), b=_either("ComparedStep"), differences=_list(difference)),
        "Comparison": _record(
            a={"type": "object"}, b={"type": "object"}, verdict={"enum": ["diverged", "no_material_difference"]},
            first_divergence=_either("ComparedPair"), shows_at=_MAYBE_COUNT,
            inputs_that_differed=_list(_record(kind=_TEXT, a=_TEXT, b=_TEXT, path=_MAYBE_TEXT, pair=_MAYBE_COUNT)),
            pairs=_list(_ref("ComparedPair")), truncated={"type": "boolean"}),
        "Tools": _days(_record(
            tool=_TEXT, calls=_COUNT, errors=_COUNT, p50_ms=_MAYBE_NUMBER, p95_ms=_MAYBE_NUMBER, cost_usd=_MAYBE_NUMBER,
            repeated_calls=_COUNT, wasted_ms=_MAYBE_NUMBER, wasted_usd=_MAYBE_NUMBER,
            agents=_list(_record(agent=_TEXT, calls=_COUNT)),
            argument_shapes=_list(_record(shape=_TEXT, calls=_COUNT, errors=_COUNT)))),
        "Decisions": _days(_record(
            branch=_TEXT, agent=_TEXT, question=_MAYBE_TEXT, source={"enum": ["declared", "derived"]}, options_vary={"type": "boolean"},
            decisions=_COUNT, completed_share=_NUMBER,
            options=_list(_record(
                name=_TEXT, chosen=_COUNT, share=_NUMBER, completed_share=_MAYBE_NUMBER,
                endings=_list(_record(termination=_TEXT, decisions=_COUNT)))))),
        "People": _record(
            items=_list(_record(
                kind={"enum": ["session", "user"]}, name=_TEXT, traces=_COUNT, terminations={"type": "object"}, agents={"type": "object"},
                first_started_at=_TEXT, last_started_at=_TEXT, tokens=_COUNT, cost_usd=_MAYBE_NUMBER, unpriced_calls=_COUNT,
                errors=_COUNT)),
            next=_MAYBE_TEXT, complete_from=_TEXT, to=_TEXT),
        "Readiness": _days(_record(agent=_TEXT, items=_list(_record(
            id=_TEXT, title=_TEXT, status={"enum": ["seen", "seen_failing", "not_seen", "cannot_be_seen"]}, why=_TEXT,
            evidence=_list(_record(
                trace_id=_TEXT, run_id=_TEXT, span_id=_MAYBE_TEXT, started_at=_MAYBE_TEXT, words=_TEXT)))))),
        "NearestGood": _record(trace_id=_TEXT, nearest=_either("Summary"), items=_list(_ref("Summary")), next=_MAYBE_TEXT),
    }  # fmt: skip


def _get(about: str, schema: str, *parameters: Schema) -> Schema:
    answers: Schema = {"200": {"description": "found", "content": {"application/json": {"schema": _ref(schema)}}}}
    for status in ("400", "401", "404", "503"):
        answers[status] = {"description": "not answered", "content": {"application/json": {"schema": _ref("Error")}}}
    return {"get": {"summary": about, "parameters": list(parameters), "responses": answers}}


def _query(name: str, about: str) -> Schema:
    return {"name": name, "in": "query", "required": False, "schema": _TEXT, "description": about}


def analysis_paths() -> dict[str, Schema]:
    """Return the routes of the analyses."""
    trace = {"name": "trace_id", "in": "path", "required": True, "schema": _TEXT, "description": "32 hex digits"}
    days = (
        _query("from", "RFC 3339, a date, or relative as in -7d; whole UTC days, the last seven by default"),
        _query("to", "as from"), _query("agent", "one agent alone"),
    )  # fmt: skip
    return {
        "/api/v1/tools": _get("Sum up tools: calls, failures, latency, cost, waste, argument shapes", "Tools", *days),
        "/api/v1/decisions": _get("Sum up branch points: options, how often each was taken, how that ended", "Decisions", *days),
        "/api/v1/sessions": _get("Sum up the sessions of the newest 2,000 runs", "People", *days[:2]),
        "/api/v1/users": _get("Sum up the users of the newest 2,000 runs", "People", *days[:2]),
        "/api/v1/readiness": _get("Judge the production checklist per agent from its traces", "Readiness", *days),
        "/api/v1/traces/{trace_id}/nearest-good": _get("Find the closest successful run of the same agent", "NearestGood", trace),
        "/api/v1/compare": _get(
            "Align two runs by step and find where they first part", "Comparison",
            _query("a", "the run in question, 32 hex digits"), _query("b", "the run to compare with, 32 hex digits")),
    }  # fmt: skip
