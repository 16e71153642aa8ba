"""The cost page over a real store: every figure equals the ledger, and opens the runs behind it."""

import html
import re
import time
from decimal import Decimal
from typing import Any
from urllib.parse import unquote_plus

import orjson
import pytest
from flask.testing import FlaskClient
from sqlalchemy import text

from ingest.model import Span
from ingest.store.alertbook import Actor
from ingest.store.bulk import transaction
from ingest.store.cube import CubeQuery, check_range, read_cube
from ingest.store.derived import ledger
from ingest.store.engine import Store
from ingest.store.ledger import check_reconciles, rebuild_rollups, table_sums
from ingest.store.watchbook import RuleSetting, save_setting
from webui.pages.costs import usd_words
from webui.pages.spend import BY_WORDS, Asked, period_of

from .agent_days import DAY
from .builders import SECOND, T0
from .webui_app import EVIL, body, client_of, later
from .wire import agent_span, in_trace, link_all, llm_span, store_spans, tool_span

HOUR = 3_600 * SECOND
NANOS = 10**9


def model(name: str, provider: str = "openai", **tokens: int) -> dict[str, Any]:
    """Return what makes a model call one of another model."""
    named = {"gen_ai.request.model": name, "gen_ai.response.model": name, "gen_ai.provider.name": provider}
    return named | {f"gen_ai.usage.{key}": value for key, value in tokens.items()}


def ago(number: int, ago_ns: int, spans: list[Span]) -> list[Span]:
    """Return a trace that began so long ago."""
    return [later(one, time.time_ns() - ago_ns - T0) for one in in_trace(spans, number.to_bytes(16, "big"))]


def run(agent: str = "scheduler", tokens: tuple[int, int] = (1000, 100), call: dict[str, Any] | None = None, **fields: Any) -> list[Span]:
    """Build a run of one tool call between two model calls."""
    return [
        agent_span(1, agent, **fields),
        llm_span(2, 1, at=1, tokens=tokens, attributes=call or {}),
        tool_span(3, "search", 1, at=2),
        llm_span(4, 1, at=3, tokens=tokens, attributes=call or {}),
    ]


def a_month() -> list[Span]:
    """Build runs of the last two months: dear and cheap ones, failed ones, such of users, of a model without a price, of a nested agent."""
    spans = ago(1, HOUR, run(tokens=(500_000, 9_000), attributes={"user.id": "ada", "session.id": "s-1", "gen_ai.agent.version": "2.0"}))
    for number in range(2, 8):
        spans += ago(number, number * DAY, run(attributes={"user.id": "bob", "gen_ai.agent.version": "1.0"}))
    spans += ago(8, 2 * HOUR, run("billing", status_code=2, attributes={"clew.termination.reason": "loop"}))
    spans += ago(9, 3 * DAY, run("billing", call=model("in-house-7b", "acme")))
    spans += ago(10, 40 * DAY, run(tokens=(100_000, 2_000)))
    cached = model("claude-sonnet-4-5", "anthropic", input_tokens=100_000, **{"cache_read.input_tokens": 90_000})
    spans += ago(11, DAY, run("research", call=cached))
    nested = [agent_span(1, "billing"), agent_span(2, "clerk", 1, at=1, lasts=5), llm_span(3, 2, at=2), llm_span(4, 1, at=7)]
    return spans + ago(12, 4 * DAY, nested)


def filled(store: Store) -> Store:
    """Return a store with two months of runs."""
    now = time.time_ns()
    store_spans(store, a_month(), now_ns=now)
    link_all(store, now)
    return store


@pytest.fixture
def month(sqlite_store: Store) -> Store:
    return filled(sqlite_store)


@pytest.fixture
def client(month: Store, sqlite_url: str) -> FlaskClient:
    return client_of(month, sqlite_url)


def exact(client: FlaskClient, address: str) -> Any:
    """Return JSON with its amounts as exact nano-dollars."""
    answer = client.get(address)
    assert answer.status_code == 200, answer.text
    text_ = re.sub(r'("(?:[a-z_]*usd)":)(-?[0-9.]+)', r'\1"\2"', answer.text)
    return orjson.loads(text_)


def nanos(amount: str | None) -> int:
    """Return an amount of the API in nano-dollars."""
    return 0 if amount is None else int(Decimal(amount) * NANOS)


