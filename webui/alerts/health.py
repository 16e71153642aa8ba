"""H1: what is wrong with this Clew itself, so that silence does not mean both well and dead."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from sqlalchemy import Connection

from ingest.findings import Severity
from ingest.heartbeat import CANARY_S
from ingest.store.engine import Store
from ingest.store.outbox import oldest_due_ns
from ingest.store.pulse import CANARY_PROJECT, SLOT_NS, canary_read_ns, counts_since
from ingest.store.reader import oldest_pending_ns

from .engine import Signal

_SECOND_NS = 1_000_000_000

_MOST_REJECTED = 0.01
_FEWEST_REJECTED = 10
"""Fewer in an hour are somebody's first try, whatever share of little they are."""
_SLOTS_AN_HOUR = 12


def health(store: Store, data_dir: Path, broken: Sequence[str], since_ns: int, now_ns: int) -> Iterator[Signal]:
    """Yield what is wrong; ``broken`` are rules that fail, ``since_ns`` is when this process began to watch."""
    with store.engine.connect() as conn:
        pending_ns, due_ns = oldest_pending_ns(conn), oldest_due_ns(conn)
        yield from _canary(conn, since_ns, now_ns)
        yield from _rejected(conn, now_ns)
    if pending_ns is not None:
        yield from _late("linking", "Arrived spans wait for", (now_ns - pending_ns) / _SECOND_NS, 30)
    if due_ns is not None:
        yield from _late("outbox", "A message waits for", (now_ns - due_ns) / _SECOND_NS, 600)
    if broken:
        sentence = f"Rules cannot be evaluated: {', '.join(broken)}; the log says why"
        yield Signal(1, "H1", "", "rules", "warning", float(len(broken)), 1.0, sentence)
    yield from _space(data_dir)


def _canary(conn: Connection, since_ns: int, now_ns: int) -> Iterator[Signal]:
    """Say that the canary cannot be read: nothing comes in, is stored or is linked. Nothing where none was ever sent."""
    read_ns = canary_read_ns(conn)
    if read_ns is not None:
        # Who has just begun to watch was not there to see the last ones.
        unread_s = (now_ns - max(read_ns, since_ns)) / _SECOND_NS - CANARY_S
        yield from _late("canary", "The span that the ingest process sends itself each minute is unread for", unread_s, 120)


def _rejected(conn: Connection, now_ns: int) -> Iterator[Signal]:
    """Say of each project that part of what it was sent in the last hour could never be stored."""
    for project_id, (stored, rejected) in sorted(counts_since(conn, now_ns // SLOT_NS - _SLOTS_AN_HOUR).items()):
        share = rejected / (stored + rejected) if rejected else 0.0
        if project_id == CANARY_PROJECT or rejected < _FEWEST_REJECTED or share <= _MOST_REJECTED:
            continue
        severity: Severity = "critical" if share > 5 * _MOST_REJECTED else "warning"
        sentence = f"{rejected:,} of {stored + rejected:,} spans of the last hour were rejected; their senders were told why"
        expected = f"at most {_MOST_REJECTED:.0%}; a request that cannot be read at all counts as one span."
        yield Signal(project_id, "H1", "", "rejected", severity, share / _MOST_REJECTED, 1.0, sentence, expected=expected)


def _space(data_dir: Path) -> Iterator[Signal]:
    if not data_dir.exists():
        return
    disk = shutil.disk_usage(data_dir)
    free = disk.free / disk.total
    if free < 0.1:
        sentence = f"Only {free:.0%} of the disk that holds the store is free"
        yield Signal(1, "H1", "", "disk", "critical" if free < 0.02 else "warning", 1 - free, 0.9, sentence)
    wal = sum(one.stat().st_size for one in data_dir.glob("*.db-wal"))
    if wal > 512 << 20:
        sentence = f"The store's log has grown to {wal >> 20:,} MiB: some reader holds it"
        yield Signal(1, "H1", "", "log", "warning", wal / (512 << 20), 1.0, sentence)


def _late(subject: str, words: str, seconds: float, limit: float) -> Iterator[Signal]:
    if seconds > limit:
        severity: Severity = "critical" if seconds > 5 * limit else "warning"
        yield Signal(1, "H1", "", subject, severity, seconds / limit, 1.0, f"{words} {seconds:,.0f} s", expected=f"at most {limit:,.0f} s.")
