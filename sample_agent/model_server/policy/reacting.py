"""The roles that answer the user themselves: the reason-and-act loop, the orchestrator of specialists, and the responder."""

from typing import Any

from .acting import go_on, route_of, which_appointment
from .executor import FOUND, LISTED, best_document
from .known import known_of, notes_of_this_run
from .planner import say_when
from .reading import Conversation, Said
from .refusing import Refusal, refusal
from .saying import likes, moment, one_of, report
from .wish import Wish, wish_of
from .work import Ended, Next, Use, Work, today_of, work_on

CLOSINGS = ("Is there anything else?", "Let me know if anything should change.", "Have a good day.")


def react(conversation: Conversation, seed: int) -> Said:
    """Answer a turn of the reason-and-act loop: one tool call, or a Reply."""
    wish = wish_of(conversation, today_of(conversation))
    early = _without_tools(wish, conversation)
    if early is not None:
        return early
    work = work_on(conversation, wish, route_of(wish.act, send=wish.send))
    move = go_on(work)
    if isinstance(move, Ended) and move.choice and move.facts.get("appointment_id") and move.status == "done" and not _has_acted(work):
        work.known.facts |= move.facts
        move = go_on(work)
    return _answer(move, work, seed)


def _has_acted(work: Work) -> bool:
    return (
        any(work.did(tool) for tool in work.route if tool not in ("get_client_preferences", "check_availability"))
        or work.wish.act == "look_up"
    )


def _without_tools(wish: Wish, conversation: Conversation) -> Said | None:
    """Answer what needs no tool: no to what was pending, refusals, questions about policies."""
    pending, confirmed = conversation.block_object("pending"), conversation.blocks.get("confirmed", "").strip().lower()
    if pending and confirmed == "yes":
        return None
    if pending and confirmed == "no":
        return _reply("done", "All right, I have changed nothing. Is there anything else?", "The user said no.", {})
    no: Refusal | None = refusal(wish, conversation)
    if no is not None:
        return _reply(no.outcome, no.text, no.because, {})
    if wish.act == "ask_policy":
        found = best_document(conversation)
        if found is None:
            return _reply(
                "clarify",
                "I find nothing written about that. Shall I pass the question on?",
                "No policy that I was shown speaks of it.",
                {},
            )
        return _reply("done", found.partition(": ")[2] or found, "This is what our policy says.", {})
    if not wish.client and not wish.appointment:
        return _reply(
            "clarify", "For which client is this? A name or a client id would do.", "No client is named, and I may act for any.", {}
        )
    return None


def _answer(move: Next, work: Work, seed: int) -> Said:
    if isinstance(move, Use):
        return Said(move.thinking, "", ((move.tool, move.arguments),))
    ids = {name: move.facts[name] for name in ("client_id", "appointment_id") if move.facts.get(name)}
    if move.status == "needs_user":
        return _reply("clarify", move.question or move.note, move.thinking or move.note, ids)
    if move.status == "failed":
        if move.facts.get("question"):
            return _reply("clarify", move.facts["question"], move.thinking, ids)
        text = "I could not settle this by myself, so I am passing it on to a colleague with everything that was done so far."
        return _reply("escalate", text, move.note, ids)
    return _reply("done", _told(move.facts | work.known.facts, work, seed), f"The request is met: {move.note}", ids)


def _told(facts: dict[str, str], work: Work, seed: int) -> str:
    said = report(facts)
    if not said and work.wish.act == "search":
        said = _offered(facts)
    if not said:
        said = _list_appointments(work, facts)
    return f"{said} {one_of(CLOSINGS, seed, said)}"


def _offered(facts: dict[str, str]) -> str:
    times = [facts[name] for name in ("times_1", "times_2", "times_3") if facts.get(name)]
    zone = f" ({facts['time_zone']})" if facts.get("time_zone") else ""
    return f"Free are: {'; '.join(f'{n}) {time}{zone}' for n, time in enumerate(times, 1))}. Which one shall I book?"


def _list_appointments(work: Work, facts: dict[str, str]) -> str:
    lines = [f"{one['appointment_id']} on {moment(str(one['starts_at']), facts.get('time_zone'))}" for one in (work.known.upcoming or [])]
    listed = f"Upcoming: {'; '.join(lines)}." if lines else "There are no upcoming appointments."
    return f"{likes(facts)} {listed}"


def _reply(outcome: str, text: str, because: str, facts: dict[str, str], thinking: str = "") -> Said:
    data = {"outcome": outcome, "text": text[:1900], "because": (because or text)[:590], "facts": facts}
    return Said.of(thinking or because, data)


def orchestrate(conversation: Conversation, seed: int) -> Said:
    """Answer a turn of the orchestrator: hand one task to a specialist, or a Reply."""
    last = conversation.outcomes[-1] if conversation.outcomes else None
    if last is not None and last.data.get("status") in ("needs_user", "failed"):
        return _pass_on(last.data)
    wish = wish_of(conversation, today_of(conversation))
    early = _without_tools(wish, conversation) if last is None else None
    if early is not None:
        return early
    work = work_on(conversation, wish, ())
    handed = _next_task(work)
    if isinstance(handed, tuple):
        to, task, because = handed
        return Said(because, "", ((f"transfer_to_{to}_specialist", {"task": task, "because": because}),))
    return _answer(handed, work, seed)


def _pass_on(outcome: dict[str, Any]) -> Said:
    facts = {str(name): str(value) for name, value in (outcome.get("facts") or {}).items()}
    question = outcome.get("question") or facts.get("question")
    ids = {name: facts[name] for name in ("client_id", "appointment_id") if facts.get(name)}
    if question:
        return _reply("clarify", str(question), f"The specialist needs an answer of the user: {outcome.get('note')}", ids)
    text = "I could not settle this by myself, so I am passing it on to a colleague with everything that was done so far."
    return _reply("escalate", text, f"The specialist could not do it: {outcome.get('note')}", ids)