def of_ledger(store: Store, since_days: int, where: str = "1 = 1") -> int:
    """Return what the ledger says was spent since the beginning of a UTC day."""
    first_hour = (time.time_ns() // DAY - since_days + 1) * 24
    with store.engine.connect() as conn:
        said = conn.execute(text(f"SELECT COALESCE(SUM(cost_nanos), 0) FROM ledger WHERE hour >= {first_hour} AND {where}"))
        return int(said.scalar_one())


def test_every_split_comes_to_the_ledger_to_the_nano_dollar(client: FlaskClient, month: Store) -> None:
    """Whatever costs are split by, the rows add up to the total, and the total is the ledger's."""
    truth = of_ledger(month, 30)
    assert truth > 2 * NANOS
    for by in BY_WORDS:
        since = f"{(time.time_ns() // DAY - 29) * DAY // NANOS}"
        at = time.strftime("%Y-%m-%d", time.gmtime(int(since)))
        table = exact(client, f"/api/v1/costs?by={by}&from={at}")
        assert sum(nanos(row["cost_usd"]) for row in table["rows"]) == nanos(table["total"]["cost_usd"]) == truth, by
    overview = exact(client, "/api/v1/costs/overview")
    assert nanos(overview["total"]["cost_usd"]) == truth


@pytest.mark.parametrize("last", ["24h", "2d", "7d", "30d", "90d", "month"])
def test_roll_ups_and_ledger_agree_over_any_time(client: FlaskClient, month: Store, last: str) -> None:
    period = period_of(Asked(last=last), time.time_ns())
    found = check_range(month, 1, period.from_ns, period.to_ns)
    assert found.excess == {}
    rows = read_cube(month, 1, CubeQuery(period.from_ns, period.to_ns))
    assert sum(row.cost_nanos for row in rows) == found.ledger["cost_nanos"]
    page = client.get(f"/costs?last={last}").text
    assert f"come to {usd_words(found.ledger['cost_nanos'])}" in page
    assert "It adds up" in page


def test_a_roll_up_that_is_off_is_told(client: FlaskClient, month: Store) -> None:
    """One nano-dollar too much in a roll-up is said on the page, with what makes it right."""
    with transaction(month) as tx:
        tx.run("UPDATE rollup_day SET cost_nanos = cost_nanos + 1 WHERE model = ? AND agent = ?", ("gpt-4.1", "scheduler"))
    assert check_reconciles(month, 1)
    page = client.get("/costs").text
    assert "It does not add up" in page
    assert "clew relink" in page
    assert not body(client.get("/api/v1/costs/check"))["agrees"]
    assert not body(client.get("/costs/check"))["agrees"]
    rebuild_rollups(month, 1)
    assert "It adds up" in client.get("/costs").text


def links(page: str, pattern: str) -> list[tuple[str, str]]:
    """Return (address, text) of the links whose address matches."""
    found = re.findall(r'<a[^>]*href="([^"]*)"[^>]*>(.*?)</a>', page, re.DOTALL)
    told = ((html.unescape(href), re.sub("<[^>]+>", "", words).strip()) for href, words in found)
    return [(href, words) for href, words in told if re.search(pattern, unquote_plus(href))]


def runs_behind(client: FlaskClient, href: str) -> int:
    page = client.get(href)
    assert page.status_code == 200, href
    return page.text.count("<tr data-row")


@pytest.mark.parametrize("by", ["agent", "termination", "service", "environment", "user", "session"])
def test_every_number_of_runs_opens_those_runs(client: FlaskClient, by: str) -> None:
    """A count in a table leads to a list that has as many runs, nested agents apart."""
    page = client.get(f"/costs?by={by}").text
    section = page.split('id="split"')[1].split("</section>")[0]
    counted = [(href, words) for href, words in links(section, "^/runs") if words.isdecimal()]
    assert counted, by
    for href, words in counted:
        # A nested run ends by itself: of ends alone there are more than traces.
        more = 0 if by == "agent" else 1
        assert 0 <= int(words) - runs_behind(client, href) <= more, (href, words)


def test_models_and_tools_open_the_runs_that_used_them(client: FlaskClient) -> None:
    for by, name, runs in (("model", "claude-sonnet-4-5", 1), ("model", "in-house-7b", 1), ("tool", "search", 10), ("provider", "acme", 1)):
        section = client.get(f"/costs?by={by}").text.split('id="split"')[1].split("</section>")[0]
        href = next(href for href, _ in links(section, f'^/runs.*{by} = "{name}"'))
        assert runs_behind(client, href) == runs, name


def test_a_name_leads_to_what_it_consists_of(client: FlaskClient, month: Store) -> None:
    """Clicking an agent gives that agent by model, with its own total."""
    (href, _) = links(client.get("/costs?by=agent").text.split('id="split"')[1], "^/costs.*agent=research")[0]
    narrowed = client.get(href).text
    assert "agent: research" in narrowed
    overview = exact(client, "/api/v1/costs/overview?agent=research")
    assert nanos(overview["total"]["cost_usd"]) == of_ledger(month, 30, "agent = 'research'") > 0
    assert "claude-sonnet-4-5" in narrowed.split('id="split"')[1].split("</section>")[0]


@pytest.mark.parametrize(("name", "value"), [("user", "ada"), ("session", "s-1"), ("model", "in-house-7b"), ("tool", "search"),
                                             ("termination", "loop"), ("operation", "chat"), ("provider", "anthropic")])  # fmt: skip
def test_costs_narrow_to_anything(client: FlaskClient, month: Store, name: str, value: str) -> None:
    column = {"user": "user_id", "session": "session_id"}.get(name, name)
    narrowed = exact(client, f"/api/v1/costs/overview?{name}={value}")
    table = exact(client, f"/api/v1/costs?by=agent&from=-29d&{name}={value}")
    truth = of_ledger(month, 30, f"{column} = '{value}'")
    assert nanos(narrowed["total"]["cost_usd"]) == truth == sum(nanos(row["cost_usd"]) for row in table["rows"])
    assert client.get(f"/costs?{name}={value}").status_code == 200


def test_the_time_before_is_compared(client: FlaskClient) -> None:
    """What forty days ago cost is the thirty days' time before."""
    overview = exact(client, "/api/v1/costs/overview")
    assert nanos(overview["before"]["cost_usd"]) == 2 * (100_000 * 2_000 + 2_000 * 8_000)
    assert f"{usd_words(nanos(overview['before']['cost_usd']))[:5]}" in client.get("/costs").text


def test_what_has_no_price_is_an_amount_of_its_own(client: FlaskClient) -> None:
    page = client.get("/costs").text
    section = page.split('id="unpriced"')[1].split("</section>")[0]
    assert "in-house-7b" in section
    assert "2,000" in section
    assert "clew reprice" in section
    (found,) = body(client.get("/api/v1/costs/overview"))["unpriced"]
    assert (found["model"], found["unpriced_calls"], found["input_tokens"], found["output_tokens"]) == ("in-house-7b", 2, 2000, 200)


def test_the_dearest_runs_are_named_with_what_they_went_on(client: FlaskClient) -> None:
    found = exact(client, "/api/v1/costs/runs?limit=2")["items"]
    assert [one["agent"] for one in found] == ["scheduler", "research"]
    assert found[0]["spent_on"][0]["model"] == "gpt-4.1"
    assert nanos(found[0]["spent_on"][0]["cost_usd"]) == nanos(found[0]["cost_usd"])
    page = client.get("/costs").text
    assert page.index(f'/traces/{found[0]["trace_id"]}') < page.index(f'/traces/{found[1]["trace_id"]}')
    # The forty days old one is dearer than the second, but not of this time, whichever way it is looked for.
    for last in ("7d", "30d"):
        assert (10).to_bytes(16, "big").hex() not in client.get(f"/costs?last={last}").text


def test_the_cache_and_another_model_are_estimates(client: FlaskClient) -> None:
    (saving,) = body(client.get("/api/v1/costs/overview"))["cache"]
    assert (saving["model"], saving["cache_read_tokens"]) == ("claude-sonnet-4-5", 180_000)
    assert saving["estimated_saved_usd"] == pytest.approx(180_000 * (3 - 0.3) / 1e6)
    items = body(client.get("/api/v1/costs/whatif?instead=gpt-4.1"))["items"]
    (research,) = [one for one in items if one["agent"] == "research"]
    assert research["other_model"] == "gpt-4.1"
    refused = client.get("/api/v1/costs/whatif?instead=nobody-knows")
    assert (refused.status_code, body(refused)["error"]["code"]) == (400, "bad_parameter")
    assert "estimate" in client.get("/costs?instead=gpt-4.1").text


def test_a_budget_is_set_against_the_month(client: FlaskClient, month: Store) -> None:
    """With a budget the page says how much of it is spent; one that is gone is said to be."""
    spent = nanos(exact(client, "/api/v1/home")["month"]["spent_usd"])
    assert "not set" in client.get("/costs").text
    for budget, words in ((1, "used up"), (1000 * spent, "budget $")):
        save_setting(month, (1, "", "*"), RuleSetting(month_nanos=budget), Actor("ada", ""), time.time_ns())
        assert words in client.get("/costs").text
        assert words.split()[0] in client.get("/").text.lower()
    assert nanos(exact(client, "/api/v1/home")["budget"]["month_usd"]) == 1000 * spent


def test_new_versions_are_marked(client: FlaskClient) -> None:
    marks = body(client.get("/api/v1/costs/marks"))["items"]
    assert [one["words"] for one in marks if one["kind"] == "deploy"] == [
        "scheduler 1.0 was the first version seen", "scheduler 2.0 first seen",
    ]  # fmt: skip
    figure = body(client.get("/costs/figure?last=7d"))
    assert "scheduler 2.0" in {one["text"].split(" +")[0] for one in figure["layout"]["annotations"]}


def test_bars_are_hatched_until_they_are_over_and_open_their_runs(client: FlaskClient) -> None:
    figure = body(client.get("/costs/figure?last=30d&by=agent"))
    bars = [one for one in figure["data"] if one["type"] == "bar"]
    assert {one["name"] for one in bars} == {"scheduler", "billing", "research", "clerk"}
    assert all(one["marker"]["pattern"]["shape"] == [""] * 29 + ["/"] for one in bars)
    (line,) = [one for one in figure["data"] if one["type"] == "scatter"]
    assert sum(line["y"]) == pytest.approx(2 * (100_000 * 2_000 + 2_000 * 8_000) / 1e9)
    (research,) = [one for one in bars if one["name"] == "research"]
    place = next(place for place, dollars in enumerate(research["y"]) if dollars)
    assert runs_behind(client, research["customdata"][place]) == 1
    hours = body(client.get("/costs/figure?last=24h"))
    assert {len(one["x"]) for one in hours["data"]} == {24}
    assert body(client.get("/costs/figure?by=termination"))["data"][0]["name"] == "completed or handed over"


def test_each_bucket_is_told_without_script(client: FlaskClient) -> None:
    page = client.get("/costs?last=7d").text
    rows = page.split("as a table")[1].split("</table>")[0]
    assert rows.count("<tr>") == 8
    assert "until now" in rows


@pytest.mark.parametrize("query", ["last=x&by=x", "from=2026-13-45", "from=-3d&to=-9d", "from=-5d&to=-2d", "from=-30h", "agent=nobody",
                                   "model=%00%ff", "user=" + "x" * 500, "instead=" + "y" * 500, "from=2999-01-01", "check=1"])  # fmt: skip
def test_any_address_is_a_page(client: FlaskClient, query: str) -> None:
    for path in ("/costs", "/costs/figure", "/costs/check"):
        assert client.get(f"{path}?{query}").status_code == 200, path


def test_state_in_the_address_is_text(client: FlaskClient) -> None:
    page = client.get("/costs", query_string={"agent": EVIL, "instead": EVIL, "user": EVIL}).text
    assert "<script>alert" not in page
    assert "<img" not in page


def test_no_project_sees_anothers_bill(month: Store) -> None:
    """A bill is read by project alone: another one's is empty."""
    assert read_cube(month, 2, CubeQuery(0, time.time_ns())) == []
    assert table_sums(month, ledger, 2)[0] == 0


def test_both_stores_answer_alike(store: Store, store_url: str) -> None:
    """Every page and route about money works on either store, and comes to the ledger."""
    client = client_of(filled(store), store_url)
    truth = of_ledger(store, 30)
    for by in BY_WORDS:
        assert client.get(f"/costs?by={by}").status_code == 200, by
        table = exact(client, f"/api/v1/costs?by=day,{by}&from=-29d&agent=scheduler")
        assert nanos(table["total"]["cost_usd"]) == of_ledger(store, 30, "agent = 'scheduler'"), by
    for query in ("last=24h", "last=7d&user=ada", "last=90d&model=gpt-4.1", "check=1"):
        assert client.get(f"/costs?{query}").status_code == 200, query
    for path in ("/", "/costs/figure?by=agent", "/costs/figure?last=24h", "/api/v1/home", "/api/v1/costs/runs", "/api/v1/costs/marks"):
        assert client.get(path).status_code == 200, path
    assert nanos(exact(client, "/api/v1/costs/overview")["total"]["cost_usd"]) == truth
    assert body(client.get("/api/v1/costs/check"))["agrees"]
