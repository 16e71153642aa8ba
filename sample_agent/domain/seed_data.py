"""Hartwell & Lowe: an invented firm with three offices, six professionals, twelve clients and busy weeks."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from sqlite3 import Connection

from .appointments import Booking, block, insert_appointment
from .calendars import working_hours
from .clients import save_client_within
from .model import Client, Professional
from .professionals import closures_of, list_professionals
from .schema import QUARTER_S
from .store import DomainStore
from .time_zones import to_seconds

OFFICES = (
    ("london", "London", "Europe/London", "09:00", "17:30", "+44 20 7946 0101"),
    ("new-york", "New York", "America/New_York", "09:00", "17:00", "+1 212 555 0142"),
    ("singapore", "Singapore", "Asia/Singapore", "09:00", "18:00", "+65 6555 0117"),
)
PROFESSIONALS = (
    ("P11", "Ana Hartwell", "tax", "london"),
    ("P12", "Tom Lowe", "estates", "london"),
    ("P21", "Grace Okafor", "corporate law", "new-york"),
    ("P22", "Daniel Reyes", "tax", "new-york"),
    ("P31", "Mei Tan", "corporate law", "singapore"),
    ("P32", "Arjun Nair", "property", "singapore"),
)
CLOSURES = (
    ("london", 12, 25, "Christmas Day"),
    ("london", 12, 26, "Boxing Day"),
    ("new-york", 12, 25, "Christmas Day"),
    ("new-york", 7, 4, "Independence Day"),
    ("singapore", 12, 25, "Christmas Day"),
    ("singapore", 8, 9, "National Day"),
)
"""Days of every year: office, month, day. One at a weekend is observed on the next working day that is none of them."""


def _client(client_id: str, name: str, place: tuple[str, str], wants: tuple[str | None, str, str], notes: str = "") -> Client:
    office_id, time_zone = place
    professional_id, part_of_day, channel = wants
    return Client(
        id=client_id,
        name=name,
        email=f"{name.lower().replace(' ', '.')}@example.com",
        phone=f"+44 20 7946 0{client_id[-3:]}",
        office_id=office_id,
        time_zone=time_zone,
        preferred_professional_id=professional_id,
        preferred_part_of_day=part_of_day,  # type: ignore[arg-type]  # a literal of the table below
        preferred_channel=channel,  # type: ignore[arg-type]
        notes=notes,
    )


_LONDON, _NEW_YORK, _SINGAPORE = ("london", "Europe/London"), ("new-york", "America/New_York"), ("singapore", "Asia/Singapore")

CLIENTS = (
    _client("10405", "Oliver Marsh", _LONDON, ("P12", "morning", "email"), "Brings his solicitor to meetings about the estate."),
    _client("10417", "Sofia Almeida", _LONDON, ("P11", "any", "sms")),
    _client("10422", "Nadia Brandt", _LONDON, ("P11", "afternoon", "email"), "Prefers meetings of half an hour. Needs step-free access."),
    _client("10431", "Wei Chen", _SINGAPORE, ("P31", "morning", "email")),
    _client("10440", "Lily Chen", _LONDON, ("P12", "afternoon", "sms"), "Not to be confused with Wei Chen in Singapore."),
    _client("10453", "Marcus Webb", _NEW_YORK, ("P21", "morning", "email")),
    _client("10466", "Rachel Stein", _NEW_YORK, ("P22", "afternoon", "email"), "Year-end accounts are due at the end of the month."),
    _client("10478", "Diego Fuentes", _NEW_YORK, (None, "any", "sms")),
    _client("10482", "Priya Raman", _SINGAPORE, ("P32", "afternoon", "email")),
    _client("10490", "Kenji Mori", ("singapore", "Asia/Tokyo"), ("P31", "any", "email"), "Calls in from Tokyo."),
    _client("10499", "Hannah Vogt", ("london", "Europe/Berlin"), (None, "morning", "email"), "Lives in Berlin; give her times there."),
    _client("10513", "Samuel Adeyemi", ("new-york", "America/Chicago"), ("P21", "afternoon", "sms")),
)

_PURPOSES = ("annual review", "tax return", "contract questions", "estate planning", "first consultation", "property purchase")
_LENGTHS_QUARTERS = (2, 2, 2, 3, 4, 4, 6)


@dataclass(frozen=True, slots=True)
class Season:
    """For how long and how full calendars are planted; the same season is planted the same."""

    first_day: date
    days: int = 60
    filled: float = 0.4
    """Which part of working time is taken."""
    ours: float = 0.08
    """Which part of what is taken are our clients' appointments; the rest is everything else that people do."""
    seed: int = 7


