"""Operations on the whole store: link all again, read facts anew, delete what is old."""

import logging
from collections.abc import Callable, Iterator

from sqlalchemy import Table, func, select, tuple_

from .alert_schema import alert_run, stop_request
from .bulk import Transaction, marks, take_turn, transaction
from .derived import decision, finding, ledger, long_chain, reference, run, summary, tally
from .engine import Store
from .ledger import check_reconciles, move_rollups, read_ledger, rebuild_rollups
from .linker import BATCH_TRACES, LinkReport, Rulebook, TraceKey, link_traces
from .schema import chunk, log_chunk, log_record, span, trace
from .search import forget_documents
from .tallies import forget_signs, move_tallies, read_tallies, rebuild_tallies

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
"""Told how many of how many are done."""

Renormalise = Callable[[bytes], bytes]
"""Reads the payload of a chunk and returns its facts anew."""

_PAGE = 512
_PURGE_TRACES = 100
"""How many traces one transaction deletes: some milliseconds, so that nobody waits for long."""

_OF_TRACES = (
    summary, run, decision, ledger, reference, finding, tally, long_chain, alert_run, stop_request, span, chunk, log_record, log_chunk,
    trace,
)  # fmt: skip
"""Every table with rows of single traces, but the text index."""


_MARK_CHANGED = "UPDATE trace SET version = version + 1, dirty_ns = COALESCE(dirty_ns, last_seen_ns) WHERE project_id = ? AND trace_id = ?"


def no_progress(done: int, total: int) -> None:
    """Tell nobody."""


def relink_all(store: Store, project_id: int | None, now_ns: int, rules: Rulebook, progress: Progress = no_progress) -> LinkReport:
    """Link every trace again, of one project or of all, and bring roll-ups that do not reconcile in line with the ledger.

    Changes nothing where nothing changed but the time, open runs that are lost by now excepted. Raises ``StoreBusy``.
    """
    whole = LinkReport()
    total, done = _count_traces(store, project_id), 0
    for keys in _pages(store, project_id, BATCH_TRACES):
        part = link_traces(store, keys, now_ns, rules)
        whole.traces += part.traces
        whole.spans += part.spans
        whole.changed += part.changed
        whole.failed.extend(part.failed)
        done += len(keys)
        progress(done, max(total, done))
    for project in _projects(store, project_id):
        if check_reconciles(store, project):
            rebuild_rollups(store, project)
            whole.changed += 1
        whole.changed += rebuild_tallies(store, project)
    return whole


def renormalise_all(store: Store, project_id: int | None, spans: Renormalise, logs: Renormalise, progress: Progress = no_progress) -> int:
    """Read the facts of every chunk anew from its payload and mark the traces whose facts changed; returns how many did.

    For a new version of the dialects. The worker then links what was marked. Raises ``StoreBusy``.
    """
    total, done, changed = _count_traces(store, project_id), 0, 0
    for keys in _pages(store, project_id, _PAGE):
        for key in keys:
            changed += _renormalise_trace(store, key, spans, logs)
            done += 1
            progress(done, max(total, done))
    return changed


def _renormalise_trace(store: Store, key: TraceKey, spans: Renormalise, logs: Renormalise) -> bool:
    fresh = [(table, row) for table, read in ((chunk, spans), (log_chunk, logs)) for row in _changed_facts(store, table, key, read)]
    if not fresh:
        return False
    with transaction(store) as tx:
        for table, (chunk_id, facts) in fresh:
            tx.run(f"UPDATE {table.name} SET facts = ? WHERE project_id = ? AND trace_id = ? AND chunk_id = ?", (facts, *key, chunk_id))
        tx.run(_MARK_CHANGED, key)
    return True


def _changed_facts(store: Store, table: Table, key: TraceKey, read: Renormalise) -> list[tuple[bytes, bytes]]:
    wanted = select(table.c.chunk_id, table.c.payload, table.c.facts).where(table.c.project_id == key[0], table.c.trace_id == key[1])
    with store.engine.connect() as conn:
        rows = conn.execute(wanted).all()
    fresh: list[tuple[bytes, bytes]] = []
    for chunk_id, payload, facts in rows:
        try:
            anew = read(payload)
        except Exception:
            # The disk or a hand broke it: its facts stay, and all others are read.
            log.exception("cannot read what trace %s was sent", key[1].hex())
            continue
        if anew != facts:
            fresh.append((chunk_id, anew))
    return fresh


