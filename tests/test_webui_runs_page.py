"""The list of runs: built by clicking, never silently empty, saved, exported so that no spreadsheet runs it, and live."""

import csv
import html
import io
import re
from urllib.parse import parse_qs, quote, unquote_plus, urlsplit

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from ingest.store.engine import Store
from webui.filters import parse_filter, split_filter
from webui.pages.building import FIELDS, OPERATORS, build_condition
from webui.views.exports import COLUMNS, plain_cell

from .agent_days import a_week, today_ns
from .builders import T0
from .webui_app import EVIL, body, client_of, fill, hostile_spans, later, many_runs
from .wire import agent_span, in_trace

NOW = 1_795_500_000_000_000_000


@pytest.fixture
def client(sqlite_store: Store, sqlite_url: str) -> FlaskClient:
    """Return a client over a store with ten runs of today."""
    fill(sqlite_store, a_week())
    return client_of(sqlite_store, sqlite_url)


def rows(page: str) -> int:
    return page.count("<tr data-row")


def listed(client: FlaskClient, filter_: str) -> int:
    page = client.get("/runs", query_string={"filter": filter_})
    assert page.status_code == 200, (filter_, page.text[:3000])
    return rows(page.text)


# --- filters ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("filter_", "number"),
    [
        ('tool = "cancel_slot"', 2), ('failed_tool = "book_slot"', 1), ('not tool = "book_slot"', 3),
        ('tool in ("find_slot", "cancel_slot")', 3),
        ('tool != "book_slot"', 3), ('tool contains "SLOT"', 10), ('decision chose "cancel_slot" over "book_slot"', 2),
        ('decision chose "cancel_slot" over "nothing"', 0), ('any step (tool.name = "book_slot" and status = "error")', 1),
        ('user = "ada" and version = "1.1"', 4), ("started > -2d and errors > 0", 1),
    ],
)  # fmt: skip
def test_filters_find_what_they_say(client: FlaskClient, filter_: str, number: int) -> None:
    assert listed(client, filter_) == number


def test_a_branch_point_is_a_filter(client: FlaskClient) -> None:
    branch = body(client.get("/api/v1/decisions"))["items"][0]["branch"]
    assert listed(client, f'decision at "{branch}"') == 10
    assert listed(client, f'decision chose "find_slot" at "{branch}"') == 1
    assert listed(client, 'decision at "ffffffffffffffff"') == 0


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", []),
        ('agent = "a"', ['agent = "a"']),
        ('agent = "a and b" and errors > 0', ['agent = "a and b"', "errors > 0"]),
        ('any step (name = "x" and errors > 1) AND not status = "ok"', ['any step (name = "x" and errors > 1)', 'not status = "ok"']),
        ('agent = "a" or errors > 0 and tokens > 5', ['agent = "a" or errors > 0 and tokens > 5']),
        ("(errors > 0 or tokens > 5) and steps > 1", ["(errors > 0 or tokens > 5)", "steps > 1"]),
    ],
)
def test_a_filter_is_taken_apart(text: str, parts: list[str]) -> None:
    assert split_filter(text) == parts


_VALUES = {"started": "-24h", "status": "error", "termination": "loop", "kind": "tool"}


@pytest.mark.parametrize("field", FIELDS)
def test_every_field_can_be_picked(field: str) -> None:
    """Whatever is offered in the form makes a condition that can be read, with at least one operator."""
    plain = field.removeprefix("step: ")
    for value in (_VALUES.get(plain, "5"),):
        read = [operator for operator in OPERATORS if _reads(build_condition(field, operator, value))]
        assert "=" in read


def _reads(text: str) -> bool:
    try:
        return parse_filter(text, NOW) is not None
    except ValueError:
        return False


@given(st.text(max_size=40))
def test_any_value_is_quoted(value: str) -> None:
    """No value leaves its quotation marks."""
    built = parse_filter(build_condition("agent", "=", f"x{value}"), NOW)
    assert built is not None
    assert getattr(built, "value", None) == f"x{value}".strip()


