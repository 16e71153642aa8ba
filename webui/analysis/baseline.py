"""What an agent's runs usually take: medians over its recent ended runs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median

from ingest.model import TraceSummary

LEAST_RUNS = 5
"""A median of fewer runs says nothing."""


@dataclass(frozen=True, slots=True)
class Usual:
    """An agent's medians; None for what too few of its runs state."""

    agent: str
    runs: int
    cost_nanos: int | None = None
    duration_ns: int | None = None
    tokens: int | None = None
    steps: int | None = None


def usual_of(agent: str, summaries: Iterable[TraceSummary]) -> Usual:
    """Return the medians of an agent over runs of it that have ended."""
    ended = [one for one in summaries if one.ended_ns is not None]
    return Usual(
        agent,
        len(ended),
        cost_nanos=_median(one.totals.cost_nanos for one in ended if not one.totals.unpriced_calls),
        duration_ns=_median(one.ended_ns - one.started_ns for one in ended if one.ended_ns is not None),
        tokens=_median(tokens_of(one) for one in ended),
        steps=_median(one.totals.steps for one in ended),
    )


def tokens_of(summary: TraceSummary) -> int | None:
    """Return input and output tokens together, None where neither is known."""
    usage = summary.totals.usage
    if usage.input_tokens is None and usage.output_tokens is None:
        return None
    return (usage.input_tokens or 0) + (usage.output_tokens or 0)


def _median(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return round(median(known)) if len(known) >= LEAST_RUNS else None


def times_usual(value: int | None, usual: int | None) -> float | None:
    """Return how many times the usual a value is; None where either is unknown or nothing is usual."""
    return value / usual if value is not None and usual else None


def cost_against_usual(summary: TraceSummary, usual: Mapping[str, Usual]) -> float | None:
    """Return how many times its agent's median a run cost."""
    found = usual.get(summary.agent)
    return times_usual(summary.totals.cost_nanos, found.cost_nanos) if found is not None else None
