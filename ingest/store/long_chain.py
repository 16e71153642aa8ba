"""The chains of long traces, kept as they were linked: to open a run of 10,000 steps takes a quarter of what reconstructing it does.

Only what no passing of time changes is kept: traces of which no run is under way. What a chain was made of is the store's own, so
that it is as good as one made anew, and one that does not fit what is stored is not read.
"""

import msgspec
from sqlalchemy import Connection, bindparam, select

from ingest.chain.reconstruct import state_at
from ingest.model import Trace

from .chunks import compress, decompress
from .derived import long_chain
from .schema import trace

LEAST_SPANS = 2_000
"""Traces of fewer spans are reconstructed in less time than anybody notices."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Trace).decode

_KEPT = (
    select(trace.c.version, trace.c.first_seen_ns, trace.c.last_seen_ns, long_chain.c.body)
    .join_from(long_chain, trace, (trace.c.project_id == long_chain.c.project_id) & (trace.c.trace_id == long_chain.c.trace_id))
    .where(long_chain.c.project_id == bindparam("project_id"), long_chain.c.trace_id == bindparam("trace_id"))
    .where(trace.c.linked_version == trace.c.version)
)


def encode_chain(found: Trace) -> bytes | None:
    """Return the chain of a trace as it is kept; None where it is not."""
    if found.span_count < LEAST_SPANS or any(run.status == "running" for run in found.runs):
        return None
    # Without what depends on the time of asking, so that linking again gives the same bytes.
    return compress(_encode(msgspec.structs.replace(found, state="", first_seen_ns=0, last_seen_ns=0)))


def read_chain(conn: Connection, project_id: int, trace_id: bytes, now_ns: int) -> tuple[int, Trace] | None:
    """Return a trace and the version of it that it was made of; None where none is kept of what is stored now."""
    row = conn.execute(_KEPT, {"project_id": project_id, "trace_id": trace_id}).first()
    if row is None:
        return None
    try:
        found = _decode(decompress(row.body))
    except msgspec.DecodeError:
        # Kept by another version of Clew.
        return None
    found.first_seen_ns, found.last_seen_ns = row.first_seen_ns, row.last_seen_ns
    found.state = state_at(found, now_ns)
    return row.version, found
