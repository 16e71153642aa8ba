"""The HTTP API over a real store: shapes, lookups, lists, errors, keys."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from ingest.store import access
from ingest.store.engine import Store
from ingest.store.query import BY
from webui.openapi import document

from .builders import span_id
from .webui_app import ID, MISSING, body, client_of, fill, many_runs
from .wire import link_all, run_spans, store_spans


@pytest.fixture
def empty(sqlite_store: Store, sqlite_url: str) -> FlaskClient:
    """Return a client of the application over an empty store."""
    return client_of(sqlite_store, sqlite_url)


@pytest.fixture
def client(sqlite_store: Store, empty: FlaskClient) -> FlaskClient:
    """Return a client of the application over a store with one linked run."""
    fill(sqlite_store)
    return empty


def error_of(answer: TestResponse) -> dict[str, str]:
    assert answer.content_type == "application/json"
    body = json.loads(answer.data)
    assert body.keys() == {"error"}
    assert body["error"].keys() == {"code", "message", "hint"}
    error: dict[str, str] = body["error"]
    assert error["message"].endswith((".", "?"))
    return error


# --- shapes -------------------------------------------------------------------------------------------------------


class Shape:
    """Checks a value against the part of JSON Schema that the API's document uses."""

    def __init__(self, schemas: dict[str, Any]) -> None:
        self._schemas = schemas

    def problems(self, schema: dict[str, Any], value: Any, at: str = "$") -> Iterator[str]:
        if "$ref" in schema:
            yield from self.problems(self._schemas[schema["$ref"].rsplit("/", 1)[1]], value, at)
        elif "anyOf" in schema:
            if all(list(self.problems(one, value, at)) for one in schema["anyOf"]):
                yield f"{at}: {value!r} is none of {schema['anyOf']}"
        elif "enum" in schema:
            if value not in schema["enum"]:
                yield f"{at}: {value!r} is not in {schema['enum']}"
        else:
            yield from self._typed(schema, value, at)

    def _typed(self, schema: dict[str, Any], value: Any, at: str) -> Iterator[str]:
        kinds = schema.get("type", [])
        kinds = [kinds] if isinstance(kinds, str) else kinds
        if kinds and not any(_is_a(kind, value) for kind in kinds):
            yield f"{at}: {value!r} is not {kinds}"
            return
        if isinstance(value, dict):
            yield from (f"{at}: no {name}" for name in schema.get("required", []) if name not in value)
            for name, inner in schema.get("properties", {}).items():
                if name in value:
                    yield from self.problems(inner, value[name], f"{at}.{name}")
        for number, item in enumerate(value if isinstance(value, list) else []):
            yield from self.problems(schema.get("items", {}), item, f"{at}[{number}]")


def _is_a(kind: str, value: Any) -> bool:
    if kind in ("number", "integer"):
        return isinstance(value, int if kind == "integer" else int | float) and not isinstance(value, bool)
    kinds: dict[str, type] = {"string": str, "object": dict, "array": list, "null": type(None), "boolean": bool}
    return isinstance(value, kinds[kind])


PLACES = {"{trace_id}": ID, "{span_id}": span_id(10).hex(), "{session_id}": "s-1"}


