"""Free times: read from the search, weighed one against the other, and offered."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .when import When

MOST_OPTIONS = 4


@dataclass(frozen=True)
class Slot:
    """A free time on the clock that was asked for, and who is free then."""

    starts_at: datetime
    ids: tuple[str, ...]
    names: tuple[str, ...]
    also: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Name it for people: ``Thu 5 Mar 14:00 with Ana Hartwell``."""
        start = self.starts_at
        return f"{start:%a} {start.day} {start:%b} {start:%H:%M} with {' and '.join(self.names or self.ids)}"


@dataclass(frozen=True)
class Taste:
    """What makes a time better than another for this client."""

    when: When
    people: Collection[str]
    """Ids that must attend; empty for anybody."""
    preferred: str | None
    part: str


@dataclass(frozen=True)
class Weighed:
    """A time with its worth, 0 to 1, and the reason for it."""

    slot: Slot
    score: float
    because: str


def read_slots(data: dict[str, Any]) -> tuple[Slot, ...]:
    """Return the free times in a search's answer; what is misshapen is left out."""
    found = (_slot(one) for one in data.get("free") or [] if isinstance(one, dict))
    return tuple(slot for slot in found if slot is not None)


def _slot(one: dict[str, Any]) -> Slot | None:
    try:
        starts_at = datetime.fromisoformat(str(one["starts_at"]))
        lists = [tuple(str(item) for item in one.get(name) or ()) for name in ("professional_ids", "professional_names", "also_free")]
    except (KeyError, ValueError, TypeError):
        return None
    return Slot(starts_at, *lists) if starts_at.tzinfo else None


def fitting(slots: Collection[Slot], taste: Taste, refused: Collection[datetime]) -> list[Weighed]:
    """Return the times that are what was asked for, best first."""
    wanted = [slot for slot in slots if slot.starts_at not in refused and _is_wanted(slot, taste)]
    return sorted((_weigh(slot, taste, n, len(wanted)) for n, slot in enumerate(wanted)), key=lambda one: -one.score)


def _is_wanted(slot: Slot, taste: Taste) -> bool:
    clock, day, when = slot.starts_at.time(), slot.starts_at.date(), taste.when
    if when.first and when.last and not when.first <= day <= when.last:
        return False
    if taste.people and not set(taste.people) <= {*slot.ids, *slot.also}:
        return False
    return when.allows(clock) and (when.at is None or clock == when.at)


def _weigh(slot: Slot, taste: Taste, position: int, among: int) -> Weighed:
    score, reasons = 0.5 + 0.2 * (1 - position / among), ["it is the earliest" if position == 0 else "it is later than others"]
    if taste.preferred and taste.preferred in slot.ids:
        score, reasons = score + 0.2, [*reasons, f"it is with {slot.names[0] if slot.names else slot.ids[0]}, whom the client prefers"]
    elif taste.preferred:
        reasons.append("it is not with the professional the client prefers")
    if taste.part in ("morning", "afternoon"):
        fits = (taste.part == "morning") == (slot.starts_at.hour < 12)
        score += 0.1 if fits else 0
        reasons.append(f"it is {'in' if fits else 'not in'} the {taste.part}, which the client prefers")
    return Weighed(slot, round(min(score, 1.0), 2), ", ".join(reasons))


def choice_between(weighed: list[Weighed]) -> dict[str, Any] | None:
    """Return the choice of the first over the next ones, None where there was nothing to choose between."""
    options = list({one.slot.label: one for one in weighed[:MOST_OPTIONS]}.values())
    if len(options) < 2:
        return None
    return {
        "question": "Which of the free times?",
        "options": [{"name": one.slot.label, "because": one.because, "score": one.score} for one in options],
        "chosen": options[0].slot.label,
        "because": f"Of {len(weighed)} free times that fit, {options[0].because}.",
    }


def offer(slots: Collection[Slot], when: When, refused: Collection[datetime]) -> list[Slot]:
    """Return at most three free times to offer instead, those nearest to what was asked for first."""
    open_slots = [slot for slot in slots if slot.starts_at not in refused]
    return sorted(sorted(open_slots, key=lambda slot: _distance(slot, when))[:3], key=lambda slot: slot.starts_at)


def _distance(slot: Slot, when: When) -> tuple[int, int]:
    start = slot.starts_at
    days = abs((start.date() - when.first).days) if when.first else 0
    minutes = abs(start.hour * 60 + start.minute - when.at.hour * 60 - when.at.minute) if when.at else 0
    return days, minutes