def purge(store: Store, older_than_ns: int, now_ns: int, progress: Progress = no_progress) -> int:
    """Delete every trace that nothing was received of since a time, whole, and return how many.

    With a trace go its spans, its place in lists, search and lookups, and its part of the bill: ledger and roll-ups shrink
    alike, so that they go on reconciling. What stays is its id with the time of deletion, for those who look it up.
    Raises ``StoreBusy``; what was deleted until then stays deleted.
    """
    with store.engine.connect() as conn:
        total = conn.execute(select(func.count()).select_from(trace).where(trace.c.last_seen_ns < older_than_ns)).scalar_one()
    done = 0
    while keys := _old_traces(store, older_than_ns):
        for project_id in sorted({key[0] for key in keys}):
            with transaction(store) as tx:
                take_turn(tx)
                done += _delete_traces(tx, project_id, [key[1] for key in keys if key[0] == project_id], older_than_ns, now_ns)
        progress(done, max(total, done))
    if done:
        _drop_unused_options(store)
    return done


def _old_traces(store: Store, older_than_ns: int) -> list[TraceKey]:
    wanted = select(trace.c.project_id, trace.c.trace_id).where(trace.c.last_seen_ns < older_than_ns)
    with store.engine.connect() as conn:
        return [(row.project_id, row.trace_id) for row in conn.execute(wanted.order_by(trace.c.last_seen_ns).limit(_PURGE_TRACES))]


def _delete_traces(tx: Transaction, project_id: int, asked: list[bytes], older_than_ns: int, now_ns: int) -> int:
    # Asked again inside the transaction: a span may have come meanwhile. The lock keeps further ones out until it ends.
    lock = "" if tx.dialect == "sqlite" else " FOR UPDATE"
    old = f"SELECT trace_id FROM trace WHERE project_id = ? AND trace_id IN ({marks(asked)}) AND last_seen_ns < ? ORDER BY trace_id{lock}"
    trace_ids = [row[0] for row in tx.rows(old, (project_id, *asked, older_than_ns))]
    if not trace_ids:
        return 0
    move_rollups(tx, read_ledger(tx, project_id, trace_ids), ())
    move_tallies(tx, read_tallies(tx, project_id, trace_ids), ())
    forget_signs(tx, project_id, trace_ids)
    forget_documents(tx, project_id, trace_ids)
    for table in _OF_TRACES:
        tx.run(f"DELETE FROM {table.name} WHERE project_id = ? AND trace_id IN ({marks(trace_ids)})", (project_id, *trace_ids))
    tx.many(
        "INSERT INTO tombstone (project_id, trace_id, deleted_ns) VALUES (?, ?, ?) "
        "ON CONFLICT (project_id, trace_id) DO UPDATE SET deleted_ns = excluded.deleted_ns",
        [(project_id, trace_id, now_ns) for trace_id in trace_ids],
    )
    return len(trace_ids)


def _drop_unused_options(store: Store) -> None:
    with transaction(store) as tx:
        take_turn(tx)
        tx.run("DELETE FROM option_set WHERE (project_id, set_hash) NOT IN (SELECT project_id, set_hash FROM decision)")
        tx.run("DELETE FROM branch_point WHERE (project_id, branch) NOT IN (SELECT project_id, branch FROM decision)")


def _projects(store: Store, project_id: int | None) -> list[int]:
    if project_id is not None:
        return [project_id]
    with store.engine.connect() as conn:
        return list(conn.execute(select(trace.c.project_id).distinct().order_by(trace.c.project_id)).scalars())


def _count_traces(store: Store, project_id: int | None) -> int:
    wanted = select(func.count()).select_from(trace)
    with store.engine.connect() as conn:
        return conn.execute(wanted if project_id is None else wanted.where(trace.c.project_id == project_id)).scalar_one()


def _pages(store: Store, project_id: int | None, size: int) -> Iterator[list[TraceKey]]:
    """Yield the keys of all traces in key order, a page at a time, without holding a read transaction open between."""
    columns = (trace.c.project_id, trace.c.trace_id)
    wanted = select(*columns).order_by(*columns).limit(size)
    if project_id is not None:
        wanted = wanted.where(trace.c.project_id == project_id)
    last: TraceKey = (-1, b"")
    while True:
        with store.engine.connect() as conn:
            page = [(row.project_id, row.trace_id) for row in conn.execute(wanted.where(tuple_(*columns) > tuple_(*last)))]
        if not page:
            return
        yield page
        last = page[-1]
