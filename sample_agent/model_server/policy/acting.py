"""What to do next: which tool comes first that has not done its work, with which arguments, and what its answer means."""

from datetime import date, timedelta
from typing import Any

from .errors import after_error
from .facts import facts_after
from .reading import ToolAnswer
from .saying import moment, numbered
from .slots import Slot, choice_between, fitting, offer, read_slots
from .work import Ended, Next, Use, Work

ROUTES: dict[str, tuple[str, ...]] = {
    "book": ("get_client_preferences", "check_availability", "book_appointment"),
    "cancel": ("get_client_preferences", "cancel_appointment"),
    "move": ("get_client_preferences", "check_availability", "reschedule_appointment"),
    "search": ("get_client_preferences", "check_availability"),
    "look_up": ("get_client_preferences",),
    "send": ("get_client_preferences", "send_confirmation"),
}
"""Which tools a request needs, in order."""

MOST_SEARCHES = 4


def route_of(act: str, *, send: bool) -> tuple[str, ...]:
    """Return the tools that a request needs; a confirmation comes last where one was asked for."""
    route = ROUTES.get(act, ())
    return (*route, "send_confirmation") if send and act in ("book", "move") else route


def go_on(work: Work) -> Next:
    """Decide the next move."""
    agreed = _carry_out_agreed(work)
    if agreed is not None:
        return agreed
    if work.outcomes and work.outcomes[-1].error is not None:
        _weigh_search(work)  # what was found before stays found: a corrected call needs it
        return after_error(work, work.outcomes[-1], arguments_for)
    searched = _weigh_search(work)
    if searched is not None:
        return searched
    wrong = _contradiction(work)
    if wrong is not None:
        return wrong
    for tool in work.route:
        if not _is_satisfied(work, tool):
            return _use(work, tool)
    return _finish(work)


def _carry_out_agreed(work: Work) -> Next | None:
    """Do exactly what the user agreed to, before anything else."""
    pending = work.conversation.block_object("pending")
    tool, arguments = str(pending.get("tool") or ""), pending.get("arguments")
    if not tool or not work.is_agreed or not isinstance(arguments, dict):
        return None
    if work.is_one_step and work.route != (tool,):
        return None
    if tool in work.conversation.tools and not work.outcomes:
        return Use(tool, arguments, f"The user agreed to this. I carry out {tool} with exactly the arguments that were agreed to.")
    if not work.did(tool):
        return None
    sends = work.wish.send and work.wish.act in ("book", "move") and "send_confirmation" in work.conversation.tools
    if sends and not work.is_one_step and not work.did("send_confirmation"):
        return _use(work, "send_confirmation")
    return _finish(work)


def _weigh_search(work: Work) -> Next | None:
    """Take in the last search: choose a time, look further, or offer others."""
    last = next((outcome for outcome in reversed(work.outcomes) if outcome.tool == "check_availability" and outcome.error is None), None)
    if last is None or work.did("book_appointment") or work.did("reschedule_appointment"):
        return None
    if work.people and work.known.ids_of(work.people) is None:
        return _unknown_people(work)
    weighed = fitting(read_slots(last.data), work.taste(), work.known.refused)
    if weighed:
        best = weighed[0].slot
        work.choice = choice_between(weighed)
        ids = work.taste().people or best.ids
        work.known.facts |= {
            "starts_at": best.starts_at.isoformat(),
            "professional_ids": ", ".join(ids),
            "professional_names": ", ".join(work.known.people.get(one, one) for one in ids),
            "time_zone": str(last.data.get("time_zone") or work.known.get("time_zone") or ""),
            "duration_minutes": str(work.minutes),
            **{f"times_{n}": one.slot.label for n, one in enumerate(weighed[:3], 1)},
        }
        return None
    return _search_on(work, last) if work.outcomes[-1] is last else None


def _unknown_people(work: Work) -> Next:
    known = ", ".join(sorted(set(work.known.people.values()))) or "nobody yet"
    question = f"I could not find {' and '.join(work.people)} among our professionals (I know {known}). With whom should the meeting be?"
    return Ended(
        "needs_user", "the professional named is not known", "No tool showed anybody of that name, and I do not guess.", question=question
    )


def _search_on(work: Work, last: ToolAnswer) -> Next:
    """Nothing fits: turn the page, search wider once or twice, then offer what there is."""
    data, arguments = last.data, dict(last.call.arguments) if last.call else {}
    searches = len(work.calls_of("check_availability"))
    page, pages = int(data.get("page") or 1), int(data.get("pages") or 1)
    if searches < MOST_SEARCHES:
        if page < pages and (work.wish.when.says_time or work.taste().people):
            return Use(
                "check_availability",
                arguments | {"page": page + 1},
                f"Nothing on page {page} of {pages} fits what was asked for; I turn the page.",
            )
        wider = _wider(arguments)
        if wider is not None and not read_slots(data):
            return Use(
                "check_availability", wider, f"Nothing is free there. {_why_wider(arguments)} so that I can at least offer something."
            )
    slots = offer(read_slots(data), work.wish.when, work.known.refused)
    return _offer_others(work, slots, str(data.get("time_zone") or ""))


