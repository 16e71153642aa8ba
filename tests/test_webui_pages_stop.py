"""Stopping a run from its page: who may, what is said of it, and what the run itself is told."""

import re
from typing import Any

import msgspec
import pytest
from flask.testing import FlaskClient

from ingest.model import Span, Trace
from ingest.store import access
from ingest.store.alert_model import StopRequest
from ingest.store.alertbook import list_audit, read_stop
from ingest.store.engine import Store
from webui.format import now_ns
from webui.pages.stop import lineage, stop_target, view_stop

from .builders import SECOND, T0, TRACE_ID, agent, chain, span_id, tool
from .webui_app import EVIL, ID, body, client_of, later
from .wire import agent_span, link_all, llm_span, started_span, store_spans

PATH = f"/traces/{ID}"
OUTER, INNER = span_id(1), span_id(4)


def open_run() -> list[Span]:
    """Build a run that began just now, and goes on in a sub-agent."""
    spans = [started_span(9, 1, "planner"), llm_span(2, 1, at=1), started_span(8, 4, "worker", at=2), llm_span(5, 4, at=3)]
    announced = {**spans[2].attributes, "clew.announce.parent": OUTER.hex()}
    spans[2] = msgspec.structs.replace(spans[2], attributes=announced)
    return [later(span, now_ns() - 5 * SECOND - T0) for span in spans]


@pytest.fixture
def client(sqlite_store: Store, sqlite_url: str) -> FlaskClient:
    """Return a client of the application over a store in which a run goes on."""
    store_spans(sqlite_store, open_run(), now_ns=now_ns())
    link_all(sqlite_store, now_ns())
    return client_of(sqlite_store, sqlite_url)


def form_of(client: FlaskClient, path: str = PATH) -> dict[str, str]:
    """Return what the page's form sends; nothing where it has none."""
    found = re.search(r'action="([^"]+/stop)">(.*?)</form>', client.get(path).text)
    if found is None:
        return {}
    assert found[1] == PATH + "/stop"
    return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', found[2]))


def words_of(client: FlaskClient, path: str = PATH) -> str:
    """Return what the page says came of a request."""
    found = re.search(r'id="halted">(.*?)</p>', client.get(path).text)
    return " ".join(re.sub("<[^>]+>", "", found[1]).split()) if found else ""


def control_of(client: FlaskClient, run: bytes) -> dict[str, object]:
    """Return what the SDK's guard hears of a run."""
    told: dict[str, object] = body(client.get(f"/api/v1/traces/{ID}/control?run={run.hex()}"))
    return told


def test_a_run_that_goes_on_is_stopped_from_its_page(client: FlaskClient, sqlite_store: Store) -> None:
    """With all the runs inside it; the page says who asked, when and why, and asks no second time."""
    form = form_of(client)
    answer = client.post(f"{PATH}/stop", data={**form, "reason": "it reads the same page again"})
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{PATH}?run={OUTER.hex()}")
    assert form_of(client) == {}
    said = words_of(client)
    assert re.match(r"Stop requested by somebody on this machine at \d\d:\d\d:\d\d UTC\. It takes effect before the next step\.", said)
    assert "it reads the same page again" in said
    assert words_of(client, f"{PATH}?run={INNER.hex()}") == said
    for run in (OUTER, INNER):
        told = control_of(client, run)
        assert (told["stop"], told["reason"]) == (True, "it reads the same page again")
    client.post(f"{PATH}/stop", data={**form, "reason": "again"})
    with sqlite_store.engine.connect() as conn:
        assert [(one.deed, one.after) for one in list_audit(conn, 1)] == [("stop", "it reads the same page again")]


def test_a_sub_agent_is_stopped_alone(client: FlaskClient) -> None:
    """The run around it is left to go on."""
    inner = f"{PATH}?run={INNER.hex()}"
    assert client.post(f"{PATH}/stop", data=form_of(client, inner)).headers["Location"] == inner
    assert control_of(client, INNER)["stop"] is True
    assert control_of(client, OUTER)["stop"] is False
    assert words_of(client, inner)
    assert form_of(client)["run"] == OUTER.hex()


def test_nothing_but_its_own_form_stops_a_run(client: FlaskClient, sqlite_store: Store) -> None:
    form = form_of(client)
    assert client.get(f"{PATH}/stop").status_code == 405
    for wrong in ({}, {"form": form["form"]}, {"run": form["run"]}, {"run": form["run"], "form": "x"}, {**form, "run": "f" * 16}):
        assert client.post(f"{PATH}/stop", data=wrong).status_code in (400, 403, 404)
    elsewhere = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert client.post(f"{PATH}/stop", data=form, headers=elsewhere).status_code == 403
    assert client.post(f"/traces/{'f' * 32}/stop", data=form).status_code == 404
    with sqlite_store.engine.connect() as conn:
        assert read_stop(conn, 1, TRACE_ID, OUTER, INNER) is None


