"""The part of the API's description that is about money."""

from typing import Any

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_MAYBE_TEXT: Schema = {"type": ["string", "null"]}
_MAYBE_TIME: Schema = {"type": ["string", "null"], "format": "date-time"}
_COUNT: Schema = {"type": "integer"}
_FLAG: Schema = {"type": "boolean"}
_MONEY: Schema = {"type": ["number", "null"], "description": "US dollars with up to nine decimals; null where it is not known"}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _record(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _maybe(shape: Schema) -> Schema:
    return {"anyOf": [shape, {"type": "null"}]}


def _of_time(**properties: Schema) -> Schema:
    return _record(**{"from": _TEXT, "to": _TEXT}, **properties)


def _items(**properties: Schema) -> Schema:
    return _of_time(items=_list(_record(**properties)), next=_MAYBE_TEXT)


def costs_schemas() -> dict[str, Schema]:
    """Return the schemas of routes about money."""
    amount = _record(calls=_COUNT, cost_usd=_MONEY)
    tried = _record(calls=_COUNT, failed=_COUNT, cost_usd=_MONEY)
    return {
        "Month": _of_time(
            spent_usd=_MONEY,
            forecast=_maybe(_record(expected_usd=_MONEY, low_usd=_MONEY, high_usd=_MONEY, basis=_TEXT)),
            budget_used_up=_maybe(_record(expected_at=_MAYBE_TIME, earliest_at=_MAYBE_TIME, latest_at=_MAYBE_TIME))),
        "Rate": _record(cost_usd=_MONEY, ten_minutes_usd=_MONEY, usual_ten_minutes_usd=_MONEY),
        "Budget": _record(day_usd=_MONEY, month_usd=_MONEY),
        "CostOverview": _of_time(
            total=_ref("Spent"), before=_of_time(cost_usd=_MONEY), completed_runs=_COUNT, cost_per_completed_run_usd=_MONEY,
            budget=_ref("Budget"), month=_ref("Month"), last_hour=_maybe(_ref("Rate")),
            losses=_record(
                unwanted_ends=_record(runs=_COUNT, cost_usd=_MONEY),
                loops=_list(_record(rule=_TEXT, agent=_TEXT, trace_id=_TEXT, run_id=_TEXT, wasted_usd=_MONEY, sentence=_TEXT)),
                repeated_tool_calls=amount, second_tries=_record(retry=tried, fallback=tried, repair=tried)),
            cache=_list(_record(
                provider=_MAYBE_TEXT, model=_TEXT, cache_read_tokens=_COUNT, cache_write_tokens=_COUNT, estimated_paid_usd=_MONEY,
                estimated_full_price_usd=_MONEY, estimated_saved_usd=_MONEY)),
            unpriced=_list(_record(
                provider=_MAYBE_TEXT, model=_MAYBE_TEXT, unpriced_calls=_COUNT, llm_calls=_COUNT, input_tokens=_COUNT,
                output_tokens=_COUNT))),
        "CostWhatIf": _items(
            agent=_TEXT, provider=_MAYBE_TEXT, model=_TEXT, llm_calls=_COUNT, cost_usd=_MONEY, other_provider=_MAYBE_TEXT,
            other_model=_TEXT, estimated_cost_usd=_MONEY),
        "DearestRuns": _of_time(
            items=_list({"allOf": [_ref("Summary"), _record(
                spent_on=_list(_record(model=_MAYBE_TEXT, tool=_MAYBE_TEXT, operation=_TEXT, calls=_COUNT, cost_usd=_MONEY)),
                finding=_MAYBE_TEXT)]}),
            next=_MAYBE_TEXT),
        "CostMarks": _items(at=_MAYBE_TIME, kind={"enum": ["deploy", "price", "alert"]}, words=_TEXT),
        "CostCheck": _of_time(agrees=_FLAG, entries=_COUNT, ledger={"type": "object"}, excess={"type": "object"}),
        "Home": _record(
            firing=_list(_ref("Alert")), running=_list(_ref("Summary")),
            today=_record(cost_usd=_MONEY, yesterday_by_now_usd=_MONEY, usual_by_now_usd=_MONEY),
            last_hour=_ref("Rate"), budget=_ref("Budget"), month=_ref("Month"),
            changes=_list(_record(kind=_TEXT, about=_TEXT, words=_TEXT))),
    }  # fmt: skip


def _get(about: str, schema: str, *parameters: Schema) -> Schema:
    answers: Schema = {"200": {"description": "found", "content": {"application/json": {"schema": _ref(schema)}}}}
    for status in ("400", "401", "503"):
        answers[status] = {"description": "not answered", "content": {"application/json": {"schema": _ref("Error")}}}
    return {"get": {"summary": about, "parameters": list(parameters), "responses": answers}}


def _query(name: str, about: str) -> Schema:
    return {"name": name, "in": "query", "required": False, "schema": _TEXT, "description": about}


NARROWED_BY = ("model", "agent", "termination", "tool", "provider", "operation", "service", "environment", "user", "session")


def narrowing_parameters() -> tuple[Schema, ...]:
    """Return the parameters that narrow costs to one value of something."""
    return tuple(_query(name, f"one {name} alone") for name in NARROWED_BY)


def costs_paths() -> dict[str, Schema]:
    """Return the routes about money."""
    time = (_query("from", "RFC 3339, a date, or relative as in -7d; whole hours up to two days, else whole UTC days; -30d by default"),
            _query("to", "as from"))  # fmt: skip
    limit = {"name": "limit", "in": "query", "required": False, "schema": {"type": "integer", "minimum": 1, "maximum": 500},
             "description": "at most so many items"}  # fmt: skip
    narrowed = (*time, *narrowing_parameters())
    return {
        "/api/v1/costs/overview": _get("Sum up spend, budget, forecast, losses, cache and what has no price", "CostOverview", *narrowed),
        "/api/v1/costs/whatif": _get("Price the same tokens on another model: an estimate", "CostWhatIf", *narrowed, limit,
                                     _query("instead", "the other model; by default the next cheaper one of the provider in use")),
        "/api/v1/costs/runs": _get("List the runs that cost most", "DearestRuns", *narrowed, limit),
        "/api/v1/costs/marks": _get("List new versions, changed prices and alerts", "CostMarks", *narrowed),
        "/api/v1/costs/check": _get("Compare the sums that pages read with the ledger, entry by entry", "CostCheck", *time),
        "/api/v1/home": _get("Tell what is burning, what it costs and what changed since yesterday", "Home"),
    }  # fmt: skip
