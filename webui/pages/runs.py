"""The list of runs: rows, filter, and what to do where nothing matches. Rows are shared with all other lists of traces."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ingest.model import TraceSummary
from webui.analysis.baseline import Usual, cost_against_usual
from webui.format import UNKNOWN, clip, clock, cost, count, duration, plural, short_id, termination_word, tone

from .links import filter_text, person_href, quoted, runs_href, trace_href, with_state
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
_MUCH = 2.0
"""A run that costs so many times its agent's median is marked."""


@dataclass(frozen=True, slots=True)
class RunRow:
    """One trace in a list."""

    id: str
    href: str
    started: str
    agent: str
    agent_href: str
    asked: str
    answered: str
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
    against: str
    """The cost against the agent's median, empty where either is unknown or it is nothing special."""
    much: bool
    person: str
    person_href: str


def run_row(summary: TraceSummary, now_ns: int, usual: Mapping[str, Usual] | None = None) -> RunRow:
    """Return the row of a trace."""
    totals = summary.totals
    settling = summary.state == "settling" and summary.status != "running"
    person, kind = (summary.user_id, "users") if summary.user_id else (summary.session_id, "sessions")
    times = cost_against_usual(summary, usual or {})
    return RunRow(
        id=short_id(summary.trace_id),
        href=trace_href(summary.trace_id),
        started=clock(summary.started_ns, now_ns),
        agent=clip(summary.agent, 40) or UNKNOWN,
        agent_href=person_href("agents", summary.agent),
        asked=clip(summary.input, 160),
        answered=clip(summary.output, 160),
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
        against=f"{times:.1f} ×" if times is not None else "",
        much=times is not None and times >= _MUCH,
        person=clip(person, 28),
        person_href=person_href(kind, person) if person else "",
    )


def run_rows(summaries: Sequence[TraceSummary], now_ns: int, usual: Mapping[str, Usual] | None = None) -> tuple[RunRow, ...]:
    """Return the rows of a list; with what is usual for its agents, each row's cost is set against that."""
    return tuple(run_row(summary, now_ns, usual) for summary in summaries)


@dataclass(frozen=True, slots=True)
class Choice:
    """A link of a small menu."""

    text: str
    href: str
    current: bool


@dataclass(frozen=True, slots=True)
class Without:
    """A condition of a filter, and the list without it."""

    text: str
    href: str
    number: str = ""
    """How many runs there are without it; empty where that was not counted."""
    empties: bool = False
    """True where it is this condition alone that leaves nothing."""


@dataclass(frozen=True, slots=True)
class Meant:
    """A value that nothing has, and the known one it comes closest to."""

    field: str
    value: str
    nearest: str
    href: str


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
    conditions: tuple[Without, ...]
    """What the filter consists of, each with the list without it."""
    views: tuple[Choice, ...]
    view_name: str
    """The name under which this very list is saved, empty for none."""
    query: str
    """What a saved view of this list holds."""
    exports: tuple[Choice, ...]
    next_href: str
    first_href: str
    empty: bool
    """No run matches."""
    unused: bool
    """The store has no run at all."""
    meant: tuple[Meant, ...]
    endpoint: str
    news_href: str
    """Where a page that is left open asks what is new; empty for lists that are not ordered by time."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address of the list asks for."""

    filter: str = ""
    last: str = ""
    order: str = "started"
    cursor: str = ""

    def state(self) -> dict[str, str | int | None]:
        """Return it as the address holds it, without the place in the list."""
        return {"filter": self.filter, "last": self.last, "order": self.order if self.order != "started" else ""}


@dataclass(frozen=True, slots=True)
class Answer:
    """What the store answered, or why the filter could not be read."""

    summaries: Sequence[TraceSummary] = ()
    next_cursor: str = ""
    error: str = ""
    hint: str = ""
    unused: bool = False
    usual: Mapping[str, Usual] | None = None
    parts: Sequence[tuple[str, int | None]] = ()
    """The filter's conditions as written, each with the number of runs without it where nothing matches."""
    in_range: int | None = None
    """How many runs there would be at all times, where nothing matches within a range."""
    meant: Sequence[tuple[str, str, str]] = ()
    """Field, value as written, nearest known value."""
    views: Sequence[tuple[str, str]] = ()


MOST_COUNTED = 1_000
_EXPORTS = (("CSV", "/runs.csv"), ("JSON", "/runs.json"))


