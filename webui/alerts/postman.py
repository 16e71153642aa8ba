"""Delivering parcels: claim, look once more whether they are wanted, hand over, write down. Safe in many processes at once."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import msgspec

from ingest.store.alert_model import Attempt, Parcel
from ingest.store.alertbook import running_silences
from ingest.store.engine import Store, StoreBusy
from ingest.store.outbox import claim, covered_alerts, forgive, note_refusal, receivers, settle

from .delivery import GIVE_UP_NS, DeliveryError, next_attempt_ns
from .stages import silenced

log = logging.getLogger(__name__)

Deliver = Callable[[Parcel], str]
"""Hands a parcel over and returns the receiving side's word. Raises ``DeliveryError``."""

_AT_ONCE = 4
_IDLE_S = 0.5
_BUSY_S = 2.0


class Postman(msgspec.Struct, frozen=True):
    """Who delivers: through which channels, under which name it claims, and by which clock."""

    channels: dict[str, Deliver]
    owner: str
    clock_ns: Callable[[], int] = time.time_ns


def deliver_due(store: Store, postman: Postman) -> int:
    """Deliver what is due, a few at once, and return how many parcels were dealt with. Raises ``StoreBusy``."""
    parcels = claim(store, postman.owner, postman.clock_ns(), _AT_ONCE)
    if len(parcels) == 1:
        deliver_one(store, postman, parcels[0])
    elif parcels:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(lambda parcel: deliver_one(store, postman, parcel), parcels))
    return len(parcels)


def deliver_one(store: Store, postman: Postman, parcel: Parcel) -> None:
    """Deliver one claimed parcel and write down how it went. Raises ``StoreBusy``: then it is delivered again later."""
    unwanted = _unwanted(store, parcel, postman.clock_ns())
    if unwanted:
        settle(store, parcel, Attempt(parcel.id, postman.clock_ns(), "suppressed", unwanted))
        return
    try:
        thanks = postman.channels[parcel.channel](parcel)
    except KeyError:
        settle(store, parcel, Attempt(parcel.id, postman.clock_ns(), "failed", f"no {parcel.channel} is set up any more"))
    except DeliveryError as error:
        _note_failure(store, postman, parcel, error)
    else:
        settle(store, parcel, Attempt(parcel.id, postman.clock_ns(), "sent", thanks))
        _forgive(store, parcel)


def _note_failure(store: Store, postman: Postman, parcel: Parcel, error: DeliveryError) -> None:
    now_ns = postman.clock_ns()
    if error.failure == "refused":
        note_refusal(store, parcel, str(error), now_ns)
    if error.permanent or now_ns - parcel.created_ns >= GIVE_UP_NS:
        settle(store, parcel, Attempt(parcel.id, now_ns, "failed", str(error)))
        return
    outcome = "misconfigured" if error.failure == "misconfigured" else "later"
    again_ns = next_attempt_ns(error.failure, parcel.attempts, parcel.message_id, now_ns)
    settle(store, parcel, Attempt(parcel.id, now_ns, outcome, str(error)), again_ns)


def _forgive(store: Store, parcel: Parcel) -> None:
    with store.engine.connect() as conn:
        known = any((one.channel, one.receiver) == (parcel.channel, parcel.receiver) for one in receivers(conn))
    if known:
        forgive(store, parcel.channel, parcel.receiver)


def _unwanted(store: Store, parcel: Parcel, now_ns: int) -> str:
    """Say why a parcel is not wanted any more: silenced since it was written, or its receiver refused too often."""
    with store.engine.connect() as conn:
        if any(one.disabled_ns is not None and (one.channel, one.receiver) == (parcel.channel, parcel.receiver) for one in receivers(conn)):
            return "this receiver refused five times in a row"
        silences = running_silences(conn, now_ns)
        if silences and parcel.kind != "test":
            alerts = covered_alerts(conn, parcel)
            if alerts and all(silenced(alert, silences, now_ns) for alert in alerts):
                return "silenced"
    return ""


def deliver_until(stop: threading.Event, store: Store, postman: Postman) -> None:
    """Deliver what is due until ``stop`` is set; what fails unforeseen is logged and tried again."""
    while not stop.is_set():
        pause_s = _IDLE_S
        try:
            if deliver_due(store, postman):
                continue
        except StoreBusy as error:
            log.warning("the outbox cannot be written now: %s", error)
            pause_s = _BUSY_S
        except Exception:
            log.exception("delivering failed")
            pause_s = _BUSY_S
        stop.wait(pause_s)


