"""The six tools. A client's appointments have no tool of their own: ``get_client_preferences`` lists the next of them."""

from collections.abc import Mapping
from types import MappingProxyType

from . import (
    book_appointment,
    cancel_appointment,
    check_availability,
    get_client_preferences,
    reschedule_appointment,
    send_confirmation,
)
from .contract import ToolSpec

_SPECS = (
    check_availability.SPEC,
    book_appointment.SPEC,
    cancel_appointment.SPEC,
    reschedule_appointment.SPEC,
    get_client_preferences.SPEC,
    send_confirmation.SPEC,
)

TOOLS: Mapping[str, ToolSpec] = MappingProxyType({spec.name: spec for spec in _SPECS})
"""All that the agent can do, by name."""
