"""How much the benchmarks measure: all of it, or a quick look."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """Sizes and repeats."""

    ingest_traces: int
    """Traces of one round of ingest."""
    rounds: int
    """Rounds of ingest. Four senders wait at once, so that one stall of the machine makes four slow answers: of five rounds'
    answers more than these four lie beyond p99."""
    stored_spans: tuple[int, ...]
    """Sizes of the filled store at which reads are measured, growing."""
    lookups: int
    requests: int
    """Repeats of every other read."""
    giant_spans: int
    starts: int
    on_postgresql: bool = False
    """Whether the filled store is PostgreSQL instead of SQLite."""


FULL = Scale(ingest_traces=2048, rounds=5, stored_spans=(100_000, 1_000_000), lookups=300, requests=40, giant_spans=10_000, starts=5)
QUICK = Scale(ingest_traces=512, rounds=1, stored_spans=(20_000, 60_000), lookups=100, requests=15, giant_spans=10_000, starts=2)
