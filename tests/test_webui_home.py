"""The home page: what is burning, what it costs, and what changed since yesterday."""

import time
from typing import Any

import pytest
from flask.testing import FlaskClient

from ingest.model import Span
from ingest.store.engine import Store

from .agent_days import DAY
from .builders import SECOND, T0
from .webui_app import body, client_of, later
from .wire import agent_span, in_trace, link_all, llm_span, store_spans, tool_span, wire_span

HOUR = 3_600 * SECOND


def ago(number: int, ago_ns: int, spans: list[Span]) -> list[Span]:
    """Return a trace that began so long ago."""
    return [later(one, time.time_ns() - ago_ns - T0) for one in in_trace(spans, number.to_bytes(16, "big"))]


def run(agent: str = "scheduler", tool: str = "search", version: str = "1.0", **fields: Any) -> list[Span]:
    """Build a run of one model call and one tool call."""
    attributes = {"gen_ai.agent.version": version} | fields.pop("attributes", {})
    return [agent_span(1, agent, attributes=attributes, **fields), llm_span(2, 1, at=1, tokens=(50_000, 100)), tool_span(3, tool, 1, at=2)]


def fill(store: Store, spans: list[Span]) -> None:
    now = time.time_ns()
    store_spans(store, spans, now_ns=now)
    link_all(store, now)


@pytest.fixture
def client(sqlite_store: Store, sqlite_url: str) -> FlaskClient:
    return client_of(sqlite_store, sqlite_url)


def yesterday(first: int = 100) -> list[Span]:
    """Build six runs of the day before the last, and three of last week."""
    spans = [span for number in range(6) for span in ago(first + number, 30 * HOUR + number * SECOND, run())]
    return spans + [span for number in range(3) for span in ago(first + 10 + number, (4 + number) * DAY, run())]


def changes(client: FlaskClient) -> list[tuple[str, str]]:
    return [(one["kind"], one["about"]) for one in body(client.get("/api/v1/home"))["changes"]]


def test_an_empty_store_shows_three_ways_to_begin(client: FlaskClient) -> None:
    """The SDK, plain OTLP, and the sample agent in one command; the page waits for the first run."""
    page = client.get("/").text
    assert "data-waiting" in page
    for words in ("from tracer import agent_run", "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318", "clew demo --days 14"):
        assert words in page
    answer = body(client.get("/api/v1/home"))
    assert (answer["firing"], answer["running"], answer["changes"], answer["today"]["usual_by_now_usd"]) == ([], [], [], None)


def test_the_first_day_has_no_news(client: FlaskClient, sqlite_store: Store) -> None:
    fill(sqlite_store, ago(1, HOUR, run()))
    assert changes(client) == []
    assert "first runs of all" in client.get("/").text


def test_a_day_like_the_one_before_has_no_news(client: FlaskClient, sqlite_store: Store) -> None:
    fill(sqlite_store, yesterday() + [span for number in range(6) for span in ago(1 + number, HOUR + number * SECOND, run())])
    assert changes(client) == []
    assert "costs within a fifth" in client.get("/").text


def test_what_is_new_is_named(client: FlaskClient, sqlite_store: Store) -> None:
    """An agent, a tool and a version that nobody saw in the thirty days before; what was used last week is not new."""
    fresh = ago(1, HOUR, run("billing", "refund", "3.0")) + ago(2, 2 * HOUR, run(version="1.1")) + ago(3, HOUR, run())
    fill(sqlite_store, yesterday() + fresh)
    found = changes(client)
    assert ("new agent", "billing") in found
    assert ("new tool", "refund") in found
    assert ("new version", "scheduler 1.1") in found
    assert not [about for kind, about in found if kind == "new model" or about in ("scheduler", "search", "billing 3.0")]
    page = client.get("/").text
    assert "refund" in page.split("Changed since yesterday")[1].split("Newest runs")[0]


def test_failures_and_costs_that_grew_are_told(client: FlaskClient, sqlite_store: Store) -> None:
    failing = [span for number in range(6) for span in ago(1 + number, HOUR + number * SECOND, run(status_code=2))]
    dear = [span for number in range(9) for span in ago(20 + number, HOUR + number * SECOND, run())]
    fill(sqlite_store, yesterday() + failing + dear)
    found = dict(changes(client))
    assert found["failing"] == "scheduler"
    assert found["dearer"].startswith("scheduler on gpt-4.1")
    page = client.get("/").text
    assert "6 of 15; 0 % the day before" in page


def test_what_goes_on_is_listed_by_cost(client: FlaskClient, sqlite_store: Store) -> None:
    """A run without an end whose root is announced is live, the dearest first."""
    begun = {"clew.run.id": "00000000000000aa", "clew.agent.name": "night"}
    for number, tokens in ((1, 1_000), (2, 900_000)):
        spans = [
            wire_span(5, 0xAA, at=0, lasts=0, name="clew.started", attributes={**begun, "clew.announce": "started"}),
            llm_span(2, 0xAA, at=1, tokens=(tokens, 10), attributes=begun),
        ]
        fill(sqlite_store, ago(number, 5 * SECOND, spans))
    running = body(client.get("/api/v1/home"))["running"]
    costs = [one["cost_usd"] for one in running]
    assert costs == sorted(costs, reverse=True)
    assert len(running) == 2
    page = client.get("/").text
    assert "Runs that go on" in page
    assert f"/traces/{running[0]['trace_id']}" in page.split("Runs that go on")[1].split("Newest runs")[0]


def test_today_and_yesterday(client: FlaskClient, sqlite_store: Store) -> None:
    """What was spent today is the ledger's, to the nano-dollar."""
    fill(sqlite_store, ago(1, 0, run()))
    told = client.get("/api/v1/home").get_data(as_text=True)
    assert '"today":{"cost_usd":0.1008,' in told or '"today":{"cost_usd":0.0,' in told, "the run may lie across midnight"
