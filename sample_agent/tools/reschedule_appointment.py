"""The tool that moves an appointment."""

from pydantic import Field

from ..domain.appointments import Move, check_move, get_appointment, reschedule
from ..domain.clients import get_client
from ..domain.time_zones import get_zone, say
from .contract import Arguments, ToolContext, ToolSpec
from .views import AppointmentId, AppointmentView, StartsAt, on_clock, view_appointment


class RescheduleAppointment(Arguments):
    """What to move, and where."""

    appointment_id: AppointmentId
    starts_at: StartsAt
    duration_minutes: int | None = Field(
        default=None, ge=15, le=180, multiple_of=15, description="New length: 15 to 180, in steps of 15. Left out: as long as before."
    )


class Moved(AppointmentView):
    """The appointment, and when it was to start before."""

    moved_from: str


def reschedule_appointment(context: ToolContext, arguments: RescheduleAppointment) -> Moved:
    """Move. Raises what ``domain.appointments.reschedule`` raises."""
    move = Move(arguments.appointment_id, arguments.starts_at, arguments.duration_minutes)
    appointment, before = reschedule(context.store, move, key=context.request_key, now=context.now())
    view = view_appointment(context, appointment)
    return Moved(**view.model_dump(), moved_from=on_clock(before, get_zone(view.time_zone)))


def ask_before_moving(context: ToolContext, arguments: RescheduleAppointment) -> str:
    """Return the question for the person, with both times on the client's clock. Raises where it cannot be moved there anyway."""
    check_move(context.store, Move(arguments.appointment_id, arguments.starts_at, arguments.duration_minutes), context.now())
    appointment = get_appointment(context.store, arguments.appointment_id)
    client = get_client(context.store, appointment.client_id)
    zone = get_zone(client.time_zone)
    before, after = say(appointment.starts_at, zone), say(arguments.starts_at, zone)
    warning = "The old time may be given to somebody else at once."
    return f"Move appointment {appointment.id} of {client.name} from {before} to {after}? {warning}"


SPEC = ToolSpec(
    name="reschedule_appointment",
    description=(
        "Move one existing appointment to another time that check_availability gave as free, with the same professionals. The old time is "
        "kept until the new one is had, but is then gone, so a person is asked first. Never cancel and book anew to move something."
    ),
    arguments=RescheduleAppointment,
    result=Moved,
    run=reschedule_appointment,
    changes=True,
    destructive=True,
    question=ask_before_moving,
)
