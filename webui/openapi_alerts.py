"""The part of the API's description that is about alerts and stopping."""

from typing import Any

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_MAYBE_TEXT: Schema = {"type": ["string", "null"]}
_COUNT: Schema = {"type": "integer"}
_NUMBER: Schema = {"type": "number"}
_MAYBE_NUMBER: Schema = {"type": ["number", "null"]}
_TIME: Schema = {"type": "string", "format": "date-time"}
_MAYBE_TIME: Schema = {"type": ["string", "null"], "format": "date-time"}
_SEVERITY: Schema = {"enum": ["info", "warning", "critical"]}
_STATE: Schema = {"enum": ["pending", "firing", "recovering", "resolved"]}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _record(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _page(name: str) -> Schema:
    return _record(items=_list(_ref(name)), next=_MAYBE_TEXT)


def alerts_schemas() -> dict[str, Schema]:
    """Return the schemas of alerts."""
    alert = {
        "id": _COUNT, "state": _STATE, "severity": _SEVERITY, "rule": _TEXT, "rule_name": _TEXT, "agent": _MAYBE_TEXT, "subject": _TEXT,
        "sentence": _TEXT, "detail": _MAYBE_TEXT, "expected": _MAYBE_TEXT, "observed": _NUMBER, "threshold": _NUMBER, "opened_at": _TIME,
        "fired_at": _MAYBE_TIME, "active_at": _TIME, "resolved_at": _MAYBE_TIME, "acknowledged_at": _MAYBE_TIME,
        "acknowledged_by": _MAYBE_TEXT, "run_count": _COUNT, "flaps": _COUNT, "wasted_usd": _MAYBE_NUMBER, "fingerprint": _TEXT,
    }  # fmt: skip
    run = _record(
        trace_id=_TEXT, run_id=_TEXT, span_ids=_list(_TEXT), severity=_SEVERITY, observed=_NUMBER, since=_TIME, last_at=_TIME,
        sentence=_TEXT, detail=_MAYBE_TEXT, wasted_usd=_MAYBE_NUMBER, running={"type": "boolean"},
    )  # fmt: skip
    tries = _list(_record(at=_TIME, outcome=_TEXT, words=_TEXT))
    return {
        "Alert": _record(**alert),
        "AlertRun": run,
        "AlertEvent": _record(at=_TIME, kind=_TEXT, actor=_MAYBE_TEXT, words=_MAYBE_TEXT),
        "Delivery": _record(
            id=_COUNT, alert_id={"type": ["integer", "null"]}, kind=_TEXT, channel={"enum": ["mail", "webhook"]}, receiver=_MAYBE_TEXT,
            state={"enum": ["due", "sent", "failed", "suppressed", "kept"]}, subject=_TEXT, message_id=_TEXT, created_at=_TIME,
            sent_at=_MAYBE_TIME, error=_MAYBE_TEXT, attempts=tries),
        "WholeAlert": _record(
            **alert, runs=_list(_ref("AlertRun")), history=_list(_ref("AlertEvent")), deliveries=_list(_ref("Delivery"))),
        "Silence": _record(
            id=_COUNT, rule=_MAYBE_TEXT, agent=_MAYBE_TEXT, subject=_MAYBE_TEXT, author=_TEXT, reason=_TEXT, starts_at=_TIME,
            ends_at=_TIME),
        "Rule": _record(
            rule=_TEXT, name=_TEXT, sentence=_TEXT, unit=_TEXT, on={"type": "boolean"}, warning=_MAYBE_NUMBER, critical=_MAYBE_NUMBER,
            stop=_MAYBE_TEXT),
        "Control": {
            "type": "object", "required": ["stop"],
            "properties": {"stop": {"type": "boolean"}, "by": _TEXT, "reason": _TEXT, "asked_at": _TIME}},
    }  # fmt: skip


def _parameter(name: str, schema: Schema, about: str, where: str = "query") -> Schema:
    return {"name": name, "in": where, "required": where == "path", "schema": schema, "description": about}


def _answer(about: str, schema: Schema) -> Schema:
    return {"description": about, "content": {"application/json": {"schema": schema}}}


def _operation(about: str, schema: Schema, *parameters: Schema, asks: Schema | None = None, status: str = "200") -> Schema:
    answers = {status: _answer("done", schema)}
    answers |= {code: _answer("not answered", _ref("Error")) for code in ("400", "401", "403", "404", "503")}
    body: Schema = {} if asks is None else {"requestBody": {"content": {"application/json": {"schema": asks}}}}
    return {"summary": about, "parameters": list(parameters), "responses": answers} | body


def alerts_paths() -> dict[str, Schema]:
    """Return the routes of alerts and of stopping."""
    alert = _parameter("alert_id", _COUNT, "the alert's number", "path")
    trace = _parameter("trace_id", _TEXT, "32 hex digits", "path")
    limit = _parameter("limit", {"type": "integer", "minimum": 1, "maximum": 500}, "at most so many items")
    cursor = _parameter("cursor", _TEXT, "next of the page before")
    state = _parameter("state", _TEXT, "any of pending, firing, recovering, resolved, joined by commas")
    hours = {"type": "object", "properties": {"hours": _NUMBER, "reason": _TEXT}}
    stop = {"type": "object", "properties": {"run": _TEXT, "reason": _TEXT}}
    whole = _ref("WholeAlert")
    return {
        "/api/v1/alerts": {"get": _operation("List alerts, the newest first", _page("Alert"), state, limit, cursor)},
        "/api/v1/alerts/{alert_id}": {"get": _operation("Read an alert with its evidence, history and deliveries", whole, alert)},
        "/api/v1/alerts/{alert_id}/ack": {"post": _operation("Say that somebody looks after an alert", whole, alert)},
        "/api/v1/alerts/{alert_id}/resolve": {"post": _operation("End an alert by hand", whole, alert)},
        "/api/v1/alerts/{alert_id}/silence": {
            "post": _operation("Hear nothing of an alert for some hours", _page("Silence"), alert, asks=hours, status="201")},
        "/api/v1/alerts/silences": {"get": _operation("List silences", _page("Silence"))},
        "/api/v1/alerts/rules": {"get": _operation("List rules with what the project has set of them", _page("Rule"))},
        "/api/v1/alerts/deliveries": {"get": _operation("List what was told to whom, with each attempt", _page("Delivery"), limit)},
        "/api/v1/traces/{trace_id}/stop": {"post": _operation("Ask a live run to stop", _ref("Control"), trace, asks=stop, status="202")},
        "/api/v1/traces/{trace_id}/control": {
            "get": _operation("Ask whether a run is to stop; a key that may send will do", _ref("Control"), trace,
                              _parameter("run", _TEXT, "16 hex digits"))},
    }  # fmt: skip