def _wider(arguments: dict[str, Any]) -> dict[str, Any] | None:
    if arguments.get("part_of_day", "any") != "any":
        return {name: value for name, value in arguments.items() if name not in ("part_of_day", "page")}
    try:
        latest = date.fromisoformat(str(arguments["latest"]))
        days = {"earliest": (latest + timedelta(days=1)).isoformat(), "latest": (latest + timedelta(days=7)).isoformat()}
    except (KeyError, ValueError, OverflowError):  # the calendar of computers ends in the year 9999
        return None
    return {name: value for name, value in arguments.items() if name != "page"} | days


def _why_wider(arguments: dict[str, Any]) -> str:
    if arguments.get("part_of_day", "any") != "any":
        return "I look at the whole day,"
    return "I look at the week after,"


def _offer_others(work: Work, slots: list[Slot], zone: str) -> Ended:
    asked = work.wish.when.at.strftime("%H:%M") if work.wish.when.at else "the time asked for"
    if not slots:
        text = f"I found nothing free for {work.minutes} minutes around {asked}, nor in the week after. Which other days would suit?"
        return Ended("failed", "no_time: nothing is free, also not in the week after", "There is nothing to offer.", {"question": text})
    text = f"{asked[:1].upper()}{asked[1:]} is not free. I could offer: {numbered(slots, zone)}. Which one shall I take?"
    facts = {"question": text, "alternatives": numbered(slots, zone)}
    thinking = "What was asked for is not free. To take another time unasked would be to decide for the client, so I offer the nearest."
    return Ended("failed", f"no_time: {asked} is not free; the nearest free times are {numbered(slots, zone)}", thinking, facts)


def _contradiction(work: Work) -> Ended | None:
    """Notice where a tool says it did something else than it was asked to."""
    last = work.outcomes[-1] if work.outcomes else None
    if last is None or last.call is None or last.tool not in ("book_appointment", "reschedule_appointment", "cancel_appointment"):
        return None
    for name in ("client_id", "appointment_id"):
        asked, got = last.call.arguments.get(name), last.data.get(name)
        if asked and got and asked != got:
            note = f"contradiction: {last.tool} was asked about {asked} and answered about {got}"
            return Ended("failed", note, "The answer contradicts the request. I must not report this as done; a person has to look at it.")
    return None


def _is_satisfied(work: Work, tool: str) -> bool:
    if work.did(tool):
        return True
    if work.is_one_step:
        return False
    if tool == "get_client_preferences":
        needs_list = work.wish.act in ("cancel", "move", "look_up", "send") and not work.wish.appointment
        is_same = work.client in (None, work.known.get("client_id"), work.known.get("client_name"))
        if work.wish.appointment and not work.client:
            return True
        return bool(work.known.get("time_zone")) and is_same and not needs_list
    if tool == "check_availability":
        return bool(work.known.get("starts_at")) and work.wish.act != "search"
    return False


def _use(work: Work, tool: str) -> Next:
    if tool in ("cancel_appointment", "reschedule_appointment", "send_confirmation") and work.appointment is None:
        return which_appointment(work)
    if tool == "check_availability" and work.wish.act == "move" and work.appointment is None:
        return which_appointment(work)
    if tool == "get_client_preferences" and not work.client:
        return Ended(
            "needs_user", "no client was named", "Without a client I can look nobody up.", question="For which client is this, please?"
        )
    if tool == "check_availability" and not work.wish.when.says_day:
        question = "Which day, or which days, would suit?"
        return Ended("needs_user", "no day was named", "Without a day I would have to guess one.", question=question)
    if tool in ("book_appointment", "reschedule_appointment") and not work.known.get("starts_at"):
        return Ended("failed", "no_time: no free time was chosen before", "There is no time that a tool confirmed as free.")
    arguments = arguments_for(work, tool)
    return Use(tool, arguments, _why(work, tool))


def which_appointment(work: Work) -> Ended:
    """Name the appointment that is meant with the others it was chosen from, or ask."""
    upcoming, meant = work.known.upcoming or [], work.appointments_meant()
    zone = work.known.get("time_zone")
    if not upcoming:
        question = "I find no upcoming appointment for this client. Which one do you mean? Its id looks like A20017."
        return Ended(
            "needs_user", "the client has no upcoming appointment", "The look-up lists none, and I do not guess ids.", question=question
        )
    if len(meant) == 1:
        return _only_one(work, meant[0], upcoming)
    shown = meant or upcoming
    lines = "; ".join(f"{n}) {one['appointment_id']} on {moment(str(one['starts_at']), zone)}" for n, one in enumerate(shown, 1))
    asked = "Several appointments could be meant" if meant else "No appointment is at that time"
    thinking = f"{asked}: {lines}. Taking one of them would be a guess, and this cannot be undone."
    return Ended("needs_user", f"{asked.lower()}: {lines}", thinking, question=f"{asked}: {lines}. Which one?")