HandOver = tuple[str, str, str]
"""To whom, what, why."""


def _next_task(work: Work) -> HandOver | Ended:
    pending = work.conversation.block_object("pending")
    known, wish = work.known, work.wish
    handed = [outcome.tool for outcome in work.outcomes]
    if pending and work.is_agreed:
        return _hand_agreed(str(pending.get("tool")), work) if not handed else _send_or_end(work, handed)
    is_known = bool(known.get("time_zone")) and (wish.act in ("book", "search") or known.upcoming is not None)
    if not is_known and "transfer_to_client_specialist" not in handed and work.client:
        because = "Whom it is for, their time zone and their preferences come first, and the client specialist knows them."
        people = f", for a meeting with {' and '.join(wish.professionals)}" if wish.professionals else ""
        return "client", f"Look up client {work.client}: preferences, time zone and appointments{people}", because
    if wish.act in ("look_up", "send") or "transfer_to_calendar_specialist" in handed:
        return _send_or_end(work, handed)
    return _calendar_task(work)


def _hand_agreed(tool: str, work: Work) -> HandOver:
    to = "client" if tool in ("send_confirmation", "get_client_preferences") else "calendar"
    return (
        to,
        f"Carry out what the user agreed to with {tool}, exactly as it was asked",
        "The user agreed to this, and it is this specialist's.",
    )


def _calendar_task(work: Work) -> HandOver | Ended:
    known, wish = work.known, work.wish
    who = f"client {work.client_id or work.client}"
    if wish.act in ("cancel", "move") and not wish.appointment:
        picked = which_appointment(work)
        if picked.status != "done":
            return picked
        known.facts |= picked.facts
    appointment = wish.appointment or known.get("appointment_id")
    when, minutes = say_when(wish.when), f"{work.minutes} minutes"
    people = f" with {' and '.join(known.ids_of(wish.professionals) or wish.professionals)}" if wish.professionals else ""
    told = _what_is_known(work)
    match wish.act:
        case "cancel":
            reason = f" because {wish.reason}" if wish.reason else ""
            return (
                "calendar",
                f"Cancel appointment {appointment} of {who}{reason}",
                f"{appointment} is the one that is meant; the calendar is to be changed.",
            )
        case "move":
            task = f"Move appointment {appointment} of {who} to{when}. It takes {minutes}, which is with {', '.join(work.people)}. {told}"
            return (
                "calendar",
                task,
                "It is known which appointment and to when; finding and taking a free time is the calendar specialist's.",
            )
        case "search":
            return "calendar", f"Find free times for {who}, {minutes}{when}{people}. {told}", "Only the calendar tells what is free."
    purpose = f" about {wish.purpose}" if wish.purpose else ""
    return (
        "calendar",
        f"Book {minutes} for {who}{when}{people}{purpose}. {told}",
        "The client is known; to find a free time and book it is the calendar specialist's.",
    )


def _what_is_known(work: Work) -> str:
    known = work.known
    part = known.get("preferred_part_of_day")
    likes = [known.get("preferred_professional_id"), f"{part}s" if part in ("morning", "afternoon") else None]
    wishes = f" The client prefers {' and '.join(one for one in likes if one)}." if any(likes) else ""
    return f"The client's time zone is {known.get('time_zone')}.{wishes}"


def _send_or_end(work: Work, handed: list[str]) -> HandOver | Ended:
    known, wish = work.known, work.wish
    has_sent = bool(known.get("message_id")) or handed[-2:] == ["transfer_to_client_specialist"] * 2
    if wish.send and wish.act in ("book", "move", "send") and not has_sent:
        appointment = wish.appointment or known.get("appointment_id")
        if appointment is None:
            picked = which_appointment(work)
            if picked.status != "done":
                return picked
            appointment = picked.facts["appointment_id"]
        by = f" by {wish.channel}" if wish.channel else ""
        return (
            "client",
            f"Send the confirmation of appointment {appointment}{by}",
            "A confirmation was asked for, and messages are the client specialist's.",
        )
    return Ended("done", "the specialists have done all that was asked", "", known.facts)


def respond(conversation: Conversation, seed: int) -> Said:
    """Answer with the Reply that tells how a plan ended."""
    outcome = conversation.block_object("outcome")
    known = known_of(conversation)
    said = report(known.facts) or _from_notes(conversation, known.facts)
    status = "partial" if outcome.get("status") == "partial" else "done"
    if status == "partial":
        said = f"{said} One thing could not be done: {str(outcome.get('because', '')).removeprefix('left out: ')}."
    ids = {name: known.facts[name] for name in ("client_id", "appointment_id") if known.get(name)}
    thinking = f"The notes say what was done; I tell that and nothing else. The request ended as {status}."
    return _reply(status, f"{said} {one_of(CLOSINGS, seed, said)}", str(outcome.get("because") or "all steps are done"), ids, thinking)


def _from_notes(conversation: Conversation, facts: dict[str, str]) -> str:
    notes = [str(note.get("note", "")) for note in notes_of_this_run(conversation) if note.get("status") == "done"]
    for note in notes:
        if note.startswith(FOUND):
            return note.removeprefix(FOUND).partition(": ")[2]
        if note.startswith(LISTED):
            return f"{likes(facts)} Upcoming appointments: {note.removeprefix(LISTED)}."
    if facts.get("times_1"):
        return _offered(facts)
    return f"That is done: {notes[-1]}." if notes else "That is done."
