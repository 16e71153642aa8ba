"""The run page's views: what a timeline, a graph, a conversation and a raw span say, decided without a template."""

import json
from typing import Any

import pytest

from ingest.dialects.conversation import definitions, read_conversation
from ingest.model import LogRecord, Span, Step, Termination, Trace
from tests.builders import SECOND, T0, agent, asks, chain, llm, span_id, tool
from tests.test_webui_pages_run import NOW, call, run_of, said
from tests.wire import RESOURCE, SCOPE, llm_span, wire_span
from webui.pages.critical import find_critical_path
from webui.pages.focus import Asked
from webui.pages.json_tree import TEXT_CHARS, Tree, path_text, value_at
from webui.pages.lore import Lore
from webui.pages.run import RunPage, build_run_page
from webui.pages.scale import Scale, idle_stretches
from webui.pages.window import MOST_ROWS, kept_places


def page_of(trace: Trace, view: str, lore: Lore | None = None, **asked: Any) -> RunPage:
    page = build_run_page(trace, Asked(view=view, **asked), lambda _: None, NOW, lore)
    assert page is not None
    return page


def step(n: int, at: float, lasts: float, kind: str = "tool", **fields: Any) -> Step:
    start = T0 + round(at * SECOND)
    return Step(span_id(n), kind, f"step {n}", start, start + round(lasts * SECOND), index=n, **fields)


def part(kind: str, content: str) -> dict[str, str]:
    return {"type": kind, "content": content}