def plant(store: DomainStore, season: Season) -> None:
    """Fill empty calendars: the firm, its clients, and what is taken already. Does nothing where there are clients."""
    if store.rows("SELECT 1 FROM client LIMIT 1"):
        return
    with store.change() as connection:
        _plant_firm(connection, season.first_day.year)
        chance = random.Random(season.seed)
        people = list_professionals(store)
        closed = {office_id: closures_of(store, office_id) for office_id, *_ in OFFICES}
        for day in (season.first_day + timedelta(days=n) for n in range(season.days)):
            for professional in people:
                if day in closed[professional.office.id]:
                    continue
                for start, end in _taken(chance, professional, day, season.filled):
                    _take(connection, chance, professional, (start, end), is_ours=chance.random() < season.ours)


def _plant_firm(connection: Connection, year: int) -> None:
    connection.executemany("INSERT INTO office VALUES (?, ?, ?, ?, ?, ?)", OFFICES)
    connection.executemany("INSERT INTO professional VALUES (?, ?, ?, ?)", PROFESSIONALS)
    closed = [(office_id, day.isoformat(), because) for n in (0, 1) for office_id, day, because in closures(year + n)]
    connection.executemany("INSERT INTO closure VALUES (?, ?, ?)", closed)
    for client in CLIENTS:
        save_client_within(connection, client)


def closures(year: int) -> list[tuple[str, date, str]]:
    """Return the days on which offices are closed in a year, where they are observed: office, day, and why."""
    found: dict[tuple[str, date], str] = {}
    for office_id, month, day_of_month, because in CLOSURES:
        day = date(year, month, day_of_month)
        while day.weekday() > 4 or (office_id, day) in found:
            day += timedelta(days=1)
        found[office_id, day] = because
    return [(office_id, day, because) for (office_id, day), because in found.items()]


def _taken(chance: random.Random, professional: Professional, day: date, filled: float) -> Iterator[tuple[datetime, datetime]]:
    """Cut a working day into meetings and yield those that take place."""
    span = working_hours(professional, day)
    if span is None:
        return
    start, closes = span
    while start < closes:
        end = start + timedelta(seconds=chance.choice(_LENGTHS_QUARTERS) * QUARTER_S)
        if end <= closes and chance.random() < filled:
            yield start, end
        start = end


def _take(
    connection: Connection, chance: random.Random, professional: Professional, span: tuple[datetime, datetime], *, is_ours: bool
) -> None:
    start, end = span
    client = chance.choice([one for one in CLIENTS if one.office_id == professional.office.id])
    booking = Booking(client.id, (professional.id,), start, (end - start) // timedelta(minutes=1), chance.choice(_PURPOSES))
    if is_ours and _is_free(connection, client.id, start, end):
        insert_appointment(connection, booking)
    else:
        block(connection, professional.id, start, end)


def _is_free(connection: Connection, calendar_id: str, start: datetime, end: datetime) -> bool:
    query = "SELECT 1 FROM occupied WHERE calendar_id = ? AND quarter >= ? AND quarter < ?"
    values = (calendar_id, to_seconds(start) // QUARTER_S, to_seconds(end) // QUARTER_S)
    return connection.execute(query, values).fetchone() is None
