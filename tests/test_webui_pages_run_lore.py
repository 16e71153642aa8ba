"""The run page over a real store: what the agent does elsewhere, what the model was told, and every view of hostile runs."""

import json
import random
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from flask.testing import FlaskClient
from msgspec import structs

from ingest.model import Decision, LogRecord, Option, Span, Step, ToolCall
from ingest.store import lore
from ingest.store.engine import Store
from webui.format import size
from webui.kept import KeptTraces
from webui.pages.conversation import conversation_of
from webui.pages.focus import Asked
from webui.pages.lore import Lore
from webui.pages.origin import trace_arguments
from webui.pages.run import RunPage, build_run_page
from webui.pages.steps import Placed, place_steps

from .builders import SECOND, T0, TRACE_ID, agent, asks, chain, llm, micro, span_id, tool
from .builders import told as told_result
from .test_webui_pages_run import NOW, run_of
from .test_webui_pages_run import call as tool_call
from .test_webui_pages_run_views import TOOLS, lore_of, message, part
from .test_webui_views import Tags
from .webui_app import EVIL, ID, client_of, fill, hostile_spans
from .wire import RESOURCE, SCOPE, agent_span, in_trace, llm_span, store_spans, tool_span

OFFERED = ["search", "book", "cancel"]


@pytest.fixture
def client(sqlite_store: Store, sqlite_url: str) -> FlaskClient:
    """Return a client of the application over an empty store."""
    return client_of(sqlite_store, sqlite_url)


def choosing(trace: int, choices: list[str], name: str = "planner", lasts: float = 10.0) -> list[Span]:
    """Build a run that chooses these tools one after the other, always offered the same three."""
    defined = json.dumps([{"type": "function", "name": one, "description": f"Does {one}."} for one in OFFERED])
    spans = [agent_span(1, name, lasts=lasts)]
    for n, choice in enumerate(choices):
        reply = message("assistant", {"type": "tool_call", "id": f"c{n}", "name": choice, "arguments": {}})
        said = {"gen_ai.tool.definitions": defined, "gen_ai.output.messages": json.dumps([reply])}
        spans.append(llm_span(10 + 2 * n, 1, at=float(n), attributes=said))
        spans.append(tool_span(11 + 2 * n, choice, 1, at=n + 0.5, attributes={"gen_ai.tool.call.id": f"c{n}"}))
    return in_trace(spans, bytes([trace]) * 16)


# --- what the agent does elsewhere ---------------------------------------------------------------------------------


def test_habits_equal_a_count_by_hand(store: Store) -> None:
    """What was chosen in like states, after the same choice, over all of the agent's runs and no other's."""
    rng = random.Random(4)
    runs = [[rng.choice(OFFERED) for _ in range(6)] for _ in range(30)]
    fill(store, [one for n, choices in enumerate(runs, 1) for one in choosing(n, choices)])
    fill(store, choosing(99, ["cancel"] * 9, name="somebody else"))
    made = Decision("book", "derived", alternatives=[Option(one) for one in OFFERED])
    with store.engine.connect() as conn:
        found = lore.read_habit(conn, 1, lore.State("planner", made, "search"))
        first = lore.read_habit(conn, 1, lore.State("planner", made, None))
    after = Counter(later for choices in runs for before, later in pairwise(choices) if before == "search")
    assert {one.chosen: one.times for one in found.choices} == after
    assert (found.states, found.after) == (sum(after.values()), "search")
    assert [one.times for one in found.choices] == sorted(after.values(), reverse=True)
    assert {one.chosen: one.times for one in first.choices} == Counter(choices[0] for choices in runs)


def test_too_few_like_states_leave_the_choice_before_out_of_account(store: Store) -> None:
    fill(store, [one for n in range(1, 7) for one in choosing(n, ["search", "book"])])
    made = Decision("book", "derived", alternatives=[Option(one) for one in OFFERED])
    with store.engine.connect() as conn:
        found = lore.read_habit(conn, 1, lore.State("planner", made, "cancel"))
        other = lore.read_habit(conn, 1, lore.State("planner", structs.replace(made, question="Which?"), None))
    assert (found.states, found.after) == (12, "")
    assert other.states == 0


def test_medians_are_of_the_other_runs_that_ended(store: Store) -> None:
    fill(store, [one for n in range(1, 6) for one in choosing(n, ["search"] * n, lasts=10.0 * n)])
    with store.engine.connect() as conn:
        found = lore.read_peers(conn, 1, "planner", bytes([5]) * 16)
        nobody = lore.read_peers(conn, 1, "nobody", TRACE_ID)
    assert (found.runs, found.duration_ns, found.tokens) == (4, 20 * SECOND, 220)
    assert (nobody.runs, nobody.duration_ns, nobody.cost_nanos) == (0, None, None)


