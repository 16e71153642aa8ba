"""Signs that spans still come in and can be read: what was stored and what was rejected, and the canary."""

from collections.abc import Mapping

from sqlalchemy import Connection, func, select

from .alert_schema import intake_slot
from .bulk import transaction
from .derived import summary
from .engine import Store

SLOT_NS = 300_000_000_000

CANARY_PROJECT = 0
"""A project that no key opens and no page shows: projects are numbered from 1."""

CANARY_TRACE = b"clew canary 0001"
"""One trace of one span, which is sent again and again with a later end: the store does not grow by it."""

_KEPT_SLOTS = 576

SlotKey = tuple[int, int]
"""project, slot of five minutes"""

_ADD = "(project_id, slot) DO UPDATE SET stored = intake_slot.stored + excluded.stored, rejected = intake_slot.rejected + excluded.rejected"


def add_counts(store: Store, counts: Mapping[SlotKey, tuple[int, int]]) -> None:
    """Add up how many spans were stored and rejected; what is older than two days goes. Raises ``StoreBusy``."""
    if not counts:
        return
    newest = max(slot for _, slot in counts)
    with transaction(store) as tx:
        tx.insert(intake_slot.name, intake_slot.c.keys(), [(*key, *sums) for key, sums in sorted(counts.items())], _ADD)
        tx.run("DELETE FROM intake_slot WHERE slot < ?", (newest - _KEPT_SLOTS,))


def counts_since(conn: Connection, slot: int) -> dict[int, tuple[int, int]]:
    """Return how many spans were stored and rejected since a slot, by project."""
    s = intake_slot.c
    wanted = select(s.project_id, func.sum(s.stored), func.sum(s.rejected)).where(s.slot >= slot).group_by(s.project_id)
    return {int(row[0]): (int(row[1]), int(row[2])) for row in conn.execute(wanted)}


def canary_read_ns(conn: Connection) -> int | None:
    """Return when the latest canary that can be read was sent; None where none ever was."""
    wanted = select(summary.c.ended_ns).where(summary.c.project_id == CANARY_PROJECT, summary.c.trace_id == CANARY_TRACE)
    return conn.execute(wanted).scalar()


def forget_old_canaries(store: Store) -> None:
    """Drop what former canaries left. Raises ``StoreBusy``."""
    used = "SELECT chunk_id FROM span WHERE project_id = ? AND trace_id = ?"
    key = (CANARY_PROJECT, CANARY_TRACE)
    with transaction(store) as tx:
        tx.run(f"DELETE FROM chunk WHERE project_id = ? AND trace_id = ? AND chunk_id NOT IN ({used})", (*key, *key))