def test_a_condition_is_added_by_the_form(client: FlaskClient) -> None:
    """Without script: the form leads to the list with one condition more, which a chip drops again."""
    answer = client.get("/runs", query_string={"filter": 'user = "ada"', "field": "errors", "op": "=", "value": "0", "last": "7d"})
    assert answer.status_code == 302
    where = answer.headers["Location"]
    assert parse_qs(urlsplit(where).query) == {"filter": ['user = "ada" and errors = 0'], "last": ["7d"]}
    page = client.get(where).text
    assert rows(page) == 4
    drops = re.findall(r'class="drop" href="([^"]*)"', page)
    assert [parse_qs(urlsplit(html.unescape(href)).query)["filter"] for href in drops] == [["errors = 0"], ['user = "ada"']]
    either = client.get("/runs", query_string={"filter": "errors > 0 or steps > 4", "field": "agent", "op": "=", "value": "scheduler"})
    assert "(errors > 0 or steps > 4) and agent = " in unquote_plus(either.headers["Location"])


# --- nothing ------------------------------------------------------------------------------------------------------


def test_an_empty_list_says_which_condition_empties_it(client: FlaskClient) -> None:
    page = client.get("/runs", query_string={"filter": 'user = "ada" and tool = "book_slot" and errors > 5', "last": "7d"}).text
    assert "No run matches all 4 conditions" in page
    table = re.findall(r'<td class="mono wrap"><bdi>(.*?)</bdi></td><td class="bad">(.*?)</td><td class="num">(.*?)</td>', page)
    assert [(html.unescape(text), told, number) for text, told, number in table] == [
        ('user = "ada"', "", "0"), ('tool = "book_slot"', "", "0"), ("errors > 5", "empties the list", "4"), ("in the last 7 d", "", "0"),
    ]  # fmt: skip


def test_an_empty_range_says_what_there_is_outside_of_it(sqlite_store: Store, sqlite_url: str) -> None:
    fill(sqlite_store, [later(span, today_ns() - T0 - 20 * 86_400 * 10**9) for span in many_runs(3)])
    page = client_of(sqlite_store, sqlite_url).get("/runs?last=24h").text
    assert "in the last 24 h" in page
    assert "empties the list" in page


def test_a_typo_in_a_value_is_named_and_put_right(client: FlaskClient) -> None:
    """Several at once: one click puts all of them right."""
    page = client.get("/runs", query_string={"filter": 'agent = "schedular" and any step (tool.name = "cancel_slott")'}).text
    assert page.count("Did you mean") == 2
    href = re.search(r'Did you mean <a href="([^"]*)"', page)
    assert href is not None
    right = html.unescape(href[1])
    assert 'agent = "scheduler" and any step (tool.name = "cancel_slot")' in unquote_plus(right)
    assert rows(client.get(right).text) == 2


def test_a_typo_in_a_word_is_an_error_with_the_nearest(client: FlaskClient) -> None:
    for wrong, right in (("agnt = 1", "agent"), ("any stp (name = 1)", "step"), ("decision chosen 1", "chose"), ("tols = 1", "tool")):
        page = client.get("/runs", query_string={"filter": wrong})
        assert page.status_code == 400
        assert f"Did you mean {right}?" in page.text


# --- columns ------------------------------------------------------------------------------------------------------


def test_a_cost_is_set_against_the_agents_median(sqlite_store: Store, sqlite_url: str) -> None:
    spans = [span for number in range(1, 8) for span in in_trace(a_week()[:4], bytes([number]) * 16)]
    dear = in_trace(a_week()[:4], b"\x99" * 16)
    dear[1].attributes["clew.cost.usd"] = 5.0
    fill(sqlite_store, [*spans, *dear])
    page = client_of(sqlite_store, sqlite_url).get("/runs?order=cost").text
    first = page[page.index("<tr data-row") :]
    assert re.search(r'class="num hide-s warn">[\d,.]+ ×</td>', first.split("</tr>")[0])
    assert "1.0 ×" in first


def test_news_count_what_began_since(client: FlaskClient) -> None:
    page = client.get("/runs").text
    href = re.search(r'data-news="([^"]*)"', page)
    assert href is not None
    where = html.unescape(href[1])
    assert body(client.get(where)) == {"new": 0}
    since = int(parse_qs(urlsplit(where).query)["since"][0])
    assert body(client.get(f"/runs/news?since={since - 1}"))["new"] == 10
    assert client.get("/runs/news?since=x").status_code == 400
    assert client.get("/runs/news?since=1&filter=agnt").status_code == 400


