"""Who may do what: the fewest tools for a task, and only the session's own clients and their appointments."""

from types import MappingProxyType

from ..domain.appointments import get_appointment, not_found
from ..tools.contract import Arguments, ToolContext
from ..tools.views import check_reachable

TASKS = MappingProxyType(
    {
        "book": frozenset({"get_client_preferences", "check_availability", "book_appointment", "send_confirmation"}),
        "reschedule": frozenset({"get_client_preferences", "check_availability", "reschedule_appointment", "send_confirmation"}),
        "cancel": frozenset({"get_client_preferences", "cancel_appointment"}),
        "confirm": frozenset({"get_client_preferences", "send_confirmation"}),
        "enquire": frozenset({"get_client_preferences", "check_availability"}),
    }
)
"""The tools that each task needs, and no others."""

SPECIALISTS = MappingProxyType(
    {
        "calendar": frozenset({"check_availability", "book_appointment", "cancel_appointment", "reschedule_appointment"}),
        "client": frozenset({"get_client_preferences", "send_confirmation"}),
    }
)
"""The tools of each agent where several work together; a task narrows them further."""


def tools_for(*tasks: str) -> frozenset[str]:
    """Return the tools that these tasks need together; a task nobody knows, and no task, may only look."""
    return frozenset().union(*(TASKS.get(task, TASKS["enquire"]) for task in tasks or ("enquire",)))


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
