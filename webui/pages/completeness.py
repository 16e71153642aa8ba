"""How much of a run is on record: what is missing, was dropped, came late, or carries times that cannot be true together."""

from collections.abc import Iterable
from dataclasses import dataclass

from ingest.model import Run, Trace
from webui.format import ago, duration, plural

_LATE_NS = 60_000_000_000
_SKEW_NS = 1_000_000
"""Clocks of one machine differ by less."""


@dataclass(frozen=True, slots=True)
class Lack:
    """One thing that is known to be missing or odd."""

    what: str
    means: str


@dataclass(frozen=True, slots=True)
class Completeness:
    """The state of a trace's record."""

    words: str
    lacks: tuple[Lack, ...]


def judge_completeness(trace: Trace, run: Run, now_ns: int) -> Completeness:
    """Say what of a trace is on record and what is not."""
    lacks = tuple(Lack(*one) for one in (*_missing(trace), *_times(trace, run)))
    received = f"{plural(trace.span_count, 'span')} received"
    if trace.state in ("running", "settling"):
        words = f"{received}, the last {ago(trace.last_seen_ns, now_ns)}; more may come."
    elif lacks:
        words = f"{received}; not all is as it should be."
    else:
        words = f"{received}. Nothing is known to be missing."
    return Completeness(words, lacks)


def _missing(trace: Trace) -> Iterable[tuple[str, str]]:
    if trace.lost_spans:
        yield f"{plural(trace.lost_spans, 'span')} lost", "The agent's process reports that they never left it."
    if trace.missing_parents:
        yield f"{plural(trace.missing_parents, 'parent span')} missing", "Others name them as their parent; they did not arrive."
    for number, noun in ((trace.dropped_attributes, "attribute"), (trace.dropped_events, "event"), (trace.dropped_links, "link")):
        if number:
            yield f"{plural(number, noun)} dropped", "The sender left them out: its limits are set lower than what it records."


def _times(trace: Trace, run: Run) -> Iterable[tuple[str, str]]:
    if run.ended_ns is not None and trace.first_seen_ns - run.ended_ns < _LATE_NS < trace.last_seen_ns - run.ended_ns:
        yield f"the last span came {duration(trace.last_seen_ns - run.ended_ns)} after the end", "It was delivered late, or again."
    number, most = _skew(run)
    if number:
        words = f"By up to {duration(most)}: two clocks differ, or a span was reused."
        yield f"{plural(number, 'step')} begun before what holds {'it' if number == 1 else 'them'}", words


def _skew(run: Run) -> tuple[int, int]:
    """Count steps that begin before what holds them began, and by how much at most."""
    early = [run.started_ns - step.started_ns for step in run.steps]
    stack = list(run.steps)
    while stack:
        step = stack.pop()
        early += [step.started_ns - child.started_ns for child in step.children]
        stack.extend(step.children)
    wrong = [one for one in early if one > _SKEW_NS]
    return len(wrong), max(wrong, default=0)