def test_every_route_answers_as_its_document_says(client: FlaskClient) -> None:
    """The OpenAPI document lists every route of the API, and answers of each have the shape that it gives."""
    described = body(client.get("/api/v1/openapi.json"))
    assert described == json.loads(json.dumps(document()))
    shape = Shape(described["components"]["schemas"])
    for path, methods in described["paths"].items():
        if "get" not in methods or "{alert_id}" in path:
            continue  # What changes something, and what needs an alert: test_webui_alerts_api.
        url = path
        for name, value in PLACES.items():
            url = url.replace(name, value)
        asked = {"lookup": {"q": ID}, "compare": {"a": ID, "b": ID}}.get(path.rpartition("/")[2], {})
        answer = client.get(url, query_string=asked)
        assert answer.status_code == 200, url
        schema = methods["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        assert list(shape.problems(schema, body(answer))) == [], url


def test_every_route_is_described(client: FlaskClient) -> None:
    rules = {rule.rule for rule in client.application.url_map.iter_rules() if rule.rule.startswith("/api/")}
    described = {path.replace("{", "<").replace("}", ">") for path in document()["paths"]}
    assert {rule.replace("<whole:", "<") for rule in rules} - described == {"/api/v1/openapi.json"}


def test_costs_group_by_anything(client: FlaskClient) -> None:
    """Each grouping names its rows, and each sums up to the same."""
    window = {"from": "2025-10-09T08:00:00Z", "to": "2025-10-09T10:00:00Z"}
    totals = set()
    for by in BY:
        table = body(client.get("/api/v1/costs", query_string={"by": by, **window}))
        assert table["rows"], by
        assert all(row.keys() == {by, *table["total"]} for row in table["rows"])
        assert sum(row["input_tokens"] for row in table["rows"]) == 300
        totals.add(json.dumps(table["total"]))
    assert len(totals) == 1
    both = body(client.get("/api/v1/costs", query_string={"by": "day,model", **window}))
    assert [(row["day"], row["model"]) for row in both["rows"] if row["llm_calls"]] == [("2025-10-09", "gpt-4.1")]


# --- lookup -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "kind", "matched"),
    [
        (ID, "trace", "trace id"),
        (ID.upper(), "trace", "trace id"),
        (ID[:8], "trace", f"trace id {ID[:8]}…"),
        (span_id(11).hex(), "trace", f"span id {span_id(11).hex()}"),
        ("s-1", "session", "session s-1"),
        ("ada", "user", "user ada"),
        ("12345", "reference", "order 12345"),
        ("pondering 12", "trace", "words: pondering 12"),
    ],
)
def test_lookup_finds(client: FlaskClient, asked: str, kind: str, matched: str) -> None:
    answer = client.get("/api/v1/lookup", query_string={"q": asked})
    assert answer.status_code == 200
    (match,) = body(answer)["matches"]
    assert (match["kind"], match["trace_id"], match["agent"], match["matched"]) == (kind, ID, "scheduler", matched)
    assert match["started_at"] == "2025-10-09T08:53:20.000000Z"
    assert body(answer)["miss"] is None
    page = client.get("/lookup", query_string={"q": asked})
    assert page.status_code == 302
    assert page.location.startswith(f"/traces/{ID}")


@pytest.mark.parametrize(
    ("asked", "reason"), [("", "malformed"), (MISSING, "never_seen"), ("zzz-nobody", "never_seen"), ("abc", "malformed")]
)
def test_lookup_says_why_not(client: FlaskClient, asked: str, reason: str) -> None:
    answer = client.get("/api/v1/lookup", query_string={"q": asked})
    assert answer.status_code == 404
    assert body(answer)["matches"] == []
    assert body(answer)["miss"]["reason"] == reason


def test_a_trace_is_found_before_it_is_listed(sqlite_store: Store, empty: FlaskClient) -> None:
    """What was acknowledged is read by its id at once; what needs the linker says that it is settling."""
    store_spans(sqlite_store, run_spans())

    assert body(empty.get("/api/v1/lookup", query_string={"q": ID}))["matches"][0]["trace_id"] == ID
    assert body(empty.get(f"/api/v1/traces/{ID}"))["span_count"] == 7
    assert body(empty.get("/api/v1/traces"))["items"] == []
    assert body(empty.get("/api/v1/lookup", query_string={"q": "ada"}))["miss"]["reason"] == "settling"
    assert "clew_traces_unlinked 1\n" in empty.get("/metrics").text
    link_all(sqlite_store)
    assert "clew_traces_unlinked 0\n" in empty.get("/metrics").text
    assert empty.get("/api/v1/lookup", query_string={"q": "ada"}).status_code == 200


