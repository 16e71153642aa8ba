"""The tool that cancels."""

from datetime import timedelta

from pydantic import Field

from ..domain.appointments import cancel, get_changeable
from ..domain.clients import get_client
from ..domain.time_zones import get_zone, say
from .contract import Arguments, ToolContext, ToolSpec
from .views import AppointmentId, AppointmentView, view_appointment

LATE = timedelta(hours=24)
"""A cancellation later than this before the start costs a fee, by the firm's policy."""


class CancelAppointment(Arguments):
    """What to cancel."""

    appointment_id: AppointmentId
    reason: str = Field(default="", max_length=120, description="Why, in a few words, as the client said it.")


def cancel_appointment(context: ToolContext, arguments: CancelAppointment) -> AppointmentView:
    """Cancel. Raises what ``domain.appointments.cancel`` raises."""
    appointment = cancel(context.store, arguments.appointment_id, arguments.reason, key=context.request_key, now=context.now())
    return view_appointment(context, appointment)


def ask_before_cancelling(context: ToolContext, arguments: CancelAppointment) -> str:
    """Return the question for the person, which names the fee where there is one."""
    appointment = get_changeable(context.store, arguments.appointment_id, context.now())
    client = get_client(context.store, appointment.client_id)
    is_late = appointment.starts_at - context.now() < LATE
    fee = " It starts in less than 24 hours, so a late cancellation fee is charged." if is_late else ""
    when = say(appointment.starts_at, get_zone(client.time_zone))
    return f"Cancel appointment {appointment.id} of {client.name} on {when}?{fee} The time may be given to somebody else at once."


SPEC = ToolSpec(
    name="cancel_appointment",
    description=(
        "Cancel one appointment for good and free its time. It cannot be taken back, so a person is asked first. To change the time use "
        "reschedule_appointment instead. get_client_preferences lists a client's appointments with their ids."
    ),
    arguments=CancelAppointment,
    result=AppointmentView,
    run=cancel_appointment,
    changes=True,
    destructive=True,
    question=ask_before_cancelling,
)
