"""The tool that writes to a client."""

from pydantic import Field

from ..domain.appointments import get_changeable
from ..domain.clients import get_client
from ..domain.confirmations import send
from ..domain.model import Channel
from .contract import Arguments, Result, ToolContext, ToolSpec
from .views import AppointmentId


class SendConfirmation(Arguments):
    """What to confirm, and how."""

    appointment_id: AppointmentId
    channel: Channel | None = Field(default=None, description="email or sms. Left out: as the client prefers.")


class Sent(Result):
    """What went out. The address is shown in part only."""

    message_id: str
    appointment_id: str
    channel: str
    recipient: str
    text: str


def send_confirmation(context: ToolContext, arguments: SendConfirmation) -> Sent:
    """Send. Raises what ``domain.confirmations.send`` raises."""
    sent = send(context.store, arguments.appointment_id, arguments.channel, key=context.request_key, now=context.now())
    return Sent(
        message_id=sent.id,
        appointment_id=sent.appointment_id,
        channel=sent.channel,
        recipient=mask(sent.recipient),
        text=sent.text,
    )


def ask_before_sending(context: ToolContext, arguments: SendConfirmation) -> str:
    """Return the question for the person."""
    appointment = get_changeable(context.store, arguments.appointment_id, context.now())
    client = get_client(context.store, appointment.client_id)
    channel = arguments.channel or client.preferred_channel
    address = mask(client.email if channel == "email" else client.phone)
    return f"Send {client.name} the confirmation of appointment {appointment.id} by {channel} to {address}?"


def mask(address: str) -> str:
    """Return an address of which one recognises one's own and nobody learns another's: ``n***@example.com``, ``***0422``."""
    name, at, domain = address.partition("@")
    return f"{name[:1]}***@{domain}" if at else f"***{address[-4:]}"


SPEC = ToolSpec(
    name="send_confirmation",
    description=(
        "Send the client of an appointment its confirmation, in fixed words, to the address on file. Neither words nor address can be "
        "chosen. A message cannot be taken back, so a person is asked first unless they asked for it. Send one per booking or change."
    ),
    arguments=SendConfirmation,
    result=Sent,
    run=send_confirmation,
    changes=True,
    destructive=True,
    question=ask_before_sending,
)
