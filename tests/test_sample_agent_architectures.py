"""The three architectures, each against models that are a list of replies and tools that are a function."""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from pydantic import BaseModel

from sample_agent.architectures import multi_agent, plan_execute, react
from sample_agent.architectures.desk import Desk, LoopDetected, Outcome, OutOfTime, Task, TurnsExhausted
from sample_agent.architectures.plan import Choice, Considered, Plan, PlanStep, Recovery, Reply, StepOutcome
from sample_agent.memory.scratchpad import MOST_NOTE_CHARS
from sample_agent.models.types import ModelReply, ModelRequest, OutputInvalid, Tokens, ToolRequest
from sample_agent.settings import AgentSettings, RunLimits
from sample_agent.state.agreements import Pending
from sample_agent.tools.catalogue import TOOLS
from sample_agent.tools.contract import ToolResult
from sample_agent.truth import Ledger
from tracer.testing import Captured, capture

TASK = Task("book it", "s", "u", {"now": "Monday"}, frozenset(TOOLS))


class Scripted:
    """Models that answer what the test says, in that order, and note what they were asked."""

    def __init__(self, *replies: BaseModel | ToolRequest | tuple[ToolRequest, ...] | Exception) -> None:
        self._replies = list(replies)
        self.asked: list[ModelRequest] = []

    def __call__(self, request: ModelRequest) -> ModelReply:
        self.asked.append(request)
        said = self._replies.pop(0)
        if isinstance(said, Exception):
            raise said
        reply = ModelReply("", (), (), Tokens(1, 1), "m", "anthropic", "end_turn", "id")
        if isinstance(said, ToolRequest | tuple):
            asked = said if isinstance(said, tuple) else (said,)
            return replace(reply, tool_requests=asked, parts=asked, thinking=("I need that",))
        return replace(reply, text=said.model_dump_json(), data=said)

    @property
    def roles(self) -> list[str]:
        return [request.role for request in self.asked]


def choice(chosen: str, *others: str) -> Choice:
    names = (chosen, *others)
    return Choice(question="how?", options=[Considered(name=name, because=f"for {name}") for name in names], chosen=chosen, because="best")


def steps(*goals: str) -> list[PlanStep]:
    return [PlanStep(goal=goal, tool="check_availability", because="needed") for goal in goals]


def plan_of(*goals: str) -> Plan:
    return Plan(action="proceed", approach=choice("search first", "book at once"), steps=steps(*goals))


def recover(chosen: str, **more: Any) -> Recovery:
    return Recovery(choice=choice(chosen, *({"retry", "ask"} - {chosen})), **more)


def outcome(status: str = "done", **more: Any) -> StepOutcome:
    return StepOutcome(status=status, note=f"it is {status}", **more)  # type: ignore[arg-type]  # a literal of the test


def reply(kind: str = "done", text: str = "All done.") -> Reply:
    return Reply(outcome=kind, text=text, because="because")  # type: ignore[arg-type]  # as above


def tool(name: str = "check_availability", **arguments: Any) -> ToolRequest:
    return ToolRequest("t1", name, arguments)


def desk_of(models: Scripted, limits: RunLimits = RunLimits(), results: Sequence[ToolResult] = (), late: bool = False) -> Desk:  # noqa: B008
    waiting = list(results)

    def call(request: ToolRequest, allowed: frozenset[str]) -> ToolResult:
        if request.name not in allowed:
            return ToolResult(ok=False, content={"error": "no"}, error="no", code="not_permitted")
        return waiting.pop(0) if waiting else ToolResult(ok=True, content={"free": []})

    return Desk(
        settings=replace(AgentSettings(), limits=limits),
        complete=models,
        tools=TOOLS,
        call_tool=call,
        ledger=Ledger(),
        write_note=lambda note: None,
        is_late=lambda: late,
    )


def ran(run: Any, desk: Desk) -> tuple[Outcome, Captured]:
    with capture() as captured:
        found: Outcome = run(TASK, desk)
    return found, captured


