"""The tool that books."""

from typing import Annotated

from pydantic import Field

from ..domain.appointments import Booking, book
from .contract import Arguments, ToolContext, ToolSpec
from .views import AppointmentView, ClientId, ProfessionalId, StartsAt, view_appointment


class BookAppointment(Arguments):
    """What to book."""

    client_id: ClientId
    professional_ids: Annotated[list[ProfessionalId], Field(min_length=1, max_length=4)] = Field(
        description="Who attends, all of them: ids like P11, as check_availability gave them."
    )
    starts_at: StartsAt
    duration_minutes: int = Field(ge=15, le=180, multiple_of=15, description="Length of the meeting: 15 to 180, in steps of 15.")
    purpose: str = Field(default="", max_length=120, description="What it is about, in a few words; nothing confidential.")


def book_appointment(context: ToolContext, arguments: BookAppointment) -> AppointmentView:
    """Book. Raises what ``domain.appointments.book`` raises."""
    booking = Booking(
        client_id=arguments.client_id,
        professional_ids=tuple(dict.fromkeys(arguments.professional_ids)),
        starts_at=arguments.starts_at,
        duration_minutes=arguments.duration_minutes,
        purpose=arguments.purpose,
    )
    return view_appointment(context, book(context.store, booking, key=context.request_key, now=context.now()))


SPEC = ToolSpec(
    name="book_appointment",
    description=(
        "Book one new appointment for a client at a time that check_availability gave as free. Does not move or replace existing "
        "appointments (use reschedule_appointment) and sends no message (use send_confirmation). Answers with the appointment and its id."
    ),
    arguments=BookAppointment,
    result=AppointmentView,
    run=book_appointment,
    changes=True,
)