def test_a_key_that_may_only_read_stops_nothing(client: FlaskClient, sqlite_store: Store, sqlite_url: str) -> None:
    """Where keys are needed, it takes one with the scope all, as every change does. Nobody else sees the button."""
    guarded = client_of(sqlite_store, sqlite_url, auth=True)
    form = form_of(client)
    for scope, status in (("read", 401), ("ingest", 401), ("all", 303)):
        headers = {"Authorization": f"Bearer {access.create_key(sqlite_store, 'default', '', scope)}"}  # type: ignore[arg-type]
        assert ("Stop this run" in guarded.get(PATH, headers=headers).text) == (scope == "all")
        assert guarded.post(f"{PATH}/stop", data=form, headers=headers).status_code == status
    assert words_of(client).startswith("Stop requested by key ")


def test_a_run_that_is_over_is_left_alone(client: FlaskClient, sqlite_store: Store) -> None:
    """A form that was open while the run ended stops nothing: neither this run, nor one that begins in its trace later."""
    form = form_of(client)
    ends = [agent_span(4, "worker", 1, at=2, lasts=2.0), agent_span(1, "planner", lasts=4.5)]
    store_spans(sqlite_store, [later(span, now_ns() - 5 * SECOND - T0) for span in ends], now_ns=now_ns())
    assert form_of(client) == {}
    assert client.post(f"{PATH}/stop", data=form).status_code == 303
    assert control_of(client, OUTER)["stop"] is False
    assert words_of(client) == ""


def test_what_asked_and_why_acts_in_no_page(client: FlaskClient) -> None:
    client.post(f"{PATH}/stop", data={**form_of(client), "reason": EVIL})
    page = client.get(PATH).text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def asked(after_s: float, by: str = "ada") -> StopRequest:
    return StopRequest(1, TRACE_ID, b"", by, "", T0 + round(after_s * SECOND))


def stopped(ends_s: float, **facts: Any) -> Trace:
    return chain(agent(1, "planner", lasts=ends_s, **facts), tool(2, "search", 1, at=1))


@pytest.mark.parametrize(
    ("trace", "after_s", "words"),
    [
        (stopped(8.0, termination="stopped"), 5.9, "It ended at 9 Oct 2025 08:53:28, 2.10 s later."),
        (stopped(8.0), 5.0, "It ended at 9 Oct 2025 08:53:28 before that took effect: completed."),
        (stopped(8.0), 30.0, "It had ended at 9 Oct 2025 08:53:28 by then."),
        (chain(tool(2, "search", 1, at=1)), 30.0, "It fell silent without an end."),
        (chain(tool(2, "search", 1, at=1), now=10.0), 5.0, "It takes effect before the next step."),
    ],
)
def test_what_came_of_it(trace: Trace, after_s: float, words: str) -> None:
    """Whether it ended for that, before that, or not at all that anybody knows of."""
    run = trace.runs[0]
    view = view_stop(trace, run, asked(after_s), T0 + 400 * 86_400 * SECOND if run.status != "running" else T0 + 10 * SECOND)
    assert view.asked is not None
    assert view.asked[0] == ("Stopped by" if run.termination.reason == "stopped" else "Stop requested by")
    assert view.came == words


def test_a_program_that_does_not_ask_is_said_to() -> None:
    """A run that goes on for long after somebody asked it to stop is not said to stop at the next step."""
    trace = chain(tool(2, "search", 1, at=1), now=10.0)
    assert "nothing shows that its program asks" in view_stop(trace, trace.runs[0], asked(5), T0 + 90 * SECOND).came


def test_a_rule_that_stopped_it_is_named() -> None:
    trace = stopped(8.0, termination="stopped")
    view = view_stop(trace, trace.runs[0], asked(5, "rule L1"), T0 + 20 * SECOND)
    assert view.asked is not None
    assert (view.asked[1], view.by_href) == ("rule L1, Identical call", "/alerts/rules#L1")


def test_the_run_around_all_others_stands_for_its_trace() -> None:
    """Runs inside it hear of whole traces; beside a second top run, only its own is stopped. Rings of parents end."""
    trace = chain(agent(1, "planner"), agent(2, "worker", 1, at=1))
    outer, inner = trace.runs
    assert (stop_target(trace, outer), stop_target(trace, inner)) == (b"", inner.run_id)
    assert list(lineage(trace, inner)) == [inner.run_id, outer.run_id]
    two = chain(agent(1, "planner"), agent(2, "critic", at=20))
    assert [stop_target(two, run) for run in two.runs] == [run.run_id for run in two.runs]
    outer.parent_run_id = inner.run_id
    assert list(lineage(trace, inner)) == [inner.run_id, outer.run_id]