# --- lists --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["started", "cost", "tokens", "duration", "steps"])
def test_a_list_is_read_on_by_its_cursor(sqlite_store: Store, empty: FlaskClient, order: str) -> None:
    fill(sqlite_store, many_runs())
    found: list[str] = []
    asked = {"order": order, "limit": "3"}
    while True:
        page = body(empty.get("/api/v1/traces", query_string=asked))
        assert len(page["items"]) <= 3
        found += [item["trace_id"] for item in page["items"]]
        if page["next"] is None:
            break
        asked["cursor"] = page["next"]
    assert sorted(found) == [f"{number + 1:02x}" * 16 for number in range(7)]


def test_a_session_is_read_on_by_its_cursor(sqlite_store: Store, empty: FlaskClient) -> None:
    fill(sqlite_store, many_runs())
    first = body(empty.get("/api/v1/sessions/s-1?limit=4"))
    second = body(empty.get(f"/api/v1/sessions/s-1?limit=4&cursor={first['next']}"))
    assert (len(first["items"]), len(second["items"]), second["next"]) == (4, 3, None)


def test_a_filter_chooses(client: FlaskClient) -> None:
    def found(text: str) -> int:
        return len(body(client.get("/api/v1/traces", query_string={"filter": text}))["items"])

    assert found('agent = "scheduler" and reference.order = "12345"') == 1
    assert found("llm_calls > 3") == 0
    assert found('any step (tool.name = "search")') == 1


# --- errors -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "status", "code", "hint"),
    [
        ("/api/v1/traces?fliter=x", 400, "unknown_parameter", "Did you mean filter?"),
        (f"/api/v1/traces/{ID}?x=1", 400, "unknown_parameter", "none"),
        ("/api/v1/traces?filter=agnt+%3D+%22x%22", 400, "bad_filter", "Did you mean agent?"),
        ("/api/v1/traces?filter=termination+%3D+%22complete%22", 400, "bad_filter", "Did you mean completed?"),
        ("/api/v1/traces?order=costs", 400, "bad_parameter", "Did you mean cost?"),
        ("/api/v1/traces?limit=0", 400, "bad_parameter", "cursor"),
        ("/api/v1/traces?limit=501", 400, "bad_parameter", "cursor"),
        ("/api/v1/traces?limit=ten", 400, "bad_parameter", "cursor"),
        ("/api/v1/traces?limit=%C2%B2", 400, "bad_parameter", "cursor"),
        ("/api/v1/traces?cursor=abc", 400, "bad_cursor", "without cursor"),
        ("/api/v1/sessions/s-1?cursor=-1", 400, "bad_cursor", "without cursor"),
        ("/api/v1/traces?from=soon", 400, "bad_parameter", "-24h"),
        ("/api/v1/costs?by=modle", 400, "bad_parameter", "Did you mean model?"),
        ("/api/v1/costs?by=day,day", 400, "bad_parameter", "each once"),
        ("/api/v1/traces/xyz", 400, "malformed", "lookup"),
        (f"/api/v1/traces/{MISSING}", 404, "not_found", "lookup"),
        (f"/api/v1/traces/{MISSING}/spans", 404, "not_found", "lookup"),
        (f"/api/v1/traces/{ID}/spans/{'f' * 16}", 404, "not_found", ""),
        (f"/api/v1/traces/{ID}/spans/1", 400, "malformed", ""),
        ("/api/v1/sessions/nope", 404, "not_found", ""),
        ("/api/v1/nope", 404, "not_found", "openapi"),
        ("/api/v1/traces/", 404, "not_found", "openapi"),
    ],
)
def test_an_error_says_what_would_do(client: FlaskClient, path: str, status: int, code: str, hint: str) -> None:
    answer = client.get(path)
    error = error_of(answer)
    assert (answer.status_code, error["code"]) == (status, code)
    assert hint in error["hint"]


def test_only_what_is_safe_is_answered(client: FlaskClient) -> None:
    """HEAD is GET without a body; other methods are refused with those there are."""
    whole = client.get("/api/v1/traces")
    head = client.head("/api/v1/traces")
    assert (head.status_code, head.data, head.headers["Content-Length"]) == (200, b"", whole.headers["Content-Length"])
    refused = client.post("/api/v1/traces", json={})
    assert refused.status_code == 405
    assert "GET" in refused.headers["Allow"]
    assert error_of(refused)["code"] == "method_not_allowed"


