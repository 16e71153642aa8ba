"""The planner: reads the request, weighs two ways to go about it, and writes three to five steps, or says why there are none."""

import re
from collections.abc import Callable
from typing import Any

from .acting import route_of
from .known import known_of
from .reading import Conversation, Said
from .refusing import refusal
from .when import When
from .wish import Wish, wish_of
from .work import today_of

Step = dict[str, Any]

PICK, PICK_OUT, OFFER, COMPARE = "Pick the appointment", "Pick out", "Choose up to three", "Check what the tool answered"
"""How goals of steps without a tool begin: by these the executor knows what to think about."""


def plan(conversation: Conversation) -> Said:
    """Answer with a Plan."""
    pending = conversation.block_object("pending")
    confirmed = conversation.blocks.get("confirmed", "").strip().lower()
    if pending and confirmed == "yes":
        return _plan_agreed(pending, wish_of(conversation, today_of(conversation)))
    if pending and confirmed == "no":
        return _without_steps(
            "clarify", "All right, I have changed nothing. What would you like instead?", "The user said no to what was pending."
        )
    wish = wish_of(conversation, today_of(conversation))
    no = refusal(wish, conversation)
    if no is not None:
        return _without_steps(no.outcome, no.text, no.because)
    missing = _missing(wish, conversation)
    if missing is not None:
        return _without_steps("clarify", missing[0], missing[1])
    return _proceed(wish)


def _without_steps(action: str, reply: str, because: str) -> Said:
    others = {"clarify": "make a plan anyway", "refuse": "do what was asked", "escalate": "try it without a person"}
    options = [
        {"name": others[action], "because": f"Open, but not right here: {because}"[:500], "score": 0.1},
        {"name": action, "because": because[:500], "score": 0.9},
    ]
    choice = {"question": "How to handle the request?", "options": options, "chosen": action, "because": because[:500]}
    thinking = f"{because} So I {action} instead of planning."
    return Said.of(thinking, {"action": action, "approach": choice, "steps": [], "reply": reply[:590]})


def _missing(wish: Wish, conversation: Conversation) -> tuple[str, str] | None:
    """Return the question to ask first, and why, where the request lacks what nobody but the user knows."""
    if wish.act not in ("book", "search", "move", "cancel", "look_up", "send"):
        return None
    if not wish.client and not wish.appointment and not (wish.act == "send" and known_of(conversation).get("appointment_id")):
        return "For which client is this? A name or a client id would do.", "No client is named, and this session may act for any."
    if wish.act in ("book", "search") and not wish.when.says_day:
        return "When would suit? A day, or several, and morning or afternoon.", "No day is named; to pick one would be to guess."
    if wish.act == "move" and not wish.when.says_day and not wish.when.says_time:
        return (
            "To when shall I move it? A day, and a time if you have one in mind.",
            "It is not said to when the appointment should be moved.",
        )
    return None


def _plan_agreed(pending: dict[str, Any], asked: Wish) -> Said:
    tool, question = str(pending.get("tool")), str(pending.get("question", ""))
    steps = [
        _step(f"Carry out what the user agreed to with {tool}, exactly as it was asked", tool, "The user said yes to exactly this."),
        _step(f"{COMPARE} against what was agreed to", None, "A yes holds for one action only."),
        _step("Gather what the user must know now", None, "The user needs the id and the time."),
    ]
    if asked.send and asked.act in ("book", "move") and tool != "send_confirmation":
        steps.append(_send_too(asked))
    options = [
        {"name": "carry out what was agreed to", "because": f"The user said yes to: {question}"[:500], "score": 0.95},
        {"name": "ask once more", "because": "The answer was clear; asking again would only annoy.", "score": 0.1},
    ]
    choice = {
        "question": "What does the answer mean?",
        "options": options,
        "chosen": options[0]["name"],
        "because": "The answer is a plain yes.",
    }
    return Said.of("The user has agreed to the pending action; nothing about it may change now.", _plan(choice, steps))


