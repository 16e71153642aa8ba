"""Appointments: made, moved and cancelled in transactions in which nobody can be promised twice."""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from sqlite3 import Connection, Row

from .calendars import working_hours
from .clients import get_client
from .model import Appointment, DomainError, Professional
from .professionals import closures_of, get_professionals
from .requests import Outcome, do_once
from .schema import QUARTER_S
from .store import DomainStore
from .time_zones import from_seconds, get_zone, say, to_seconds

SHORTEST_MINUTES, LONGEST_MINUTES = 15, 180
FURTHEST_DAYS = 365

_FIRST_NUMBER = 20_000
_SELECT = """
SELECT appointment.*, (SELECT group_concat(professional_id) FROM attendance WHERE attendance.number = appointment.number) AS professionals
FROM appointment
"""


@dataclass(frozen=True, slots=True)
class Booking:
    """What is to be booked. ``professional_ids`` all attend."""

    client_id: str
    professional_ids: tuple[str, ...]
    starts_at: datetime
    duration_minutes: int
    purpose: str = ""


def book(store: DomainStore, booking: Booking, *, key: str, now: datetime) -> Appointment:
    """Book, once for each key. Raises ``DomainError``: not_found, outside_hours, in_past, too_far, not_on_grid, conflict, already_booked.

    Nobody can be at two meetings at once, neither a professional nor the client, whoever else books at the same moment.
    """
    get_client(store, booking.client_id)
    professionals = get_professionals(store, booking.professional_ids)

    def action(connection: Connection) -> Outcome:
        _check_time(store, booking.starts_at, booking.duration_minutes, professionals)
        _check_future(booking.starts_at, now)
        _check_not_mine(connection, booking)
        return {"number": insert_appointment(connection, booking)}

    outcome = do_once(store, key, ("book", asdict(booking)), action)
    return get_appointment(store, to_id(outcome["number"]))


def cancel(store: DomainStore, appointment_id: str, because: str, *, key: str, now: datetime) -> Appointment:
    """Cancel, once for each key. Raises ``DomainError``: not_found, already_cancelled, in_past."""

    def action(connection: Connection) -> Outcome:
        appointment = get_changeable(store, appointment_id, now)
        number = to_number(appointment.id)
        connection.execute("UPDATE appointment SET status = 'cancelled', cancelled_because = ? WHERE number = ?", (because, number))
        connection.execute("DELETE FROM occupied WHERE number = ?", (number,))
        return {"number": number}

    do_once(store, key, ("cancel", {"id": appointment_id, "because": because}), action)
    return get_appointment(store, appointment_id)


@dataclass(frozen=True, slots=True)
class Move:
    """Where an appointment is to be moved. ``duration_minutes`` None keeps its length."""

    appointment_id: str
    starts_at: datetime
    duration_minutes: int | None = None


def reschedule(store: DomainStore, move: Move, *, key: str, now: datetime) -> tuple[Appointment, datetime]:
    """Move an appointment, once for each key, and return it and when it was to start before.

    Raises ``DomainError``: those of ``book`` and ``cancel``. The old time is given up only when the new one is had.
    """

    def action(connection: Connection) -> Outcome:
        return _move(store, connection, move, now)

    outcome = do_once(store, key, ("reschedule", asdict(move)), action)
    return get_appointment(store, move.appointment_id), from_seconds(outcome["from_s"])


def check_move(store: DomainStore, move: Move, now: datetime) -> None:
    """Raise what ``reschedule`` would raise now. Nothing is changed."""
    with store.change() as connection:
        connection.execute("SAVEPOINT trial")
        try:
            _move(store, connection, move, now)
        finally:
            connection.execute("ROLLBACK TO trial")