def message(role: str, *parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": role, "parts": list(parts)}


# --- which rows ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("whole", [1, 299, 300, 301, 10_000, 100_000])
@pytest.mark.parametrize("at", [None, 0, 150, 5_000, 99_999])
@pytest.mark.parametrize("start", [0, 1, 200, 9_990, 10**8])
def test_no_list_mounts_more_rows_and_both_ends_are_there(whole: int, at: int | None, start: int) -> None:
    kept = kept_places(whole, at if at is None or at < whole else None, start)
    assert len(kept) <= MOST_ROWS
    assert list(kept) == sorted(set(kept))
    assert {0, whole - 1} <= set(kept)
    if at is not None and at < whole:
        assert at in kept


# --- timeline ------------------------------------------------------------------------------------------------------


def test_the_critical_path_is_what_the_run_waited_for() -> None:
    """Of two that ran beside each other only the one that ended last counts; between steps nobody is to blame."""
    steps = [step(1, 0, 2, "llm"), step(2, 2, 3), step(3, 2, 1), step(4, 6, 1, "llm")]
    trace = run_of(*steps)
    path = find_critical_path(trace.runs[0], T0 + 8 * SECOND, lambda one: one.children)
    assert dict(path.by_kind) == {"llm": 3 * SECOND, "tool": 3 * SECOND}
    assert path.unseen_ns == 2 * SECOND
    assert id(steps[2]) not in path.stretches


def test_the_critical_path_goes_into_sub_agents() -> None:
    trace = chain(agent(1, "boss", lasts=10), agent(2, "helper", 1, at=1, lasts=8), tool(3, "find", 2, at=2, lasts=6))
    found = page_of(trace, "timeline").timeline
    assert found is not None
    assert found.path_words == "tools 6.00 s (60 %), sub-agents 2.00 s (20 %), no step 2.00 s (20 %)"
    assert [(row.name, row.depth) for block in found.blocks for row in block.rows] == [("helper", 0), ("find", 1)]


def test_idle_time_is_cut_when_asked() -> None:
    trace = run_of(step(1, 0, 1), step(2, 40, 1))
    whole = page_of(trace, "timeline").timeline
    cut = page_of(trace, "timeline", mode="cut").timeline
    assert whole is not None
    assert cut is not None
    assert whole.idle_words == "97 % of 60.0 s is idle, in 2 stretches"
    assert "mode=cut" in whole.idle_href
    assert "mode" not in cut.idle_href
    assert [one.text for one in cut.blocks[0].cuts] == ["39.0 s idle", "19.0 s idle"]
    (first, second) = cut.blocks[0].rows
    assert first.bar is not None
    assert second.bar is not None
    assert float(second.bar.width[:-1]) > 40
    assert float(first.bar.x[:-1]) + float(first.bar.width[:-1]) <= float(second.bar.x[:-1])


def test_a_scale_places_times_in_order_whatever_is_cut() -> None:
    scale = Scale(0, 100 * SECOND, [(10 * SECOND, 50 * SECOND), (60 * SECOND, 90 * SECOND)])
    places = [scale.place(at * SECOND) for at in range(-5, 110)]
    assert places == sorted(places)
    assert (places[0], places[-1]) == (0.0, 100.0)


def test_ticks_count_from_the_start_of_the_run() -> None:
    assert [tick.text for tick in Scale(0, 7 * SECOND).ticks()] == ["0 s", "1 s", "2 s", "3 s", "4 s", "5 s", "6 s"]
    later = Scale(700 * SECOND, 720 * SECOND, (), 0)
    assert [tick.text for tick in later.ticks()] == ["11:40 min", "11:45 min", "11:50 min", "11:55 min"]


def test_what_is_open_is_not_idle_and_lasts_until_now() -> None:
    under_way = step(2, 2, 0, is_open=True)
    assert idle_stretches([step(1, 0, 1), under_way], T0, T0 + 60 * SECOND) == []
    trace = run_of(step(1, 0, 1), under_way, reason="running")
    trace.runs[0].ended_ns, trace.runs[0].status, trace.state = None, "running", "running"
    page = page_of(trace, "timeline")
    assert page.timeline is not None
    row = page.timeline.blocks[0].rows[1]
    assert (row.open, row.time, row.selected) == (True, "59 min 58 s so far", True)
    assert page.strip.bars[-1].width.startswith("99.")
    assert page.refresh


def test_a_long_timeline_is_drawn_in_stretches_with_an_axis_each() -> None:
    trace = run_of(*(step(n, n, 0.5) for n in range(1, 10_001)))
    found = page_of(trace, "timeline", step="5000").timeline
    assert found is not None
    rows = [row for block in found.blocks for row in block.rows]
    assert len(rows) <= MOST_ROWS
    assert [block.gap.gap if block.gap else "" for block in found.blocks] == [
        "", "4,839 rows not shown: show the next 150", "4,891 rows not shown: show the next 150"
    ]  # fmt: skip
    assert all(float(row.bar.width[:-1]) > 0.25 for row in rows if row.bar)
    assert {"1", "5000", "10000"} <= {row.index for row in rows}
    assert found.selected_words == "step 5000 step 5000"


# --- graph ---------------------------------------------------------------------------------------------------------


def test_roads_not_taken_are_drawn_once_and_counted_when_offered_again() -> None:
    offered = ["book", "cancel", "search"]
    spans = [agent(1, "a", lasts=9)]
    spans += [llm(n, 1, at=n, tool_requests=asks("search"), tools_offered=offered) for n in (2, 3)]
    graph = page_of(chain(*spans), "graph").graph
    assert graph is not None
    assert [(road.name, road.more) for road in graph.roads] == [("book", False), ("cancel", False), ("the same 2 not taken", True)]
    assert [node.name for node in graph.nodes if node.mark == "decision"] == ["search", "search"]
    assert any(edge.look == "chosen" for edge in graph.edges)


def test_what_ran_beside_each_other_stands_beside_the_thread() -> None:
    spans = [agent(1, "a", lasts=9), llm(2, 1), tool(3, "x", 1, at=1, lasts=2), tool(4, "y", 1, at=1.5, lasts=2), llm(5, 1, at=4)]
    graph = page_of(chain(*spans), "graph").graph
    assert graph is not None
    lanes = {node.name: node.x for node in graph.nodes}
    assert lanes["x"] == lanes["y"] > lanes["gpt-4.1"]


def test_too_large_a_graph_is_refused_and_merged() -> None:
    trace = run_of(*(call(n, f"tool {n % 7}", {"n": n}, f"r {n}") for n in range(1, 3_001)))
    graph = page_of(trace, "graph").graph
    assert graph is not None
    assert graph.refused.startswith("This run has 3,000 stops.")
    assert len(graph.nodes) == 9
    assert {node.note.split(",")[0] for node in graph.nodes if node.key} <= {"428 ×", "429 ×"}
    assert sum(int(edge.label.replace(",", "") or 1) for edge in graph.edges) == 3_001


def test_the_merged_graph_says_what_was_offered_and_never_taken() -> None:
    spans = [agent(1, "a", lasts=9)]
    spans += [llm(n, 1, at=n, tool_requests=asks("search"), tools_offered=["search", "book"]) for n in range(2, 7)]
    graph = page_of(chain(*spans), "graph", mode="merged").graph
    assert graph is not None
    assert [(road.name, road.because) for road in graph.roads] == [("book", "offered 5 ×, never taken")]


# --- conversation --------------------------------------------------------------------------------------------------

TOOLS = [{"type": "function", "function": {"name": "find", "description": "Finds it.", "parameters": {"type": "object"}}}]
ASKED = message("user", part("text", "find it"))
REPLIED = message("assistant", part("text", "I look"), {"type": "tool_call", "id": "c1", "name": "find", "arguments": {"q": "it"}})
TOLD = message("tool", {"type": "tool_call_response", "id": "c1", "response": "here"})


def talk_span(number: int, told: list[dict[str, Any]], **more: Any) -> Span:
    attributes = {"gen_ai.input.messages": json.dumps(told), "gen_ai.tool.definitions": json.dumps(TOOLS), **more}
    return llm_span(number, 1, at=float(number), attributes=attributes)


def lore_of(*spans: Span) -> Lore:
    known = {one.span_id: one for one in spans}
    return Lore(known.get)


def talk() -> tuple[Trace, Lore]:
    trace = chain(agent(1, "a", lasts=9), llm(2, 1, at=2), tool(3, "find", 1, at=3), llm(4, 1, at=4))
    system = {"gen_ai.system_instructions": "Be kind."}
    return trace, lore_of(talk_span(2, [ASKED], **system), talk_span(4, [ASKED, REPLIED, TOLD], **system))


def test_a_conversation_shows_what_is_new_and_folds_what_was_sent_before() -> None:
    trace, lore = talk()
    view = page_of(trace, "conversation", lore, step="2").conversation
    assert view is not None
    assert (view.number, view.calls, view.seen_words) == (1, 2, "")
    view = page_of(trace, "conversation", lore).conversation
    assert view is not None
    assert (view.number, view.previous.number if view.previous else 0, view.following) == (2, 1, None)
    roles = [(one.role, one.seen) for one in (*view.seen, *view.fresh)]
    assert roles == [("system", True), ("user", True), ("model", False), ("tool", False)]
    assert [(tool.name, tool.description) for tool in view.tools] == [("find", "Finds it.")]
    assert [one.text for one in view.reply.parts if view.reply] == ["pondering 4", "answer 4"]  # type: ignore[union-attr]


def test_a_conversation_that_is_not_on_record_says_so() -> None:
    trace, _ = talk()
    view = page_of(trace, "conversation").conversation
    assert view is not None
    assert view.note.startswith("No message of this call is on record")
    assert page_of(run_of(call(1, "x")), "conversation").conversation is None


def test_a_huge_message_is_cut_and_says_how_much() -> None:
    trace, _ = talk()
    big = talk_span(4, [message("user", part("text", "x" * 3_200_000))])
    view = page_of(trace, "conversation", lore_of(big)).conversation
    assert view is not None
    (shown,) = view.fresh
    assert shown.parts[0].note == "first 64.0 KB of 3.1 MB; the whole is in the raw view"
    assert len(shown.parts[0].text) == 65_536


def test_messages_that_came_as_log_records_are_read() -> None:
    bare = wire_span(2, 1, name="chat gpt-4.1", attributes={"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4.1"})
    records = [
        LogRecord(bare.trace_id, bare.span_id, T0 + n, f"gen_ai.{kind}.message", 9, "", {"content": text}, {}, RESOURCE, SCOPE)
        for n, (kind, text) in enumerate((("system", "Be kind."), ("user", "hello")))
    ]
    found = read_conversation(bare, records)
    assert [(one.role, one.texts) for one in found.messages] == [("system", ["Be kind."]), ("user", ["hello"])]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (json.dumps(TOOLS), [("find", "Finds it.")]),
        ([{"name": "a", "description": "A", "input_schema": {}}], [("a", "A")]),
        ({"functionDeclarations": [{"name": "b", "description": "B"}]}, [("functionDeclarations", None)]),
        ([{"functionDeclarations": [{"name": "b", "description": "B"}]}], [("b", "B")]),
        ([{"toolSpec": {"name": "c", "description": "C"}}], [("c", "C")]),
        ({"d": {"description": "D"}}, [("d", "D")]),
        ({"function_tools": [{"name": "e", "description": "E"}], "output_tools": []}, [("e", "E")]),
        (["f", '{"name": "g"}', 7, None, {"description": "nameless"}], [("f", None), ("g", None)]),
        ("no json", []),
        (None, []),
    ],
)
def test_tool_definitions_of_every_maker(value: Any, expected: list[tuple[str, str | None]]) -> None:
    assert [(one.name, one.description) for one in definitions(value)] == expected