def _proceed(wish: Wish) -> Said:
    steps = STEPS[wish.act](wish)
    if wish.send and wish.act in ("book", "move"):
        steps.append(_send_too(wish))
    first, second, because = WAYS[wish.act]
    options = [{"name": first, "because": because, "score": 0.9}, {"name": second[0], "because": second[1], "score": 0.3}]
    choice = {"question": "How to go about it?", "options": options, "chosen": first, "because": because}
    route = " then ".join(route_of(wish.act, send=wish.send)) or "no tool"
    thinking = f"The request is to {_words(wish)}. I could {first}, or {second[0]}. {because} That takes {route}."
    return Said.of(thinking, _plan(choice, steps[:5]))


def _plan(choice: dict[str, Any], steps: list[Step]) -> dict[str, Any]:
    return {"action": "proceed", "approach": choice, "steps": steps, "reply": None}


def _step(goal: str, tool: str | None, because: str) -> Step:
    return {"goal": goal, "tool": tool, "because": because}


def _words(wish: Wish) -> str:
    verb = {"look_up": "look up", "ask_policy": "answer a question about our policies for", "search": "find free times for"}.get(
        wish.act, wish.act
    )
    return f"{verb} {_client(wish)}{_about(wish)}{say_when(wish.when)}".strip()


def _client(wish: Wish) -> str:
    if not wish.client:
        return f"appointment {wish.appointment}" if wish.appointment else "the client"
    return f"client {wish.client}"


def _about(wish: Wish) -> str:
    minutes = f", {wish.minutes} minutes" if wish.minutes else ""
    people = f", with {' and '.join(wish.professionals)}" if wish.professionals else ""
    return minutes + people


def say_when(when: When) -> str:
    """Say days and times so that whoever carries out the step reads the same in them."""
    days = ""
    if when.first and when.last:
        days = f" on {when.first}" if when.first == when.last else f" between {when.first} and {when.last}"
    clock = f" at {when.at:%H:%M}" if when.at else ""
    clock += f" after {when.after:%H:%M}" if when.after else ""
    clock += f" before {when.before:%H:%M}" if when.before else ""
    part = f" in the {when.part}" if when.part != "any" else ""
    return f"{days}{part}{clock}{f' ({when.zone})' if when.zone else ''}"


def _look_up(wish: Wish) -> Step:
    who = _client(wish)
    people = f", for a meeting with {' and '.join(wish.professionals)}" if wish.professionals else ""
    return _step(
        f"Look up {who}: preferences, time zone and appointments{people}",
        "get_client_preferences",
        "Everything else depends on whom it is for.",
    )


def _search(wish: Wish) -> Step:
    goal = f"Find free times for {_client(wish)}{_about(wish)}{say_when(wish.when)}"
    return _step(goal, "check_availability", "Nothing may be promised before it is known to be free.")


def _book(wish: Wish) -> list[Step]:
    purpose = f" about {wish.purpose}" if wish.purpose else ""
    goal = f"Book the best of these times for {_client(wish)}{_about(wish)}{purpose}"
    return [_look_up(wish), _search(wish), _step(goal, "book_appointment", "A time is only had when it is booked.")]


def _pick(wish: Wish) -> Step:
    which = wish.appointment or f"the one{say_when(wish.was) or ' that is meant'}"
    return _step(f"{PICK} of {_client(wish)}: {which}", None, "What is changed must be the right one; it cannot be taken back.")


def _cancel(wish: Wish) -> list[Step]:
    reason = f" because {wish.reason}" if wish.reason else ""
    goal = f"Cancel {wish.appointment or 'the appointment that was picked'} of {_client(wish)}{reason}"
    return [_look_up(wish), _pick(wish), _step(goal, "cancel_appointment", "This is what was asked for; the user is asked to confirm it.")]


