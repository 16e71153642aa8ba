"""From alerts in play to parcels in the outbox: one for each receiver of each notice, and the alerts as told."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection

from ingest.store.alert_model import Alert, AlertEvent, AlertRun, Parcel, pack_ids
from ingest.store.alertbook import running_silences
from ingest.store.casebook import Case, read_case
from ingest.store.outbox import written_since

from .hook import hook_body
from .letter import Letter
from .mail import message_id
from .message import Brief, Desk, write_letter
from .render import as_html, as_text
from .stages import OWED, History, Notice, owed, plan, throttle, told

_HOUR_NS = 3_600 * 10**9
_NO_LETTERS = ("test", "daily", "weekly")
"""Kinds that take no room from alerts."""

NOBODY = ""
"""The receiver of what nobody is told: it can be read in the pages."""


class Outlets(msgspec.Struct, frozen=True):
    """To whom alerts go, and how messages are made."""

    desk: Desk
    domain: str
    mails: tuple[str, ...] = ()
    webhooks: tuple[str, ...] = ()
    can_mail: bool = False
    """False: mails are written and kept to be read, since there is no server to send them."""
    digest_minute: int | None = None
    """At which minute of the day, on the desk's clock, the mail of the day is written; None: never."""

    def targets(self) -> list[tuple[str, str, str]]:
        """Return (channel, receiver, state) of a parcel for each receiver; somebody who reads the pages if there is none."""
        state = "due" if self.can_mail else "kept"
        mails = [("mail", one, state) for one in self.mails] or [("mail", NOBODY, "kept")]
        return [*mails, *(("webhook", one, "due") for one in self.webhooks)]


class Told(msgspec.Struct, frozen=True):
    """What is to be written of what is told."""

    parcels: tuple[Parcel, ...] = ()
    alerts: tuple[Alert, ...] = ()
    events: tuple[AlertEvent, ...] = ()


def write_parcels(conn: Connection, outlets: Outlets, alerts: Sequence[Alert], fresh: Sequence[AlertRun], now_ns: int) -> Told:
    """Return what is told now; ``fresh`` are runs behind the alerts that are not stored yet."""
    notices = plan(alerts, running_silences(conn, now_ns), now_ns)
    if not notices:
        return Told()
    alone, digest, waiting = throttle(notices, _busiest(conn, now_ns), now_ns)
    parcels: list[Parcel] = []
    changed: list[Alert] = [owed(alert) for alert in waiting if not alert.thread]
    for notice in [*alone, *([digest] if digest else [])]:
        place = f"g{now_ns}" if notice.kind == "digest" else f"a{notice.first.id}.{notice.first.mails + 1}"
        runs = [run for run in fresh if run.alert_id == notice.first.id]
        case = Case(notice.first) if notice.kind == "digest" else read_case(conn, notice.first, runs, now_ns)
        parcels += [_parcel(Brief(notice, case, target[1], outlets.desk, now_ns), outlets, target, place) for target in outlets.targets()]
        changed += [told(alert, notice, place, now_ns) for alert in notice.alerts]
    return Told(tuple(parcels), tuple(changed))


def _busiest(conn: Connection, now_ns: int) -> History:
    """Return what the receiver who got most in the last hour got: all are told the same."""
    letters: dict[tuple[str, str], int] = {}
    last_ns: int | None = None
    for channel, receiver, kind, created_ns in written_since(conn, now_ns - _HOUR_NS):
        if kind == "digest":
            last_ns = max(created_ns, last_ns or 0)
        elif kind not in _NO_LETTERS:
            letters[channel, receiver] = letters.get((channel, receiver), 0) + 1
    return History(max(letters.values(), default=0), last_ns)


def _parcel(brief: Brief, outlets: Outlets, target: tuple[str, str, str], place: str) -> Parcel:
    notice, first = brief.notice, brief.notice.first
    letter = write_letter(brief)
    blank = Parcel(
        project_id=first.project_id,
        alert_id=first.id,
        alert_ids=pack_ids([one.id for one in notice.alerts]),
        kind=notice.kind,
        severity=first.severity,
        channel="",
        receiver="",
        message_id="",
        thread=_root(notice, place),
        subject=letter.subject,
        body="" if target[0] == "mail" else hook_body(brief, letter),
        html="",
        state="",
        created_ns=brief.now_ns,
        next_ns=brief.now_ns,
    )
    return address_parcel(blank, letter, outlets, target, place)


def address_parcel(blank: Parcel, letter: Letter, outlets: Outlets, target: tuple[str, str, str], place: str) -> Parcel:
    """Return a parcel for one (channel, receiver, state); its thread, where it names any, is a place like its own."""
    channel, receiver, state = target
    is_mail = channel == "mail"
    return msgspec.structs.replace(
        blank,
        channel=channel,
        receiver=receiver,
        state=state,
        message_id=message_id(place, receiver, outlets.domain),
        thread=message_id(blank.thread or place, receiver, outlets.domain),
        body=as_text(letter) if is_mail else blank.body,
        html=as_html(letter) if is_mail else "",
    )


def _root(notice: Notice, place: str) -> str:
    thread = notice.first.thread
    return place if notice.kind == "digest" or thread in ("", OWED) else thread
