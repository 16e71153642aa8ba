"""The values of the firm's calendars: offices, professionals, clients, appointments. Times are aware datetimes."""

from dataclasses import dataclass
from datetime import datetime, time
from typing import Literal

Status = Literal["booked", "cancelled"]
Channel = Literal["email", "sms"]


class DomainError(Exception):
    """Says what cannot be done: a ``message`` that a model can act on, and a stable ``code`` (not_found, ambiguous, conflict ...)."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Office:
    """A place with a clock of its own and hours in it, Monday to Friday."""

    id: str
    name: str
    time_zone: str
    opens: time
    closes: time
    phone: str


@dataclass(frozen=True, slots=True)
class Professional:
    """Somebody who can be booked, in the hours of their office."""

    id: str
    name: str
    speciality: str
    office: Office


@dataclass(frozen=True, slots=True)
class Client:
    """Somebody who books. ``notes`` were typed by people and are not to be trusted."""

    id: str
    name: str
    email: str
    phone: str
    office_id: str
    time_zone: str
    preferred_professional_id: str | None
    preferred_part_of_day: Literal["morning", "afternoon", "any"]
    preferred_channel: Channel
    notes: str


@dataclass(frozen=True, slots=True)
class Appointment:
    """A meeting of one client with one or more professionals. ``starts_at`` and ``ends_at`` are in UTC."""

    id: str
    client_id: str
    professional_ids: tuple[str, ...]
    starts_at: datetime
    ends_at: datetime
    purpose: str
    status: Status
    cancelled_because: str | None = None

    @property
    def duration_minutes(self) -> int:
        """Return how long the meeting is."""
        return int((self.ends_at - self.starts_at).total_seconds()) // 60


@dataclass(frozen=True, slots=True)
class Slot:
    """A time at which all of these professionals are free, in UTC."""

    starts_at: datetime
    ends_at: datetime
    professional_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A message that went to a client about an appointment."""

    id: str
    appointment_id: str
    channel: Channel
    recipient: str
    text: str
    sent_at: datetime
