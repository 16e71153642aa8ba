"""The planner after a failure: weigh retry, skip, replan, ask and escalate."""

from typing import Any

from .reading import Conversation, Said, read_object

REASONS = {
    "retry": ("It may pass by itself.", "The same call would fail the same way."),
    "skip": ("The request can do without this step.", "The request cannot do without this step."),
    "replan": ("Another way leads to the same end.", "No other way leads to the same end."),
    "ask": ("Only the user can decide this.", "The user could not help with this."),
    "escalate": ("A person has to settle this.", "There are ways left that need no person."),
}


def recover(conversation: Conversation) -> Said:
    """Answer with a Recovery."""
    failure = conversation.block_object("failure")
    error, facts = str(failure.get("error", "")), failure.get("facts") or {}
    chosen, because = _choose(conversation, failure, error, facts)
    options = [
        {"name": name, "because": because if name == chosen else against, "score": 0.9 if name == chosen else 0.2}
        for name, (_, against) in REASONS.items()
    ]
    choice = {"question": "How to go on after the failure?", "options": options, "chosen": chosen, "because": because}
    steps = _other_steps(conversation) if chosen == "replan" else []
    data = {"choice": choice, "steps": steps, "reply": _reply(chosen, error, facts)}
    return Said.of(f"The step failed: {error[:300]} {because} So I choose to {chosen}.", data)


def _choose(conversation: Conversation, failure: dict[str, Any], error: str, facts: dict[str, Any]) -> tuple[str, str]:
    tool = _open_steps(conversation)[0].get("tool") if _open_steps(conversation) else None
    failed_before = sum(1 for note in conversation.notes if note.get("status") == "failed" and "(conflict)" in str(note.get("note")))
    if "contradiction" in error:
        return "escalate", "A tool's answer contradicts what it was asked; nobody but a person can say what is true."
    if "(conflict)" in error and failed_before < 2:
        return "replan", "The time is taken, but others may be free: look again and take the next best one."
    if "no_time" in error and facts.get("question"):
        return "ask", "What was asked for is not free; which other time will do only the user can say."
    if any(word in error for word in ("rate_limited", "unavailable", "not done after")):
        if int(failure.get("attempt") or 1) < 2:
            return "retry", REASONS["retry"][0]
        return (
            ("skip", REASONS["skip"][0]) if tool == "send_confirmation" else ("escalate", "It keeps failing; a person has to look at it.")
        )
    if tool == "send_confirmation" and len(_open_steps(conversation)) == 1 and "book" in str(conversation.blocks.get("plan")):
        return "skip", "The appointment stands without the message."
    return ("escalate", REASONS["escalate"][0]) if "conflict" in error else ("ask", REASONS["ask"][0])


def _open_steps(conversation: Conversation) -> list[dict[str, Any]]:
    steps = read_object(f'{{"steps": {conversation.blocks.get("plan", "[]")}}}').get("steps")
    return [one for one in steps if isinstance(one, dict)] if isinstance(steps, list) else []


def _other_steps(conversation: Conversation) -> list[dict[str, Any]]:
    open_steps = _open_steps(conversation)
    goal = str(open_steps[0].get("goal", "")) if open_steps else ""
    search = {
        "goal": f"Find free times again for the same wish, without the time that is taken: {goal}"[:590],
        "tool": "check_availability",
        "because": "Somebody took the time meanwhile.",
    }
    return [search, *open_steps][:5]


def _reply(chosen: str, error: str, facts: dict[str, Any]) -> str | None:
    if chosen == "ask":
        return str(facts.get("question") or f"I could not do that: {error.partition(': ')[2] or error} How would you like to go on?")[:590]
    if chosen == "escalate":
        return "I could not settle this by myself, so I am passing it on to a colleague with everything that was done so far."
    return None
