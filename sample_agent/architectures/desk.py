"""What the architectures have in common: a task, the means to work on it, and how it ended.

What they do is told here to two that know nothing of each other: the tracer, and the ledger of truth that tests hold it against.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel

from tracer import decision

from ..memory.scratchpad import fit
from ..models.types import Complete, Message, ModelReply, ModelRequest, Role, Text, ToolDefinition, ToolOutcome, ToolRequest
from ..prompts import blocks, system_prompt
from ..settings import AgentSettings
from ..state.agreements import Pending
from ..tools.contract import ToolResult, ToolSpec
from ..truth import Ledger, decided
from .plan import Choice, Reply

MOST_FACTS = 8

_Schema = TypeVar("_Schema", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Task:
    """A user's request, cleaned, with all that is known around it; ``context`` are the blocks that every prompt begins with."""

    text: str
    session_id: str
    user_id: str
    context: Mapping[str, Any]
    tools: frozenset[str]
    """The names of the tools that the request may take: whatever a plan or a model names beside them is refused."""
    turns: tuple[Message, ...] = ()
    """The conversation so far, condensed where it was long."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a task ended: what the user is told, and why the run stops, in the words of the tracer's reasons."""

    text: str
    reason: str = "completed"
    detail: str | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    pending: Pending | None = None


class LoopDetected(Exception):
    """The same tool was called with the same arguments too often."""


class OutOfTime(Exception):
    """The run took longer than it may."""


class TurnsExhausted(Exception):
    """A loop asked its model as often as it may."""


CallTool = Callable[[ToolRequest, frozenset[str]], ToolResult]
"""Carries out a tool call within what these tool names permit; never raises on account of the call."""


@dataclass(slots=True)
class Desk:
    """The means to work on one task (the front desk is people, and something else). ``notes`` are the scratchpad as models read it."""

    settings: AgentSettings
    complete: Complete
    tools: Mapping[str, ToolSpec]
    call_tool: CallTool
    ledger: Ledger
    write_note: Callable[[dict[str, Any]], None]
    is_late: Callable[[], bool]
    """Whether the run's time is up."""
    notes: list[dict[str, Any]] = field(default_factory=list)
    done: list[dict[str, Any]] = field(default_factory=list)
    """The results of the tools that changed something."""
    pending: Pending | None = None
    """What a person must agree to first. Once it is there nothing more is done in this run: a yes has one meaning."""
    is_more_asked: bool = False
    """Whether the model asked for more in the same breath, which was not done."""
    called: Counter[str] = field(default_factory=Counter)

    def note(self, step: int | str, status: str, text: str, facts: Mapping[str, str]) -> None:
        """Write down what was found out; it outlives this run."""
        bounded = {name[:40]: value[:120] for name, value in list(facts.items())[:MOST_FACTS]}
        note = fit({"step": step, "status": status, "note": text[:400], "facts": bounded})
        self.notes.append(note)
        self.write_note(note)


def ask(desk: Desk, task: Task, role: Role, messages: Sequence[Message], **options: Any) -> ModelReply:
    """Ask a model in a role on behalf of a task; ``task_of`` is what ``system_prompt`` calls task, the rest is as in ``ModelRequest``."""
    _check_time(desk)
    system = system_prompt(role, desk.settings.canary, task=options.pop("task_of", None))
    return desk.complete(
        ModelRequest(
            role=role,
            system=system,
            messages=tuple(messages),
            call_token_ceiling=desk.settings.models.call_tokens,
            session=task.session_id,
            user=task.user_id,
            **options,
        )
    )


def _check_time(desk: Desk) -> None:
    if desk.is_late():
        raise OutOfTime(f"not finished after {desk.settings.limits.seconds:g} s")


def prompt(desk: Desk, task: Task, **more: Any) -> Message:
    """Return the last user message of a prompt: what is known, then the user's own words."""
    return Message("user", (Text(blocks(**task.context, notes=desk.notes, **more, user_input=task.text)),))


def data_of(reply: ModelReply, schema: type[_Schema]) -> _Schema:
    """Return the validated value of a reply for which this schema was asked."""
    if not isinstance(reply.data, schema):
        raise TypeError(f"the model layer returned no {schema.__name__}")
    return reply.data


def definitions(desk: Desk, names: Sequence[str]) -> tuple[ToolDefinition, ...]:
    """Return tools as models are offered them."""
    specs = [desk.tools[name] for name in names]
    return tuple(ToolDefinition(spec.name, spec.description, spec.parameters, side_effects=spec.changes) for spec in specs)


def use_tools(desk: Desk, requests: Sequence[ToolRequest], allowed: frozenset[str]) -> Message:
    """Carry out what a model asked for and return the answers as the user's turn, up to what waits for a yes: see ``desk.pending``."""
    outcomes = []
    for request in requests:
        if desk.pending is not None:
            desk.is_more_asked = True
            break
        outcomes.append(_use_tool(desk, request, allowed))
    return Message("user", tuple(outcomes))


def _use_tool(desk: Desk, request: ToolRequest, allowed: frozenset[str]) -> ToolOutcome:
    _check_time(desk)
    same = f"{request.name} {json.dumps(request.arguments, sort_keys=True)}"
    desk.called[same] += 1
    if desk.called[same] > desk.settings.limits.repeats:
        raise LoopDetected(f"{request.name} was asked for {desk.called[same]} times with the same arguments")
    result = desk.call_tool(request, allowed)
    if result.needs_confirmation is not None and result.confirmation_key is not None:
        desk.pending = Pending(result.confirmation_key, request.name, dict(request.arguments), result.needs_confirmation)
    return ToolOutcome(request.id, request.name, result.text, is_error=not result.ok and result.needs_confirmation is None)


Open = tuple[str, float | None, str | None]
"""A way that was open: its name, score and reason."""


def decide(desk: Desk, question: str, options: Sequence[Open], chosen: str, because: str | None) -> None:
    """Record a branch point with all ways that were open, taken or not."""
    with decision(question) as point:
        mark(point, options, chosen, because)
    desk.ledger.add("decision", decision=decided(question, options, chosen, because))


def mark(point: Any, options: Sequence[Open], chosen: str, because: str | None) -> None:
    """Record the options of an open decision, and the choice."""
    for name, score, reason in options:
        point.option(name, score=score, because=reason)
    point.choose(chosen, because=because)


def options_of(choice: Choice) -> list[Open]:
    """Return the ways that a model weighed."""
    return [(option.name, option.score, option.because) for option in choice.options]


def follow(desk: Desk, choice: Choice) -> str:
    """Record a model's choice as a branch point and return the way taken."""
    decide(desk, choice.question, options_of(choice), choice.chosen, choice.because)
    return choice.chosen


def waiting_for_yes(desk: Desk) -> Outcome | None:
    """Return the outcome that asks the user to agree, where something waits for that."""
    if desk.pending is None:
        return None
    more = " I can do one such thing at a time: please ask again for the other afterwards." if desk.is_more_asked else ""
    return Outcome(f"{desk.pending.question} Please answer yes or no.{more}", detail="asked the user to confirm", pending=desk.pending)


REASONS = {"refuse": "refused", "escalate": "escalated"}

DETAILS = {"clarify": "asked the user a question", "confirm": "asked the user to confirm", "partial": "done in part"}


def outcome_of(reply: Reply) -> Outcome:
    """Return the outcome that a model's reply means. A refusal or an escalation says why; asking and answering complete the run."""
    reason = REASONS.get(reply.outcome, "completed")
    return Outcome(reply.text, reason, reply.because if reason != "completed" else DETAILS.get(reply.outcome), reply.facts)
