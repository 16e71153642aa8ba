"""The outbox in the store: parcels to deliver, claimed by a lease so that of several workers one delivers each."""

from collections.abc import Sequence

from sqlalchemy import Connection, func, select

from .alert_model import Alert, AlertEvent, Attempt, Parcel, Receiver, unpack_ids
from .alert_schema import attempt, outbox, receiver
from .alertbook import add_events, read_alerts, rows_of, struct_of
from .bulk import Transaction, marks, transaction
from .engine import Store

LEASE_NS = 120_000_000_000
"""Who claims a parcel has so long to deliver it; then it is anybody's again."""

LONGEST_WAIT_NS = 3_000_000_000_000
"""No parcel is ever told to wait longer: one that seems to was told so by a clock that has been put back since."""

REFUSALS_UNTIL_DISABLED = 5

_COLUMNS = tuple(name for name in Parcel.__struct_fields__ if name != "id")

_DUE = (
    "SELECT id FROM outbox WHERE state = 'due' AND (next_ns <= ? OR next_ns > ?) "
    "AND (lease_until_ns IS NULL OR lease_until_ns <= ? OR lease_until_ns > ?) "
    "ORDER BY CASE severity WHEN 'critical' THEN 0 ELSE 1 END, next_ns LIMIT ?"
)
"""What is critical goes first."""


def add_parcels(tx: Transaction, parcels: Sequence[Parcel]) -> None:
    """Write parcels; one whose message id is there already is the same and written once."""
    tx.insert("outbox", _COLUMNS, rows_of(parcels, _COLUMNS), "(message_id, channel) DO NOTHING")


def claim(store: Store, owner: str, now_ns: int, most: int) -> list[Parcel]:
    """Take parcels that are due, so that nobody else delivers them for as long as the lease. Raises ``StoreBusy``."""
    with store.engine.connect() as conn:
        # A look without a write transaction: most of the time nothing is due.
        due = select(outbox.c.id).where(outbox.c.state == "due").limit(1)
        if conn.execute(due).first() is None:
            return []
    far_ns = now_ns + LONGEST_WAIT_NS
    with transaction(store) as tx:
        skip = "" if tx.dialect == "sqlite" else " FOR UPDATE SKIP LOCKED"
        ids = [row[0] for row in tx.rows(_DUE + skip, (now_ns, far_ns, now_ns, now_ns + 2 * LEASE_NS, most))]
        if not ids:
            return []
        tx.run(f"UPDATE outbox SET lease_owner = ?, lease_until_ns = ? WHERE id IN ({marks(ids)})", (owner, now_ns + LEASE_NS, *ids))
    with store.engine.connect() as conn:
        rows = conn.execute(select(outbox).where(outbox.c.id.in_(ids)).order_by(outbox.c.id)).mappings()
        return [struct_of(Parcel, row) for row in rows]


def settle(store: Store, parcel: Parcel, done: Attempt, next_ns: int | None = None) -> None:
    """Write down how an attempt went: ``sent``, ``failed`` and ``suppressed`` are final, else it is due again at ``next_ns``.

    Raises ``StoreBusy``; then the lease runs out and the parcel is delivered again, under the same message id.
    """
    state = done.outcome if next_ns is None else "due"
    sent_ns = done.at_ns if done.outcome == "sent" else None
    error = "" if done.outcome == "sent" else done.words
    with transaction(store) as tx:
        tx.run(
            "UPDATE outbox SET state = ?, attempts = attempts + 1, next_ns = ?, lease_until_ns = NULL, sent_ns = ?, error = ? "
            "WHERE id = ? AND lease_owner = ? AND state = 'due'",
            (state, next_ns if next_ns is not None else parcel.next_ns, sent_ns, error, parcel.id, parcel.lease_owner),
        )
        tx.insert("attempt", Attempt.__struct_fields__, rows_of([done], Attempt.__struct_fields__))
        if done.outcome in ("sent", "failed", "suppressed") and parcel.alert_id:
            kind = "mailed" if done.outcome == "sent" else "unmailed"
            words = parcel.kind if done.outcome == "sent" else f"{parcel.kind}: {done.words}"
            add_events(tx, [AlertEvent(parcel.alert_id, done.at_ns, kind, parcel.receiver, words)])


