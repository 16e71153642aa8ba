"""A sample alert through the real path: written into the outbox like any other, claimed, delivered, noted."""

from ingest.store.alert_model import Parcel
from ingest.store.bulk import transaction
from ingest.store.engine import Store
from ingest.store.outbox import add_parcels

from .dispatch import Outlets
from .letter import Letter, Line, Piece, subject_line
from .mail import message_id
from .render import as_html, as_text


def write_sample(store: Store, outlets: Outlets, receivers: list[str], project_id: int, now_ns: int) -> list[str]:
    """Write a sample for each receiver and return their message ids. Raises ``StoreBusy``."""
    parcels = [_parcel(outlets, receiver, project_id, now_ns) for receiver in receivers]
    with transaction(store) as tx:
        add_parcels(tx, parcels)
    return [parcel.message_id for parcel in parcels]


def _parcel(outlets: Outlets, receiver: str, project_id: int, now_ns: int) -> Parcel:
    letter = _letter(outlets, receiver)
    named = message_id(f"t{now_ns}", receiver, outlets.domain)
    return Parcel(
        project_id=project_id,
        alert_id=0,
        alert_ids=b"",
        kind="test",
        severity="info",
        channel="mail",
        receiver=receiver,
        message_id=named,
        thread=named,
        subject=letter.subject,
        body=as_text(letter),
        html=as_html(letter),
        state="due" if outlets.can_mail else "kept",
        created_ns=now_ns,
        next_ns=now_ns,
    )


def _letter(outlets: Outlets, receiver: str) -> Letter:
    base = outlets.desk.base_url
    return Letter(
        severity="info",
        subject=subject_line("info", "this is how an alert of Clew arrives; nothing is wrong"),
        meta="Test, no incident",
        headline="Nothing is wrong: somebody asked for this mail to see that alerts arrive.",
        headline_bad="",
        lines=(
            Line("Links", (Piece("lead to "), Piece(base, base))),
            Line("To", (Piece(receiver, is_data=True),)),
        ),
        foot=(Piece("Sent by clew alerts test. "), Piece("All deliveries", f"{base}/alerts/deliveries"), Piece(".")),
    )