def test_log_records_of_a_span_are_read_whole(store: Store) -> None:
    records = [
        LogRecord(TRACE_ID, span_id(n), T0 + at, "gen_ai.user.message", 9, "", {"content": f"{n} {at}"}, {}, RESOURCE, SCOPE)
        for n in (2, 3)
        for at in (5, 1)
    ]
    store_spans(store, [llm_span(2)], records)
    with store.engine.connect() as conn:
        assert [one.body for one in lore.read_records(conn, 1, TRACE_ID, span_id(2))] == [{"content": "2 1"}, {"content": "2 5"}]
        assert lore.read_records(conn, 1, TRACE_ID, span_id(9)) == []
        assert lore.read_version(conn, 1, b"\0" * 16) is None


def test_the_panel_says_what_else_it_could_have_done_and_usually_does(sqlite_store: Store, client: FlaskClient) -> None:
    fill(sqlite_store, [one for n in range(1, 9) for one in choosing(n, ["search", "cancel" if n == 3 else "book"])])
    page = client.get(f"/traces/{'03' * 16}?step={span_id(13).hex()}").text
    panel = " ".join(page[page.index('<aside class="panel"') :].split())
    assert "Does book." in panel
    assert "Descriptions as the model was told them." in panel
    assert "8 like states in its latest runs after search" in panel
    assert panel.index(">book<") > 0
    assert "88 %" in panel
    assert "12 %" in panel
    assert "/runs?filter=agent+%3D+%22planner%22+and+decision+chose+%22book%22" in panel
    listed = client.get("/api/v1/traces", query_string={"filter": 'agent = "planner" and decision chose "book"'})
    assert len(listed.get_json()["items"]) == 7


def test_the_verdict_compares_with_the_median(sqlite_store: Store, client: FlaskClient) -> None:
    fill(sqlite_store, [one for n in range(1, 8) for one in choosing(n, ["search"] * (1 if n < 7 else 5))])
    page = client.get(f"/traces/{'07' * 16}").text
    assert "5.0 × median" in page
    assert "median 10.0 s" in page


# --- what a prompt is made of --------------------------------------------------------------------------------------


def anatomy_of(lore_: Lore, usage_in: int = 1_000) -> RunPage:
    spans = [
        agent(1, "a", lasts=20),
        llm(2, 1, at=1, tool_requests=asks("find")),
        tool(3, "find", 1, at=3, tool_call_id="call_find", tool_result="r" * 2_000),
        llm(4, 1, at=4, tool_results=[told_result("find", "r" * 2_000)]),
        llm(6, 1, at=6),
    ]
    trace = chain(*spans)
    for item in place_steps(trace.runs[0].steps):
        if item.step.usage is not None:
            item.step.usage = structs.replace(item.step.usage, input_tokens=usage_in)
    page = build_run_page(trace, Asked(step=span_id(6).hex(), panel="tokens"), lore_.span, NOW, lore_)
    assert page is not None
    return page


def test_the_parts_of_a_prompt_add_up_to_what_was_reported() -> None:
    asked = message("user", part("text", "u" * 500))
    requested = message("assistant", {"type": "tool_call", "id": "call_find", "name": "find", "arguments": {}})
    result = message("tool", {"type": "tool_call_response", "id": "call_find", "response": "r" * 2_000})
    first = {"gen_ai.input.messages": json.dumps([asked]), "gen_ai.tool.definitions": json.dumps(TOOLS)}
    second = {**first, "gen_ai.input.messages": json.dumps([asked, requested, result])}
    spans = lore_of(llm_span(2, attributes=first), llm_span(4, attributes=second), llm_span(6, attributes=second))
    page = anatomy_of(Lore(spans.span, price=micro))
    assert page.panel is not None
    found = page.panel.anatomy
    assert found is not None
    assert abs(sum(int(one.tokens.replace(",", "")) for one in found.parts) - 1_000) <= len(found.parts)
    assert {one.name for one in found.parts} == {"tools", "user", "its own words", "tool results"}
    largest = max(found.parts, key=lambda one: int(one.tokens.replace(",", "")))
    assert largest.name == "tool results"
    assert found.resent_words.startswith("100 % of it was sent with the call before too, ≈ $0.0010.")
    (resent,) = found.results
    assert (resent.name, resent.index, resent.times) == ("find", "2", 2)
    tokens = int(resent.tokens.replace(",", ""))
    assert resent.cost == f"${2 * tokens * 1000 / 1e9:.4f}"


