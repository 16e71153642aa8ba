"""Reason and act: one model thinks, acts, sees what came of it, and thinks again. Simple, and of the greatest variance."""

from ..models.types import Message, ModelReply, turn_of
from .desk import Desk, Outcome, Task, TurnsExhausted, ask, data_of, decide, definitions, outcome_of, prompt, use_tools, waiting_for_yes
from .plan import Reply

ANSWER = "answer the user"


def run(task: Task, desk: Desk) -> Outcome:
    """Work on a task turn by turn. Raises ``TurnsExhausted``, and what the model layer and the guards raise."""
    offered = definitions(desk, [name for name in desk.tools if name in task.tools])
    allowed = frozenset(tool.name for tool in offered)
    messages: list[Message] = [*task.turns, prompt(desk, task)]
    for turn in range(1, desk.settings.limits.turns + 1):
        reply = ask(desk, task, "react", messages, tools=offered, schema=Reply)
        _record_choice(desk, turn, reply, allowed)
        if not reply.tool_requests:
            return _answered(desk, turn, data_of(reply, Reply))
        if turn == desk.settings.limits.turns:
            break  # nothing may be done of which nobody will hear how it went
        messages += [turn_of(reply), use_tools(desk, reply.tool_requests, allowed)]
        waiting = waiting_for_yes(desk)
        if waiting is not None:
            return waiting
    raise TurnsExhausted(f"no answer after {desk.settings.limits.turns} turns")


def _record_choice(desk: Desk, turn: int, reply: ModelReply, allowed: frozenset[str]) -> None:
    """Record what the model chose to do among all that it could, with its own reason."""
    because = "\n\n".join(reply.thinking) or reply.text or None
    chosen = reply.tool_requests[0].name if reply.tool_requests else ANSWER
    names = dict.fromkeys((*(name for name in desk.tools if name in allowed), ANSWER, chosen))
    decide(desk, f"What next, in turn {turn}?", [(name, None, None) for name in names], chosen, because)


def _answered(desk: Desk, turn: int, reply: Reply) -> Outcome:
    if reply.facts:
        desk.note(turn, reply.outcome, reply.because, reply.facts)
    return outcome_of(reply)
