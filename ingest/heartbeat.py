"""What the ingest process says of itself: how much it stored and rejected, and a canary that takes the way every span takes."""

import asyncio
import logging
import time
from collections.abc import Callable

import orjson

from .budget import Overloaded
from .otlp.export import Export, Take
from .store.engine import Store, StoreBusy
from .store.pulse import CANARY_PROJECT, CANARY_TRACE, SLOT_NS, SlotKey, add_counts, forget_old_canaries

log = logging.getLogger(__name__)

CANARY_S = 60.0
"""So often a canary is sent, for the first time so long after the start."""

_COUNTS_S = 10.0
"""So often counts are written: a process that is killed takes the last ones with it."""


class Counts:
    """Counts spans by project and time, until they are written. For one event loop."""

    def __init__(self, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self._clock_ns = clock_ns
        self._sums: dict[SlotKey, tuple[int, int]] = {}

    def note(self, project_id: int, stored: int, rejected: int) -> None:
        """Count what became of a request's spans. One that cannot be read at all counts as one that was rejected."""
        if stored or rejected:
            self._add((project_id, self._clock_ns() // SLOT_NS), stored, rejected)

    def _add(self, key: SlotKey, stored: int, rejected: int) -> None:
        before = self._sums.get(key, (0, 0))
        self._sums[key] = (before[0] + stored, before[1] + rejected)

    async def write(self, store: Store) -> None:
        """Write what was counted. Where the store cannot be written, it is kept for the next time."""
        sums, self._sums = self._sums, {}
        try:
            await asyncio.to_thread(add_counts, store, sums)
        except StoreBusy as error:
            log.warning("what was taken in cannot be counted now: %s", error)
            for key, (stored, rejected) in sums.items():
                self._add(key, stored, rejected)


async def beat(take: Take, counts: Counts, store: Store, canary_s: float = CANARY_S) -> None:
    """Write counts and send canaries until cancelled."""
    clock = asyncio.get_running_loop().time
    due = clock() + canary_s
    while True:
        await asyncio.sleep(min(_COUNTS_S, canary_s))
        try:
            await counts.write(store)
            if clock() >= due:
                due = clock() + canary_s
                await _send_canary(take, store)
        except Exception:
            # Whatever it was, it must not be the last beat.
            log.exception("what the ingest process says of itself was not stored")


async def _send_canary(take: Take, store: Store) -> None:
    """Send a canary as an exporter would. That it does not arrive is what it is for: whoever reads it sees that."""
    try:
        await asyncio.to_thread(forget_old_canaries, store)
        await take(Export("traces", CANARY_PROJECT, canary(time.time_ns()), is_json=True))
    except (StoreBusy, Overloaded) as error:
        log.warning("the canary was not stored: %s", error)


def canary(now_ns: int) -> bytes:
    """Return a request with the canary as it is at a time."""
    ids = {"traceId": CANARY_TRACE.hex(), "spanId": CANARY_TRACE[:8].hex()}
    span = {**ids, "name": "canary", "startTimeUnixNano": str(now_ns), "endTimeUnixNano": str(now_ns)}
    return orjson.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]})