def test_a_prompt_that_is_not_the_counted_one_is_not_split() -> None:
    only_new = {"gen_ai.input.messages": json.dumps([message("user", part("text", "hi"))])}
    page = anatomy_of(lore_of(*(llm_span(n, attributes=only_new) for n in (2, 4, 6))))
    assert page.panel is not None
    assert page.panel.anatomy is not None
    assert page.panel.anatomy.parts == ()
    assert "are not the prompt that was counted (1,000 tokens)" in page.panel.anatomy.note


# --- values from nowhere -------------------------------------------------------------------------------------------


def planted(rng: random.Random) -> tuple[list[Step], dict[str, Any], dict[str, Any]]:
    """Build steps whose results hold ids, and arguments that repeat them: truly, and with two digits gone wrong."""
    ids = [f"{rng.choice(['cl_', '#W', 'ord-', 'pm', ''])}{rng.randrange(10**6, 10**7)}" for _ in range(6)]
    steps = [tool_call(n, "list", {}, json.dumps({"rows": ids[2 * n : 2 * n + 2]})) for n in range(3)]
    good = {"client": ids[0], "orders": [ids[1], ids[2]], "payment": {"id": ids[3]}, "date": "2026-05-18", "note": "as agreed", "n": 3}
    wrong = [one[:-2] + "".join(rng.choice([d for d in "0123456789" if d != digit]) for digit in one[-2:]) for one in ids]
    bad = {"client": wrong[0], "orders": [wrong[1]], "payment": {"id": wrong[3]}}
    return steps, good, bad


def test_planted_ids_are_flagged_and_true_ones_are_not() -> None:
    """Of hallucinated ids at least 95 % are flagged; of values that came from somewhere fewer than 2 %."""
    rng = random.Random(7)
    flagged = wrong = false = true = 0
    for _ in range(200):
        steps, good, bad = planted(rng)
        trace = run_of(*steps, input="please move it")
        before = place_steps(trace.runs[0].steps)
        for arguments in (good, bad):
            step = Step(span_id(9), "tool", "act", T0, T0, index=9, tool=ToolCall("act", arguments=arguments))
            found = trace_arguments(Placed(step, "9", 0), before, trace.runs[0])
            unknown = sum(one.unknown for one in found)
            if arguments is good:
                true, false = true + len(found), false + unknown
            else:
                wrong, flagged = wrong + len(found), flagged + unknown
    assert flagged / wrong >= 0.95
    assert false / true < 0.02


def test_what_stands_in_the_instructions_is_no_hallucination() -> None:
    step = Step(span_id(9), "tool", "act", T0, T0, index=9, tool=ToolCall("act", arguments={"desk": "DESK-4711", "phone": "0441234567"}))
    found = trace_arguments(Placed(step, "9", 0), [], run_of().runs[0], lambda: "Route to desk-4711 or call 044 123 45 67.")
    assert [(one.source, one.unknown) for one in found] == [("the instructions", False)] * 2
    assert [one.unknown for one in trace_arguments(Placed(step, "9", 0), [], run_of().runs[0])] == [True, True]


def test_what_may_have_been_cut_away_is_not_flagged() -> None:
    long = tool_call(1, "read", {}, "x" * 32_768)
    step = Step(span_id(9), "tool", "act", T0, T0, index=9, tool=ToolCall("act", arguments={"id": "cl_99887"}))
    found = trace_arguments(Placed(step, "9", 0), place_steps([long]), run_of().runs[0])
    assert [one.unknown for one in found] == [False]


# --- every view of anything ----------------------------------------------------------------------------------------

VIEWS = ("chain", "timeline", "graph", "graph&mode=merged", "timeline&mode=cut", "conversation", "raw")


