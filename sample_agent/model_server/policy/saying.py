"""Words for people: times, offers, and how a request ended."""

import re
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

from .slots import Slot

Facts = dict[str, str]


def moment(iso: str, zone: str | None) -> str:
    """Say a time: ``Thursday 5 March 2026 at 14:00 (Europe/London)``; the text itself where it is none."""
    try:
        start = datetime.fromisoformat(iso)
    except ValueError:
        return iso
    return f"{start:%A} {start.day} {start:%B %Y} at {start:%H:%M}{f' ({zone})' if zone else ''}"


def numbered(slots: Sequence[Slot], zone: str | None) -> str:
    """List free times so that "the second one" can be said of them."""
    lines = [
        f"{n}) {moment(slot.starts_at.isoformat(), zone)} with {' and '.join(slot.names or slot.ids)}" for n, slot in enumerate(slots, 1)
    ]
    return "; ".join(lines)


def report(facts: Facts) -> str:
    """Say in one or two sentences what was done, by the facts alone."""
    when = moment(facts.get("starts_at", ""), facts.get("time_zone"))
    who, names, appointment = facts.get("client_name", "the client"), facts.get("professional_names", ""), facts.get("appointment_id", "")
    with_whom = f" with {names}" if names else ""
    minutes = f", {facts['duration_minutes']} minutes" if facts.get("duration_minutes") else ""
    match facts.get("status"):
        case "booked":
            said = f"Booked for {who}: {when}{minutes}{with_whom}. The appointment's id is {appointment}."
        case "moved":
            said = f"Moved appointment {appointment} of {who}: it is now on {when}{minutes}{with_whom}."
            if facts.get("moved_from"):
                said += f" Before it was on {moment(facts['moved_from'], facts.get('time_zone'))}."
        case "cancelled":
            said = f"Appointment {appointment} of {who} is cancelled{f' (it was on {when})' if facts.get('starts_at') else ''}."
        case "cancelled already" | "booked already" as status:
            said = f"Appointment {appointment} of {who} is {status}, so there was nothing to do."
        case _:
            said = ""
    if facts.get("message_id"):
        where = f"by {facts.get('channel', 'message')} to {facts.get('recipient', 'the address on file')}"
        said += f" The confirmation of {appointment} was sent {where}."
    return said.strip()


def likes(facts: Facts) -> str:
    """Say what a client prefers."""
    part, who, channel = (facts.get(f"preferred_{name}") for name in ("part_of_day", "professional_id", "channel"))
    wishes = [f"the {part}" if part in ("morning", "afternoon") else "any time of day", f"meetings with {who}" if who else ""]
    wishes.append(f"messages by {channel}" if channel else "")
    return f"{facts.get('client_name', 'The client')} prefers {', '.join(one for one in wishes if one)}."


def one_of(phrases: Sequence[str], seed: int, about: str) -> str:
    """Pick a phrase, the same for the same seed and matter: models do not always say the same in the same words."""
    return phrases[sha256(f"{seed}{about}".encode()).digest()[0] % len(phrases)]


def sentences(text: str) -> list[str]:
    """Cut a text into sentences."""
    return [one.strip() for one in re.split(r"(?<=[.!?])\s+|\n+", text) if one.strip()]
