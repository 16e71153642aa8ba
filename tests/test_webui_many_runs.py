"""Decisions, tools, terminations, agents and readiness: every figure equals a count by hand, and opens exactly the runs behind it."""

import html
import re
from urllib.parse import unquote_plus

import pytest
from flask.testing import FlaskClient
from msgspec import structs

from ingest.chain.signs import signs_of
from ingest.store.engine import Store
from ingest.store.maintenance import purge
from ingest.store.tallies import rebuild_tallies
from ingest.store.tally import bucket_ns, bucket_of, decode_tally, shape_of
from webui.analysis.tools import quantile_ns

from .agent_days import a_week, failing, guard, run, today_ns
from .builders import T0, agent, chain, tool
from .webui_app import EVIL, body, client_of, fill, hostile_spans, later
from .wire import NOW, link_all, store_spans

PAGES = (
    "/decisions", "/tools", "/terminations", "/agents", "/agents/scheduler", "/readiness", "/sessions", "/users", "/users/ada", "/runs",
)  # fmt: skip


@pytest.fixture
def client(sqlite_store: Store, sqlite_url: str) -> FlaskClient:
    """Return a client over a store with ten runs of today."""
    fill(sqlite_store, a_week())
    return client_of(sqlite_store, sqlite_url)


def runs_behind(client: FlaskClient, href: str) -> int:
    """Return how many runs the list behind a link has."""
    page = client.get(html.unescape(href))
    assert page.status_code == 200, href
    return page.text.count("<tr data-row")


def links(page: str, pattern: str) -> list[tuple[str, str]]:
    """Return the addresses and texts of the links of a page whose address matches."""
    found = re.findall(r'<a[^>]*href="([^"]*)"[^>]*>(.*?)</a>', page, re.DOTALL)
    texts = ((href, re.sub("<[^>]+>", "", text).strip()) for href, text in found)
    return [(href, text) for href, text in texts if re.search(pattern, unquote_plus(html.unescape(href)))]


def test_choices_are_counted(client: FlaskClient) -> None:
    """How often each option was taken where it was offered, and how the runs that took it ended."""
    first = body(client.get("/api/v1/decisions"))["items"][0]
    assert (first["agent"], first["decisions"], first["source"]) == ("scheduler", 11, "derived")
    options = {one["name"]: one for one in first["options"]}
    assert {name: one["chosen"] for name, one in options.items()} == {"book_slot": 7, "cancel_slot": 2, "find_slot": 2}
    ended = {one["termination"]: one["decisions"] for one in options["book_slot"]["endings"]}
    assert ended.pop("completed") == 4
    assert ended.pop("escalated") == 2
    assert sum(ended.values()) == 1
    assert options["cancel_slot"]["completed_share"] == 1.0


def test_every_number_of_the_decisions_page_opens_its_runs(client: FlaskClient) -> None:
    page = client.get("/decisions").text
    taken = dict(zip(("book_slot", "cancel_slot", "find_slot"), (7, 2, 1), strict=True))
    for name, runs in taken.items():
        href = next(href for href, text in links(page, f'chose "{name}" at "[0-9a-f]+" and started') if text.isdecimal())
        assert runs_behind(client, href) == runs, name
    for href, text in links(page, "chose .* and termination = "):
        assert runs_behind(client, href) == (1 if "find_slot" in unquote_plus(href) else int(text.split()[-1]))


def test_tools_are_measured(client: FlaskClient) -> None:
    """Calls, failures, latency, repeats and the model call that asked again."""
    items = {one["tool"]: one for one in body(client.get("/api/v1/tools"))["items"]}
    assert {name: (one["calls"], one["errors"]) for name, one in items.items()} == {
        "book_slot": (7, 1), "cancel_slot": (2, 0), "find_slot": (2, 0),
    }  # fmt: skip
    assert items["book_slot"]["p50_ms"] == pytest.approx(200, rel=0.09)
    assert items["book_slot"]["argument_shapes"] == [{"shape": "day text", "calls": 7, "errors": 1}]
    assert (items["find_slot"]["repeated_calls"], items["book_slot"]["repeated_calls"]) == (1, 0)
    assert items["find_slot"]["wasted_ms"] == pytest.approx(200, rel=0.01)
    assert items["find_slot"]["wasted_usd"] > 0


def test_every_number_of_the_tools_page_opens_its_runs(client: FlaskClient) -> None:
    page = client.get("/tools").text
    for name, runs in (("book_slot", 7), ("cancel_slot", 2), ("find_slot", 1)):
        assert runs_behind(client, links(page, f'filter=tool = "{name}"')[0][0]) == runs
    assert [runs_behind(client, href) for href, _ in links(page, "failed_tool = ")] == [1]


