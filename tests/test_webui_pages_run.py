"""The run page's model: what is selected, folded, told and left out, decided without a template."""

import sys
from types import FrameType
from typing import Any

from ingest.model import Decision as Choice
from ingest.model import Option, Run, Step, Termination, ToolCall, Totals, Trace, Usage
from tests.builders import SECOND, T0, TRACE_ID, agent, asks, chain, llm, span_id, tool
from webui.pages.chain import ChainView
from webui.pages.focus import Asked
from webui.pages.folds import Fold, find_folds
from webui.pages.origin import trace_arguments
from webui.pages.run import RunPage, build_run_page
from webui.pages.steps import fork_of, place_steps

NOW = T0 + 3600 * SECOND


def page_of(trace: Trace, **asked: Any) -> RunPage:
    page = build_run_page(trace, Asked(**asked), lambda _: None, NOW)
    assert page is not None
    return page


def rows_of(page: RunPage) -> ChainView:
    assert page.chain is not None
    return page.chain


def call(n: int, name: str, arguments: Any = None, result: str | None = "ok", error: str | None = None) -> Step:
    return Step(
        span_id(n), "tool", name, T0 + n * SECOND, T0 + n * SECOND + 1000, "error" if error else "ok", n, error,
        tool=ToolCall(name, str(n), arguments, result, error),
    )  # fmt: skip


def said(n: int, words: str, model: str = "gpt-4.1") -> Step:
    return Step(
        span_id(n),
        "llm",
        "chat",
        T0 + n * SECOND,
        T0 + n * SECOND + 1000,
        "ok",
        n,
        thought=words,
        model=model,
        usage=Usage(10, 1),
        cost_nanos=1000,
    )


def run_of(*steps: Step, reason: str = "completed", **facts: Any) -> Trace:
    run = Run(
        span_id(999),
        None,
        "scheduler",
        T0,
        T0 + 60 * SECOND,
        "ok",
        Termination(reason, "inferred"),
        Totals(steps=len(steps)),
        list(steps),
        **facts,
    )
    return Trace(TRACE_ID, "complete", len(steps), 0, 0, 0, 0, T0, T0, [run], [])


def test_the_first_failure_is_selected() -> None:
    """The failing step itself, not what surrounds it, opens with the page."""
    trace = chain(
        agent(1, "scheduler"), llm(2, 1), tool(3, "search", 1, at=2),
        tool(4, "book", 1, at=3, failed=True, error_message="no slot"), llm(5, 1, at=4),
    )  # fmt: skip
    page = page_of(trace)
    assert page.panel is not None
    assert page.panel.key == span_id(4).hex()
    assert page.panel.error == "no slot"
    assert [row.key for row in rows_of(page).rows if row.selected] == [span_id(4).hex()]


def test_a_step_is_selected_by_its_span_or_number() -> None:
    trace = run_of(said(1, "a"), call(2, "x"), said(3, "b"))
    assert page_of(trace, step=span_id(2).hex()).panel.key == span_id(2).hex()  # type: ignore[union-attr]
    assert page_of(trace, step="3").panel.key == span_id(3).hex()  # type: ignore[union-attr]
    assert page_of(trace, step="nonsense").panel is not None


def test_two_steps_of_one_span_have_keys_of_their_own() -> None:
    """Derived tool calls share their model call's span."""
    twice = [said(1, "a"), call(1, "x"), call(1, "y")]
    assert [item.key for item in place_steps(twice)] == [span_id(1).hex(), f"{span_id(1).hex()}.2", f"{span_id(1).hex()}.3"]


def test_wrappers_without_content_are_left_out_and_counted() -> None:
    wrapper = Step(span_id(1), "other", "workflow", T0, T0 + SECOND, index=1, children=[said(2, "a"), call(3, "x")])
    page = page_of(run_of(wrapper))
    assert [row.step.index for row in rows_of(page).rows if row.step] == ["2", "3"]
    assert page.hidden == "1 span"