def _move(store: DomainStore, connection: Connection, move: Move, now: datetime) -> Outcome:
    old = get_changeable(store, move.appointment_id, now)
    minutes = move.duration_minutes or old.duration_minutes
    _check_time(store, move.starts_at, minutes, get_professionals(store, old.professional_ids))
    _check_future(move.starts_at, now)
    number, starts_s = to_number(old.id), to_seconds(move.starts_at)
    connection.execute("DELETE FROM occupied WHERE number = ?", (number,))
    _occupy(connection, number, (old.client_id, *old.professional_ids), range(starts_s, starts_s + minutes * 60, QUARTER_S))
    connection.execute("UPDATE appointment SET starts_s = ?, ends_s = ? WHERE number = ?", (starts_s, starts_s + minutes * 60, number))
    return {"number": number, "from_s": to_seconds(old.starts_at)}


def get_appointment(store: DomainStore, appointment_id: str) -> Appointment:
    """Return an appointment. Raises ``DomainError`` (not_found) that says what ids look like."""
    rows = store.rows(f"{_SELECT} WHERE number = ?", (to_number(appointment_id),))
    if not rows:
        raise not_found(appointment_id)
    return _appointment(rows[0])


def get_changeable(store: DomainStore, appointment_id: str, now: datetime) -> Appointment:
    """Return an appointment that can still be moved or cancelled. Raises ``DomainError``: not_found, already_cancelled, in_past."""
    appointment = get_appointment(store, appointment_id)
    if appointment.status == "cancelled":
        raise DomainError("already_cancelled", f"Appointment {appointment.id} is cancelled already. There is nothing left to change.")
    if appointment.starts_at <= now:
        raise DomainError("in_past", f"Appointment {appointment.id} has begun or is over. It cannot be changed any more.")
    return appointment


def list_appointments(store: DomainStore, client_id: str, start: datetime, end: datetime) -> tuple[Appointment, ...]:
    """Return a client's booked appointments that start in [start, end), in order."""
    where = "WHERE client_id = ? AND status = 'booked' AND starts_s >= ? AND starts_s < ? ORDER BY starts_s"
    return tuple(_appointment(row) for row in store.rows(f"{_SELECT} {where}", (client_id, to_seconds(start), to_seconds(end))))


def insert_appointment(connection: Connection, booking: Booking) -> int:
    """Write an appointment inside a transaction and return its number. Raises ``DomainError`` (conflict); other rules are the caller's."""
    starts_s = to_seconds(booking.starts_at)
    ends_s = starts_s + booking.duration_minutes * 60
    values = (booking.client_id, starts_s, ends_s, booking.purpose)
    query = "INSERT INTO appointment (client_id, starts_s, ends_s, purpose, status) VALUES (?, ?, ?, ?, 'booked')"
    number = connection.execute(query, values).lastrowid
    assert number is not None
    who = booking.professional_ids
    connection.executemany("INSERT INTO attendance VALUES (?, ?)", [(number, one) for one in who])
    _occupy(connection, number, (booking.client_id, *who), range(starts_s, ends_s, QUARTER_S))
    return number


def block(connection: Connection, calendar_id: str, start: datetime, end: datetime) -> None:
    """Take time of a calendar for something that is no appointment, inside a transaction. Raises ``DomainError`` (conflict)."""
    _occupy(connection, None, (calendar_id,), range(to_seconds(start), to_seconds(end), QUARTER_S))


def to_id(number: int) -> str:
    """Return the id that people use of an appointment's number."""
    return f"A{_FIRST_NUMBER + number}"


def to_number(appointment_id: str) -> int:
    """Return the number of an id. Raises ``DomainError`` (not_found) for what is no id."""
    digits = appointment_id[1:]
    if appointment_id[:1] != "A" or not 5 <= len(digits) <= 9 or not (digits.isascii() and digits.isdigit()):
        raise not_found(appointment_id)
    return int(digits) - _FIRST_NUMBER