# --- raw -----------------------------------------------------------------------------------------------------------


def test_a_text_that_holds_json_is_shown_as_what_it_holds() -> None:
    node = Tree().build("attributes", {"gen_ai.input.messages": '[{"role": "user", "n": 1}]', "text": "plain", "no": None})
    assert node is not None
    inner = node.members[0]
    assert (inner.is_json, inner.path) == (True, 'attributes["gen_ai.input.messages"]')
    assert [(one.path, one.text, one.look) for one in inner.members[0].members] == [
        ('attributes["gen_ai.input.messages"][0].role', "user", "s"),
        ('attributes["gen_ai.input.messages"][0].n', "1", "n"),
    ]
    assert [one.text for one in node.members[1:]] == ["plain", "null"]


def test_what_is_too_long_is_cut_and_counted() -> None:
    node = Tree().build("a", {"big": "x" * 3_200_000, "many": list(range(1_000))})
    assert node is not None
    big, many = node.members
    assert (len(big.text), big.note, big.cut) == (TEXT_CHARS, "first 64.0 KB of 3.1 MB", True)
    assert (len(many.members), many.note) == (200, "1,000 items, the first 200 shown")


def test_a_page_of_many_huge_texts_stays_small() -> None:
    node = Tree().build("a", {f"t{n}": "x" * 100_000 for n in range(100)})
    assert node is not None
    assert sum(len(one.text) for one in node.members) < 500_000