def test_reasons_are_counted_and_open_their_runs(client: FlaskClient) -> None:
    page = client.get("/terminations").text
    counted = {unquote_plus(href): (text, runs_behind(client, href)) for href, text in links(page, "termination = ") if text.isdecimal()}
    assert sorted(counted.values()) == [("1", 1), ("2", 2), ("7", 7)]


def test_users_are_summed_up_and_every_number_opens_its_runs(client: FlaskClient) -> None:
    """Runs, failed ones and money of each user equal those of their runs; so do the runs behind the links."""
    runs = body(client.get("/api/v1/traces?limit=500"))["items"]
    people = body(client.get("/api/v1/users"))["items"]
    assert people and {one["name"] for one in people} == {run["user_id"] for run in runs if run["user_id"]}
    for one in people:
        own = [run for run in runs if run["user_id"] == one["name"]]
        assert (one["traces"], one["errors"]) == (len(own), sum(run["errors"] for run in own))
        assert sum(one["terminations"].values()) == len(own)
        assert one["cost_usd"] == pytest.approx(sum(run["cost_usd"] for run in own))
    for order in ("latest", "runs", "cost", "failed", "nonsense"):
        page = client.get(f"/users?order={order}").text
        for href, text in links(page, "^/runs.*termination"):
            assert runs_behind(client, href) == int(text.split()[-1].replace(",", "")), text


def test_an_agent_is_shown_by_version(client: FlaskClient) -> None:
    page = client.get("/agents/scheduler").text
    href, text = links(page, 'version = "1.1"')[0]
    assert (text, runs_behind(client, href)) == ("1.1", 4)
    assert "not stated" in page
    assert client.get("/agents/nobody").status_code == 404


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("query", ["", "?last=90d", "?last=1d&agent=scheduler", "?last=nonsense&agent=nobody"])
def test_pages_answer_any_range(client: FlaskClient, path: str, query: str) -> None:
    assert client.get(path + query).status_code == 200


@pytest.mark.parametrize("path", [page for page in PAGES if "/agents/" not in page and "/users/" not in page])
def test_pages_of_an_empty_store_say_so(sqlite_store: Store, sqlite_url: str, path: str) -> None:
    page = client_of(sqlite_store, sqlite_url).get(path)
    assert page.status_code == 200
    assert "in this range" in page.text or "Waiting for the first run" in page.text


def test_hostile_words_are_only_words(sqlite_store: Store, sqlite_url: str) -> None:
    fill(sqlite_store, [later(span, today_ns() - T0) for span in hostile_spans()])
    client = client_of(sqlite_store, sqlite_url)
    for path in ("/decisions", "/tools", "/terminations", "/agents", "/readiness"):
        page = client.get(path)
        assert page.status_code == 200
        assert "<script>alert" not in page.text
        assert "\u202e" not in page.text.replace(f'value="{html.escape(EVIL)}"', "").split("<select")[0]


def days_of(store: Store) -> list[tuple[object, ...]]:
    with store.engine.connect() as conn:
        return [tuple(row) for row in conn.exec_driver_sql("SELECT * FROM tally_day ORDER BY topic, day, agent, a, b, c")]


def test_sums_do_not_depend_on_the_order_or_number_of_deliveries(store: Store) -> None:
    """Late, twice, a span at a time: the daily sums are those of the traces as they are, and linking again changes nothing."""
    spans = a_week()
    store_spans(store, spans)
    link_all(store)
    whole = days_of(store)
    assert whole
    for at in (3, 0, 7):
        store_spans(store, spans[at::9])
        link_all(store)
    assert days_of(store) == whole
    assert not rebuild_tallies(store, 1)


def test_partial_traces_are_corrected(sqlite_store: Store) -> None:
    """What a half-arrived run said goes when the rest of it says otherwise."""
    spans = a_week()
    for part in (spans[::2], spans[1::2]):
        store_spans(sqlite_store, part)
        link_all(sqlite_store)
    found = days_of(sqlite_store)
    assert not rebuild_tallies(sqlite_store, 1)
    assert found == days_of(sqlite_store)
    assert all(number >= 0 for row in found for number in row[-7:] if isinstance(number, int))


def test_purging_takes_a_traces_part_away(sqlite_store: Store) -> None:
    fill(sqlite_store, a_week())
    assert purge(sqlite_store, NOW + 10**18, NOW + 10**18) == 10
    assert days_of(sqlite_store) == []


