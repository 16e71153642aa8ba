"""The closest successful run: same agent, nearest request and tools; and its page, one link away from any run."""

from typing import Any

from ingest.model import Span, TraceSummary
from ingest.store.engine import Store
from webui.analysis.nearest import Shape, rank_nearest

from .builders import SECOND, T0
from .webui_app import MISSING, body, client_of, fill, later
from .wire import agent_span, in_trace, llm_span, tool_span

BAD, SAME, OTHER, FAILED = (bytes([number]) * 16 for number in (1, 2, 3, 4))


def run(trace_id: bytes, asked: str, tool: str, at: int = 0, **fields: Any) -> list[Span]:
    """Build a run that was asked something and called one tool."""
    spans = [agent_span(1, attributes={"input.value": asked}, **fields), llm_span(2, 1, at=1), tool_span(3, tool, 1, at=3)]
    return in_trace([later(span, at * 60 * SECOND) for span in spans], trace_id)


def stored(store: Store) -> None:
    broken: dict[str, Any] = {"status_code": 2, "status_message": "TimeoutError"}
    fill(store, [
        *run(BAD, "move the review with Keller to next week", "check_slots", **broken),
        *run(SAME, "move the call with Marrow to next month", "check_slots", at=-50),
        *run(OTHER, "what is the cancellation policy", "search", at=-1),
        *run(FAILED, "move the review with Keller to next week", "check_slots", at=-2, **broken),
    ])  # fmt: skip


def test_the_nearest_good_run_is_of_the_same_task(sqlite_store: Store, sqlite_url: str) -> None:
    """Not the one nearest in time, and none that failed."""
    stored(sqlite_store)
    found = body(client_of(sqlite_store, sqlite_url).get(f"/api/v1/traces/{BAD.hex()}/nearest-good"))
    assert found["nearest"]["trace_id"] == SAME.hex()
    assert FAILED.hex() not in [item["trace_id"] for item in found["items"]]
    assert found["items"][0]["likeness"] > 0.4


def test_comparing_a_run_alone_goes_on_to_its_nearest(sqlite_store: Store, sqlite_url: str) -> None:
    stored(sqlite_store)
    client = client_of(sqlite_store, sqlite_url)
    assert client.get(f"/compare?a={BAD.hex()}").headers["Location"] == f"/compare?a={BAD.hex()}&b={SAME.hex()}"
    page = client.get(f"/compare?a={BAD.hex()}&b={SAME.hex()}")
    assert page.status_code == 200
    assert "They part at step" in page.text


def test_what_cannot_be_compared_is_explained(sqlite_store: Store, sqlite_url: str) -> None:
    stored(sqlite_store)
    client = client_of(sqlite_store, sqlite_url)
    assert client.get("/compare").status_code == 200
    assert client.get(f"/compare?a={MISSING}").status_code == 404
    assert client.get(f"/compare?a={BAD.hex()[:8]}&b={SAME.hex()[:8]}").status_code == 200
    assert client.get(f"/api/v1/compare?a={BAD.hex()}").status_code == 400
    assert client.get(f"/api/v1/compare?a={BAD.hex()}&b={MISSING}").status_code == 404
    assert client.get(f"/api/v1/traces/{MISSING}/nearest-good").status_code == 404
    answer = body(client.get(f"/api/v1/compare?a={SAME.hex()}&b={SAME.hex()}"))
    assert (answer["verdict"], answer["first_divergence"]) == ("no_material_difference", None)


def test_a_run_is_never_its_own_nearest(sqlite_store: Store, sqlite_url: str) -> None:
    stored(sqlite_store)
    client = client_of(sqlite_store, sqlite_url)
    for one in (SAME, OTHER):
        assert one.hex() not in [item["trace_id"] for item in body(client.get(f"/api/v1/traces/{one.hex()}/nearest-good"))["items"]]


def test_ranking_keeps_the_nearest_five() -> None:
    """However many candidates there are."""
    shape = Shape(summary("move the review to next week " * 20), frozenset({"a", "b"}))
    others = [Shape(summary(f"move the {n} review to next week", n), frozenset({"a"})) for n in range(1, 201)]
    assert len(rank_nearest(shape, others)) == 5


def summary(asked: str, number: int = 0) -> TraceSummary:
    from_trace = dict.fromkeys(TraceSummary.__struct_fields__)
    return TraceSummary(**{**from_trace, "trace_id": number.to_bytes(16, "big"), "agent": "a", "started_ns": T0 + number, "input": asked})  # type: ignore[arg-type]