def build_runs_page(asked: Asked, answer: Answer, endpoint: str, now_ns: int) -> RunsPage:
    """Return the list page."""
    state = asked.state()
    query = runs_href(**state).partition("?")[2]
    newest = answer.summaries[0].started_ns if answer.summaries else 0
    live = asked.order == "started" and not asked.cursor and not answer.error
    return RunsPage(
        rows=run_rows(answer.summaries, now_ns, answer.usual),
        filter=asked.filter,
        last=asked.last,
        order=asked.order,
        error=answer.error,
        hint=answer.hint,
        ranges=tuple(Choice(text, runs_href(**{**state, "last": key}), key == asked.last) for key, text in RANGES),
        orders=tuple(Choice(text, runs_href(**{**state, "order": key}), key == asked.order) for key, text in ORDER_WORDS),
        suggestions=tuple(Choice(text, runs_href(**{**state, "filter": words}), words == asked.filter) for text, words in _SUGGESTED),
        conditions=tuple(_conditions(asked, answer)),
        views=tuple(Choice(clip(name, 40), f"/runs?{saved}" if saved else "/runs", saved == query) for name, saved in answer.views),
        view_name=next((name for name, saved in answer.views if saved == query), ""),
        query=query,
        exports=tuple(Choice(text, with_state(path, **state), current=False) for text, path in _EXPORTS),
        next_href=runs_href(**state, cursor=answer.next_cursor) if answer.next_cursor else "",
        first_href=runs_href(**state) if asked.cursor else "",
        empty=not answer.summaries and not answer.error,
        unused=answer.unused,
        meant=tuple(_meant(asked, answer.meant)),
        endpoint=endpoint,
        news_href=with_state("/runs/news", filter=asked.filter, last=asked.last, since=str(newest)) if live else "",
    )  # fmt: skip


def _conditions(asked: Asked, answer: Answer) -> list[Without]:
    state, parts = asked.state(), [text for text, _ in answer.parts]
    found = []
    for place, (text, number) in enumerate(answer.parts):
        rest = " and ".join((*parts[:place], *parts[place + 1 :]))
        found.append(Without(clip(text, 120), runs_href(**{**state, "filter": rest}), _counted(number), bool(number)))
    if asked.last and answer.in_range is not None:
        words = f"in the last {dict(RANGES)[asked.last]}"
        found.append(Without(words, runs_href(**{**state, "last": ""}), _counted(answer.in_range), bool(answer.in_range)))
    return found


def _counted(number: int | None) -> str:
    if number is None:
        return ""
    return f"{number:,}" if number < MOST_COUNTED else f"{MOST_COUNTED:,} and more"


def _meant(asked: Asked, meant: Sequence[tuple[str, str, str]]) -> list[Meant]:
    """Return what was probably meant; each leads to the list with all of it put right."""
    changed = asked.filter
    for _, value, nearest in meant:
        for mark in "\"'":
            changed = changed.replace(f"{mark}{value}{mark}", quoted(nearest))
    href = runs_href(**{**asked.state(), "filter": changed})
    return [Meant(field, clip(value, 60), clip(nearest, 60), href) for field, value, nearest in meant]


@dataclass(frozen=True, slots=True)
class PersonPage:
    """The runs of one session or user."""

    kind: str
    name: str
    rows: tuple[RunRow, ...]
    figures: tuple["Figure", ...]
    more_href: str
    json_href: str


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of a strip of figures."""

    name: str
    value: str
    note: str = ""
    look: str = ""
    href: str = ""


@dataclass(frozen=True, slots=True)
class Person:
    """A session or a user, and its runs."""

    kind: str
    name: str
    summaries: Sequence[TraceSummary]
    more: bool
    usual: Mapping[str, Usual] | None = None


def build_person_page(who: Person, now_ns: int) -> PersonPage:
    """Return the page of a session or user."""
    summaries = who.summaries
    costs = [one.totals.cost_nanos for one in summaries if one.totals.cost_nanos is not None]
    unpriced = sum(one.totals.unpriced_calls for one in summaries)
    incomplete = sum(1 for one in summaries if tone(one.termination) == "bad")
    shown = "of the runs below" if who.more else ""
    first, last = (pick(one.started_ns for one in summaries) for pick in (min, max))
    figures = (
        Figure("Runs", f"{len(summaries):,}{'+' if who.more else ''}", f"by {plural(len({one.agent for one in summaries}), 'agent')}"),
        Figure("From first to last", duration(last - first), clock(first, now_ns)),
        Figure("Failed", count(incomplete), shown, "bad" if incomplete else ""),
        Figure("Cost", cost(sum(costs) if costs else None, unpriced), shown),
        Figure("Failed steps", count(sum(one.totals.errors for one in summaries)), shown),
    )
    same = runs_href(filter=filter_text(who.kind, who.name))
    return PersonPage(
        kind=who.kind,
        name=clip(who.name, 120),
        rows=run_rows(summaries, now_ns, who.usual),
        figures=figures,
        more_href=same if who.more else "",
        json_href=f"/api/v1{same.replace('/runs', '/traces', 1)}" if who.kind == "user" else f"/api/v1{person_href('sessions', who.name)}",
    )
