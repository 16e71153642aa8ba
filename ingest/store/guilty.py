"""The guilty step of a run that contributes to an alert about many: what was found in it, failed, took longest or used most."""

from collections.abc import Callable, Iterable

import msgspec
from sqlalchemy import Connection, Select, select

from ingest.model import StoredSpan

from .derived import finding, summary
from .reader import read_trace
from .schema import span

_MOST_SPANS = 2_000
"""Of longer traces the steps are not read one by one: a message must be written while somebody waits for it."""

_CALLS = ("llm", "tool", "retrieval", "embedding")
_FAILED = 2


class Guilt(msgspec.Struct, frozen=True):
    """A step to look at first, and why."""

    spans: bytes
    """Ids of spans, the last of them the step: where it began before that."""
    words: str


Key = tuple[int, bytes, bytes]
"""project, trace, run"""

Look = Callable[[Connection, Key], Guilt | None]


def guilty_steps(conn: Connection, keys: Iterable[Key], look: Look) -> dict[Key, Guilt]:
    """Return the step to blame of each run that has one: what a rule found in it, else what ``look`` finds."""
    found = {}
    for key in keys:
        guilt = _found(conn, key) or (look(conn, key) if _is_whole_trace(conn, key) else None)
        if guilt is not None:
            found[key] = guilt
    return found


def _found(conn: Connection, key: Key) -> Guilt | None:
    f = finding.c
    wanted = select(f.severity, f.spans, f.sentence).where(f.project_id == key[0], f.trace_id == key[1], f.run_id == key[2])
    gravest = min(conn.execute(wanted.limit(50)), key=lambda row: ("critical", "warning", "info").index(row.severity), default=None)
    return Guilt(bytes(gravest.spans), gravest.sentence) if gravest is not None and gravest.spans else None


def _is_whole_trace(conn: Connection, key: Key) -> bool:
    """Tell whether a run is its trace's first: of another's steps nobody knows here which they are."""
    s = summary.c
    return conn.execute(select(s.run_id).where(s.project_id == key[0], s.trace_id == key[1])).scalar() == key[2]


def failed_step(conn: Connection, key: Key) -> Guilt | None:
    """Return the last call that failed."""
    wanted = _calls(key).where(span.c.status_code == _FAILED).order_by(span.c.end_ns.desc())
    row = conn.execute(wanted.limit(1)).first()
    return Guilt(bytes(row.span_id), f"{row.name} failed") if row is not None else None


def longest_step(conn: Connection, key: Key) -> Guilt | None:
    """Return the call that took longest."""
    row = conn.execute(_calls(key).order_by((span.c.end_ns - span.c.start_ns).desc()).limit(1)).first()
    return Guilt(bytes(row.span_id), f"{row.name} took longest") if row is not None else None


def _calls(key: Key) -> Select[tuple[bytes, str]]:
    s = span.c
    return select(s.span_id, s.name).where(s.project_id == key[0], s.trace_id == key[1], s.kind.in_(_CALLS))


def largest_step(conn: Connection, key: Key) -> Guilt | None:
    """Return the model call that used most tokens; none of a trace too long to read."""
    s = summary.c
    length = conn.execute(select(s.span_count).where(s.project_id == key[0], s.trace_id == key[1])).scalar()
    if length is None or length > _MOST_SPANS:
        return None
    stored = read_trace(conn, key[0], key[1])
    calls = [one for one in stored.spans if one.facts.kind == "llm"] if stored is not None else []
    largest = max(calls, key=_tokens, default=None)
    return Guilt(largest.span_id, f"{largest.name} used most tokens") if largest is not None and _tokens(largest) else None


def _tokens(call: StoredSpan) -> int:
    usage = call.facts.usage
    return (usage.input_tokens or 0) + (usage.output_tokens or 0) if usage is not None else 0
