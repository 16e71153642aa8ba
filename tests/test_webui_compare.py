"""Two runs side by side: the first divergence is the fault, whatever else differs; two good runs have none."""

import json
import time
from datetime import date
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.model import Decision, Option, StoredSpan, Trace
from webui.analysis.align import align
from webui.analysis.compare import Comparison, compare_traces
from webui.analysis.differences import Pair
from webui.analysis.values import Matching

from .builders import agent, asks, chain, llm, span, tool
from .twin_runs import FAULTS, Fault, Script, other_model, other_prompt, other_result, script, tool_fails, trace_of

PLACES = range(6)


def first_pair(found: Comparison) -> Pair:
    assert found.first is not None
    return found.pairs[found.first]


def expected_place(run: Script, at: int, which: str) -> int:
    """Return the place of a step of a round among the steps of a run."""
    before = sum(1 + len(one.tools) for one in run.rounds[:at])
    return before + {"llm": 0, "tool": 1, "guardrail": 1, "after": 1}[which]


def is_at_fault(found: Comparison, spoiled: Script, at: int, which: str) -> bool:
    """Tell whether the first divergence is the injected step; of tools that ran at once, any."""
    if found.first is None:
        return False
    pair = found.pairs[found.first]
    side = pair.a or pair.b
    assert side is not None
    wanted = expected_place(spoiled, at, which)
    spread = len(spoiled.rounds[at].tools) - 1 if which == "tool" else 0
    return wanted <= side.place <= wanted + spread


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: str(fault.__name__))
def test_the_first_divergence_is_the_fault(fault: Fault) -> None:
    """Each kind of fault is found at its very step in at least nine of ten runs, wherever it is put."""
    hits = 0
    trials = [(task, at) for task in range(10) for at in PLACES]
    for task, at in trials:
        good = script(task, seed=1000 + task)
        spoiled, which = fault(script(task, seed=2000 + task), at)
        hits += is_at_fault(compare_traces(trace_of(spoiled), trace_of(good)), spoiled, at, which)
    assert hits / len(trials) >= 0.9, f"{hits} of {len(trials)}"


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.integers(0, 10_000), st.integers(2, 12))
def test_two_good_runs_have_no_material_difference(task: int, one: int, other: int, rounds: int) -> None:
    """Ids, days, wording, lengths, and which of two tools came first make no difference."""
    found = compare_traces(trace_of(script(task, one, rounds)), trace_of(script(task, other, rounds)))
    assert found.first is None
    assert found.inputs == ()


def test_a_run_is_no_different_from_itself() -> None:
    trace = trace_of(script(3, 3))
    assert compare_traces(trace, trace).first is None


def test_the_input_that_differed_is_named() -> None:
    """A prompt, a tool's answer and a model are named with what they were; where all were the same, none is."""
    good = trace_of(script(1, 1))
    for fault, kind in ((other_prompt, "prompt"), (other_result, "tool result"), (other_model, "model")):
        found = compare_traces(trace_of(fault(script(1, 2), 2)[0]), good)
        assert [one.kind for one in found.inputs][:1] == [kind]
        assert found.inputs[0].pair == found.first
    assert compare_traces(trace_of(tool_fails(script(1, 2), 2)[0]), good).inputs == ()


def test_an_answer_that_is_used_later_is_the_divergence_and_says_where_it_shows() -> None:
    found = compare_traces(trace_of(other_result(script(1, 2), 2)[0]), trace_of(script(1, 1)))
    pair = first_pair(found)
    assert pair.a is not None
    assert pair.a.step.kind == "tool"
    assert found.shows is not None
    assert found.first is not None
    assert found.shows > found.first


def test_a_sub_agents_steps_stand_where_it_was_called() -> None:
    """A failure inside a sub-agent is found inside it."""

    def run(error: str | None) -> Comparison:
        failed = {"failed": True, "tool_error": error} if error else {"tool_result": "ok"}
        spoiled = chain(
            agent(1, "boss", lasts=20), llm(2, 1, at=1), agent(3, "helper", 1, at=2, lasts=5), tool(4, "search", 3, at=3, **failed),
            llm(5, 1, at=9),
        )  # fmt: skip
        good = chain(
            agent(1, "boss", lasts=20), llm(2, 1, at=1), agent(3, "helper", 1, at=2, lasts=5), tool(4, "search", 3, at=3, tool_result="ok"),
            llm(5, 1, at=9),
        )  # fmt: skip
        return compare_traces(spoiled, good)

    assert run(None).first is None
    pair = first_pair(run("TimeoutError"))
    assert pair.a is not None
    # The failure surfaces on the sub-agent only where it says so itself.
    assert (pair.a.step.kind, pair.a.run.agent) == ("tool", "helper")