def test_finding_keeps_only_what_holds_the_words() -> None:
    tree = Tree("needle")
    node = tree.build("a", {"x": {"deep": ["hay", "a NEEDLE here"]}, "y": "hay", "needles": 1})
    assert node is not None
    assert tree.hits == 2
    assert [one.name for one in node.members] == ["x", "needles"]
    assert node.members[0].members[0].members[0].hit
    assert Tree("nothing").build("a", {"x": 1}) is None


def test_every_place_has_an_address() -> None:
    value = {"a b": ['{"c": [1, 2]}']}
    path: list[str | int] = ["a b", 0, "c", 1]
    assert value_at(value, path) == 2
    assert path_text(["attributes", *path]) == 'attributes["a b"][0].c[1]'
    wrongs: list[list[Any]] = [["x"], ["a b", 5], ["a b", "0"], ["a b", 0, "c", -1], [True], [None], [{}]]
    for wrong in wrongs:
        with pytest.raises(LookupError):
            value_at(value, wrong)


def test_a_deep_value_stays_within_bounds() -> None:
    deep: Any = "bottom"
    for _ in range(3_000):
        deep = [deep]
    assert Tree().build("a", {"deep": deep, "json": "[" * 3_000 + "]" * 3_000}) is not None


# --- beside the steps ----------------------------------------------------------------------------------------------