def not_found(appointment_id: str) -> DomainError:
    """Return the error for an id that stands for nothing, or for nothing that the asker may know of."""
    message = f"Appointment {appointment_id[:20]} not found. Ids look like A20017; get_client_preferences lists a client's appointments."
    return DomainError("not_found", message)


def _check_time(store: DomainStore, starts_at: datetime, minutes: int, professionals: Sequence[Professional]) -> None:
    if to_seconds(starts_at) % QUARTER_S or starts_at.microsecond:
        raise DomainError("not_on_grid", "Appointments start on a quarter of an hour: at :00, :15, :30 or :45.")
    if minutes % 15 or not SHORTEST_MINUTES <= minutes <= LONGEST_MINUTES:
        raise DomainError("not_on_grid", f"A meeting lasts {SHORTEST_MINUTES} to {LONGEST_MINUTES} minutes, in steps of 15.")
    for professional in professionals:
        _check_hours(store, professional, starts_at, minutes)


def _check_hours(store: DomainStore, professional: Professional, starts_at: datetime, minutes: int) -> None:
    office = professional.office
    zone = get_zone(office.time_zone)
    day = starts_at.astimezone(zone).date()
    closed = closures_of(store, office.id).get(day)
    if closed is not None:
        message = f"{office.name} is closed on {day.isoformat()} ({closed}). Ask check_availability for another day."
        raise DomainError("outside_hours", message)
    span = working_hours(professional, day)
    if span is None or starts_at < span[0] or starts_at + timedelta(minutes=minutes) > span[1]:
        hours = f"{office.opens:%H:%M} to {office.closes:%H:%M} ({office.time_zone}), Monday to Friday"
        message = f"{say(starts_at, zone)} is outside the hours of {professional.id} {professional.name}: {hours}."
        raise DomainError("outside_hours", f"{message} Ask check_availability for free times.")


def _check_future(starts_at: datetime, now: datetime) -> None:
    if starts_at <= now:
        raise DomainError("in_past", f"{starts_at.isoformat()} is in the past; it is {now.isoformat(timespec='minutes')} now.")
    if starts_at > now + timedelta(days=FURTHEST_DAYS):
        raise DomainError("too_far", f"Appointments can be booked {FURTHEST_DAYS} days ahead, not further.")


def _check_not_mine(connection: Connection, booking: Booking) -> None:
    query = f"{_SELECT} WHERE client_id = ? AND starts_s = ? AND status = 'booked'"
    row = connection.execute(query, (booking.client_id, to_seconds(booking.starts_at))).fetchone()
    if row is not None and set(_appointment(row).professional_ids) == set(booking.professional_ids):
        message = f"Client {booking.client_id} has exactly this appointment already: {to_id(row['number'])}. Do not book it again."
        raise DomainError("already_booked", message)


def _occupy(connection: Connection, number: int | None, calendar_ids: Iterable[str], quarters_s: range) -> None:
    for calendar_id in calendar_ids:
        try:
            rows = [(calendar_id, second // QUARTER_S, number) for second in quarters_s]
            connection.executemany("INSERT INTO occupied VALUES (?, ?, ?)", rows)
        except sqlite3.IntegrityError:
            raise DomainError("conflict", _conflict(calendar_id, from_seconds(quarters_s.start))) from None


def _conflict(calendar_id: str, starts_at: datetime) -> str:
    who = f"Client {calendar_id} has another appointment" if calendar_id.isdigit() else f"{calendar_id} is not free"
    return f"{who} at {starts_at.isoformat()}. Nothing was changed. Ask check_availability for other times and offer them."


def _appointment(row: Row) -> Appointment:
    return Appointment(
        id=to_id(row["number"]),
        client_id=row["client_id"],
        professional_ids=tuple(sorted(row["professionals"].split(","))),
        starts_at=from_seconds(row["starts_s"]),
        ends_at=from_seconds(row["ends_s"]),
        purpose=row["purpose"],
        status=row["status"],
        cancelled_because=row["cancelled_because"],
    )