def test_two_thousand_steps_are_aligned_in_a_second() -> None:
    good, spoiled = script(1, 1, rounds=480), tool_fails(script(1, 2, rounds=480), 400)[0]
    a, b = trace_of(spoiled), trace_of(good)
    started = time.perf_counter()
    found = compare_traces(a, b)
    assert time.perf_counter() - started < 1.0
    assert len(found.pairs) >= 1000
    assert is_at_fault(found, spoiled, 400, "tool")


def test_nothing_compares_with_nothing() -> None:
    empty = chain()
    assert compare_traces(empty, empty).pairs == ()
    assert compare_traces(empty, trace_of(script(1, 1))).first == 0


@given(st.lists(st.integers(0, 3), max_size=12), st.lists(st.integers(0, 3), max_size=12))
def test_alignment_is_a_longest_common_subsequence(a: list[int], b: list[int]) -> None:
    matches = align(a, b)
    assert all(a[i] == b[j] for i, j in matches)
    assert matches == sorted(set(matches))
    assert len({i for i, _ in matches}) == len({j for _, j in matches}) == len(matches) == _longest(a, b)


def _longest(a: list[int], b: list[int]) -> int:
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, one in enumerate(a):
        for j, other in enumerate(b):
            table[i + 1][j + 1] = table[i][j] + 1 if one == other else max(table[i][j + 1], table[i + 1][j])
    return table[-1][-1]


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("order ORD-1234 found", "order ORD-9999 found", True),
        ({"ok": True, "took_ms": 5}, {"ok": True, "took_ms": 900}, True),
        ({"free": ["10:00"]}, {"free": ["10 am"]}, True),
        ({"fee": 40}, {"fee": 40.0}, True),
        ({"fee": 40}, {"fee": 41}, False),
        ({"starts": "2026-03-10T10:00:00Z"}, {"starts": "2026-03-10T11:00:00Z"}, False),
        ({"stored": "2026-03-10T10:00:07Z"}, {"stored": "2026-03-10T11:00:42Z"}, True),
        ('{"a": 1}', '{"a":1}', True),
        ("no slot is free on that day at all", "three slots are free in the morning and more later", False),
        ([], [1], False),
        ({}, {"error": "denied"}, False),
    ],
)
def test_what_counts_as_the_same_answer(a: object, b: object, same: bool) -> None:
    assert (Matching().differences(a, b, "given") == []) is same


def test_an_id_stands_for_one_id_only() -> None:
    """What a run was given binds its ids; a model that brings up one that was never given is found out."""
    matching = Matching()
    assert matching.differences({"id": "C-1001"}, {"id": "C-2002"}, "given") == []
    assert matching.differences({"id": "C-1001"}, {"id": "C-2002"}, "made") == []
    assert matching.differences({"id": "C-1001"}, {"id": "C-3003"}, "made") != []
    assert matching.differences({"id": "C-5005"}, {"id": "C-6006"}, "made") != []
    assert matching.differences({"id": "C-1001"}, {"id": "C-3003"}, "given") != []


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(_JSON, _JSON)
def test_any_values_compare(a: object, b: object) -> None:
    """Nothing that a trace can hold raises, and a value is the same as itself."""
    Matching().differences(a, b, "given")
    Matching().differences(a, b, "made")
    assert Matching().differences(a, a, "given") == []


def test_faults_at_random_places_of_random_tasks() -> None:
    """Over all kinds together, at least nine of ten, with another seed than above."""
    rng, hits, trials = Random(77), 0, 150
    for _ in range(trials):
        task, at, fault = rng.randrange(500), rng.randrange(9), rng.choice(FAULTS)
        good = script(task, rng.randrange(10_000), rounds=9)
        spoiled, which = fault(script(task, rng.randrange(10_000), rounds=9), at)
        hits += is_at_fault(compare_traces(trace_of(spoiled), trace_of(good)), spoiled, at, which)
    assert hits / trials >= 0.9


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("Thu 5 Mar 12:30 with Tom Lowe", "Thu 12 Mar 12:30 with Tom Lowe", True),
        ("Thu 5 Mar 12:30 with Tom Lowe", "Fri 13 Mar 12:30 with Tom Lowe", False),
        ("2026-03-05", "March 12th, 2026", True),
        ("the 5th of March", "the 5th of April", False),
        ("2026-03-05T12:30+00:00", "2026-03-12T12:30+01:00", True),
        ("31 June", "31 June", True),
    ],
)
def test_days_move_with_the_run_however_they_are_written(a: str, b: str, same: bool) -> None:
    """A week later Thursday is the 12th; a day without a year is the nearest of that name."""
    matching = Matching((date(2026, 3, 2), date(2026, 3, 9)))
    assert (matching.differences(a, b, "made") == []) is same


def test_the_turn_of_a_year_lies_between_days_without_one() -> None:
    matching = Matching((date(2026, 12, 28), date(2027, 1, 4)))
    assert matching.differences("Thursday 31 December at noon", "Thursday 7 January at noon", "made") == []
    assert matching.differences("Thursday 31 December at noon", "Thursday 14 October at noon", "made") != []


