"""A parcel as a mail: headers that mail programs sort and thread by, plain text first, then HTML."""

import hashlib
import re
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from urllib.parse import urlsplit

import msgspec

from ingest.store.alert_model import Parcel

from .letter import header_words

MOST_BYTES = 95_000
"""Of either part: many programs cut what is longer than 100 kB."""


class Sender(msgspec.Struct, frozen=True):
    """Who mails come from: the address, and the name that is in message ids and in the list's id."""

    address: str
    domain: str
    list_url: str = ""
    """Where a receiver sees who gets mails and why."""


_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,10}")
"""Plain ASCII: other hosts are written as xn--, and any other name before the @ would need a server that knows SMTPUTF8."""


class BadAddress(ValueError):
    """An address that no mail can be sent to; the text says why."""


def sender_of(alert_from: str, base_url: str) -> Sender:
    """Return the sender of a configuration; an empty address is clew at the host that links lead to."""
    host = urlsplit(base_url).hostname or "localhost"
    address = alert_from or f"clew@{host}"
    return Sender(address, plain_address(address).rpartition("@")[2] or host, f"{base_url}/alerts/deliveries")


def plain_address(text: str) -> str:
    """Return the address in ``Name <address>`` or as it is. Raises ``BadAddress`` for anything that is not one address."""
    inner = text.strip()
    if inner.endswith(">") and "<" in inner:
        inner = inner[inner.rindex("<") + 1 : -1].strip()
    if not _ADDRESS.fullmatch(inner):
        raise BadAddress(f"{header_words(text, 60)} is no mail address.")
    return inner


def addresses(text: str) -> list[str]:
    """Return the addresses in a list with commas, each once. Raises ``BadAddress``."""
    return list(dict.fromkeys(plain_address(part) for part in text.split(",") if part.strip()))


def message_id(place: str, receiver: str, domain: str) -> str:
    """Return the id of the message at a place (``a318.2``: the second about alert 318) to a receiver: the same each time it is asked."""
    whom = hashlib.sha256(receiver.casefold().encode("utf-8", "replace")).hexdigest()[:10]
    return f"<{place}.{whom}@{domain}>"


def compose(parcel: Parcel, sender: Sender) -> bytes:
    """Return a parcel as a mail, in 7-bit lines of at most 78 characters or so. Raises ``BadAddress``."""
    mail = EmailMessage(policy=SMTP.clone(cte_type="7bit"))
    mail["From"] = header_words(sender.address, 200)
    mail["To"] = plain_address(parcel.receiver)
    mail["Date"] = format_datetime(datetime.fromtimestamp(parcel.created_ns // 10**9, UTC))
    mail["Subject"] = header_words(parcel.subject, 120)
    mail["Message-ID"] = parcel.message_id
    if parcel.thread and parcel.thread != parcel.message_id:
        mail["In-Reply-To"] = parcel.thread
        mail["References"] = parcel.thread
    mail["List-Id"] = f"Clew alerts <alerts.{sender.domain}>"
    if sender.list_url.startswith("http"):
        mail["List-Unsubscribe"] = f"<{sender.list_url}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    if parcel.severity == "critical":
        mail["X-Priority"] = "1"
        mail["Importance"] = "high"
    mail.set_content(cut(parcel.body), cte="quoted-printable")
    if parcel.html:
        mail.add_alternative(parcel.html, subtype="html", cte="quoted-printable")
        # Sent again, it is the very same mail.
        mail.set_boundary(f"=_{hashlib.sha256(parcel.message_id.encode('utf-8', 'replace')).hexdigest()[:32]}")
    return mail.as_bytes()


def cut(text: str) -> str:
    """Return a text of a size that mail programs take, and that can be encoded."""
    data = text.encode("utf-8", "replace")
    return data.decode() if len(data) <= MOST_BYTES else data[:MOST_BYTES].decode("utf-8", "ignore") + "\n[cut]\n"
