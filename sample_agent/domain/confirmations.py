"""Messages to clients about their appointments: fixed words to a stored address, so that nothing else can be sent to anybody else."""

from datetime import datetime
from sqlite3 import Connection, Row

from .appointments import get_changeable, to_id, to_number
from .clients import get_client
from .model import Appointment, Channel, Client, Confirmation
from .professionals import get_professionals
from .requests import Outcome, do_once
from .store import DomainStore
from .time_zones import from_seconds, get_zone, say, to_seconds


def send(store: DomainStore, appointment_id: str, channel: Channel | None, *, key: str, now: datetime) -> Confirmation:
    """Send the confirmation of an appointment to its client, once for each key, by the channel given or the one they prefer.

    Raises ``DomainError``: not_found, already_cancelled, in_past.
    """

    def action(connection: Connection) -> Outcome:
        appointment = get_changeable(store, appointment_id, now)
        client = get_client(store, appointment.client_id)
        chosen = channel or client.preferred_channel
        recipient = client.email if chosen == "email" else client.phone
        values = (to_number(appointment.id), chosen, recipient, compose(store, appointment, client), to_seconds(now))
        query = "INSERT INTO confirmation (appointment, channel, recipient, text, sent_s) VALUES (?, ?, ?, ?, ?)"
        return {"confirmation": connection.execute(query, values).lastrowid}

    outcome = do_once(store, key, ("send", {"id": appointment_id, "channel": channel}), action)
    return _confirmation(store.rows("SELECT * FROM confirmation WHERE number = ?", (outcome["confirmation"],))[0])


def list_confirmations(store: DomainStore, appointment_id: str) -> tuple[Confirmation, ...]:
    """Return what was sent about an appointment, oldest first."""
    rows = store.rows("SELECT * FROM confirmation WHERE appointment = ? ORDER BY number", (to_number(appointment_id),))
    return tuple(_confirmation(row) for row in rows)


def compose(store: DomainStore, appointment: Appointment, client: Client) -> str:
    """Return the words of a confirmation, with the time as the client's clock shows it."""
    names = " and ".join(one.name for one in get_professionals(store, appointment.professional_ids))
    when = say(appointment.starts_at, get_zone(client.time_zone))
    minutes = appointment.duration_minutes
    return f"Dear {client.name}, your appointment {appointment.id} with {names} is on {when} and takes {minutes} minutes."


def _confirmation(row: Row) -> Confirmation:
    return Confirmation(
        id=f"M{row['number']}",
        appointment_id=to_id(row["appointment"]),
        channel=row["channel"],
        recipient=row["recipient"],
        text=row["text"],
        sent_at=from_seconds(row["sent_s"]),
    )