def note_refusal(store: Store, parcel: Parcel, words: str, now_ns: int) -> None:
    """Count that a receiver was refused; after five in a row nothing more is sent there. Raises ``StoreBusy``."""
    with transaction(store) as tx:
        tx.run(
            "INSERT INTO receiver (channel, receiver, refusals, disabled_ns, error) VALUES (?, ?, 1, NULL, ?) "
            "ON CONFLICT (channel, receiver) DO UPDATE SET refusals = receiver.refusals + 1, error = excluded.error, "
            f"disabled_ns = CASE WHEN receiver.refusals + 1 >= {REFUSALS_UNTIL_DISABLED} "
            "THEN COALESCE(receiver.disabled_ns, CAST(? AS BIGINT)) ELSE receiver.disabled_ns END",
            (parcel.channel, parcel.receiver, words, now_ns),
        )


def forgive(store: Store, channel: str, name: str) -> None:
    """Forget refusals: something arrived, or somebody says that it will. Raises ``StoreBusy``."""
    with transaction(store) as tx:
        tx.run("DELETE FROM receiver WHERE channel = ? AND receiver = ?", (channel, name))


def receivers(conn: Connection) -> list[Receiver]:
    """Return receivers that refused lately."""
    return [struct_of(Receiver, row) for row in conn.execute(select(receiver).order_by(receiver.c.receiver)).mappings()]


def covered_alerts(conn: Connection, parcel: Parcel) -> list[Alert]:
    """Return the alerts that a parcel tells of."""
    return read_alerts(conn, unpack_ids(parcel.alert_ids)[:2_000])


def written_since(conn: Connection, since_ns: int) -> list[tuple[str, str, str, int]]:
    """Return (channel, receiver, kind, created) of the parcels written since a time."""
    o = outbox.c
    wanted = select(o.channel, o.receiver, o.kind, o.created_ns).where(o.created_ns >= since_ns)
    return [(row[0], row[1], row[2], row[3]) for row in conn.execute(wanted.limit(100_000))]


def oldest_due_ns(conn: Connection) -> int | None:
    """Return when the oldest parcel that is not delivered was written."""
    found: int | None = conn.execute(select(func.min(outbox.c.created_ns)).where(outbox.c.state == "due")).scalar()
    return found


def list_parcels(conn: Connection, project_id: int, alert_id: int | None, most: int) -> list[Parcel]:
    """Return the latest parcels of a project, or those that are mainly about one alert."""
    wanted = select(outbox).where(outbox.c.project_id == project_id)
    if alert_id is not None:
        wanted = wanted.where(outbox.c.alert_id == alert_id)
    return [struct_of(Parcel, row) for row in conn.execute(wanted.order_by(outbox.c.id.desc()).limit(most)).mappings()]


def read_parcel(conn: Connection, project_id: int, parcel_id: int) -> Parcel | None:
    """Return one parcel of a project."""
    row = conn.execute(select(outbox).where(outbox.c.id == parcel_id, outbox.c.project_id == project_id)).mappings().first()
    return None if row is None else struct_of(Parcel, row)


def attempts_of(conn: Connection, parcel_ids: Sequence[int]) -> dict[int, list[Attempt]]:
    """Return the attempts to deliver parcels, in order."""
    columns = (attempt.c[name] for name in Attempt.__struct_fields__)
    wanted = select(*columns).where(attempt.c.outbox_id.in_(parcel_ids)).order_by(attempt.c.id).limit(5_000)
    found: dict[int, list[Attempt]] = {}
    for row in conn.execute(wanted).mappings():
        found.setdefault(row["outbox_id"], []).append(struct_of(Attempt, row))
    return found