def test_repeats_after_the_first_are_folded() -> None:
    """Same call, same result, three times or more: the first stays, the rest is one row."""
    steps = [said(1, "go")]
    for n in range(4):
        steps += [call(2 + 2 * n, "check", {"id": "x"}, "none"), said(3 + 2 * n, f"again {n}")]
    assert find_folds(place_steps(steps)) == [Fold(2, 8, 3)]


def test_a_decision_declared_each_time_breaks_no_fold() -> None:
    """Asked anew in each turn, and chosen the same: what repeats is the call. Another choice is something new."""
    steps: list[Step] = []
    for n in range(1, 13, 2):
        choice = Choice("check" if n < 9 else f"check {n}", "declared", f"What next, in turn {n}?")
        decision = Step(span_id(n), "decision", "decision", T0 + n * SECOND, T0 + n * SECOND, index=n, decision=choice)
        steps += [decision, call(n + 1, "check", {"id": "x"}, "none")]
    assert find_folds(place_steps(steps)) == [Fold(2, 8, 3)]


def test_other_results_are_no_repeat() -> None:
    """Paging and polling bring something new each time."""
    steps = [call(n, "page", {"n": n}, f"rows {n}") for n in range(1, 9)]
    assert find_folds(place_steps(steps)) == []
    same_arguments = [call(n, "poll", {}, f"state {n}") for n in range(1, 9)]
    assert find_folds(place_steps(same_arguments)) == []
    assert find_folds(place_steps([said(n, f"thought {n}") for n in range(1, 9)])) == []


def test_what_is_not_on_record_is_no_repeat() -> None:
    """Without arguments, or without a word of a sub-agent's work, nobody knows that nothing new came."""
    assert find_folds(place_steps([call(n, "search", None, None) for n in range(1, 9)])) == []
    agents = [Step(span_id(n), "agent", "surfer", T0 + n, T0 + n + 1, index=n, run_id=span_id(n)) for n in range(1, 9)]
    assert find_folds(place_steps(agents)) == []
    failed = [call(n, "search", None, None, "TimeoutError") for n in range(1, 9)]
    assert find_folds(place_steps(failed)) == [Fold(1, 8, 7)]


def test_a_run_stopped_from_here_is_not_said_to_be_twice() -> None:
    page = page_of(run_of(call(1, "check", {"id": 1}), reason="stopped"))
    assert page.end_words == page.story[-1][0].before == "Stopped from Clew"
    assert page.strip.labels[-1].text == "stopped from Clew"


def test_a_sub_agent_called_often_is_told_once() -> None:
    spans = [agent(1, "lead", lasts=100), *(agent(n, "surfer", 1, at=n, lasts=0.5) for n in range(2, 7))]
    assert [clause.before + clause.name + clause.after for clause, _ in page_of(chain(*spans)).story][:-1] == [
        "Called sub-agent surfer × 5"
    ]


def test_two_rounds_are_no_fold() -> None:
    assert find_folds(place_steps([call(1, "a", {}, "x"), call(2, "a", {}, "x")])) == []


