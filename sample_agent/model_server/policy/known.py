"""What is known: facts from the notes of this run and from tool answers, as plain names with plain text, so that notes can hold them."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .facts import Facts, read_moment, read_upcoming
from .reading import Conversation, ToolAnswer
from .slots import Slot, read_slots

STANDING = ("client_id", "client_name", "time_zone", "office", "preferred_professional_id", "preferred_part_of_day", "preferred_channel")
"""What stays true after the request that found it out."""

PERSON = re.compile(r"\b(P\d{2})\b[: ]+([A-Z][\w'-]+ [A-Z][\w'-]+)")


@dataclass
class Known:
    """Facts, and what tools did on the way. ``refused`` are starts that could not be had after all."""

    facts: Facts = field(default_factory=dict)
    refused: set[datetime] = field(default_factory=set)
    people: dict[str, str] = field(default_factory=dict)
    """Professionals' names by id, as far as they were read somewhere."""
    slots: tuple[Slot, ...] = ()
    """The free times of the last search."""
    upcoming: list[dict[str, Any]] | None = None
    """The client's next appointments; None until they were looked up."""

    def get(self, name: str) -> str | None:
        """Return a fact."""
        return self.facts.get(name)

    def ids_of(self, wanted: Iterable[str]) -> list[str] | None:
        """Return the ids of professionals named by id or name; None where one of them is not known yet."""
        by_name = {name.lower(): one for one, name in self.people.items()}
        found = [self._id_of(name, by_name) for name in wanted]
        return [one for one in found if one] if all(found) else None

    def _id_of(self, name: str, by_name: Mapping[str, str]) -> str | None:
        if re.fullmatch(r"P\d{2}", name):
            return name
        near = [one for full, one in by_name.items() if set(name.lower().split()) <= set(full.split())]
        return near[0] if len(near) == 1 else None


def known_of(conversation: Conversation) -> Known:
    """Return what the prompt's notes and the answers since then tell."""
    known = Known(people=people_in(conversation))
    fresh = notes_of_this_run(conversation)
    for note in conversation.notes:
        facts = {str(name): str(value) for name, value in (note.get("facts") or {}).items()}
        _take(known, facts if any(note is one for one in fresh) else {name: facts[name] for name in STANDING if name in facts})
        if any(note is one for one in fresh) and note.get("status") == "failed":
            _refuse(known, facts)
    for outcome in conversation.outcomes:
        learn(known, outcome)
    return known


def _take(known: Known, facts: Facts) -> None:
    known.upcoming = read_upcoming(facts) or known.upcoming
    known.facts |= {name: value for name, value in facts.items() if not name.startswith("upcoming_")}


def _refuse(known: Known, facts: Facts) -> None:
    start = read_moment(facts.get("refused", ""))
    if start is not None:
        known.refused.add(start)
        for name in ("starts_at", "ends_at", "refused"):
            known.facts.pop(name, None)


def notes_of_this_run(conversation: Conversation) -> list[dict[str, Any]]:
    """Return the notes since the present plan began: going back, their step numbers only fall."""
    number = conversation.block_object("step").get("number")
    if not isinstance(number, int) and "failure" not in conversation.blocks and "outcome" not in conversation.blocks:
        return []
    limit: float = number if isinstance(number, int) else float("inf")
    fresh: list[dict[str, Any]] = []
    for note in reversed(conversation.notes):
        step = note.get("step")
        if not isinstance(step, int) or step > limit or (step == limit == number and note.get("status") == "done"):
            break
        limit = step
        fresh.insert(0, note)
    return fresh


def people_in(conversation: Conversation) -> dict[str, str]:
    """Return every professional whose id and name stand together somewhere."""
    texts = [conversation.blocks.get("memory", ""), conversation.blocks.get("notes", "")]
    texts += [conversation.blocks.get("task", "")]
    texts += [outcome.content for turn in conversation.turns for outcome in turn.outcomes]
    people = {one: name for text in texts for one, name in PERSON.findall(text)}
    for outcome in conversation.outcomes:
        for free in [outcome.data, *(outcome.data.get("free") or [])]:
            if isinstance(free, dict) and isinstance(free.get("professional_ids"), list):
                people |= dict(zip(free["professional_ids"], free.get("professional_names") or [], strict=False))
    return people


def learn(known: Known, outcome: ToolAnswer) -> None:
    """Take in what a tool answered."""
    if outcome.error is not None:
        arguments = outcome.call.arguments if outcome.call else {}
        start = read_moment(str(arguments.get("starts_at", "")))
        if start is not None and outcome.code in ("conflict", "outside_hours"):
            known.refused.add(start)
            known.facts.pop("starts_at", None)
            known.slots = ()
        return
    data = outcome.data
    match outcome.tool:
        case "get_client_preferences":
            known.facts |= _of_client(data)
            known.upcoming = [one for one in data.get("upcoming") or [] if isinstance(one, dict)]
        case "check_availability":
            known.slots = read_slots(data)
            known.facts |= {"times_found": str(data.get("total", len(known.slots)))}
        case "book_appointment" | "reschedule_appointment" | "cancel_appointment":
            known.facts |= _of_appointment(data) | ({"status": "moved"} if outcome.tool.startswith("re") else {})
        case "send_confirmation":
            known.facts |= {name: str(data[name]) for name in ("message_id", "appointment_id", "channel", "recipient") if data.get(name)}
        case _:
            _take(known, {str(name): str(value) for name, value in (data.get("facts") or {}).items()})


def _of_client(data: dict[str, Any]) -> Facts:
    names = {"name": "client_name"}
    kept = ("client_id", "name", "office", "time_zone", "preferred_professional_id", "preferred_part_of_day", "preferred_channel")
    facts = {names.get(name, name): str(data[name]) for name in kept if data.get(name)}
    return facts | {"upcoming_total": str(data.get("upcoming_total", 0))}


def _of_appointment(data: dict[str, Any]) -> Facts:
    kept = ("appointment_id", "client_id", "client_name", "starts_at", "time_zone", "duration_minutes", "status", "moved_from")
    facts = {name: str(data[name]) for name in kept if data.get(name) not in (None, "")}
    for name in ("professional_ids", "professional_names"):
        if isinstance(data.get(name), list):
            facts[name] = ", ".join(str(one) for one in data[name])
    return facts
