"""Who may do what: only the session's own clients and their appointments. Which tools a task has is in ``tasks.py``."""

from ..domain.appointments import get_appointment, not_found
from ..tools.contract import Arguments, ToolContext
from ..tools.views import check_reachable


def check_authorised(context: ToolContext, arguments: Arguments) -> None:
    """Raise ``DomainError`` unless the session acts for the client that these arguments concern.

    What is somebody else's and what does not exist give the same answer (not_permitted for clients, not_found for appointments), so
    that ids cannot be tried out.
    """
    named = getattr(arguments, "client_id", None) or _digits(getattr(arguments, "client", ""))
    if named:
        check_reachable(context, named)
    appointment_id = getattr(arguments, "appointment_id", None)
    if appointment_id and not context.may_see(get_appointment(context.store, appointment_id).client_id):
        raise not_found(appointment_id)


def _digits(text: str) -> str:
    return text.strip() if text.strip().isdigit() else ""
