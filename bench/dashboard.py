"""The dashboard's question: cost and tokens by model and day over 30 days."""

from collections.abc import Iterator

from .figures import Figure, percentile
from .fill import FilledStore
from .scale import Scale
from .timing import time_reads, with_query

_COSTS_MS = 15.0


def measure(store: FilledStore, scale: Scale, floor: list[float]) -> Iterator[Figure]:
    """Measure costs by day and model, and by other groupings. The sum of the runs must be what was stored."""
    size = f"{store.spans:,} spans"
    for by in ("day,model", "agent", "day,user"):
        asked = with_query("/api/v1/costs", by=by, from_="-30d")
        took_ms = time_reads(store.server, [(asked, lambda answer: answer["total"]["runs"] == store.traces)] * scale.requests)
        is_the_question = by == "day,model"
        yield Figure(
            f"30-day cost by {by} p50, {size}",
            percentile(took_ms, 50),
            "ms",
            _COSTS_MS if is_the_question else None,
            floor=percentile(floor, 50) if floor and is_the_question else None,
            note=f"p95 {percentile(took_ms, 95):.1f} ms",
        )