def test_a_plan_is_carried_out_step_by_step() -> None:
    """Planner, an executor a step with its tools alone, and a responder; the trace reads as the plan does."""
    models = Scripted(plan_of("look", "search", "book"), tool(), outcome(), outcome(), outcome(), reply())
    desk = desk_of(models)
    found, captured = ran(plan_execute.run, desk)
    assert found == Outcome("All done.")
    assert models.roles == ["planner", "executor", "executor", "executor", "executor", "responder"]
    assert [one.name for one in models.asked[1].tools] == ["check_availability", "get_client_preferences"]
    assert captured.outline() == "plan\n  decision\nlook\nsearch\nbook\n"
    assert [note["step"] for note in desk.notes] == [1, 2, 3]


@pytest.mark.parametrize(
    ("action", "reason", "detail"),
    [("clarify", "completed", "asked the user a question"), ("refuse", "refused", "best"), ("escalate", "escalated", "best")],
)
def test_a_plan_may_be_not_to_proceed(action: str, reason: str, detail: str) -> None:
    """To clarify, refuse or escalate takes no step; the reason of the approach is the run's detail."""
    plan = Plan(action=action, approach=choice("say so", "guess"), reply="Which one?")  # type: ignore[arg-type]  # a literal of the test
    found, _ = ran(plan_execute.run, desk_of(Scripted(plan)))
    assert (found.text, found.reason, found.detail) == ("Which one?", reason, detail)


def test_a_failed_step_is_tried_again() -> None:
    """A retry carries the same step out once more; the branch point holds all ways with their reasons."""
    models = Scripted(plan_of("a", "b", "c"), outcome("failed"), recover("retry"), outcome(), outcome(), outcome(), reply())
    desk = desk_of(models)
    found, captured = ran(plan_execute.run, desk)
    assert found.text == "All done."
    assert captured.outline() == "plan\n  decision\na\ndecision\na\nb\nc\n"
    weighed = next(entry for entry in desk.ledger.runs if entry["kind"] == "decision")["decision"]
    assert (weighed["question"], weighed["chosen"]) == ("Step 1 failed. How to go on?", "retry")
    assert [one["name"] for one in weighed["alternatives"]] == ["retry", "ask"]


def test_a_step_is_not_tried_for_ever() -> None:
    """A second retry is more than a step may have: a person takes over."""
    models = Scripted(plan_of("a", "b", "c"), outcome("failed"), recover("retry"), outcome("failed"), recover("retry"))
    found, _ = ran(plan_execute.run, desk_of(models))
    assert found.reason == "escalated"
    assert found.detail == "still failing after a retry: it is failed"


def test_a_step_may_be_skipped() -> None:
    """What is left out is told to the responder."""
    models = Scripted(plan_of("a", "b", "c"), outcome("failed"), recover("skip"), outcome(), outcome(), reply("partial"))
    found, _ = ran(plan_execute.run, desk_of(models))
    assert found.detail == "done in part"
    assert "left out: a" in str(models.asked[-1].messages[-1])


def test_the_rest_may_be_planned_anew() -> None:
    """New steps replace those still open, and the trace shows the new plan."""
    models = Scripted(plan_of("a", "b", "c"), outcome("failed"), recover("replan", steps=steps("d")), outcome(), reply())
    found, captured = ran(plan_execute.run, desk_of(models))
    assert found.reason == "completed"
    assert captured.outline() == "plan\n  decision\na\ndecision\nreplan\nd\n"


@pytest.mark.parametrize(("chosen", "reason"), [("ask", "completed"), ("escalate", "escalated")])
def test_a_failure_may_end_the_plan(chosen: str, reason: str) -> None:
    """The user decides, or a person does."""
    models = Scripted(plan_of("a", "b", "c"), outcome("failed"), recover(chosen, reply="Another day?"))
    found, _ = ran(plan_execute.run, desk_of(models))
    assert (found.text, found.reason) == ("Another day?", reason)


def test_a_step_that_goes_on_and_on_has_failed() -> None:
    """An executor that always wants another tool is stopped after its rounds."""
    asks = [tool(page=number) for number in range(5)]
    models = Scripted(plan_of("a", "b", "c"), *asks, recover("escalate", reply="Sorry."))
    found, _ = ran(plan_execute.run, desk_of(models))
    assert found.reason == "escalated"
    assert "not done after 4 rounds" in str(models.asked[-1].messages[-1])


WAITING = ToolResult(ok=False, content={}, code="needs_confirmation", needs_confirmation="Cancel A1?", confirmation_key="k")


