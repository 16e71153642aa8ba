"""Linking: what a trace's spans mean, derived after they were stored and written into the derived tables.

Derivation runs outside of any write transaction; one short transaction then replaces what changed for a batch of traces
and takes the dirty mark off those that nothing was added to meanwhile. Linking again what did not change writes nothing.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import attrgetter, itemgetter
from time import perf_counter_ns
from typing import NamedTuple

import msgspec
from sqlalchemy import TextClause, text

from ingest.chain.reconstruct import TraceContext, reconstruct_all

from .bulk import Row, Transaction, marks, take_turn, transaction
from .derive import Derived, Inspect, derive, inspect_nothing
from .derived import decision, finding, ledger, long_chain, option_set, reference, run, summary, tally
from .engine import Store, StoreBusy
from .ledger import move_rollups
from .prices import StoredPrices, save_prices
from .reader import StoredTrace, read_traces
from .search import Documents, documents, pack, store_documents
from .tallies import forget_signs, move_tallies, store_branches, store_signs
from .together import together

log = logging.getLogger(__name__)

TraceKey = tuple[int, bytes]
"""project, trace"""

BATCH_TRACES = 128
BATCH_SPANS = 1_400
"""Bounds of what one write transaction holds. On SQLite senders wait while it is open, some 25 ms."""

REST_NS = 250_000_000
"""A changed trace rests for so long before it is linked, since the rest of it is often in the next request."""

_READ_TRACES = 24
"""So many traces are read at once."""

_STAGE_SPANS = 576
"""So many spans at least go through a stage of derivation before the next. With a third of them linking takes 4 % more time."""

_TABLES = (summary, run, decision, ledger, reference, finding, tally, long_chain)

_KEEP_OPTION = "(project_id, set_hash, place) DO NOTHING"
_MARK_LINKED = (
    "UPDATE trace SET linked_version = ?, dirty_ns = CASE WHEN version = ? THEN NULL ELSE dirty_ns END "
    "WHERE project_id = ? AND trace_id = ?"
)


class Rulebook(NamedTuple):
    """What is applied to every trace, beside what its own spans say."""

    prices: StoredPrices
    inspect: Inspect = inspect_nothing


class LinkReport(msgspec.Struct):
    """What linking did."""

    traces: int = 0
    spans: int = 0
    changed: int = 0
    """Rows written or deleted, over all derived tables but the roll-ups."""
    took_ns: dict[TraceKey, int] = {}
    """How long each trace took to derive, with its share of the writing."""
    failed: list[TraceKey] = []
    """Traces that could not be linked, each logged; what was derived of them before stays."""


class _Linked(msgspec.Struct):
    project_id: int
    trace_id: bytes
    version: int
    """What the trace's version was before its spans were read."""
    spans: int
    derived: Derived
    docs: Documents
    took_ns: int


def link_traces(store: Store, keys: Collection[TraceKey], now_ns: int, rules: Rulebook) -> LinkReport:
    """Link traces; what is not in the store is passed over. Raises ``StoreBusy`` where the store cannot be written now."""
    report = LinkReport()
    batch: list[_Linked] = []
    spans = 0
    for group in _groups(sorted(set(keys))):
        for one in _derive_group(store, group, now_ns, rules, report):
            batch.append(one)
            spans += one.spans
            if len(batch) >= BATCH_TRACES or spans >= BATCH_SPANS:
                _write_or_split(store, batch, rules.prices, report)
                batch, spans = [], 0
    _write_or_split(store, batch, rules.prices, report)
    return report


def _groups(keys: Sequence[TraceKey]) -> Iterator[tuple[int, list[bytes]]]:
    """Yield keys by project, as many together as are read at once."""
    for project_id, members in groupby(keys, itemgetter(0)):
        trace_ids = [trace_id for _, trace_id in members]
        for start in range(0, len(trace_ids), _READ_TRACES):
            yield project_id, trace_ids[start : start + _READ_TRACES]


def _derive_group(
    store: Store, group: tuple[int, Sequence[bytes]], now_ns: int, rules: Rulebook, report: LinkReport
) -> Iterator["_Linked"]:
    project_id, trace_ids = group
    unreadable: list[bytes] = []
    started = perf_counter_ns()
    with store.engine.connect() as conn:
        found = read_traces(conn, project_id, trace_ids, unreadable)
    for some in together(found, _span_count, _STAGE_SPANS):
        share = (perf_counter_ns() - started) // len(some)
        for one in _derive_or_split(project_id, some, now_ns, rules, report):
            one.took_ns += share
            yield one
        # What is derived is written meanwhile, which is none of reading.
        started = perf_counter_ns()
    report.failed.extend((project_id, trace_id) for trace_id in unreadable)


def _span_count(stored: StoredTrace) -> int:
    return len(stored.spans)


