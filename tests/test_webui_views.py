"""Pages over a real store: nothing in a trace can act, every answer carries the policy, every name has its page."""

import json
import socket
import subprocess
import sys
import time
from html.parser import HTMLParser
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.model import SPAN_KINDS, TERMINATION_REASONS, Decision, Facts, Option, StoredSpan, ToolRequest, Usage
from ingest.store.alert_model import StopRequest
from ingest.store.engine import Store, open_store
from webui.api_json import dump, trace_json
from webui.app import create_app
from webui.pages.focus import Asked
from webui.pages.run import build_run_page
from webui.pages.stop import lineage, view_stop
from webui.server import serve

from .builders import SECOND, T0, chain, span_id
from .webui_app import EVIL, ID, MISSING, body, client_of, fill, hostile_spans, later, settings_of
from .wire import agent_span, link_all, run_spans, store_spans


@pytest.fixture
def empty(sqlite_store: Store, sqlite_url: str) -> FlaskClient:
    """Return a client of the application over an empty store."""
    return client_of(sqlite_store, sqlite_url)


@pytest.fixture
def client(sqlite_store: Store, empty: FlaskClient) -> FlaskClient:
    """Return a client of the application over a store with one linked run."""
    fill(sqlite_store)
    return empty


class Tags(HTMLParser):
    """Collects what of a page could act: scripts, styles, handlers and addresses."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        if tag == "style" or (tag == "script" and not (given.get("src") or "").startswith("/static/")):
            self.found.append(f"inline {tag}")
        for name, value in attrs:
            if name == "style" or name.startswith("on"):
                self.found.append(f"{tag} {name}")
            if name in ("href", "src", "action") and not (value or "").startswith(("/", "?", "#")):
                self.found.append(f"{tag} {name}={value}")
            if name in ("href", "src", "action") and (value or "").startswith("//"):
                self.found.append(f"{tag} {name}={value}")


def test_no_word_of_a_trace_acts(sqlite_store: Store, empty: FlaskClient) -> None:
    """Whatever stands in a span reaches pages as text: no tag, no handler, no address of its own."""
    fill(sqlite_store, hostile_spans())
    agent = body(empty.get(f"/api/v1/traces/{ID}"))["runs"][0]["agent"]
    steps = [f"/traces/{ID}?step={span_id(n).hex()}&panel={tab}" for n in (2, 3) for tab in ("why", "input", "output", "tokens", "raw")]
    for path in ("/", "/runs", "/costs", f"/traces/{ID}", *steps):
        page = empty.get(path)
        assert page.status_code == 200, path
        assert Tags(page.text).found == [], path
        assert "<script>alert" not in page.text
        assert "\u202e" not in page.text.split("<aside")[0]
    for path, value in (("/agents/", agent), ("/sessions/", EVIL), ("/lookup", EVIL), ("/runs", f'agent = "{EVIL}"')):
        page = empty.get(
            path + (value if path.endswith("/") else ""), query_string={} if path.endswith("/") else {"q": value, "filter": value}
        )
        assert page.status_code < 500
        assert Tags(page.text).found == [], path


PAGES = (
    "/",
    "/runs",
    "/costs",
    "/lookup",
    f"/lookup?q={MISSING}",
    f"/traces/{MISSING}",
    "/traces/x",
    "/nope",
    "/sessions/nope",
    "/static/nope.js",
)


@pytest.mark.parametrize("path", [*PAGES, f"/traces/{ID}", "/sessions/s-1", "/users/ada", "/agents/scheduler", "/static/clew.css"])
def test_every_answer_carries_the_policy(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code in (200, 302, 400, 404)
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    if answer.status_code != 302 and answer.content_type.startswith("text/html"):
        tags = Tags(answer.text)
        assert tags.found == []
        assert tags.tags.count("h1") == 1


@pytest.mark.parametrize("path", ["/", "/runs", "/costs", "/lookup"])
def test_an_empty_store_says_how_to_begin(empty: FlaskClient, path: str) -> None:
    page = empty.get(path)
    assert page.status_code == 200
    if path in ("/", "/runs"):
        assert "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318" in page.text


@pytest.mark.parametrize("name", ["/home/ada", "a/b/", "ä ö", "50 %", "../x", "?q=1"])
def test_a_name_is_whatever_it_is(sqlite_store: Store, empty: FlaskClient, name: str) -> None:
    """Names with slashes, question marks and percent signs have pages and answers of their own."""
    fill(sqlite_store, [agent_span(1, attributes={"session.id": name})])
    href = next(part for part in empty.get(f"/traces/{ID}").text.split('"') if part.startswith("/sessions/"))
    assert empty.get(href).status_code == 200
    assert body(empty.get(f"/api/v1{href}"))["session_id"] == name


_WORDS = (
    st.none() | st.sampled_from(["", "a", EVIL, "word " * 500, "\u05e9\u05dc\u05d5\u05dd", '{"x": [1]}', "x" * 3000]) | st.text(max_size=20)
)
_NUMBERS = st.none() | st.integers(0, 10**9)
_LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
_JSON = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=5
)
_NAMES = st.sampled_from(["search", "book", EVIL, ""])
_FACTS = st.builds(
    Facts,
    kind=st.sampled_from(SPAN_KINDS),
    agent_name=_WORDS, version=_WORDS, environment=_WORDS, service=_WORDS, session_id=_WORDS, user_id=_WORDS,
    references=st.dictionaries(_NAMES, st.text(max_size=5), max_size=2),
    thought=_WORDS, input=_WORDS, output=_WORDS,
    tool_name=_WORDS, tool_arguments=_JSON, tool_result=_WORDS, tool_error=_WORDS,
    tool_requests=st.lists(st.builds(ToolRequest, _WORDS, _NAMES, _JSON), max_size=3),
    tools_offered=st.lists(_NAMES, max_size=4),
    usage=st.none() | st.builds(Usage, _NUMBERS, _NUMBERS, _NUMBERS, _NUMBERS, _NUMBERS),
    request_model=_WORDS, provider=_WORDS, finish_reason=_WORDS, cost_nanos=_NUMBERS, failed=st.booleans(), error_message=_WORDS,
    decision=st.none() | st.builds(Decision, _NAMES, st.sampled_from(["declared", "derived"]), _WORDS, _WORDS,
                                   st.lists(st.builds(Option, _NAMES, _WORDS, st.none() | st.floats()), max_size=6)),
    termination=st.none() | st.sampled_from(TERMINATION_REASONS), termination_detail=_WORDS,
    budget_tokens=_NUMBERS, budget_usd=st.none() | st.floats(0, 1e6), budget_steps=_NUMBERS,
)  # fmt: skip
_TIMES = st.sampled_from([0, 1, T0, T0 + 1, T0 + 5 * SECOND, 2**63 - 1])
_SPANS = st.lists(st.tuples(_FACTS, st.integers(0, 12), _TIMES, _TIMES), min_size=1, max_size=12)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(made=_SPANS, tab=st.sampled_from(["why", "input", "output", "tokens", "raw", "x"]), step=st.sampled_from(["", "1", "3"]))
def test_any_trace_has_a_page(empty: FlaskClient, made: list[Any], tab: str, step: str) -> None:
    """Whatever spans say, in whatever order, nesting and time: there is a page, and nothing on it acts."""
    spans = [
        StoredSpan(span_id(number + 1), span_id(parent) if parent else b"", f"span {number}", start, max(start, end), 0, facts)
        for number, (facts, parent, start, end) in enumerate(made)
    ]
    trace = chain(*spans)
    now_ns = T0 + 3600 * SECOND
    page = build_run_page(trace, Asked(step=step, panel=tab), lambda _: None, now_ns)
    assert page is not None
    stop = StopRequest(1, trace.trace_id, next(lineage(trace, page.run)), EVIL, EVIL, T0)
    halt = view_stop(trace, page.run, stop if len(spans) % 2 else None, now_ns)
    html = empty.application.jinja_env.get_template("run.html").render(page=page, nav="runs", run_query="", halt=halt)
    assert Tags(html).found == []
    assert json.loads(dump(trace_json(trace, "default")))["span_count"] == len(spans)


def test_part_of_an_id_is_looked_up(client: FlaskClient) -> None:
    """An address with a shortened id leads to the run all the same."""
    answer = client.get(f"/traces/{ID[:12]}", follow_redirects=True)
    assert (answer.status_code, answer.request.path) == (200, f"/traces/{ID}")
    assert client.get(f"/traces/{ID}?run=nonsense").status_code == 404


def test_a_bad_filter_keeps_its_text_on_the_page(client: FlaskClient) -> None:
    page = client.get("/runs", query_string={"filter": 'agnt = "x"'})
    assert page.status_code == 400
    assert "Did you mean agent?" in page.text
    assert "agnt = &#34;x&#34;" in page.text


def test_static_files_are_kept_for_ever_by_hash_only(client: FlaskClient) -> None:
    page = client.get("/").text
    href = next(part for part in page.split('"') if part.startswith("/static/clew.css?v="))
    zipped = client.get(href, headers={"Accept-Encoding": "gzip"})
    assert "immutable" in zipped.headers["Cache-Control"]
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert client.get("/static/clew.css").headers["Cache-Control"] == "no-cache"
    assert client.get("/static/../app.py").status_code == 404


def test_charts_cost_nothing_until_asked_for() -> None:
    """The web process loads neither plotly nor pandas for pages."""
    code = "import sys, webui.server; print(*(name for name in ('plotly', 'pandas', 'numpy', 'genai_prices') if name in sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.split() in ([], ["genai_prices"])


def test_the_chart_is_a_figure_of_dollars(sqlite_store: Store, empty: FlaskClient) -> None:
    now = time.time_ns()
    moved = [later(span, now - 3600 * SECOND - T0) for span in run_spans()]
    store_spans(sqlite_store, moved, now_ns=now)
    link_all(sqlite_store, now)
    figure = body(empty.get("/costs/figure?last=90d"))
    assert figure["layout"]["barmode"] == "stack"
    (bars,) = figure["data"]
    assert (bars["type"], bars["name"], len(bars["x"])) == ("bar", "gpt-4.1", 90)
    assert sum(bars["y"]) == pytest.approx(3 * (100 * 2 + 10 * 8) / 1e6)
    assert "It adds up" in empty.get("/costs").text


def test_a_store_opens_anew_after_a_close(sqlite_url: str) -> None:
    store = open_store(sqlite_url)
    client = create_app(settings_of(sqlite_url), store).test_client()
    store.close()
    assert client.get("/").status_code == 200
    store.close()


def test_a_port_in_use_is_one_sentence(sqlite_url: str) -> None:
    """Nothing is started where another process listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=rf"^Cannot listen on 127\.0\.0\.1 port {port}: .*\.$"):
            serve(settings_of(sqlite_url, port=port), lambda part, url: None)