@pytest.mark.parametrize(
    ("run", "replies"),
    [
        (plan_execute.run, (plan_of("a", "b", "c"), tool(id=1))),
        (react.run, (tool(id=1),)),
        (multi_agent.run, (tool("transfer_to_calendar_specialist", task="cancel it", because="calendar"), tool(id=1))),
    ],
)
def test_what_waits_for_a_yes_ends_the_turn(run: Any, replies: Sequence[Any]) -> None:
    """The user is asked with the tool's own words, whatever the architecture, and what waits is handed back."""
    found, _ = ran(run, desk_of(Scripted(*replies), results=[WAITING]))
    assert found.text == "Cancel A1? Please answer yes or no."
    assert found.pending == Pending("k", "check_availability", {"id": 1}, "Cancel A1?")


def test_react_goes_on_until_it_answers() -> None:
    """Each turn is a branch point: all tools and the answer, with the model's own reason for the one chosen."""
    desk = desk_of(Scripted(tool(), reply()))
    found, captured = ran(react.run, desk)
    assert found.text == "All done."
    assert captured.outline() == "decision\ndecision\n"
    first = desk.ledger.runs[0]["decision"]
    assert (first["chosen"], first["because"]) == ("check_availability", "I need that")
    assert [one["name"] for one in first["alternatives"]] == [*TOOLS, "answer the user"]


def test_react_ends_after_its_turns() -> None:
    """A model that never answers is stopped."""
    with pytest.raises(TurnsExhausted, match="no answer after 3 turns"):
        react.run(TASK, desk_of(Scripted(*(tool(page=number) for number in range(9))), RunLimits(turns=3)))


def test_the_same_call_again_and_again_is_a_loop() -> None:
    """The fourth call with the same arguments is not made."""
    desk = desk_of(Scripted(*[tool()] * 9))
    with pytest.raises(LoopDetected, match="asked for 4 times"):
        react.run(TASK, desk)
    assert desk.called.total() == 4


def test_nothing_more_happens_once_the_time_is_up() -> None:
    """Neither a model nor a tool is asked."""
    models = Scripted(reply())
    with pytest.raises(OutOfTime):
        react.run(TASK, desk_of(models, late=True))
    assert not models.asked


def test_specialists_have_few_tools_and_runs_of_their_own() -> None:
    """A hand-off holds the specialist's run; what it reports goes back to the orchestrator."""
    hand = tool("transfer_to_client_specialist", task="look 10422 up", because="they know clients")
    models = Scripted(hand, outcome(facts={"client_id": "10422"}), reply())
    found, captured = ran(multi_agent.run, desk_of(models))
    assert found.text == "All done."
    assert [one.name for one in models.asked[1].tools] == ["get_client_preferences", "send_confirmation"]
    assert "10422" in str(models.asked[2].messages[-1])
    assert captured.outline() == "decision\nhandoff to client_specialist\n  invoke_agent client_specialist\ndecision\n"


def test_an_unknown_specialist_is_told_to_the_orchestrator() -> None:
    """It may correct itself."""
    models = Scripted(tool("transfer_to_cook", task="a cake", because="hungry"), reply("refuse", "No cakes."))
    found, _ = ran(multi_agent.run, desk_of(models))
    assert found.reason == "refused"
    assert "transfer_to_calendar_specialist" in str(models.asked[1].messages[-1])


def test_a_specialist_that_cannot_go_on_ends_as_what_it_was() -> None:
    """Its run declares the same end as the request's will, and the exception goes on."""
    desk = desk_of(Scripted(tool("transfer_to_calendar_specialist", task="x", because="y"), OutputInvalid("nonsense")))
    with capture() as captured, pytest.raises(OutputInvalid):
        multi_agent.run(TASK, desk)
    run = captured.named("invoke_agent calendar_specialist")
    assert run.attributes is not None
    assert run.attributes["clew.termination.reason"] == "validation_failed"


# --- what may be done, and of which somebody hears ----------------------------------------------------------------------


def counting(desk: Desk) -> list[str]:
    """Return the names of the tools that were really called, as they are."""
    made: list[str] = []
    call = desk.call_tool

    def counted(request: ToolRequest, allowed: frozenset[str]) -> ToolResult:
        made.append(f"{request.name} {request.arguments.get('n', '')}".strip())
        return call(request, allowed)

    desk.call_tool = counted
    return made