@pytest.mark.parametrize("view", VIEWS)
def test_no_word_of_a_trace_acts_in_any_view(sqlite_store: Store, client: FlaskClient, view: str) -> None:
    """Whatever stands in a span, a prompt, a tool's description or the address reaches the page as text."""
    defined = json.dumps([{"name": EVIL, "description": EVIL, "parameters": {EVIL: EVIL}}])
    talk = json.dumps([message("user", part("text", EVIL)), message("tool", {"type": "tool_call_response", "id": "x", "response": EVIL})])
    spans = [
        *hostile_spans(),
        llm_span(7, 1, at=5, attributes={"gen_ai.input.messages": talk, "gen_ai.tool.definitions": defined, EVIL: EVIL}),
    ]
    fill(sqlite_store, spans)
    for query in (f"view={view}", f"view={view}&step={span_id(7).hex()}", f"view={view}&step={span_id(7).hex()}&panel=tokens"):
        page = client.get(f"/traces/{ID}?{query}", query_string=None)
        assert page.status_code == 200, query
        assert Tags(page.text).found == [], query
        assert "<script>alert" not in page.text
    page = client.get(f"/traces/{ID}", query_string={"view": view.partition("&")[0], "find": EVIL, "mode": EVIL, "panel": EVIL, "at": "x"})
    assert page.status_code == 200
    assert Tags(page.text).found == []


@pytest.mark.parametrize("query", ["run=x", "run=%22%3E", f"run={'f' * 16}"])
def test_an_address_of_no_run_says_so(sqlite_store: Store, client: FlaskClient, query: str) -> None:
    fill(sqlite_store)
    assert client.get(f"/traces/{ID}?{query}").status_code in (200, 404)
    for odd in ("view=nope", "step=zzz", "from=x", "at=7", "at=nan", f"step={'f' * 16}&view=raw", "view=raw&step=xyz"):
        assert client.get(f"/traces/{ID}?{odd}").status_code == 200, odd


def test_a_run_with_huge_payloads_opens_without_them(sqlite_store: Store, client: FlaskClient) -> None:
    """Of 5 MB a page holds a beginning that says so; the rest comes when it is asked for, as plain text, whole when downloaded."""
    blob = "".join(f"line {n}\n" for n in range(600_000))
    fill(sqlite_store, [agent_span(1), llm_span(2, 1), tool_span(3, "read", 1, at=2, attributes={"gen_ai.tool.call.result": blob})])
    for view in VIEWS:
        assert len(client.get(f"/traces/{ID}?view={view}&step={span_id(3).hex()}").data) < 300_000, view
    raw = client.get(f"/traces/{ID}?view=raw&step={span_id(3).hex()}").text
    assert f"first 64.0 KB of {size(len(blob))}" in raw
    href = f"/traces/{ID}/spans/{span_id(3).hex()}/value"
    piece = client.get(href, query_string={"path": '["attributes","gen_ai.tool.call.result"]', "from": "65536"})
    assert (piece.content_type, piece.headers["X-Content-Type-Options"]) == ("text/plain; charset=utf-8", "nosniff")
    assert piece.text == blob[65_536 : 65_536 + (1 << 20)]
    assert piece.headers["X-Clew-Length"] == str(len(blob))
    whole = client.get(href, query_string={"path": '["attributes","gen_ai.tool.call.result"]', "download": "1"})
    assert whole.text == blob
    assert whole.headers["Content-Disposition"].startswith("attachment; filename=")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ('["attributes"]', 200), ('["attributes","nope"]', 404), ("[", 400), ("{}", 400), ('["resource","service.name"]', 200),
        ("[" * 3_000, 400), ("", 400), ("[1e400]", 400), ('["attributes",true]', 404),
    ],
)  # fmt: skip
def test_a_value_is_addressed_or_refused(sqlite_store: Store, client: FlaskClient, path: str, status: int) -> None:
    fill(sqlite_store, [agent_span(1)])
    assert client.get(f"/traces/{ID}/spans/{span_id(1).hex()}/value", query_string={"path": path}).status_code == status


def test_a_trace_is_read_again_only_when_it_changed(sqlite_store: Store, client: FlaskClient) -> None:
    fill(sqlite_store, [agent_span(1), llm_span(2, 1)])
    before = client.get(f"/traces/{ID}").text
    assert client.get(f"/traces/{ID}").text == before
    fill(sqlite_store, [tool_span(3, "late", 1, at=2)])
    assert "late" in client.get(f"/traces/{ID}").text


def test_kept_traces_make_room() -> None:
    kept = KeptTraces()
    for n in range(8):
        trace = run_of()
        trace.span_count = 100_000
        kept.put((1, bytes([n]) * 16), 1, trace)
    held = [n for n in range(8) if kept.get((1, bytes([n]) * 16), 1) is not None]
    assert held == [6, 7]
    assert kept.get((1, bytes([7]) * 16), 2) is None
    assert kept.get((1, bytes([7]) * 16), 1) is None


def test_a_conversation_of_a_span_that_is_not_stored_is_empty() -> None:
    placed = place_steps(chain(agent(1, "a"), llm(2, 1)).runs[0].steps)
    assert conversation_of(placed[0], Lore()).messages == []
