"""The executor and the specialists: carry one step or task out with the tools offered, and report its outcome."""

import re
from dataclasses import replace
from typing import Any

from .acting import go_on, route_of, which_appointment
from .facts import read_moment
from .planner import COMPARE, OFFER, PICK, PICK_OUT, read_goal
from .reading import Conversation, Said
from .saying import moment
from .wish import Wish, fill, read_wish, wish_of
from .work import Ended, Next, Use, Work, today_of, work_on

MOST_NOTE = 590
FOUND = "found: "
LISTED = "upcoming appointments: "


def carry_out(conversation: Conversation) -> Said:
    """Answer an executor's step: one tool call, or a StepOutcome."""
    step = conversation.block_object("step")
    goal, tool = str(step.get("goal", "")), step.get("tool")
    wish = wish_of_step(conversation, goal, tool)
    work = work_on(conversation, wish, (tool,) if isinstance(tool, str) else (), is_one_step=True)
    return answer_with(go_on(work) if work.route else _think(work, goal))


def specialise(conversation: Conversation) -> Said:
    """Answer a specialist's task: a tool call, or a StepOutcome."""
    today = today_of(conversation)
    task = conversation.blocks.get("task", conversation.words)
    # What an orchestrator knows of the client is no part of the wish.
    wish = read_wish(re.sub(r" It takes \d+ minutes.*| The client's time zone is .*", "", task, flags=re.DOTALL), today)
    offered = set(conversation.tools)
    route = tuple(tool for tool in route_of(wish.act, send=wish.send) if tool in offered)
    work = work_on(conversation, wish, route)
    _told_in_task(work)
    if not route and not conversation.block_object("pending"):
        return answer_with(Ended("failed", "none of my tools can do this", "The task is not mine: I have no tool for it."))
    return answer_with(go_on(work))


def wish_of_step(conversation: Conversation, goal: str, tool: Any) -> Wish:
    """Read what a step wants: its goal first, for it has all that the planner knew, then the user's own words."""
    today = today_of(conversation)
    said = wish_of(conversation, today)
    meant = read_wish(read_goal(goal), today)
    acts = {"book_appointment": "book", "cancel_appointment": "cancel", "reschedule_appointment": "move", "send_confirmation": "send"}
    act = acts.get(str(tool)) or (said.act if said.act in ("move", "cancel", "book", "send") else meant.act)
    if re.search(r"\b(?:to move|Move)\b", goal):
        act = "move"
        meant = replace(meant, when=meant.when if meant.when.says_day else meant.was)
    if goal.startswith((PICK, PICK_OUT)):
        meant = replace(meant, was=meant.when if meant.when.says_day or meant.when.says_time else said.was)
    wish = fill(replace(meant, act="unclear"), said)
    return replace(wish, act=act, send=said.send)  # type: ignore[arg-type]  # an act all the same


def _told_in_task(work: Work) -> None:
    """Take in what an orchestrator says in the task and a specialist could not know otherwise."""
    text = work.conversation.blocks.get("task", "")
    for name, pattern in (
        ("time_zone", r"client's time zone is ([\w/]+)"),
        ("preferred_professional_id", r"prefers (P\d{2})"),
        ("preferred_part_of_day", r"prefers (?:P\d{2} and )?(mornings|afternoons)"),
        ("moving_with", r"which is with ((?:P\d{2}(?:, )?)+)"),
        ("moving_minutes", r"takes (\d+) minutes"),
    ):
        found = re.search(pattern, text)
        if found:
            work.known.facts.setdefault(name, found[1].removesuffix("s") if name == "preferred_part_of_day" else found[1])
    if work.wish.client and work.known.get("time_zone"):
        work.known.facts.setdefault("client_id", work.wish.client)


def _think(work: Work, goal: str) -> Next:
    """Do a step that needs no tool."""
    facts = work.known.facts
    if goal.startswith(PICK):
        return _pick(work)
    if "policy" in goal or work.wish.act == "ask_policy":
        return _policy(work)
    if goal.startswith(OFFER):
        times = {name: facts[name] for name in ("times_1", "times_2", "times_3", "time_zone") if facts.get(name)}
        return Ended("done", f"to offer: {'; '.join(times.values()) or 'nothing'}", "The first ones fit best.", times)
    if goal.startswith(PICK_OUT):
        lines = "; ".join(_line(one, facts.get("time_zone")) for one in (work.known.upcoming or [])) or "none"
        return Ended("done", f"{LISTED}{lines}", "The user asked for what the look-up lists.")
    if goal.startswith(COMPARE):
        return Ended(
            "done",
            f"as agreed: {facts.get('appointment_id', 'it')} is {facts.get('status', 'done')}",
            "The answer names what was agreed to.",
        )
    note = f"nothing speaks against it: {facts.get('client_name') or facts.get('client_id') or 'the request'} stays as asked"
    return Ended("done", note, "I went through the notes and found no contradiction.")


def _line(one: dict[str, Any], zone: str | None) -> str:
    minutes = f", {one['duration_minutes']} minutes" if one.get("duration_minutes") else ""
    return f"{one.get('appointment_id')} on {moment(str(one.get('starts_at')), zone)}{minutes}"


def _pick(work: Work) -> Ended:
    named = work.wish.appointment
    listed = next((one for one in (work.known.upcoming or []) if one.get("appointment_id") == named), None)
    if named is None:
        return which_appointment(work)
    if listed is None:
        return Ended(
            "done",
            f"{named} was named, though it is not among the next appointments",
            "Its id was named; the tool will say whether it is.",
            {"appointment_id": named},
        )
    work.known.facts["appointment_id"] = named
    start = read_moment(str(listed["starts_at"]))
    note = f"{named} it is: {moment(start.isoformat() if start else '', work.known.get('time_zone'))}"
    facts = {"appointment_id": named, "moving_with": ", ".join(listed.get("professional_ids") or ())}
    return Ended(
        "done",
        note,
        "It was named by its id, and the client has it.",
        facts | {"moving_minutes": str(listed.get("duration_minutes") or 30)},
    )


def _policy(work: Work) -> Ended:
    found = best_document(work.conversation)
    if found is None:
        question = "I find nothing written about that. Shall I pass the question on to our front desk?"
        return Ended("needs_user", "no policy speaks of it", "I must not make a rule up.", question=question)
    return Ended("done", f"{FOUND}{found[:380]}", "It is the one that shares most words with the question.")


def best_document(conversation: Conversation) -> str | None:
    """Return the remembered text that shares most words with the question; None where none shares any."""
    asked = _content(conversation.words)
    documents = [str(one.get("text", "")) for one in conversation.memory if str(one.get("id", "")).startswith("policy")]
    best = max(documents, key=lambda text: len(asked & _content(text)), default=None)
    return best if best and asked & _content(best) else None


def _content(text: str) -> set[str]:
    return {word[:6] for word in re.findall(r"[a-z]{4,}", text.lower())} - {"what", "when", "appoin", "with", "your", "have", "does"}


def answer_with(move: Next) -> Said:
    """Return a move as a StepOutcome, or as the tool call that it is."""
    if isinstance(move, Use):
        return Said(move.thinking, "", ((move.tool, move.arguments),))
    facts = {name: value for name, value in move.facts.items() if value}
    data = {"status": move.status, "note": move.note[:MOST_NOTE], "facts": facts, "choice": move.choice, "question": None}
    if move.status == "needs_user":
        data["question"] = (move.question or move.note)[:MOST_NOTE]
    return Said.of(move.thinking, data)
