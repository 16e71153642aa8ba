"""What a role works with, and what it may do next: use a tool, or end."""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

from .facts import Facts, read_moment
from .known import Known, known_of
from .reading import Conversation, ToolAnswer
from .slots import Taste
from .when import When
from .wish import Wish


@dataclass(frozen=True)
class Use:
    """Call a tool, for a reason."""

    tool: str
    arguments: dict[str, Any]
    thinking: str


@dataclass(frozen=True)
class Ended:
    """Nothing more to do, or nothing without the user, whom ``question`` is for; ``choice`` is the one that was made on the way."""

    status: Literal["done", "failed", "needs_user"]
    note: str
    thinking: str = ""
    facts: Facts = field(default_factory=dict)
    choice: dict[str, Any] | None = None
    question: str | None = None


Next = Use | Ended


@dataclass
class Work:
    """A wish, what is known, and the tools to use in order. ``is_one_step``: the tools named must be called even if all is known."""

    conversation: Conversation
    wish: Wish
    known: Known
    route: tuple[str, ...]
    today: date
    is_one_step: bool = False
    choice: dict[str, Any] | None = None

    @property
    def outcomes(self) -> tuple[ToolAnswer, ...]:
        """What tools answered since the prompt."""
        return self.conversation.outcomes

    @property
    def is_agreed(self) -> bool:
        """Whether the user has agreed to what was pending."""
        return self.conversation.blocks.get("confirmed", "").strip().lower() == "yes"

    def did(self, tool: str) -> bool:
        """Say whether a tool has done its work since the prompt."""
        return any(outcome.tool == tool and outcome.error is None for outcome in self.outcomes)

    def calls_of(self, tool: str) -> list[dict[str, Any]]:
        """Return the arguments with which a tool was called since the prompt."""
        return [outcome.call.arguments for outcome in self.outcomes if outcome.call and outcome.tool == tool]

    def taste(self) -> Taste:
        """Return what makes a free time good for this client."""
        people = self.known.ids_of(self.people) or ()
        part = self.known.get("preferred_part_of_day") or "any"
        return Taste(self.wish.when, people, self.known.get("preferred_professional_id"), part)

    @property
    def people(self) -> tuple[str, ...]:
        """Who must attend, by id or name: those named, or those of the appointment that is moved."""
        if self.wish.professionals or self.wish.act != "move":
            return self.wish.professionals
        moved = next((one for one in (self.known.upcoming or []) if one.get("appointment_id") == self.appointment), None)
        kept = self.known.get("moving_with")
        return tuple(moved["professional_ids"]) if moved else tuple(kept.split(", ")) if kept else ()

    @property
    def appointment(self) -> str | None:
        """The appointment that is meant, where there is no doubt."""
        if self.wish.appointment or self.known.get("appointment_id"):
            return self.wish.appointment or self.known.get("appointment_id")
        meant = self.appointments_meant()
        return str(meant[0]["appointment_id"]) if len(meant) == 1 else None

    def appointments_meant(self) -> list[dict[str, Any]]:
        """Return the client's next appointments that fit what was said of it."""
        return [one for one in (self.known.upcoming or []) if is_at(str(one["starts_at"]), self.wish.was)]

    @property
    def minutes(self) -> int:
        """How long: as said, as before for a move, else half an hour."""
        if self.wish.minutes:
            return self.wish.minutes
        moved = next((one for one in (self.known.upcoming or []) if one.get("appointment_id") == self.appointment), None)
        if self.wish.act == "move" and (moved or self.known.get("moving_minutes")):
            return int(moved["duration_minutes"] if moved else self.known.get("moving_minutes") or 30)
        return 30

    @property
    def client(self) -> str | None:
        """The client as asked for, else as found."""
        return self.wish.client or self.known.get("client_id")

    @property
    def client_id(self) -> str | None:
        """The client's id, once it is known."""
        if self.wish.client and self.wish.client.isdigit():
            return self.wish.client
        return self.known.get("client_id")


def is_at(starts_at: str, when: When) -> bool:
    """Say whether a time is within what was said."""
    start = read_moment(starts_at)
    if start is None or (when.first and when.last and not when.first <= start.date() <= when.last):
        return False
    return when.allows(start.time()) and (when.at is None or when.at == start.time().replace(second=0, microsecond=0))


def today_of(conversation: Conversation) -> date:
    """Return the day that the prompt says it is; a fixed one where it says nothing."""
    for word in conversation.blocks.get("now", "").split():
        try:
            return datetime.fromisoformat(word).date()
        except ValueError:
            continue
    return date(2026, 1, 1)


def work_on(conversation: Conversation, wish: Wish, route: tuple[str, ...], *, is_one_step: bool = False) -> Work:
    """Gather what is known for a wish."""
    return Work(conversation, wish, known_of(conversation), route, today_of(conversation), is_one_step)