@pytest.fixture
def away(client: FlaskClient, sqlite_store: Store, sqlite_url: str) -> FlaskClient:
    """Return a client of an application whose store went away after the start."""
    sqlite_store.close()
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    path.rename(path.with_suffix(".gone"))
    path.mkdir()
    return client


@pytest.mark.parametrize("path", ["/api/v1/traces", f"/api/v1/traces/{ID}", "/api/v1/costs", "/api/v1/lookup?q=ada"])
def test_a_store_that_is_away_is_no_traceback(away: FlaskClient, path: str) -> None:
    answer = away.get(path)
    assert answer.status_code == 503
    assert error_of(answer)["code"] == "store_unavailable"
    assert int(answer.headers["Retry-After"]) > 0


def test_pages_and_health_say_that_the_store_is_away(away: FlaskClient) -> None:
    page = away.get("/runs")
    assert page.status_code == 503
    assert "The store" in page.text
    assert away.get("/healthz").status_code == 200
    ready = away.get("/readyz")
    assert (ready.status_code, body(ready)["status"]) == (503, "unavailable")
    assert "cannot be reached" in body(ready)["reason"]
    metrics = away.get("/metrics")
    assert metrics.status_code == 200
    assert "clew_store_away 1\n" in metrics.text
    assert "clew_traces_unlinked" not in metrics.text


def test_readiness_knows_the_schema(client: FlaskClient, sqlite_store: Store) -> None:
    assert body(client.get("/readyz")) == {"status": "ok"}
    with sqlite_store.write() as cursor:
        cursor.execute("UPDATE alembic_version SET version_num = 'old'")
    assert "clew migrate" in body(client.get("/readyz"))["reason"]


# --- keys and names -----------------------------------------------------------------------------------------------


def test_keys_open_their_project_only(sqlite_store: Store, sqlite_url: str) -> None:
    """Where authentication is on, a key with the scope read opens its own project, and nothing else opens any."""
    fill(sqlite_store)
    access.create_project(sqlite_store, "other")
    keys = {
        name: access.create_key(sqlite_store, project, name, scope)  # type: ignore[arg-type]
        for name, project, scope in (("read", "default", "read"), ("ingest", "default", "ingest"), ("other", "other", "all"))
    }
    client = client_of(sqlite_store, sqlite_url, auth=True)

    def ask(key: str, path: str = f"/api/v1/traces/{ID}") -> int:
        return client.get(path, headers={"Authorization": f"Bearer {key}"} if key else {}).status_code

    assert [ask(keys["read"]), ask(keys["ingest"]), ask(keys["other"]), ask("clew_x"), ask("")] == [200, 401, 404, 401, 401]
    assert client.get(f"/api/v1/traces/{ID}", headers={"x-clew-key": keys["read"]}).status_code == 200
    refused = client.get("/api/v1/traces")
    assert refused.headers["WWW-Authenticate"].startswith("Bearer")
    assert error_of(refused)["code"] == "unauthorized"
    pages = ("/", "/runs", "/costs", f"/traces/{ID}", "/lookup?q=ada", "/metrics", "/api/v1/openapi.json")
    assert {ask("", path) for path in pages} == {401}
    assert [ask("", path) for path in ("/healthz", "/readyz")] == [200, 200]
    assert ask(keys["other"], "/sessions/s-1") == 404


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:7070", 200),
        ("127.0.0.1", 200),
        ("[::1]:7070", 200),
        ("clew.example", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
    ],
)
def test_without_keys_only_own_names_are_answered(sqlite_store: Store, sqlite_url: str, host: str, status: int) -> None:
    """A page elsewhere that points its own name at this machine reads nothing."""
    client = client_of(sqlite_store, sqlite_url, base_url="https://clew.example")
    assert client.get("/api/v1/traces", headers={"Host": host}).status_code == status
