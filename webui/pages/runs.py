"""Rows of trace lists, wherever they stand: home, runs, a session, a user, an agent."""

from collections.abc import Sequence
from dataclasses import dataclass

from ingest.model import TraceSummary
from webui.format import UNKNOWN, clip, clock, cost, count, duration, iso, short_id, termination_word, tone

from .links import filter_text, person_href, runs_href, trace_href
from .verdict import tokens_total

RANGES = (("24h", "24 h"), ("7d", "7 d"), ("30d", "30 d"), ("", "all"))
ORDER_WORDS = (("started", "newest"), ("cost", "cost"), ("tokens", "tokens"), ("duration", "duration"), ("steps", "steps"))
_SUGGESTED = (
    ("not completed", 'termination != "completed" and termination != "running"'),
    ("failed", 'status = "error"'),
    ("running", 'status = "running"'),
    ("with failures inside", 'errors > 0 and termination = "completed"'),
    ("over $0.10", "cost_usd > 0.1"),
)


@dataclass(frozen=True, slots=True)
class RunRow:
    """One trace in a list."""

    id: str
    href: str
    started: str
    started_iso: str
    agent: str
    agent_href: str
    asked: str
    why: str
    tone: str
    inferred: bool
    steps: str
    errors: str
    failed: bool
    duration: str
    tokens: str
    cost: str
    unpriced: bool
    person: str
    person_href: str


def run_row(summary: TraceSummary, now_ns: int) -> RunRow:
    """Return the row of a trace."""
    totals = summary.totals
    settling = summary.state == "settling" and summary.status != "running"
    person, kind = (summary.user_id, "users") if summary.user_id else (summary.session_id, "sessions")
    return RunRow(
        id=short_id(summary.trace_id),
        href=trace_href(summary.trace_id),
        started=clock(summary.started_ns, now_ns),
        started_iso=iso(summary.started_ns),
        agent=clip(summary.agent, 40) or UNKNOWN,
        agent_href=person_href("agents", summary.agent),
        asked=clip(summary.input, 160),
        why="settling" if settling else termination_word(summary.termination),
        tone="live" if settling else tone(summary.termination),
        inferred=summary.termination_source == "inferred" and summary.termination == "lost",
        steps=count(totals.steps),
        errors=count(totals.errors),
        failed=totals.errors > 0,
        duration=duration(summary.ended_ns - summary.started_ns) if summary.ended_ns is not None else UNKNOWN,
        tokens=tokens_total(totals.usage),
        cost=cost(totals.cost_nanos, totals.unpriced_calls),
        unpriced=bool(totals.unpriced_calls),
        person=clip(person, 28),
        person_href=person_href(kind, person) if person else "",
    )


def run_rows(summaries: Sequence[TraceSummary], now_ns: int) -> tuple[RunRow, ...]:
    """Return the rows of a list."""
    return tuple(run_row(summary, now_ns) for summary in summaries)


@dataclass(frozen=True, slots=True)
class Choice:
    """A link of a small menu."""

    text: str
    href: str
    current: bool


@dataclass(frozen=True, slots=True)
class RunsPage:
    """The list of runs."""

    rows: tuple[RunRow, ...]
    filter: str
    last: str
    order: str
    error: str
    hint: str
    ranges: tuple[Choice, ...]
    orders: tuple[Choice, ...]
    suggestions: tuple[Choice, ...]
    next_href: str
    first_href: str
    empty: bool
    """No run matches."""
    unused: bool
    """The store has no run at all."""
    wider: tuple[Choice, ...]
    endpoint: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address of the list asks for."""

    filter: str = ""
    last: str = ""
    order: str = "started"
    cursor: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the store answered, or why the filter could not be read."""

    summaries: Sequence[TraceSummary] = ()
    next_cursor: str = ""
    error: str = ""
    hint: str = ""
    unused: bool = False


def build_runs_page(asked: Asked, answer: Answer, endpoint: str, now_ns: int) -> RunsPage:
    """Return the list page."""
    state: dict[str, str | int | None] = {
        "filter": asked.filter,
        "last": asked.last,
        "order": asked.order if asked.order != "started" else "",
    }
    wider = []
    if asked.last:
        wider.append(Choice("all times", runs_href(**{**state, "last": ""}), current=False))
    if asked.filter:
        wider.append(Choice("no filter", runs_href(**{**state, "filter": ""}), current=False))
    return RunsPage(
        rows=run_rows(answer.summaries, now_ns),
        filter=asked.filter,
        last=asked.last,
        order=asked.order,
        error=answer.error,
        hint=answer.hint,
        ranges=tuple(Choice(text, runs_href(**{**state, "last": key}), key == asked.last) for key, text in RANGES),
        orders=tuple(Choice(text, runs_href(**{**state, "order": key}), key == asked.order) for key, text in ORDER_WORDS),
        suggestions=tuple(Choice(text, runs_href(**{**state, "filter": words}), words == asked.filter) for text, words in _SUGGESTED),
        next_href=runs_href(**state, cursor=answer.next_cursor) if answer.next_cursor else "",
        first_href=runs_href(**state) if asked.cursor else "",
        empty=not answer.summaries and not answer.error,
        unused=answer.unused,
        wider=tuple(wider),
        endpoint=endpoint,
    )


@dataclass(frozen=True, slots=True)
class PersonPage:
    """The runs of one session, user or agent."""

    kind: str
    name: str
    rows: tuple[RunRow, ...]
    figures: tuple["Figure", ...]
    more_href: str


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of a strip of figures."""

    name: str
    value: str
    note: str = ""
    look: str = ""
    href: str = ""


def build_person_page(kind: str, name: str, summaries: Sequence[TraceSummary], more: bool, now_ns: int) -> PersonPage:
    """Return the page of a session, user or agent."""
    costs = [one.totals.cost_nanos for one in summaries if one.totals.cost_nanos is not None]
    unpriced = sum(one.totals.unpriced_calls for one in summaries)
    incomplete = sum(1 for one in summaries if tone(one.termination) == "bad")
    shown = "of the runs below" if more else ""
    figures = (
        Figure("Runs", f"{len(summaries):,}{'+' if more else ''}", ""),
        Figure("Did not complete", count(incomplete), shown, "bad" if incomplete else ""),
        Figure("Cost", cost(sum(costs) if costs else None, unpriced), shown),
        Figure("Failed steps", count(sum(one.totals.errors for one in summaries)), shown),
    )
    more_href = runs_href(filter=filter_text(kind, name)) if more else ""
    return PersonPage(kind, clip(name, 120), run_rows(summaries, now_ns), figures, more_href)
