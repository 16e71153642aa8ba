"""What a tool's complaint means: correct the call, ask the user, take it as done already, or give the step up."""

import re
from collections.abc import Callable
from typing import Any

from .reading import ToolAnswer
from .work import Ended, Next, Use, Work

ArgumentsFor = Callable[[Work, str], dict[str, Any]]
"""Returns the arguments that a tool should be called with, by what is known."""


def after_error(work: Work, outcome: ToolAnswer, arguments_for: ArgumentsFor) -> Next:
    """Decide what follows from a failed call."""
    right = arguments_for(work, outcome.tool)
    given = outcome.call.arguments if outcome.call else {}
    is_mine = outcome.code not in ("conflict", "rate_limited", "unavailable", "already_cancelled", "already_booked")
    if is_mine and right != given and right not in work.calls_of(outcome.tool):
        changed = sorted(name for name in {*right, *given} if right.get(name) != given.get(name))
        thinking = f"The tool says: {outcome.error} What I sent was wrong in {', '.join(changed)}; I correct that by what is really known."
        return Use(outcome.tool, right, thinking)
    return MEANINGS.get(outcome.code, _give_up)(work, outcome)


def _give_up(work: Work, outcome: ToolAnswer) -> Next:
    note = f"{outcome.tool} failed ({outcome.code or 'error'}): {outcome.error}"
    return Ended("failed", note[:500], "The tool refuses for a reason that I cannot mend here.")


def _ask_which_client(work: Work, outcome: ToolAnswer) -> Next:
    found = re.findall(r"(1\d{4} [^;.()]+?) \(", outcome.error or "")
    lines = "; ".join(f"{n}) client {who}" for n, who in enumerate(found, 1))
    question = f"More than one client is called {work.client}: {lines}. Which one do you mean?"
    return Ended(
        "needs_user",
        f"ambiguous: {work.client} could be {lines}",
        "The name fits several clients; to guess could show one client's data to another.",
        question=question,
    )


def _ask_for_right_id(work: Work, outcome: ToolAnswer) -> Next:
    if outcome.tool == "get_client_preferences":
        question = f"I cannot find {work.client}. Could you check it? A client id has five digits and starts with 1."
    else:
        question = f"I cannot find appointment {work.appointment}. Could you check its id? Ids look like A20017."
    return Ended(
        "needs_user",
        f"not found: {outcome.error}"[:500],
        "What was named does not exist; inventing another id would be wrong.",
        question=question,
    )


def _not_permitted(work: Work, outcome: ToolAnswer) -> Next:
    question = "I can only help with the appointments of the client you are signed in as. Is there anything I can do for you there?"
    return Ended(
        "needs_user", "not permitted for this session", "The session does not act for that client; I try no other ids.", question=question
    )


def _done_already(work: Work, outcome: ToolAnswer) -> Next:
    status = "cancelled" if outcome.code == "already_cancelled" else "booked"
    found = re.search(r"\bA\d{5,9}\b", outcome.error or "")
    facts = dict(work.known.facts) | {"status": f"{status} already"}
    if found:
        facts["appointment_id"] = found[0]
    is_wanted = (work.wish.act == "cancel") == (status == "cancelled")
    note = f"nothing to do: {outcome.error}"[:500]
    if is_wanted:
        return Ended("done", note, "What was asked for is so already; calling again would change nothing.", facts)
    question = f"{outcome.error} Shall I book a new appointment instead?"
    return Ended(
        "needs_user", note, "A cancelled appointment cannot be changed; only the user can say what is wanted now.", question=question
    )


def _conflict(work: Work, outcome: ToolAnswer) -> Next:
    conflicts = [one for one in work.outcomes if one.code == "conflict"]
    start = str(outcome.call.arguments.get("starts_at", "")) if outcome.call else ""
    if not work.is_one_step and len(conflicts) == 1 and "check_availability" in work.conversation.tools:
        thinking = "Somebody else took that time since I looked. I look again and take the next best one, instead of insisting."
        searches = work.calls_of("check_availability")
        if searches:
            return Use("check_availability", searches[-1], thinking)
    note = f"{outcome.tool} failed (conflict): {outcome.error}"
    return Ended("failed", note[:500], "The time that was free a moment ago is taken now.", {"refused": start})


def _passing(work: Work, outcome: ToolAnswer) -> Next:
    note = f"{outcome.tool} failed ({outcome.code}): {outcome.error}"
    return Ended("failed", note[:500], "This may pass by itself; it is no reason to change the plan yet.")


def _ask_other_time(work: Work, outcome: ToolAnswer) -> Next:
    question = f"That is not possible: {outcome.error} Which other day or time would suit?"
    return Ended(
        "needs_user", f"{outcome.code}: {outcome.error}"[:500], "Only the user can say which other time would do.", question=question
    )


MEANINGS: dict[str, Callable[[Work, ToolAnswer], Next]] = {
    "ambiguous": _ask_which_client,
    "not_found": _ask_for_right_id,
    "not_permitted": _not_permitted,
    "already_cancelled": _done_already,
    "already_booked": _done_already,
    "conflict": _conflict,
    "rate_limited": _passing,
    "unavailable": _passing,
    "in_past": _ask_other_time,
    "too_far": _ask_other_time,
    "not_on_grid": _ask_other_time,
    "outside_hours": _ask_other_time,
    "invalid_arguments": _ask_other_time,
    "unknown_time_zone": _ask_other_time,
}