def _derive_or_split(
    project_id: int, found: Mapping[bytes, StoredTrace], now_ns: int, rules: Rulebook, report: LinkReport
) -> list["_Linked"]:
    """Derive some traces; where that fails, each by itself, so that one cannot keep the others out."""
    started = perf_counter_ns()
    try:
        traces = reconstruct_all([(one.spans, _context(trace_id, one, now_ns, rules)) for trace_id, one in found.items()])
        derived = derive(project_id, traces, rules.prices.version_of, rules.inspect)
        texts = [documents(one.spans, trace) for one, trace in zip(found.values(), traces, strict=True)]
        docs = list(map(pack, texts))
    except Exception:
        if len(found) > 1:
            return [each for one in found.items() for each in _derive_or_split(project_id, dict([one]), now_ns, rules, report)]
        [trace_id] = found
        log.exception("cannot link trace %s", trace_id.hex())
        report.failed.append((project_id, trace_id))
        return []
    # A trace of which only log records came has no spans.
    took_ns = (perf_counter_ns() - started) / max(sum(map(_span_count, found.values())), 1)
    return [
        _Linked(project_id, trace_id, one.version, len(one.spans), rows, text, round(took_ns * len(one.spans)))
        for (trace_id, one), rows, text in zip(found.items(), derived, docs, strict=True)
    ]


def _context(trace_id: bytes, stored: StoredTrace, now_ns: int, rules: Rulebook) -> TraceContext:
    return TraceContext(trace_id, stored.first_seen_ns, stored.last_seen_ns, now_ns, rules.prices.price)


def _write_or_split(store: Store, batch: Sequence[_Linked], prices: StoredPrices, report: LinkReport) -> None:
    """Write a batch; where it cannot be written, each trace by itself, so that one cannot hold up the others."""
    if not batch:
        return
    started = perf_counter_ns()
    try:
        report.changed += _write(store, batch, prices)
    except StoreBusy:
        raise
    except Exception:
        if len(batch) > 1:
            for linked in batch:
                _write_or_split(store, [linked], prices, report)
            return
        log.exception("cannot store what trace %s means", batch[0].trace_id.hex())
        report.failed.append((batch[0].project_id, batch[0].trace_id))
        return
    prices.fresh.clear()
    share = (perf_counter_ns() - started) // len(batch)
    for linked in batch:
        report.traces += 1
        report.spans += linked.spans
        report.took_ns[linked.project_id, linked.trace_id] = linked.took_ns + share


def _write(store: Store, batch: Sequence[_Linked], prices: StoredPrices) -> int:
    changed = 0
    # What is lost of this in a power failure is derived again, since the marks of what is dirty come back with it.
    with transaction(store, durable=False) as tx:
        take_turn(tx)
        save_prices(tx, prices)
        for project_id, members in groupby(sorted(batch, key=attrgetter("project_id", "trace_id")), attrgetter("project_id")):
            changed += _write_project(tx, project_id, list(members))
    return changed


def _write_project(tx: Transaction, project_id: int, batch: Sequence[_Linked]) -> int:
    linked_before = _linked_versions(tx, project_id, [linked.trace_id for linked in batch])
    # A trace deleted meanwhile stays deleted, and what another worker derived of a later version stays.
    wanted = [one for one in batch if one.trace_id in linked_before and (linked_before[one.trace_id] or 0) <= one.version]
    known = [one.trace_id for one in wanted if linked_before[one.trace_id] is not None]
    changed = sum(_replace(tx, table.name, table.c.keys(), wanted, known) for table in _TABLES)
    changed += store_documents(tx, project_id, {one.trace_id: one.docs for one in wanted}, known)
    tx.many(_MARK_LINKED, [(one.version, one.version, project_id, one.trace_id) for one in wanted])
    return changed


def _linked_versions(tx: Transaction, project_id: int, trace_ids: Sequence[bytes]) -> dict[bytes, int | None]:
    statement = f"SELECT trace_id, linked_version FROM trace WHERE project_id = ? AND trace_id IN ({marks(trace_ids)})"
    return dict(tx.rows(statement, (project_id, *trace_ids)))


def _replace(tx: Transaction, table: str, columns: Sequence[str], batch: Sequence[_Linked], known: Sequence[bytes]) -> int:
    """Replace the rows of those traces whose rows changed; returns how many went and came."""
    old = _rows_by_trace(tx, table, columns, batch[0].project_id, known) if known else {}
    stale = [one for one in batch if old.get(one.trace_id, []) != one.derived.rows[table]]
    gone = [row for one in stale for row in old.get(one.trace_id, ())]
    fresh = [row for one in stale for row in one.derived.rows[table]]
    if gone:
        went = [one.trace_id for one in stale if one.trace_id in old]
        tx.run(f"DELETE FROM {table} WHERE project_id = ? AND trace_id IN ({marks(went)})", (batch[0].project_id, *went))
    tx.insert(table, columns, fresh)
    if table == ledger.name:
        move_rollups(tx, gone, fresh)
    elif table == decision.name:
        options = {set_hash: rows for one in stale for set_hash, rows in one.derived.options.items()}
        tx.insert(option_set.name, option_set.c.keys(), [row for _, rows in sorted(options.items()) for row in rows], _KEEP_OPTION)
    elif table == tally.name:
        move_tallies(tx, gone, [(one.project_id, one.derived.tally) for one in stale if one.derived.tally is not None])
        forget_signs(tx, batch[0].project_id, [row[1] for row in gone])
        store_branches(tx, [row for one in stale for row in one.derived.branches])
        store_signs(tx, [row for one in stale for row in one.derived.signs])
    return len(gone) + len(fresh)


