"""Who is free when: working hours on walls of several cities, less what is taken, in quarters of an hour."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from .model import Professional, Slot
from .professionals import closures_of
from .schema import QUARTER_S
from .store import DomainStore
from .time_zones import at_wall, from_seconds, get_zone, to_seconds

PartOfDay = Literal["morning", "afternoon", "any"]

OFFERED_EVERY_QUARTERS = 2
"""Free times are offered on the hour and half hour; booking takes any quarter."""


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for: on the days ``earliest`` to ``latest`` and in the part of the day as clocks in ``zone`` show them."""

    client_id: str
    groups: tuple[tuple[Professional, ...], ...]
    """Alternatives, most wanted first: all members of one group must be free together."""
    duration_minutes: int
    earliest: date
    latest: date
    zone: ZoneInfo
    part_of_day: PartOfDay = "any"


@dataclass(frozen=True, slots=True)
class Offer:
    """A free time with the most wanted group that is free then, and the other groups that are."""

    slot: Slot
    others: tuple[tuple[str, ...], ...]


def find_offers(store: DomainStore, search: Search, now: datetime) -> tuple[Offer, ...]:
    """Return every free time that is still to come, in order, each once."""
    free = [(group, _free_quarters(store, group, search)) for group in search.groups]
    offers = []
    for start in sorted(set().union(*(quarters for _, quarters in free))):
        groups = [group for group, quarters in free if _fits(start, search.duration_minutes, quarters)]
        if groups and start % OFFERED_EVERY_QUARTERS == 0 and _is_asked_for(start, search, now):
            offers.append(_offer(start, search.duration_minutes, groups))
    return tuple(offers)


def _offer(start: int, duration_minutes: int, groups: list[tuple[Professional, ...]]) -> Offer:
    starts_at = from_seconds(start * QUARTER_S)
    first, *others = [tuple(one.id for one in group) for group in groups]
    return Offer(Slot(starts_at, starts_at + timedelta(minutes=duration_minutes), first), tuple(others))


def _fits(start: int, duration_minutes: int, quarters: set[int]) -> bool:
    return all(quarter in quarters for quarter in range(start, start + duration_minutes * 60 // QUARTER_S))


def _is_asked_for(start: int, search: Search, now: datetime) -> bool:
    starts_at = from_seconds(start * QUARTER_S)
    shown = starts_at.astimezone(search.zone)
    if starts_at < now or not search.earliest <= shown.date() <= search.latest:
        return False
    return search.part_of_day == "any" or (search.part_of_day == "morning") == (shown.hour < 12)


def _free_quarters(store: DomainStore, group: tuple[Professional, ...], search: Search) -> set[int]:
    # A day here overlaps up to three days elsewhere.
    days = [search.earliest + timedelta(days=n) for n in range(-1, (search.latest - search.earliest).days + 2)]
    open_quarters = set.intersection(*(_open_quarters(store, professional, days) for professional in group))
    return open_quarters - taken_quarters(store, [search.client_id, *(one.id for one in group)], open_quarters)


def _open_quarters(store: DomainStore, professional: Professional, days: Iterable[date]) -> set[int]:
    closed = closures_of(store, professional.office.id)
    return {quarter for day in days if day not in closed for quarter in _quarters_of_day(professional, day)}


def _quarters_of_day(professional: Professional, day: date) -> Iterator[int]:
    span = working_hours(professional, day)
    if span is None:
        return iter(())
    return iter(range(-(-to_seconds(span[0]) // QUARTER_S), to_seconds(span[1]) // QUARTER_S))


def working_hours(professional: Professional, day: date) -> tuple[datetime, datetime] | None:
    """Return from when to when somebody works on a day of their office's calendar, in UTC; None at weekends. Closures are not looked at."""
    office = professional.office
    if day.weekday() >= 5:
        return None
    zone = get_zone(office.time_zone)
    return at_wall(day, office.opens, zone), at_wall(day, office.closes, zone)


def taken_quarters(store: DomainStore, calendar_ids: Iterable[str], within: Iterable[int]) -> set[int]:
    """Return the quarters between the first and the last of these in which any of the calendars is taken."""
    wanted, ids = set(within), tuple(calendar_ids)
    if not wanted:
        return set()
    marks = ", ".join("?" * len(ids))
    query = f"SELECT quarter FROM occupied WHERE calendar_id IN ({marks}) AND quarter BETWEEN ? AND ?"
    return {row["quarter"] for row in store.rows(query, (*ids, min(wanted), max(wanted)))}
