"""Plan and execute: a strong model plans, a cheaper one carries out each step, and between the steps stand checkpoints.

A step that failed is weighed before anything else is done: retry it, skip it, replan what is left, ask the user, or escalate to a person.
"""

from dataclasses import dataclass, field

from tracer import decision, plan, step

from ..models.types import Message, said, turn_of
from ..prompts import blocks
from ..truth import decided
from .desk import (
    Desk,
    Outcome,
    Task,
    ask,
    data_of,
    definitions,
    follow,
    mark,
    options_of,
    outcome_of,
    prompt,
    use_tools,
    waiting_for_yes,
)  # fmt: skip
from .plan import Plan, PlanStep, Recovery, Reply, StepOutcome

READING = ("check_availability", "get_client_preferences")
"""Tools that change nothing: a step that acts may look again, so that it can correct itself."""


@dataclass(slots=True)
class Progress:
    """Where the plan stands: the steps still open, which one is next by number, and how often it and the plan were tried again."""

    plan: Plan
    open: list[PlanStep]
    number: int = 1
    attempts: int = 1
    replans: int = 0
    skipped: list[str] = field(default_factory=list)


def run(task: Task, desk: Desk) -> Outcome:
    """Work on a task by a plan. Raises what the model layer and the guards raise."""
    made = _make_plan(task, desk)
    if made.action != "proceed":
        return outcome_of(_said_by_plan(made))
    progress = Progress(made, list(made.steps))
    while progress.open:
        outcome = _carry_out(task, desk, progress)
        waiting = waiting_for_yes(desk)
        if waiting is not None:
            return waiting
        if outcome.status == "needs_user":
            return Outcome(outcome.question or outcome.note, detail="asked the user a question", facts=outcome.facts)
        if outcome.status == "done":
            _next_step(progress)
            continue
        ended = _recover(task, desk, progress, outcome)
        if ended is not None:
            return ended
    return _reply(task, desk, progress)


def _make_plan(task: Task, desk: Desk) -> Plan:
    with plan() as planned, desk.ledger.within("plan", name="plan") as entry:
        messages = [*task.turns, prompt(desk, task)]
        made = data_of(ask(desk, task, "planner", messages, task_of="plan", schema=Plan, semantic_text=task.text), Plan)
        follow(desk, made.approach)
        planned.thought(made.approach.because)
        planned.output(numbered([one.goal for one in made.steps]) or made.action)
        entry |= {"thought": made.approach.because, "output": numbered([one.goal for one in made.steps]) or made.action}
    return made


def numbered(goals: list[str]) -> str:
    """Return the steps of a plan as lines."""
    return "\n".join(f"{number}. {goal}" for number, goal in enumerate(goals, 1))


def _said_by_plan(made: Plan) -> Reply:
    outcome = made.action if made.action != "proceed" else "partial"
    return Reply(outcome=outcome, text=made.reply or "", because=made.approach.because)


def _next_step(progress: Progress) -> None:
    progress.open.pop(0)
    progress.number += 1
    progress.attempts = 1


def _carry_out(task: Task, desk: Desk, progress: Progress) -> StepOutcome:
    """Carry out the next open step, in a step of the trace."""
    one = progress.open[0]
    with step(one.goal) as span, desk.ledger.within("other", name=one.goal) as entry:
        span.thought(one.because)
        outcome = _work(task, desk, progress)
        if outcome.choice is not None:
            follow(desk, outcome.choice)
        span.output(outcome.note)
        entry |= {"thought": one.because, "output": outcome.note, "status": "ok", "error": None}
        if outcome.status == "failed":
            span.fail(outcome.note)
            entry |= {"status": "error", "error": outcome.note}
    if desk.pending is None:
        desk.note(progress.number, outcome.status, outcome.note, outcome.facts)
    return outcome