# --- saved views --------------------------------------------------------------------------------------------------


def test_views_are_saved_shown_and_forgotten(client: FlaskClient) -> None:
    query = "filter=" + quote('user = "ada"', safe="") + "&last=7d"
    answer = client.post("/runs/views", data={"name": "Ada's <b>week</b>", "query": query + "&evil=1"})
    assert answer.status_code == 303
    page = client.get(answer.headers["Location"]).text
    assert "Ada&#39;s &lt;b&gt;week&lt;/b&gt;" in page
    assert rows(page) == 4
    assert 'aria-current' not in page.split("★")[0][-30:]
    client.post("/runs/views", data={"name": "Ada's <b>week</b>", "query": query, "forget": "1"})
    assert "★" not in client.get("/runs").text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 303), ({"Sec-Fetch-Site": "same-origin"}, 303), ({"Origin": "http://localhost"}, 303),
        ({"Sec-Fetch-Site": "cross-site"}, 403), ({"Origin": "https://evil.example"}, 403), ({"Origin": "null"}, 403),
    ],
)  # fmt: skip
def test_only_our_own_pages_save_views(client: FlaskClient, headers: dict[str, str], status: int) -> None:
    assert client.post("/runs/views", data={"name": "x", "query": ""}, headers=headers).status_code == status


def test_a_view_leads_nowhere_else(client: FlaskClient) -> None:
    for query in ("//evil.example", "filter=x\r\nSet-Cookie: a=b", "next=https://evil.example"):
        where = client.post("/runs/views", data={"name": "x", "query": query}).headers["Location"]
        assert where.startswith("/runs")
        assert "evil" not in where or "filter" in where
    assert client.post("/runs/views", data={"name": "", "query": ""}).status_code == 400
    assert client.get("/runs/views").status_code == 405


# --- exports ------------------------------------------------------------------------------------------------------


def test_csv_has_every_run_and_nothing_to_execute(sqlite_store: Store, sqlite_url: str) -> None:
    """A spreadsheet that opens the file finds text, whatever stood in a trace."""
    texts = ("=1+1", "+1", "-1", "@x", "\t=1", "＝1", " =1")
    evil = [agent_span(1, text, attributes={"user.id": text, "input.value": text}) for text in texts]
    spans = [span for n, one in enumerate(evil) for span in in_trace([one], bytes([n + 1]) * 16)]
    fill(sqlite_store, [*spans, *in_trace(hostile_spans(), b"\x77" * 16)])
    answer = client_of(sqlite_store, sqlite_url).get("/runs.csv")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"].startswith("attachment;")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    table = list(csv.reader(io.StringIO(answer.data.decode())))
    assert tuple(table[0]) == COLUMNS
    assert len(table) == 9
    assert not [cell for row in table for cell in row if re.match(r"[\s]*[=+\-@\t\r|%＝＋－＠]", cell)]
    assert all(line.startswith('"') for line in answer.data.decode().split("\r\n") if line)


def test_exports_follow_the_filter_and_every_page(sqlite_store: Store, sqlite_url: str) -> None:
    fill(sqlite_store, [span for n in range(600) for span in in_trace([agent_span(1)], n.to_bytes(16, "big"))])
    client = client_of(sqlite_store, sqlite_url)
    assert len(body(client.get("/runs.json"))["items"]) == 600
    assert body(client.get("/runs.json?filter=errors+>+0"))["items"] == []
    assert client.get("/runs.csv?filter=agnt").status_code == 400


@given(st.text(max_size=30))
def test_no_cell_begins_like_a_formula(text: str) -> None:
    assert plain_cell(text)[:1] not in tuple("=+-@\t\r\n＝＋－＠")


def test_hostile_filters_stay_text(client: FlaskClient) -> None:
    for filter_ in (EVIL, f'agent = "{EVIL}"', f'user = "{EVIL}" and errors > 0'):
        page = client.get("/runs", query_string={"filter": filter_})
        assert page.status_code in (200, 400)
        assert "<script>alert" not in page.text