def _move(wish: Wish) -> list[Step]:
    moved = wish.appointment or "the appointment that was picked"
    search = f"Find free times to move {moved} of {_client(wish)} to{_about(wish)}{say_when(wish.when)}"
    goal = f"Move {moved} of {_client(wish)} to the best of these times{_about(wish)}"
    return [
        _look_up(wish),
        _pick(wish),
        _step(search, "check_availability", "The new time must be free for the same people."),
        _step(goal, "reschedule_appointment", "Moving keeps the old time until the new one is had."),
    ]


def _find(wish: Wish) -> list[Step]:
    offer = _step(f"{OFFER} of the free times to offer", None, "More than three are a burden to read.")
    return [_look_up(wish), _search(wish), offer]


def _tell(wish: Wish) -> list[Step]:
    return [
        _look_up(wish),
        _step(f"{PICK_OUT} what was asked for", None, "Only that is to be told."),
        _step("Check that nothing in it is another client's", None, "What is not theirs must not be told."),
    ]


def _send_too(wish: Wish) -> Step:
    by = f" by {wish.channel}" if wish.channel else ""
    return _step(f"Send the confirmation of the appointment{by}", "send_confirmation", "The user asked for it.")


def _send(wish: Wish) -> list[Step]:
    by = f" by {wish.channel}" if wish.channel else ""
    which = wish.appointment or "the appointment that was picked"
    goal = f"Send the confirmation of {which} to {_client(wish)}{by}"
    look_up = _look_up(wish) if wish.client else _step("Check that the appointment is named by its id", None, "Only an id is certain.")
    return [look_up, _pick(wish), _step(goal, "send_confirmation", "This is what was asked for.")]


def _explain(wish: Wish) -> list[Step]:
    return [
        _step("Find the policy that answers the question", None, "Only what is written there may be told."),
        _step("Check that it fits the user's case", None, "A rule has its conditions."),
        _step("Put it in a sentence", None, "The user wants an answer, not a document."),
    ]


STEPS: dict[str, Callable[[Wish], list[Step]]] = {
    "book": _book,
    "cancel": _cancel,
    "move": _move,
    "search": _find,
    "look_up": _tell,
    "send": _send,
    "ask_policy": _explain,
}

WAYS: dict[str, tuple[str, tuple[str, str], str]] = {
    "book": (
        "look up, search, then book",
        ("book the first time that is named", "Quicker, but it guesses at preferences and may fail on a time that is taken."),
        "A time is booked only when it is known to be free and to suit the client.",
    ),
    "cancel": (
        "find the appointment, then cancel it",
        ("cancel by what the user said alone", "Quicker, but a wrong id would cancel somebody's meeting for good."),
        "Cancelling cannot be undone, so it must be certain first which appointment is meant.",
    ),
    "move": (
        "find a free time, then move",
        ("cancel it and book anew", "The old time would be gone before the new one is had."),
        "Moving keeps the old time until the new one is certain, and it keeps the appointment's id.",
    ),
    "search": (
        "look up, then search",
        ("search without looking up", "The times would ignore the client's time zone and preferences."),
        "Free times are only useful on the client's own clock.",
    ),
    "look_up": (
        "look the client up",
        ("answer from what was said before", "It may have changed since."),
        "The look-up is always right and changes nothing.",
    ),
    "send": (
        "make sure which appointment, then send",
        ("send for the latest appointment", "It may be the wrong one, and a message cannot be taken back."),
        "A message cannot be taken back, so the appointment must be certain.",
    ),
    "ask_policy": (
        "answer from the written policy",
        ("answer from general knowledge", "It would be made up."),
        "Only what the firm has written down may be told.",
    ),
}


def read_goal(goal: str) -> str:
    """Return a goal's words without what only describes it, so that they read as a request."""
    return re.sub(r": preferences, time zone and appointments|the best of these times|that (?:was picked|is meant)", "", goal)