def _found(a: list[StoredSpan], b: list[StoredSpan]) -> tuple[str, str | None, list[str]]:
    """Return the kinds of the steps where two runs of one agent part and where that shows, and what differs at the first."""
    found = compare_traces(chain(agent(1, "a", lasts=30), *a), chain(agent(1, "a", lasts=30), *b))
    first = first_pair(found)
    shown = found.pairs[found.shows] if found.shows is not None else None
    kinds = [side.step.kind for pair in (first, shown) if pair is not None and (side := pair.a or pair.b) is not None]
    return kinds[0], kinds[1] if len(kinds) > 1 else None, [one.what for one in first.differences if one.material]


def test_an_answer_that_had_to_be_repaired_is_the_divergence() -> None:
    repair = span(3, 1, 3, kind="repair", name="repair 1 of 2")
    good = [llm(2, 1, at=1, output='{"ok": true}'), llm(5, 1, at=6, output="done")]
    bad = [llm(2, 1, at=1, output="{"), repair, llm(4, 1, at=4, output='{"ok": true}'), llm(5, 1, at=6, output="done")]
    assert _found(bad, good) == ("llm", "repair", ["answer"])


def test_an_answer_that_a_guard_judged_otherwise_is_the_divergence() -> None:
    def run(words: str, verdict: str, *between: StoredSpan) -> list[StoredSpan]:
        guard = span(9, 1, 9, kind="guardrail", name="filter output", output=json.dumps({"verdict": verdict}))
        return [llm(2, 1, at=1, output=words), *between, guard]

    assert _found(run("the code is 123", "refused"), run("all done", "allowed")) == ("llm", "guardrail", ["answer"])
    assert _found(run("all done", "refused"), run("all done", "allowed"))[0] == "guardrail"
    # What a tool answered in between is what was judged.
    asked = tool(5, "look", 1, 5, tool_result="fine")
    assert _found(run("the code is 123", "refused", asked), run("all done", "allowed", asked))[0] == "guardrail"


def test_a_guard_that_fails_is_the_divergence_itself() -> None:
    """Whatever the model said: it was not judged."""
    guard, broken = (span(9, 1, 9, kind="guardrail", name="filter output", failed=failed) for failed in (False, True))
    said, other = (llm(2, 1, at=1, output=words) for words in ("all done", "that is settled"))
    assert _found([said, broken], [other, guard])[:2] == ("guardrail", None)


def test_a_tool_that_is_tried_again_is_not_the_models_answer() -> None:
    """The call before the tool answered well."""
    asked, failed = llm(2, 1, at=1, output="looking"), tool(3, "look", 1, 3, failed=True, tool_error="TimeoutError")
    again = span(4, 1, 5, kind="retry", name="retry 1 of 2")
    assert _found([asked, failed, again], [asked, failed])[0] == "retry"


def test_a_call_that_answers_and_one_that_asks_for_a_tool_chose_otherwise() -> None:
    chose = Decision("look", "derived", alternatives=[Option("look"), Option("write")])
    asked = [llm(2, 1, at=1, decision=chose, tool_requests=asks("look"), finish_reason="tool_calls"), tool(3, "look", 1, 3)]
    answered = [llm(2, 1, at=1, output="I know that already", finish_reason="stop")]
    assert _found(asked, answered) == ("llm", None, ["choice"])


def test_a_tool_that_answers_about_somebody_else_is_the_divergence_whoever_asks() -> None:
    """Of two users every value may differ, but not that the answer is about the one that was asked for."""

    def run(user: str, asked_for: str, about: str) -> Trace:
        result = json.dumps({"client_id": about, "name": f"Client {about}"})
        found = tool(2, "find", 1, 2, tool_arguments={"client": asked_for}, tool_result=result)
        return chain(agent(1, "a", lasts=9, user_id=user, input=f"I am client {asked_for}"), found, llm(3, 1, at=4, output="done"))

    good = run("u1", "10405", "10405")
    assert compare_traces(run("u2", "10466", "10466"), good).first is None
    found = compare_traces(run("u2", "10466", "10513"), good)
    assert [(one.what, one.path) for one in first_pair(found).differences if one.material] == [("result", "client_id")]


def test_nothing_found_for_another_user_matters_where_the_path_parts() -> None:
    def run(user: str, free: list[str], *then: StoredSpan) -> Trace:
        found = tool(2, "find", 1, 2, tool_arguments={}, tool_result=json.dumps({"free": free}))
        return chain(agent(1, "a", lasts=9, user_id=user), found, *then, llm(8, 1, at=8, output="done"))

    good = run("u1", ["10:00"])
    assert compare_traces(run("u2", []), good).first is None
    found = compare_traces(run("u2", [], tool(3, "find", 1, 4, tool_arguments={}, tool_result='{"free": []}')), good)
    assert (found.first, found.shows) == (0, 1)
