"""Facts as notes can hold them: at most eight, each short, in plain names. What does not fit is not carried on."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

Facts = dict[str, str]

MOST = 8
PER_LINE = 2
"""How many appointments stand in one fact."""

CLIENT = ("client_id", "client_name", "time_zone", "preferred_professional_id", "preferred_part_of_day", "people")
SEARCH = ("starts_at", "professional_ids", "professional_names", "duration_minutes", "time_zone", "times_1", "times_2", "times_3")
CHANGE = ("appointment_id", "status", "client_name", "starts_at", "time_zone", "duration_minutes", "professional_names", "moved_from")
MESSAGE = ("message_id", "appointment_id", "channel", "recipient")

OF_TOOL: Mapping[str, tuple[str, ...]] = {
    "get_client_preferences": CLIENT,
    "check_availability": SEARCH,
    "book_appointment": CHANGE,
    "reschedule_appointment": CHANGE,
    "cancel_appointment": CHANGE,
    "send_confirmation": MESSAGE,
}
"""Which facts a tool's step leaves behind, the most needed first."""


def facts_after(tool: str, facts: Facts, upcoming: Iterable[Mapping[str, Any]]) -> Facts:
    """Return what to note after a tool has done its work."""
    kept = {name: facts[name] for name in OF_TOOL.get(tool, ()) if facts.get(name)}
    if tool == "get_client_preferences":
        kept |= write_upcoming(upcoming)
    return dict(list(kept.items())[:MOST])


def write_upcoming(upcoming: Iterable[Mapping[str, Any]]) -> Facts:
    """Write appointments down: ``A20005 2026-03-03T16:00+00:00 60 P11``, two in a fact; "none" where there is none."""
    lines = [_line(one) for one in upcoming]
    groups = [lines[n : n + PER_LINE] for n in range(0, len(lines), PER_LINE)] or [["none"]]
    return {f"upcoming_{n}": "; ".join(group) for n, group in enumerate(groups, 1)}


def _line(one: Mapping[str, Any]) -> str:
    start = str(one.get("starts_at", "")).replace(":00+", "+").replace(":00-", "-")
    return f"{one.get('appointment_id')} {start} {one.get('duration_minutes', 30)} {','.join(one.get('professional_ids') or ())}"


def read_upcoming(facts: Facts) -> list[dict[str, Any]] | None:
    """Read what ``write_upcoming`` wrote; None where nothing was written."""
    lines = [line for name, value in sorted(facts.items()) if name.startswith("upcoming_") for line in value.split("; ")]
    found = (_read_line(line.split()) for line in lines)
    return [one for one in found if one] if lines else None


def _read_line(words: list[str]) -> dict[str, Any] | None:
    if len(words) < 3 or read_moment(words[1]) is None or not words[2].isdigit():
        return None
    people = words[3].split(",") if len(words) > 3 else []
    return {"appointment_id": words[0], "starts_at": words[1], "duration_minutes": int(words[2]), "professional_ids": people}


def read_moment(text: str) -> datetime | None:
    """Return an ISO time with an offset, None for anything else."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None