def test_words_are_found_in_every_part_of_a_step() -> None:
    trace = run_of(call(1, "book", {"who": "Keller"}, "done"), said(2, "ask Keller again"), call(3, "x", {}, None, "no keller"))
    found = page_of(trace, "chain", find="keller").found
    assert found is not None
    assert found.words == "3 steps with “keller”"
    assert [(one.index, one.where, one.hit) for one in found.steps] == [
        ("1", "arguments", "Keller"), ("2", "thought", "Keller"), ("3", "error", "keller")
    ]  # fmt: skip
    missing = page_of(trace, "chain", find="nobody").found
    assert missing is not None
    assert missing.words == "No step says “nobody”"


def test_keys_lead_over_the_whole_run_not_only_to_what_is_mounted() -> None:
    steps = [call(n, f"tool {n % 3}", {"n": n}, f"r {n}", "boom" if n in (5, 900) else None) for n in range(1, 1_001)]
    page = page_of(run_of(*steps), "chain", step="5")
    leads = {jump.key: jump.href.rpartition("step=")[2].partition("#")[0] for group in page.jumps for jump in group.jumps}
    expected = {"j": 6, "k": 4, "J": 6, "K": 4, "e": 900, "t": 8}
    assert {key: leads[key] for key in expected} == {key: span_id(n).hex() for key, n in expected.items()}
    assert leads["E"] == leads["d"] == leads["$"] == ""


def test_a_failure_inside_a_sub_agent_is_one_key_away() -> None:
    trace = chain(agent(1, "boss"), llm(2, 1), agent(3, "helper", 1, at=2), tool(4, "ping", 3, at=3, failed=True))
    page = page_of(trace, "chain")
    (href,) = [jump.href for group in page.jumps for jump in group.jumps if jump.key == "e"]
    assert f"run={span_id(3).hex()}&step={span_id(4).hex()}" in href


def test_a_step_of_a_sub_agent_is_shown_in_the_panel_of_the_run_around_it() -> None:
    trace = chain(agent(1, "boss"), llm(2, 1), agent(3, "helper", 1, at=2), tool(4, "ping", 3, at=3, tool_result="pong"))
    page = page_of(trace, "timeline", step=span_id(4).hex())
    assert page.panel is not None
    assert page.panel.title == "1 ping"
    assert page.ident.agent == "boss"


def test_a_point_of_the_strip_selects_the_step_nearest_to_it() -> None:
    trace = run_of(*(step(n, n * 6, 1) for n in range(1, 10)))
    page = page_of(trace, "chain", at=0.5)
    assert page.panel is not None
    assert page.panel.title == "5 step 5"


def test_what_is_missing_is_listed() -> None:
    trace = run_of(step(1, -2, 1))
    trace.missing_parents, trace.dropped_events, trace.lost_spans, trace.state = 2, 3, 4, "incomplete"
    found = page_of(trace, "chain").completeness
    assert [one.what for one in found.lacks] == [
        "4 spans lost", "2 parent spans missing", "3 events dropped", "1 step begun before what holds it"
    ]  # fmt: skip
    assert page_of(run_of(step(1, 0, 1)), "chain").completeness.lacks == ()


def test_the_bill_is_split_and_the_waste_named() -> None:
    steps: list[Step] = []
    for n in range(4):
        steps += [said(1 + 2 * n, "again"), call(2 + 2 * n, "check", {"id": 1}, "none")]
    trace = run_of(*steps, said(9, "b", "small"))
    trace.runs[0].totals.cost_nanos = 5_000
    page = page_of(trace, "chain")
    assert page.spent is not None
    assert [(row.name, row.calls, row.cost) for row in page.spent.models] == [
        ("gpt-4.1", "4 calls", "$0.000004"), ("small", "1 call", "$0.000001")
    ]  # fmt: skip
    assert page.spent.wasted == ("Repeats that brought nothing new: $0.000003, 60 % of the cost",)
    assert page.verdict.cost_note == "60 % of it is repeats"


def test_the_end_of_a_run_is_told_the_same_everywhere() -> None:
    trace = run_of(step(1, 0, 1))
    trace.runs[0].termination = Termination("max_steps", "declared")
    graph = page_of(trace, "graph").graph
    assert graph is not None
    assert graph.nodes[-1].name == "Stopped: step limit"