def _only_one(work: Work, meant: dict[str, Any], upcoming: list[dict[str, Any]]) -> Ended:
    zone, chosen = work.known.get("time_zone"), str(meant["appointment_id"])
    options = [
        {
            "name": str(one["appointment_id"]),
            "because": f"On {moment(str(one['starts_at']), zone)}: {'this fits' if one is meant else 'this does not fit'} what was said.",
            "score": 1.0 if one is meant else 0.0,
        }
        for one in upcoming
    ]
    because = "It is the only one that fits what was said." if len(upcoming) > 1 else "It is the client's only upcoming appointment."
    choice = {"question": "Which appointment is meant?", "options": options, "chosen": chosen, "because": because}
    facts = {
        "appointment_id": chosen,
        "moving_with": ", ".join(str(one) for one in meant.get("professional_ids") or ()),
        "moving_minutes": str(meant.get("duration_minutes") or 30),
    }
    note = f"{chosen} on {moment(str(meant['starts_at']), zone)} is meant"
    return Ended("done", note, because, facts, choice if len(options) > 1 else None)


def _why(work: Work, tool: str) -> str:
    """Say why this tool comes now."""
    match tool:
        case "get_client_preferences":
            return f"I need {work.client}'s id, time zone, preferences and appointments before anything else; the look-up changes nothing."
        case "check_availability":
            return "Before I promise a time I must know that it is free: to book first and see what happens would be guessing."
        case "book_appointment":
            reason = work.choice["because"] if work.choice else "It is the time that was found."
            return f"I take {moment(work.known.get('starts_at') or '', work.known.get('time_zone'))}. {reason} Nothing is missing: I book."
        case "reschedule_appointment":
            return "The new time is free for the same people. Moving keeps the old time until the new one is had; cancelling would not."
        case "cancel_appointment":
            return f"{work.appointment} is the one that is meant. Cancelling cannot be undone, so the tool will have the user asked first."
    return f"A confirmation of {work.appointment} was asked for; the tool sends it to the address on file."


def arguments_for(work: Work, tool: str) -> dict[str, Any]:
    """Return the arguments of a tool, from the wish and what is known; what is not known is left out, never made up."""
    known, wish = work.known, work.wish
    people = known.ids_of(work.people) or []
    match tool:
        case "get_client_preferences":
            found: dict[str, Any] = {"client": work.client}
        case "check_availability":
            found = {"client_id": work.client_id, **_days(work), "duration_minutes": work.minutes}
            found |= {"professional_ids": people or None, "part_of_day": _part(work), "time_zone": wish.when.zone}
        case "book_appointment":
            ids = (known.get("professional_ids") or "").split(", ")
            found = {"client_id": work.client_id, "professional_ids": ids, "starts_at": known.get("starts_at")}
            found |= {"duration_minutes": work.minutes, "purpose": wish.purpose or None}
        case "cancel_appointment":
            found = {"appointment_id": work.appointment, "reason": wish.reason or None}
        case "reschedule_appointment":
            found = {"appointment_id": work.appointment, "starts_at": known.get("starts_at"), "duration_minutes": wish.minutes}
        case _:
            found = {"appointment_id": work.appointment, "channel": wish.channel}
    return {name: value for name, value in found.items() if value is not None}


def _days(work: Work) -> dict[str, str]:
    first = work.wish.when.first or work.today
    last = work.wish.when.last or first + timedelta(days=6)
    return {"earliest": first.isoformat(), "latest": last.isoformat()}


def _part(work: Work) -> str | None:
    when = work.wish.when
    part = when.part
    if part == "any" and when.at:
        part = "morning" if when.at.hour < 12 else "afternoon"
    if part == "any" and not when.says_time and work.known.get("preferred_part_of_day") in ("morning", "afternoon"):
        return work.known.get("preferred_part_of_day")
    return part if part != "any" else None


def _finish(work: Work) -> Ended:
    """Say what was done, with the facts that later steps need."""
    facts = dict(work.known.facts)
    last = work.outcomes[-1].tool if work.outcomes else ""
    zone = work.known.get("time_zone")
    if last == "get_client_preferences":
        who = f"{facts.get('client_name', 'The client')} is {facts.get('client_id', 'found')}"
        note = f"{who}, time zone {zone}, {facts.get('upcoming_total', '0')} upcoming appointments"
    elif last == "check_availability":
        best = f"{moment(facts.get('starts_at', ''), zone)} with {facts.get('professional_names', '')}"
        note = f"{facts.get('times_found', 'several')} times are free, the best is {best}"
    elif last == "send_confirmation":
        note = f"confirmation of {facts.get('appointment_id')} sent by {facts.get('channel')}"
    else:
        note = f"{facts.get('appointment_id', 'it')} is {facts.get('status', 'done')}: {moment(facts.get('starts_at', ''), zone)}"
    if work.wish.professionals:
        facts["people"] = ", ".join(
            f"{one} {work.known.people[one]}" for one in work.known.ids_of(work.people) or () if one in work.known.people
        )
    kept = facts_after(last, facts, work.known.upcoming or []) if last else facts
    return Ended("done", note, f"That is done: {note}.", kept, work.choice)
