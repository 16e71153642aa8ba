"""How appointments and times look to a model: flat, short, and each time with the offset of the clock it is read on."""

from datetime import UTC, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, AwareDatetime, Field

from ..domain.clients import get_client
from ..domain.model import Appointment
from ..domain.professionals import get_professionals
from ..domain.time_zones import get_zone
from .contract import Result, ToolContext, ToolError

_EARLIEST, _LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


def _within_this_century(moment: datetime) -> datetime:
    # Arithmetic near the first and last year that there is overflows.
    if not _EARLIEST <= moment <= _LATEST:
        raise ValueError("must be a year from 2000 to 2099")
    return moment


ClientId = Annotated[str, Field(pattern=r"^1[0-9]{4}$", description="Client id: five digits, the first a 1, e.g. 10422.")]
AppointmentId = Annotated[str, Field(pattern=r"^A[0-9]{5,9}$", description="Appointment id: A and five digits, e.g. A20017.")]
ProfessionalId = Annotated[str, Field(pattern=r"^P[0-9]{2}$")]
StartsAt = Annotated[
    AwareDatetime,
    AfterValidator(_within_this_century),
    Field(
        description="When it starts: ISO 8601 with UTC offset, on a quarter of an hour, e.g. 2026-03-05T14:30:00+00:00. "
        "Copy it from check_availability; never compute offsets yourself."
    ),
]


class AppointmentView(Result):
    """An appointment."""

    appointment_id: str
    client_id: str
    client_name: str
    professional_ids: list[str]
    professional_names: list[str]
    starts_at: str
    ends_at: str
    time_zone: str
    duration_minutes: int
    purpose: str
    status: str


def view_appointment(context: ToolContext, appointment: Appointment) -> AppointmentView:
    """Show an appointment on its client's clock."""
    client = get_client(context.store, appointment.client_id)
    zone = get_zone(client.time_zone)
    return AppointmentView(
        appointment_id=appointment.id,
        client_id=client.id,
        client_name=client.name,
        professional_ids=list(appointment.professional_ids),
        professional_names=[one.name for one in get_professionals(context.store, appointment.professional_ids)],
        starts_at=on_clock(appointment.starts_at, zone),
        ends_at=on_clock(appointment.ends_at, zone),
        time_zone=zone.key,
        duration_minutes=appointment.duration_minutes,
        purpose=appointment.purpose,
        status=appointment.status,
    )


def on_clock(moment: datetime, zone: ZoneInfo) -> str:
    """Return a time as ISO 8601 with the offset of a zone."""
    return moment.astimezone(zone).isoformat(timespec="seconds")


def check_reachable(context: ToolContext, client_id: str) -> None:
    """Raise ``ToolError`` (not_permitted) unless this session acts for the client; says the same whether the client exists or not."""
    if not context.may_see(client_id):
        own = ", ".join(sorted(context.allowed_clients)[:5]) or "nobody"
        raise ToolError("not_permitted", f"This session may not act for client {client_id}. It acts for: {own}. Do not try other ids.")