def calls_to_fold(steps: int) -> int:
    """Count the function calls that folding so many different steps takes."""
    placed = place_steps([call(n, f"tool {n % 7}", {"n": n}, "x") for n in range(1, steps)])
    calls = 0

    def count(frame: FrameType, event: str, arg: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        find_folds(placed)
    finally:
        sys.setprofile(None)
    return calls


def test_folding_is_linear() -> None:
    """Ten times the steps take ten times the work."""
    assert calls_to_fold(10_000) < 11 * calls_to_fold(1_000)


def test_the_story_tells_the_same_choice_once() -> None:
    """A run that chose the same a hundred times says so in one clause, and has room for what else it did."""
    offered = [Option("search"), Option("answer")]
    same = [
        Step(
            span_id(n),
            "decision",
            "next",
            T0 + n * SECOND,
            T0 + n * SECOND + 1,
            "ok",
            n,
            decision=Choice("search", "declared", "What next?", alternatives=offered),
        )
        for n in range(1, 101)
    ]
    other = Step(
        span_id(101),
        "decision",
        "next",
        T0 + 101 * SECOND,
        T0 + 102 * SECOND,
        "ok",
        101,
        decision=Choice("answer", "declared", alternatives=offered),
    )
    told = [f"{clause.before}{clause.name}{clause.after}" for clause, _ in page_of(run_of(*same, other)).story if clause.before == "Chose "]
    assert told == ["Chose search over answer × 100", "Chose answer over search"]


def test_the_story_states_failure_repeat_choice_and_end() -> None:
    choice = Choice("cancel", "declared", "How?", "faster", [Option("cancel"), Option("move", "no slot")])
    steps = [call(1, "check", {"id": 1}, None, "404")]
    steps += [call(n, "check", {"id": 1}, None, "404") for n in range(2, 6)]
    steps.append(Step(span_id(6), "decision", "decide", T0, T0, index=6, decision=choice))
    page = page_of(run_of(*steps, reason="token_budget"))
    told = " ".join(f"{clause.before}{clause.name}{clause.after}." for clause, _ in page.story)
    assert told == (
        "Called check × 5. First failure: check (404). Repeated check 4 times more with nothing new. "
        "Chose cancel over move. Stopped: token budget."
    )
    assert all(href.startswith(f"/traces/{TRACE_ID.hex()}?step=") for clause, href in page.story if clause.key)


def test_what_a_model_was_told_in_between_is_shown_once() -> None:
    """A user's next words are on no other row; the question and a tool's result are."""
    first, second, third = said(1, "Which day?"), said(2, "Looking."), said(4, "Booked.")
    first.input, second.input, third.input = "Book me in.", "On Monday, please.", "Observation: 10:00 is free"
    trace = run_of(first, second, call(3, "look", {}, "10:00 is free"), third, input="Book me in.")

    assert [row.step.heard for row in rows_of(page_of(trace)).rows if row.step] == ["", "On Monday, please.", "", ""]


def test_a_fork_shows_three_roads_and_counts_the_rest() -> None:
    options = [Option(name) for name in "abcdef"]
    fork = fork_of(Choice("a", "derived", alternatives=options))
    assert [road.name for road in fork.roads] == ["b", "c", "d"]
    assert fork.more == 2
    assert fork.brief
    assert not fork_of(Choice("a", "declared", "Which?", None, options)).brief


def test_parallel_choices_are_all_taken() -> None:
    fork = fork_of(Choice("a, b", "derived", alternatives=[Option("a"), Option("b"), Option("c")]))
    assert [road.name for road in fork.roads] == ["c"]


def test_arguments_are_traced_to_where_they_came_from() -> None:
    steps = [call(1, "client", {}, '{"id": "cl_2207", "tz": "Europe/Zurich"}'), said(2, "I use cl_2270")]
    steps.append(call(3, "book", {"client": "cl_2270", "tz": "Europe/Zurich", "who": "Keller", "from": "2026-05-18", "n": 1}))
    trace = run_of(*steps, input="Please move the review with Keller")
    placed = place_steps(trace.runs[0].steps)
    found = {origin.name: (origin.source, origin.index, origin.unknown) for origin in trace_arguments(placed[2], placed[:2], trace.runs[0])}
    assert found == {
        "client": ("result of step", "1", True),
        "tz": ("result of step", "1", False),
        "who": ("the request", "", False),
        "from": ("", "", False),
        "n": ("", "", False),
    }


def test_a_long_chain_keeps_both_ends_and_the_selected_step() -> None:
    steps = [call(n, f"tool {n}", {"n": n}, f"r {n}", "boom" if n == 5_000 else None) for n in range(1, 10_001)]
    page = page_of(run_of(*steps))
    shown = {row.step.index for row in (*rows_of(page).before, *rows_of(page).rows) if row.step}
    assert {"1", "120", "4970", "5000", "5030", "9931", "10000"} <= shown
    assert len(shown) <= 300
    assert rows_of(page).before_words.startswith("4,995 steps before the first failure")
    assert [row.gap for row in rows_of(page).rows if row.kind == "gap"] == ["4,891 rows not shown: show the next 150"]
    assert len(page.strip.bars) <= 500


def test_more_of_a_long_chain_can_be_asked_for() -> None:
    steps = [call(n, f"tool {n}", {"n": n}, f"r {n}") for n in range(1, 1_001)]
    page = page_of(run_of(*steps), start=200)
    assert {"201", "350", "1000"} <= {row.step.index for row in rows_of(page).rows if row.step}
    assert len(rows_of(page).rows) <= 300


def test_a_nested_run_is_a_card() -> None:
    trace = chain(agent(1, "boss", lasts=9), llm(2, 1), agent(3, "helper", 1, at=2, lasts=3), llm(4, 3, at=2), tool(5, "find", 3, at=3))
    page = page_of(trace)
    (sub,) = [row.sub for row in rows_of(page).rows if row.sub]
    assert sub.agent == "helper"
    assert len(sub.inner) == 2
    assert [tab.agent for tab in page.runs] == ["boss", "helper"]
    assert page_of(trace, run=span_id(3).hex()).ident.agent == "helper"


def test_an_unknown_run_has_no_page() -> None:
    assert build_run_page(run_of(said(1, "a")), Asked(run="ff" * 8), lambda _: None, NOW) is None


def test_a_run_without_steps_has_a_page() -> None:
    page = page_of(run_of())
    assert page.panel is None
    assert rows_of(page).rows == ()


def test_unknown_cost_is_a_word() -> None:
    trace = run_of(said(1, "a"))
    trace.runs[0].totals = Totals(llm_calls=2, unpriced_calls=2, steps=2)
    assert page_of(trace).verdict.cost == "unpriced"


def test_a_failure_in_a_sub_agent_is_told_and_its_card_selected() -> None:
    """A run that itself saw no failure leads to the one inside."""
    trace = chain(
        agent(1, "triage"), llm(2, 1, output="ask the expert"), agent(3, "expert", 1, at=2, lasts=5),
        llm(4, 3, at=3), tool(5, "ping", 3, at=4, failed=True, error_message="no route"), llm(6, 1, at=8, output="down"),
    )  # fmt: skip
    page = page_of(trace)
    (told,) = [(clause, href) for clause, href in page.story if clause.bad]
    assert (told[0].before, told[0].name, told[0].after) == ("First failure, in expert: ", "ping", " (no route)")
    assert told[1] == f"/traces/{TRACE_ID.hex()}?run={span_id(3).hex()}&step={span_id(5).hex()}#s-{span_id(5).hex()}"
    (selected,) = [row for row in rows_of(page).rows if row.selected]
    assert selected.sub is not None
    assert (selected.sub.agent, selected.sub.failed, selected.sub.open) == ("expert", "1 failed", True)


def test_what_failed_is_drawn_above_what_ran_beside_it() -> None:
    trace = chain(agent(1, "triage"), tool(2, "ping", 1, at=1, failed=True), tool(3, "logs", 1, at=1, lasts=5))
    assert [bar.look for bar in page_of(trace).strip.bars] == ["f-tool", "f-fail"]


def test_decisions_on_the_strip_stay_few() -> None:
    """A long run marks declared decisions only; those read from tool calls would be a solid line."""
    spans = [agent(1, "crawler", lasts=1000)]
    spans += [llm(n, 1, at=5 * n, tool_requests=asks("fetch"), tools_offered=["fetch", "stop"]) for n in range(2, 200)]
    assert page_of(chain(*spans)).strip.decisions == ()
    assert len(page_of(chain(*spans[:10])).strip.decisions) == 9
