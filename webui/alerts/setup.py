"""The parts of alerting as the settings want them: who writes, who is told, through what."""

import os
import secrets
import socket
import time
from collections.abc import Callable
from datetime import datetime, tzinfo
from zoneinfo import ZoneInfo

from ingest.listen import url_host
from ingest.settings import Settings, SettingsError
from ingest.store.alert_model import Parcel
from ingest.store.engine import Store
from ingest.store.watchbook import signing_key

from .delivery import DeliveryError
from .dispatch import Outlets
from .mail import BadAddress, addresses, compose, plain_address, sender_of
from .message import Desk
from .postman import Deliver, Postman
from .smtp import Relay, read_relay, send_mail
from .webhook import check_target, look_up, post


def process_name() -> str:
    """Return a name for this process that no other has."""
    return f"{socket.gethostname()[:40]}-{os.getpid()}-{secrets.token_hex(4)}"


def base_url(settings: Settings) -> str:
    """Return what links begin with: never what a request's Host header says."""
    return settings.base_url or f"http://{url_host(settings.host)}:{settings.port}"


def make_desk(settings: Settings, store: Store, zone: tzinfo | None = None) -> Desk:
    """Return who writes, on this machine's wall clock unless told otherwise. Raises ``StoreBusy``."""
    local = zone or _zone_of(settings.alert_digest) or datetime.now().astimezone().tzinfo
    assert local is not None
    return Desk(base_url(settings), signing_key(store, settings.secret_key), local)


def _zone_of(digest: str) -> tzinfo | None:
    zone = digest.partition(" ")[2]
    return ZoneInfo(zone) if zone else None


def _minute_of(digest: str) -> int | None:
    """Return the minute of the day at which the mail of the day is written; None for ``off``."""
    if digest == "off":
        return None
    hour, minute = digest.partition(" ")[0].split(":")
    return 60 * int(hour) + int(minute)


def make_outlets(settings: Settings, store: Store, zone: tzinfo | None = None) -> Outlets:
    """Return to whom alerts go. Raises ``SettingsError`` for addresses that are none, ``StoreBusy``."""
    try:
        mails = addresses(settings.alert_to)
        sender = sender_of(settings.alert_from, base_url(settings))
    except BadAddress as error:
        raise SettingsError(f"CLEW_ALERT_FROM and CLEW_ALERT_TO are mail addresses: {error}") from error
    webhooks = ("webhook",) if settings.webhook_url else ()
    desk = make_desk(settings, store, zone)
    return Outlets(desk, sender.domain, tuple(mails), webhooks, bool(settings.smtp_url), _minute_of(settings.alert_digest))


def make_relay(settings: Settings) -> Relay | None:
    """Return the mail server, None where there is none. Raises ``SettingsError``."""
    if not settings.smtp_url:
        return None
    try:
        return read_relay(settings.smtp_url)
    except ValueError as error:
        raise SettingsError(f"CLEW_SMTP_URL must be {error}.") from error


def make_postman(settings: Settings, store: Store, clock_ns: Callable[[], int] = time.time_ns) -> Postman:
    """Return who delivers. Raises ``SettingsError``, ``StoreBusy``."""
    channels: dict[str, Deliver] = {}
    relay = make_relay(settings)
    if relay is not None:
        channels["mail"] = mail_channel(relay, settings)
    if settings.webhook_url:
        channels["webhook"] = webhook_channel(settings, signing_key(store, settings.secret_key), clock_ns)
    return Postman(channels, process_name(), clock_ns)


def mail_channel(relay: Relay, settings: Settings) -> Deliver:
    """Return what hands parcels to a mail server."""
    sender = sender_of(settings.alert_from, base_url(settings))

    def deliver(parcel: Parcel) -> str:
        try:
            mail, receiver = compose(parcel, sender), plain_address(parcel.receiver)
        except BadAddress as error:
            raise DeliveryError(str(error), "refused") from error
        return send_mail(relay, plain_address(sender.address), receiver, mail)

    return deliver


def webhook_channel(settings: Settings, key: bytes, clock_ns: Callable[[], int]) -> Deliver:
    """Return what posts parcels to the webhook. The outbox names it by a word: its address may hold a secret."""

    def deliver(parcel: Parcel) -> str:
        target = check_target(settings.webhook_url, look_up, private=settings.webhook_private)
        return post(target, parcel, key, clock_ns())

    return deliver
