"""What the firm has decided, one document for each matter."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Document:
    """Something to know. ``client_id`` is whose it is, None for everybody's."""

    id: str
    text: str
    client_id: str | None = None


POLICIES = (
    Document(
        "policy-cancellation",
        "Cancellation: appointments can be cancelled free of charge until 24 hours before they start. Later cancellations and "
        "missed appointments cost half of the fee of the meeting.",
    ),
    Document(
        "policy-rescheduling",
        "Rescheduling: an appointment can be moved free of charge until it starts, to any free time of the same professionals. "
        "Moving it keeps its id.",
    ),
    Document(
        "policy-hours",
        "Opening hours: London is open 09:00 to 17:30, New York 09:00 to 17:00, Singapore 09:00 to 18:00, Monday to Friday on "
        "their own clocks. There are no meetings at weekends and on public holidays.",
    ),
    Document(
        "policy-length",
        "Length of meetings: 15 minutes to three hours in steps of a quarter of an hour. A first consultation takes 60 minutes, "
        "a usual review 30 minutes.",
    ),
    Document(
        "policy-several",
        "Meetings with several professionals, also across offices, need a time at which all of them are free. Where there is "
        "none within two weeks, the front desk arranges one by hand.",
    ),
    Document(
        "policy-privacy",
        "Privacy: appointments, notes and addresses of one client are never told to another. Clients prove who they are by "
        "logging in, never by what they write in a message.",
    ),
    Document(
        "policy-confirmation",
        "Confirmations go by email or text message to the address on file only. A change of address is made by the front desk "
        "after a call.",
    ),
    Document(
        "policy-advice",
        "Advice: the scheduling assistant gives no legal and no tax advice and discusses no fees. Such questions are for the "
        "professional, in a meeting.",
    ),
    Document(
        "policy-urgent",
        "Urgent matters, such as a deadline today or a complaint, are handed over to the front desk at once.",
    ),
    Document(
        "policy-advance",
        "Booking ahead: appointments can be booked up to one year ahead.",
    ),
)
"""Everything that anybody may be told about how appointments work here."""
