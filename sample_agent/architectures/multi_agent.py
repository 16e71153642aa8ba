"""An orchestrator and two specialists, each a loop with few tools of its own that knows nothing but what it is told."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tracer import agent_run, handoff

from ..endings import EXPECTED, ending_of
from ..models.types import Message, ModelReply, ToolDefinition, ToolOutcome, ToolRequest, said, turn_of
from ..prompts import blocks
from ..security.tasks import SPECIALISTS
from ..truth import Entry
from .desk import (
    Desk,
    Outcome,
    Task,
    TurnsExhausted,
    ask,
    data_of,
    decide,
    definitions,
    follow,
    outcome_of,
    prompt,
    use_tools,
    waiting_for_yes,
)  # fmt: skip
from .plan import Reply, StepOutcome

ANSWER = "answer the user"
_PREFIX = "transfer_to_"

_ABOUT = {
    "calendar": "Hand a task to the calendar specialist, who finds free times and books, moves or cancels appointments.",
    "client": "Hand a task to the client specialist, who looks clients and their appointments up and sends confirmations.",
}
_PARAMETERS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "task": {
            "type": "string",
            "minLength": 1,
            "description": "What to do, with all ids, times and wishes it takes.",
        },
        "because": {"type": "string", "description": "Why this specialist, and why now."},
    },
    "required": ["task", "because"],
    "additionalProperties": False,
}
DELEGATION = tuple(ToolDefinition(f"{_PREFIX}{name}_specialist", _ABOUT[name], _PARAMETERS) for name in SPECIALISTS)


def run(task: Task, desk: Desk) -> Outcome:
    """Work on a task by handing parts of it out. Raises ``TurnsExhausted``, and what the model layer and the guards raise."""
    messages: list[Message] = [*task.turns, prompt(desk, task)]
    for turn in range(1, desk.settings.limits.turns + 1):
        reply = ask(desk, task, "orchestrator", messages, tools=DELEGATION, schema=Reply)
        _record_choice(desk, turn, reply)
        if not reply.tool_requests:
            return outcome_of(data_of(reply, Reply))
        if turn == desk.settings.limits.turns:
            break  # nothing may be done of which nobody will hear how it went
        outcomes = _delegate_all(task, desk, reply.tool_requests)
        waiting = waiting_for_yes(desk)
        if waiting is not None:
            return waiting
        messages += [turn_of(reply), Message("user", outcomes)]
    raise TurnsExhausted(f"no answer after {desk.settings.limits.turns} turns")


def _record_choice(desk: Desk, turn: int, reply: ModelReply) -> None:
    """Record whom the orchestrator chose, with the reason it gave."""
    asked = reply.tool_requests[0] if reply.tool_requests else None
    because = str(asked.arguments.get("because") or "") if asked else ""
    chosen = asked.name.removeprefix(_PREFIX) if asked else ANSWER
    names = dict.fromkeys((*(f"{name}_specialist" for name in SPECIALISTS), ANSWER, chosen))
    reason = because or "\n\n".join(reply.thinking) or None
    decide(desk, f"Who goes on, in turn {turn}?", [(name, None, None) for name in names], chosen, reason)


def _delegate_all(task: Task, desk: Desk, requests: Sequence[ToolRequest]) -> tuple[ToolOutcome, ...]:
    outcomes = []
    for request in requests:
        if desk.pending is not None:
            desk.is_more_asked = True
            break
        outcomes.append(_delegate(task, desk, request))
    return tuple(outcomes)


def _delegate(task: Task, desk: Desk, request: ToolRequest) -> ToolOutcome:
    """Let a specialist work on what the orchestrator asked for; what it cannot make sense of is told back."""
    name = request.name.removeprefix(_PREFIX)
    field = name.removesuffix("_specialist")
    words = request.arguments.get("task")
    if field not in SPECIALISTS or not isinstance(words, str) or not words:
        known = ", ".join(tool.name for tool in DELEGATION)
        return ToolOutcome(request.id, request.name, f'{{"error": "Give a task in words to one of: {known}."}}', is_error=True)
    because = str(request.arguments.get("because") or "") or None
    with (
        handoff(name, because=because, input=words),
        desk.ledger.within("handoff", name=name, thought=because, input=words, call_id=request.id),
    ):
        outcome = _specialise(task, desk, field, words)
    desk.note(name, outcome.status, outcome.note, outcome.facts)
    return ToolOutcome(request.id, request.name, outcome.model_dump_json(exclude_none=True), is_error=outcome.status == "failed")


def _specialise(task: Task, desk: Desk, field: str, words: str) -> StepOutcome:
    name = f"{field}_specialist"
    with agent_run(name, input=words) as run_, desk.ledger.within("agent", agent=name, input=words) as entry:
        try:
            outcome = _work(replace(task, text=words), desk, field)
        except EXPECTED as error:
            _end(run_, entry, *ending_of(error)[:2])
            raise
        run_.output(outcome.note)
        entry["output"] = outcome.note
        if outcome.status == "failed":
            _end(run_, entry, "tool_failure", outcome.note)
        else:
            _end(run_, entry, "completed", None)
    return outcome


def _end(run_: Any, entry: Entry, reason: str, detail: str | None) -> None:
    run_.terminate(reason, detail)
    entry["termination"] = {"reason": str(reason), "detail": detail}


def _work(task: Task, desk: Desk, field: str) -> StepOutcome:
    offered = definitions(desk, [name for name in desk.tools if name in SPECIALISTS[field] & task.tools])
    allowed = frozenset(tool.name for tool in offered)
    messages: list[Message] = [said(blocks(**task.context, task=task.text))]
    for turn in range(1, desk.settings.limits.turns + 1):
        reply = ask(desk, task, "specialist", messages, task_of=field, tools=offered, schema=StepOutcome)
        if not reply.tool_requests:
            outcome = data_of(reply, StepOutcome)
            if outcome.choice is not None:
                follow(desk, outcome.choice)
            return outcome
        if turn == desk.settings.limits.turns:
            break
        messages += [turn_of(reply), use_tools(desk, reply.tool_requests, allowed)]
        if desk.pending is not None:
            return StepOutcome(status="needs_user", note="waits for the user's yes", question=desk.pending.question)
    return StepOutcome(status="failed", note=f"not done after {desk.settings.limits.turns} turns")