def test_latency_buckets_are_true_within_nine_per_cent() -> None:
    for exponent in range(3, 16):
        for digit in (1.0, 1.3, 2.2, 5.7, 9.1):
            length = round(digit * 10**exponent)
            assert bucket_ns(bucket_of(length)) == pytest.approx(length, rel=0.0906)
    assert bucket_of(0) == ""
    assert quantile_ns({}, 0.5) is None
    assert quantile_ns({bucket_of(10**6): 50, bucket_of(10**9): 50}, 0.95) == pytest.approx(10**9, rel=0.09)


@pytest.mark.parametrize(
    ("arguments", "shape"),
    [({"b": 1, "a": "x"}, "a text, b number"), ({}, "nothing"), (None, ""), ("raw", "text"), ({"x": None, "y": [1]}, "x null, y list")],
)
def test_the_shape_of_arguments(arguments: object, shape: str) -> None:
    assert shape_of(arguments) == shape


# --- readiness ----------------------------------------------------------------------------------------------------


def judged(store: Store, url: str, agent_name: str = "scheduler") -> dict[str, tuple[str, int]]:
    """Return status and number of proofs of each item."""
    items = body(client_of(store, url).get(f"/api/v1/readiness?agent={agent_name}"))["items"]
    return {one["id"]: (one["status"], len(one["evidence"])) for one in items[0]["items"]}


def test_an_agent_that_shows_nothing_is_told_so(sqlite_store: Store, sqlite_url: str) -> None:
    fill(sqlite_store, [later(span, today_ns() - T0) for span in run(1, "book_slot")])
    found = judged(sqlite_store, sqlite_url)
    assert len(found) == 14
    assert {name for name, (status, _) in found.items() if status == "seen"} == {"tracing", "costs"}
    assert {name for name, (status, _) in found.items() if status == "cannot_be_seen"} == {"attacks"}
    assert all(proofs for status, proofs in found.values() if status.startswith("seen"))


def test_signs_are_seen(sqlite_store: Store, sqlite_url: str) -> None:
    """Budget, guards, escalation, rate limits and identity, each with the span that shows it."""
    named = {"clew.budget.tokens": 50_000, "session.id": "s", "clew.termination.reason": "escalated"}
    more = (guard(20, "input guardrail", "allowed"), guard(21, "output guardrail", "allowed"), guard(22, "tool guardrail", "allowed"))
    limited = run(2, "book_slot", attributes=named)
    limited[2] = structs.replace(limited[2], status_code=2, status_message="429 rate limit")
    fill(sqlite_store, [later(span, today_ns() - T0) for span in (*run(1, "book_slot", *more, attributes=named), *limited)])
    found = judged(sqlite_store, sqlite_url)
    for name in ("budget", "injection", "sanitising", "validation", "arguments", "escalation", "limits"):
        assert found[name][0] == "seen", name
        assert found[name][1] >= 1, name


def test_what_was_missing_when_it_was_needed_is_failing(sqlite_store: Store, sqlite_url: str) -> None:
    """A model that is out with nobody trying again and no answer; a tool called on and on; a budget on half of the runs only."""
    from_model = [*run(1, "book_slot", attributes={"clew.termination.reason": "llm_unavailable"}, **failing())]
    from_model[1] = structs.replace(from_model[1], **failing())
    budget = run(2, "book_slot", attributes={"clew.budget.tokens": 50_000})
    fill(sqlite_store, [later(span, today_ns() - T0) for span in (*from_model, *budget)])
    found = judged(sqlite_store, sqlite_url)
    assert found["budget"][0] == "seen_failing"
    assert found["recovery"][0] == "seen_failing"


def test_a_tool_that_is_hammered_lacks_a_breaker() -> None:
    calls = [tool(10 + n, "search", 1, at=1 + n, failed=True, tool_error="timeout") for n in range(6)]
    trace = chain(agent(1, "a", lasts=20), *calls)
    assert ("a", "hammered") in {(one.agent, one.name) for one in signs_of(trace)}


def test_a_tally_is_one_small_row(sqlite_store: Store) -> None:
    fill(sqlite_store, a_week())
    with sqlite_store.engine.connect() as conn:
        rows = conn.exec_driver_sql("SELECT entries FROM tally").all()
    assert len(rows) == 10
    assert all(len(data) < 1_200 for (data,) in rows)
    assert all(decode_tally(data).entries for (data,) in rows)
