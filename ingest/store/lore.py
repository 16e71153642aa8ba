"""What is known beside one trace: how an agent's other runs went, what it chose in like states, and a span's log records."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median_low
from typing import Any

from sqlalchemy import Connection, and_, select

from ingest.chain.summary import preview
from ingest.model import Decision, LogRecord

from .chunks import unpack_logs
from .clip import clip
from .derive import option_hash
from .derived import decision, run
from .schema import log_chunk, log_record, trace

RECENT_RUNS = 300
"""So many of an agent's latest runs are looked at, found along an index: the cost does not grow with the store."""

_MOST_DECISIONS = 2_000
"""So many decisions in like states are counted: one long run may hold ten thousand of them."""

_QUESTION_BYTES = 2_000
_VALUE_BYTES = 500


@dataclass(frozen=True, slots=True)
class Peers:
    """The middle of an agent's latest other runs that ended; None where fewer than three of them know the figure."""

    runs: int
    cost_nanos: int | None
    duration_ns: int | None
    tokens: int | None
    steps: int | None


def read_peers(conn: Connection, project_id: int, agent: str, trace_id: bytes) -> Peers:
    """Return the medians of an agent's latest runs but those of one trace."""
    columns = (run.c.cost_nanos, run.c.started_ns, run.c.ended_ns, run.c.input_tokens, run.c.output_tokens, run.c.steps)
    wanted = (
        select(*columns)
        .where(run.c.project_id == project_id, run.c.agent == clip(agent), run.c.trace_id != trace_id, run.c.ended_ns.is_not(None))
        .order_by(run.c.started_ns.desc())
        .limit(RECENT_RUNS)
    )
    rows = conn.execute(wanted).all()
    return Peers(
        len(rows),
        _middle(row.cost_nanos for row in rows),
        _middle(row.ended_ns - row.started_ns for row in rows),
        _middle((row.input_tokens or 0) + (row.output_tokens or 0) or None for row in rows),
        _middle(row.steps for row in rows),
    )


def _middle(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return median_low(known) if len(known) >= 3 else None


@dataclass(frozen=True, slots=True)
class Choice:
    """One option that an agent took in like states: how often, and in which run and step last."""

    chosen: str
    times: int
    trace_id: bytes
    span_id: bytes


@dataclass(frozen=True, slots=True)
class Habit:
    """What an agent chose where it was asked the same and offered the same, the most frequent first."""

    states: int
    after: str
    """What it had chosen before in all of these states; empty where that was left out of account, or nothing."""
    choices: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class State:
    """Where an agent stands when it chooses: who it is, what it is offered, and what it chose before."""

    agent: str
    made: Decision
    before: str | None


def read_habit(conn: Connection, project_id: int, state: State) -> Habit:
    """Return what the agent chose in like states of its latest runs, the asking run's own choice included.

    Like is: the same question, the same options, and the same choice before; where that happened fewer than five times,
    whatever was chosen before. Of more than ``_MOST_DECISIONS`` like ones any are taken: to sort them costs more than to count them.
    """
    question = None if state.made.question is None else clip(preview(state.made.question) or "", _QUESTION_BYTES)
    before = None if state.before is None else clip(state.before, _VALUE_BYTES)
    recent = (
        select(run.c.project_id, run.c.trace_id, run.c.run_id)
        .where(run.c.project_id == project_id, run.c.agent == clip(state.agent))
        .order_by(run.c.started_ns.desc())
        .limit(RECENT_RUNS)
        .subquery()
    )
    columns = (decision.c.trace_id, decision.c.span_id, decision.c.decided_ns, decision.c.chosen, _chosen_before())
    like = (
        select(*columns)
        .join_from(recent, decision, _same_run(decision, recent))
        .where(decision.c.question.is_not_distinct_from(question), decision.c.set_hash == option_hash(state.made.alternatives))
    )
    anywhere = conn.execute(like.limit(_MOST_DECISIONS)).all()
    after = [row for row in anywhere if row.previous == before]
    return _habit(after, state.before or "") if len(after) >= 5 or len(after) == len(anywhere) else _habit(anywhere, "")


def _same_run(one: Any, other: Any) -> Any:
    return and_(*(one.c[name] == other.c[name] for name in ("project_id", "trace_id", "run_id")))


def _chosen_before() -> Any:
    """Return the column of what was chosen last before a decision in its run."""
    earlier = decision.alias("earlier")
    chosen = select(earlier.c.chosen).where(_same_run(earlier, decision), earlier.c.place < decision.c.place)
    return chosen.order_by(earlier.c.place.desc()).limit(1).correlate(decision).scalar_subquery().label("previous")


def _habit(rows: Sequence[Any], after: str) -> Habit:
    latest = {row.chosen: row for row in sorted(rows, key=lambda row: row.decided_ns)}
    counted = Counter(row.chosen for row in rows).most_common()
    choices = (Choice(chosen, times, bytes(latest[chosen].trace_id), bytes(latest[chosen].span_id)) for chosen, times in counted)
    return Habit(len(rows), after, tuple(choices))


def read_version(conn: Connection, project_id: int, trace_id: bytes) -> int | None:
    """Return the version of what is stored of a trace, which grows with every change; None where nothing is."""
    wanted = select(trace.c.version).where(trace.c.project_id == project_id, trace.c.trace_id == trace_id)
    found: int | None = conn.execute(wanted).scalar()
    return found


def read_records(conn: Connection, project_id: int, trace_id: bytes, span_id: bytes) -> list[LogRecord]:
    """Return the log records of one span, whole, in the order of their times."""
    of_trace = (log_record.c.project_id == project_id, log_record.c.trace_id == trace_id, log_record.c.span_id == span_id)
    places: dict[bytes, list[int]] = {}
    for chunk_id, place in conn.execute(select(log_record.c.chunk_id, log_record.c.place).where(*of_trace)):
        places.setdefault(bytes(chunk_id), []).append(place)
    found: list[tuple[int, int, LogRecord]] = []
    for chunk_id, wanted in places.items():
        key = (log_chunk.c.project_id == project_id, log_chunk.c.trace_id == trace_id, log_chunk.c.chunk_id == chunk_id)
        payload = conn.execute(select(log_chunk.c.payload).where(*key)).scalar()
        if payload is not None:
            records = unpack_logs(payload)
            found += [(records[place].time_ns, place, records[place]) for place in wanted]
    return [record for _, _, record in sorted(found, key=lambda one: one[:2])]
