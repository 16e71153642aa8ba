"""Tools: calls, failures, how long they take, what is wasted on them, and how they are called."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ingest.store.tally import Summed, bucket_ns


@dataclass(frozen=True, slots=True)
class ShapeStats:
    """One shape of a tool's arguments."""

    shape: str
    calls: int
    failed: int


@dataclass(frozen=True, slots=True)
class ToolStats:
    """One tool, by all who call it or by one agent."""

    name: str
    calls: int
    failed: int
    timed: int
    """Calls whose length is on record."""
    p50_ns: int | None
    p95_ns: int | None
    """Within 9 %: lengths are kept in quarters of octaves."""
    spent_ns: int
    repeats: int
    """Calls that had been made before in the same run, with the same arguments and the same answer."""
    wasted_ns: int
    wasted_nanos: int
    """Time of the repeated calls, and what the model calls that asked for them cost."""
    shapes: tuple[ShapeStats, ...]
    agents: tuple[tuple[str, int], ...]
    cost_nanos: int | None = None
    """What the tool itself charged; None where it charges nothing on record."""


def tool_stats(rows: Iterable[Summed], costs: Mapping[str, int]) -> list[ToolStats]:
    """Return tools from the sums of their calls, the most called first; ``costs`` are what tools charged, by name."""
    by_tool: dict[str, list[Summed]] = {}
    for row in rows:
        by_tool.setdefault(row.a, []).append(row)
    found = [_stats(name, parts, costs.get(name)) for name, parts in by_tool.items()]
    return sorted(found, key=lambda one: (-one.calls, one.name))


def _stats(name: str, parts: list[Summed], cost_nanos: int | None) -> ToolStats:
    lengths: dict[str, int] = {}
    for part in parts:
        if part.c:
            lengths[part.c] = lengths.get(part.c, 0) + part.times
    return ToolStats(
        name=name,
        calls=sum(part.times for part in parts),
        failed=sum(part.failed for part in parts),
        timed=sum(lengths.values()),
        p50_ns=quantile_ns(lengths, 0.5),
        p95_ns=quantile_ns(lengths, 0.95),
        spent_ns=sum(part.length_ns for part in parts),
        repeats=sum(part.repeats for part in parts),
        wasted_ns=sum(part.wasted_ns for part in parts),
        wasted_nanos=sum(part.nanos for part in parts),
        shapes=_shapes(parts),
        agents=_agents(parts),
        cost_nanos=cost_nanos or None,
    )


def quantile_ns(lengths: Mapping[str, int], share: float) -> int | None:
    """Return the length below which a share of calls lies, from calls by bucket; None without any."""
    total = sum(lengths.values())
    passed = 0
    for bucket in sorted(lengths):
        passed += lengths[bucket]
        if passed >= share * total:
            return bucket_ns(bucket)
    return None


def _shapes(parts: Iterable[Summed]) -> tuple[ShapeStats, ...]:
    sums: dict[str, list[int]] = {}
    for part in parts:
        kept = sums.setdefault(part.b, [0, 0])
        kept[0] += part.times
        kept[1] += part.failed
    return tuple(ShapeStats(shape, *numbers) for shape, numbers in sorted(sums.items(), key=lambda one: (-one[1][0], one[0])))


def _agents(parts: Iterable[Summed]) -> tuple[tuple[str, int], ...]:
    sums: dict[str, int] = {}
    for part in parts:
        sums[part.agent] = sums.get(part.agent, 0) + part.times
    return tuple(sorted(sums.items(), key=lambda one: (-one[1], one[0])))