def _work(task: Task, desk: Desk, progress: Progress) -> StepOutcome:
    """Let the executor go to its tools until it says how the step ended."""
    one, number = progress.open[0], progress.number
    names = dict.fromkeys((one.tool, *READING)) if one.tool is not None else {}
    offered = definitions(desk, [name for name in names if name in task.tools])
    allowed = frozenset(tool.name for tool in offered)
    goals = [step.goal for step in progress.plan.steps]
    messages: list[Message] = [prompt(desk, task, plan=goals, step={"number": number, **one.model_dump()})]
    for round_ in range(desk.settings.limits.tool_rounds + 1):
        reply = ask(desk, task, "executor", messages, tools=offered, schema=StepOutcome)
        if not reply.tool_requests:
            return data_of(reply, StepOutcome)
        if round_ == desk.settings.limits.tool_rounds:
            break  # nothing may be done of which nobody will hear how it went
        messages += [turn_of(reply), use_tools(desk, reply.tool_requests, allowed)]
        if desk.pending is not None:
            return StepOutcome(status="needs_user", note="waits for the user's yes", question=desk.pending.question)
    return StepOutcome(status="failed", note=f"not done after {desk.settings.limits.tool_rounds} rounds of tool calls")


def _recover(task: Task, desk: Desk, progress: Progress, failed: StepOutcome) -> Outcome | None:
    """Choose how to go on after a failure; None goes on with the plan."""
    recovery = _weigh(task, desk, progress, failed)
    chosen, because = recovery.choice.chosen, recovery.choice.because
    if chosen == "retry" and progress.attempts < desk.settings.limits.attempts:
        progress.attempts += 1
        return None
    if chosen == "replan" and progress.replans < desk.settings.limits.replans:
        _replan(desk, progress, recovery)
        return None
    if chosen == "skip":
        progress.skipped.append(progress.open[0].goal)
        _next_step(progress)
        return None
    if chosen == "ask":
        return Outcome(recovery.reply or failed.note, detail="asked the user a question", facts=failed.facts)
    text = recovery.reply or "I could not finish this by myself, so I have passed it on to a colleague, who will get in touch with you."
    return Outcome(text, "escalated", because if chosen == "escalate" else f"still failing after a {chosen}: {failed.note}", failed.facts)


def _weigh(task: Task, desk: Desk, progress: Progress, failed: StepOutcome) -> Recovery:
    """Ask the planner what to do, as a branch point of the trace: the asking is part of the deciding."""
    question = f"Step {progress.number} failed. How to go on?"
    with decision(question) as point, desk.ledger.within("decision", name="decision") as entry:
        failure = {"step": progress.open[0].goal, "error": failed.note, "facts": failed.facts, "attempt": progress.attempts}
        message = prompt(desk, task, plan=[one.model_dump() for one in progress.open], failure=failure)
        recovery = data_of(ask(desk, task, "planner", [message], task_of="recover", schema=Recovery), Recovery)
        choice = recovery.choice
        mark(point, options_of(choice), choice.chosen, choice.because)
        entry["decision"] = decided(question, options_of(choice), choice.chosen, choice.because)
    return recovery


def _replan(desk: Desk, progress: Progress, recovery: Recovery) -> None:
    goals = [one.goal for one in recovery.steps]
    with plan(goals, name="replan", because=recovery.choice.because):
        desk.ledger.add("plan", name="replan", thought=recovery.choice.because, output=numbered(goals))
    progress.open = list(recovery.steps)
    progress.plan = progress.plan.model_copy(update={"steps": list(recovery.steps)})
    progress.replans += 1
    progress.attempts = 1


def _reply(task: Task, desk: Desk, progress: Progress) -> Outcome:
    """Put into words what was done."""
    status = "partial" if progress.skipped else "done"
    because = f"left out: {'; '.join(progress.skipped)}" if progress.skipped else "all steps are done"
    message = said(blocks(**task.context, notes=desk.notes, outcome={"status": status, "because": because}, user_input=task.text))
    return outcome_of(data_of(ask(desk, task, "responder", [message], schema=Reply), Reply))
