"""What the run page asks beside the trace itself: stored spans and log records, the agent's other runs, prices."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ingest.chain.steps import Price
from ingest.model import Decision, LogRecord, Run, Span, Usage
from ingest.store.lore import Habit, Peers

ReadSpan = Callable[[bytes], Span | None]
"""Reads one stored span by its id."""

ReadRecords = Callable[[bytes], Sequence[LogRecord]]
"""Reads the log records of one span by its id."""

ReadPeers = Callable[[Run], Peers | None]
"""Reads how the latest other runs of a run's agent went."""

ReadHabit = Callable[[Run, Decision, str | None], Habit | None]
"""Reads what a run's agent chose in like states; the text is its choice before."""


def _no_span(span_id: bytes) -> Span | None:
    return None


def _no_records(span_id: bytes) -> Sequence[LogRecord]:
    return ()


def _no_peers(run: Run) -> Peers | None:
    return None


def _no_habit(run: Run, made: Decision, before: str | None) -> Habit | None:
    return None


def _no_price(provider: str | None, model: str | None, usage: Usage, at_ns: int) -> int | None:
    return None


@dataclass(frozen=True, slots=True)
class Lore:
    """Everything a run page can ask; each is asked only where a view shows it. Whatever is left out answers nothing."""

    span: ReadSpan = _no_span
    records: ReadRecords = _no_records
    peers: ReadPeers = _no_peers
    habit: ReadHabit = _no_habit
    price: Price = _no_price