def test_no_tool_runs_in_a_round_that_nobody_hears_of() -> None:
    """After its rounds a step must say how it ended: what it asks for then is not done, and so nothing done is called failed."""
    asks = [tool(n=number) for number in range(1, 6)]
    models = Scripted(plan_of("a", "b", "c"), *asks, recover("escalate", reply="Sorry."))
    desk = desk_of(models)
    made = counting(desk)
    ran(plan_execute.run, desk)
    assert made == [f"check_availability {number}" for number in range(1, 5)]
    done = Scripted(plan_of("a", "b", "c"), *asks[:4], outcome(), outcome(), outcome(), reply())
    assert ran(plan_execute.run, desk_of(done))[0].text == "All done."


@pytest.mark.parametrize(
    ("run", "replies"),
    [
        (react.run, [tool(n=number) for number in range(1, 4)]),
        (multi_agent.run, [tool("transfer_to_client_specialist", task="x", because="y"),
                           *[tool("get_client_preferences", n=n) for n in (1, 2, 3)], reply("escalate")]),
    ],
)  # fmt: skip
def test_no_tool_runs_in_a_loops_last_turn(run: Any, replies: Sequence[Any]) -> None:
    """The last turn is for the answer."""
    desk = desk_of(Scripted(*replies), RunLimits(turns=3))
    made = counting(desk)
    with suppress(TurnsExhausted):
        run(TASK, desk)
    assert [one.split()[1] for one in made] == ["1", "2"]


@pytest.mark.parametrize(
    ("run", "replies"),
    [
        (plan_execute.run, (plan_of("a", "b", "c"), (tool(n=1), tool(n=2)))),
        (react.run, ((tool(n=1), tool(n=2)),)),
        (multi_agent.run, ((tool("transfer_to_calendar_specialist", task="a", because="b"),
                            tool("transfer_to_client_specialist", task="c", because="d")), (tool(n=1), tool(n=2)))),
    ],
)  # fmt: skip
def test_one_yes_is_asked_for_at_a_time(run: Any, replies: Sequence[Any]) -> None:
    """The first question is asked, nothing more is done, and the user is told that there was more."""
    desk = desk_of(Scripted(*replies), results=[WAITING, replace(WAITING, needs_confirmation="Cancel A2?", confirmation_key="l")])
    made = counting(desk)
    found, _ = ran(run, desk)
    assert found.pending == Pending("k", "check_availability", {"n": 1}, "Cancel A1?")
    assert found.text == "Cancel A1? Please answer yes or no. I can do one such thing at a time: please ask again for the other afterwards."
    assert made == ["check_availability 1"]


@pytest.mark.parametrize(
    ("run", "replies"),
    [
        (plan_execute.run, (plan_of("a", "b", "c"), tool(), outcome(), outcome(), outcome(), reply())),
        (react.run, (tool(), reply())),
        (multi_agent.run, (tool("transfer_to_calendar_specialist", task="a", because="b"), tool(), outcome(), reply())),
    ],
)
def test_a_task_has_its_tools_and_no_others(run: Any, replies: Sequence[Any]) -> None:
    """What the request does not take is not offered, and is refused where a plan or a model names it all the same."""
    models = Scripted(*replies)
    desk = desk_of(models)
    with capture():
        run(replace(TASK, tools=frozenset({"get_client_preferences"})), desk)
    offered = {one.name for asked in models.asked for one in asked.tools}
    assert offered <= {"get_client_preferences", "transfer_to_calendar_specialist", "transfer_to_client_specialist"}
    assert any("error" in str(asked.messages[-1]) for asked in models.asked)


def test_a_note_is_bounded_as_it_is_written() -> None:
    """Letters that JSON writes long make no note that is too long to be kept."""
    desk = desk_of(Scripted())
    desk.note(1, "done", "\x01" * 1_000, {f"{number}": "\x02" * 500 for number in range(20)})
    assert len(json.dumps(desk.notes[0], ensure_ascii=False)) <= MOST_NOTE_CHARS
    assert desk.notes[0]["status"] == "done"