def _rows_by_trace(tx: Transaction, table: str, columns: Sequence[str], project_id: int, known: Sequence[bytes]) -> dict[bytes, list[Row]]:
    """Return the rows of known traces as they are stored, in key order."""
    statement = f"SELECT {', '.join(columns)} FROM {table} WHERE project_id = ? AND trace_id IN ({marks(known)})"
    found: dict[bytes, list[Row]] = {}
    # Sorted here, because PostgreSQL sorts texts by its locale. Keys come first in every row.
    for row in sorted(tx.rows(statement, (project_id, *known))):
        found.setdefault(row[1], []).append(row)
    return found


# --- what is due --------------------------------------------------------------------------------------------------

# The last columns: since when it rests, and whether it has grown by a quarter since it was linked.
_DIRTY = text(
    "SELECT project_id, trace_id, last_seen_ns, 4 * (version - COALESCE(linked_version, 0)) >= version FROM trace "
    "WHERE dirty_ns IS NOT NULL AND dirty_ns <= :now ORDER BY dirty_ns LIMIT :most"
)
_SILENT = text(
    "SELECT project_id, trace_id, lost_after_ns, false FROM summary WHERE lost_after_ns IS NOT NULL AND lost_after_ns <= :now "
    "ORDER BY lost_after_ns LIMIT :most"
)

_PATIENCE = 2
_BRIEF_NS = 20_000_000
_RETRY_NS = 60_000_000_000


class Due(NamedTuple):
    """A trace that changed since it was linked."""

    key: TraceKey
    rests_since_ns: int
    has_grown: bool
    """By a quarter since it was linked: growth by a factor keeps the cost of all its linkings linear in its size."""


class _Wait(NamedTuple):
    until_ns: int
    took_ns: int | None
    """How long linking took; None where it failed."""

    def is_cut_short(self, due: Due, now_ns: int) -> bool:
        """A trace that rests need not wait to the end: it may be whole. One that goes on for ever must rest as long as it took."""
        return self.took_ns is not None and now_ns - due.rests_since_ns >= (REST_NS if due.has_grown else max(REST_NS, self.took_ns))


class Pace:
    """Remembers which traces have to wait, so that one that keeps growing costs a constant share of the time."""

    def __init__(self) -> None:
        self._waits: dict[TraceKey, _Wait] = {}

    def ready(self, due: Iterable[Due], now_ns: int) -> list[TraceKey]:
        """Return the keys that need not wait any longer."""
        self._waits = {key: wait for key, wait in self._waits.items() if wait.until_ns > now_ns}
        return [one.key for one in due if one.key not in self._waits or self._waits[one.key].is_cut_short(one, now_ns)]

    def note(self, report: LinkReport, now_ns: int) -> None:
        """Let each trace wait twice as long as linking it took, and one that failed for a minute."""
        slow = {key: took for key, took in report.took_ns.items() if took > _BRIEF_NS}
        self._waits.update((key, _Wait(now_ns + _PATIENCE * took, took)) for key, took in slow.items())
        self._waits.update((key, _Wait(now_ns + _RETRY_NS, None)) for key in report.failed)

    def waiting(self) -> int:
        """Return how many traces wait."""
        return len(self._waits)


def link_dirty(store: Store, clock_ns: Callable[[], int], rules: Rulebook, pace: Pace) -> LinkReport:
    """Link the traces that changed longest ago, at most a batch; raises ``StoreBusy`` where the store cannot be written."""
    return _link_due(store, _DIRTY, REST_NS, _Clockwork(clock_ns, rules, pace))


def link_silent(store: Store, clock_ns: Callable[[], int], rules: Rulebook, pace: Pace) -> LinkReport:
    """Link open traces again that have been silent for too long: their runs count as lost now."""
    return _link_due(store, _SILENT, 0, _Clockwork(clock_ns, rules, pace))


class _Clockwork(NamedTuple):
    """What linking what is due depends on, besides the store."""

    clock_ns: Callable[[], int]
    rules: Rulebook
    pace: Pace


def _link_due(store: Store, due: TextClause, rest_ns: int, work: _Clockwork) -> LinkReport:
    now_ns = work.clock_ns()
    with store.engine.connect() as conn:
        # Those that wait were marked first and would fill the batch for as long as they wait.
        found = conn.execute(due, {"now": now_ns - rest_ns, "most": BATCH_TRACES + work.pace.waiting()}).all()
    due_now = (Due((project_id, bytes(trace_id)), since_ns, bool(grown)) for project_id, trace_id, since_ns, grown in found)
    keys = work.pace.ready(due_now, now_ns)[:BATCH_TRACES]
    report = link_traces(store, keys, now_ns, work.rules)
    if keys:
        work.pace.note(report, work.clock_ns())
    return report
