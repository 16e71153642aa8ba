"""Lists of traces and lookups by the host's own names. They read ``summary`` and what its rows point at, never spans' bodies."""

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import msgspec
from sqlalchemy import BigInteger, ColumnElement, Connection, Row, and_, func, literal_column, select, tuple_

from ingest.model import Totals, TraceSummary, Usage

from .clip import fold
from .conditions import Conditions, is_narrow
from .derived import reference, summary, tombstone
from .engine import Store
from .query import Filter, Found, Order

_LAST: ColumnElement[int] = literal_column("-1", BigInteger)
"""Stands for an unknown number, after all known ones. Spelled out, because an index on the expression must be the same text."""

_ORDER_KEYS: dict[str, ColumnElement[int]] = {
    "started": summary.c.started_ns,
    "cost": func.coalesce(summary.c.cost_nanos, _LAST),
    "tokens": summary.c.tokens,
    "duration": func.coalesce(summary.c.duration_ns, _LAST),
    "steps": summary.c.steps,
}


class BadCursor(ValueError):
    """A cursor that no list of this order ever gave."""


@dataclass(frozen=True, slots=True)
class ListQuery:
    """What a list is asked for. Times bound the start: from the first on, before the second."""

    filter: Filter | None = None
    from_ns: int | None = None
    to_ns: int | None = None
    order: Order = "started"
    limit: int = 50
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list, and the cursor of the next one, if there is one."""

    items: list[TraceSummary]
    next: str | None


def list_traces(store: Store, project_id: int, query: ListQuery) -> Page:
    """Return a page of traces, the highest in their order first. Raises ``BadCursor``, ``UnknownField``."""
    key = _ORDER_KEYS[query.order]
    after = None if query.cursor is None else _decode_cursor(query.order, query.cursor)
    with store.engine.connect() as conn:
        conditions = conditions_of(conn, project_id, query)
        if after is not None:
            conditions.append(tuple_(key, summary.c.trace_id) < tuple_(*after))
        wanted = select(summary, key.label("order_key")).where(and_(*conditions))
        rows = conn.execute(wanted.order_by(*_newest(key, query.filter)).limit(query.limit + 1)).all()
    shown = rows[: query.limit]
    following = _encode_cursor(query.order, shown[-1].order_key, shown[-1].trace_id) if len(rows) > query.limit else None
    return Page([summary_of(row) for row in shown], following)


def conditions_of(conn: Connection, project_id: int, query: ListQuery) -> list[ColumnElement[bool]]:
    """Return what the traces of a list meet, whatever page of it. Raises ``UnknownField``."""
    conditions = [summary.c.project_id == project_id]
    if query.from_ns is not None:
        conditions.append(summary.c.started_ns >= query.from_ns)
    if query.to_ns is not None:
        conditions.append(summary.c.started_ns < query.to_ns)
    if query.filter is not None:
        conditions.append(Conditions(conn, project_id).of_trace(query.filter))
    return conditions


def _newest(key: ColumnElement[int], asked: Filter | None) -> tuple[ColumnElement[int], ColumnElement[bytes]]:
    """Return what to order by. A narrow filter's few rows are sorted: along an index of the order, all rows would be tried."""
    plain = key if asked is None or not is_narrow(asked) else key + literal_column("0", BigInteger)
    return plain.desc(), summary.c.trace_id.desc()


def runs_of_session(store: Store, project_id: int, session_id: str, limit: int = 100) -> list[TraceSummary]:
    """Return a session's traces in the order they started, at most so many; none for an unknown session."""
    return summaries_of(store, project_id, "session", session_id, limit)


def summaries_of(store: Store, project_id: int, kind: str, value: str, limit: int) -> list[TraceSummary]:
    """Return the traces that name this very session, user or reference in any of their runs, the oldest first."""
    named = select(reference.c.trace_id).where(
        reference.c.project_id == project_id, reference.c.folded == fold(value), reference.c.kind == kind, reference.c.value == value
    )
    wanted = select(summary).where(summary.c.project_id == project_id, summary.c.trace_id.in_(named))
    with store.engine.connect() as conn:
        rows = conn.execute(wanted.order_by(summary.c.started_ns, summary.c.trace_id).limit(limit)).all()
    return [summary_of(row) for row in rows]


def read_summaries(store: Store, project_id: int, trace_ids: Sequence[bytes]) -> dict[bytes, TraceSummary]:
    """Return the summaries of those traces that are linked."""
    wanted = select(summary).where(summary.c.project_id == project_id, summary.c.trace_id.in_(trace_ids))
    with store.engine.connect() as conn:
        return {row.trace_id: summary_of(row) for row in conn.execute(wanted)}


def find_by_reference(store: Store, project_id: int, value: str, limit: int = 50) -> list[Found]:
    """Return traces that have this value as their session, user or reference: those with its very case first, newest first."""
    exact = reference.c.value == value
    wanted = (
        select(reference, summary.c.agent, summary.c.started_ns)
        .join(summary, and_(summary.c.project_id == reference.c.project_id, summary.c.trace_id == reference.c.trace_id))
        .where(reference.c.project_id == project_id, reference.c.folded == fold(value))
        .order_by(exact.desc(), summary.c.started_ns.desc(), reference.c.kind, reference.c.name)
        .limit(limit)
    )
    with store.engine.connect() as conn:
        return [Found(row.kind, row.name, row.value, row.trace_id, row.agent, row.started_ns) for row in conn.execute(wanted)]


def deleted_ns(store: Store, project_id: int, trace_id: bytes) -> int | None:
    """Return when retention deleted a trace, if it did."""
    wanted = select(tombstone.c.deleted_ns).where(tombstone.c.project_id == project_id, tombstone.c.trace_id == trace_id)
    with store.engine.connect() as conn:
        found: int | None = conn.execute(wanted).scalar()
    return found


def _places(fields: Sequence[str]) -> Callable[[Row[Any]], tuple[Any, ...]]:
    names = summary.c.keys()
    return itemgetter(*(names.index(name) for name in fields))


# By place: to look fifty rows' members up by name would cost more than to find the rows.
_USAGE = _places(Usage.__struct_fields__)
_TOTALS = _places([name for name in Totals.__struct_fields__ if name != "usage"])
_LINE = _places([name for name in TraceSummary.__struct_fields__ if name != "totals"])


def summary_of(row: Row[Any]) -> TraceSummary:
    """Return the summary that a row of ``summary`` holds; further columns may follow."""
    totals = Totals(Usage(*_USAGE(row)), *_TOTALS(row))
    return TraceSummary(*(*_LINE(row), totals))


def _encode_cursor(order: Order, key: int, trace_id: bytes) -> str:
    return base64.urlsafe_b64encode(msgspec.msgpack.encode((order, key, trace_id))).decode().rstrip("=")


def _decode_cursor(order: Order, cursor: str) -> tuple[int, bytes]:
    try:
        data = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        named, key, trace_id = msgspec.msgpack.decode(data, type=tuple[str, int, bytes])
    except (binascii.Error, ValueError, msgspec.DecodeError) as error:
        raise BadCursor("this cursor was not given by any list") from error
    if named != order or abs(key) >= 2**63:
        raise BadCursor("this cursor belongs to another order")
    return key, trace_id
