"""Why runs stopped: how many for each reason, what that cost, and how it moves from day to day."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ingest.store.tally import Summed
from webui.format import clip, cost, count, duration, percent, plural, termination_word, tone

from .links import filter_text
from .range import Range, ended
from .runs import Choice, Figure

_TONES = {"ok": "c2", "live": "c3", "warn": "c6", "bad": "c-bad"}
_HEIGHT = 56.0


@dataclass(frozen=True, slots=True)
class EndingRow:
    """One reason."""

    word: str
    tone: str
    href: str
    number: str
    share: str
    bar: str
    source: str
    cost: str
    each: str
    took: str
    agents: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class DayBar:
    """A part of a day's bar in the chart: geometry in percent and pixels."""

    x: str
    y: str
    width: str
    height: str
    look: str
    title: str


@dataclass(frozen=True, slots=True)
class TerminationsPage:
    """All reasons."""

    range: Range
    figures: tuple[Figure, ...]
    rows: tuple[EndingRow, ...]
    bars: tuple[DayBar, ...]
    chart_words: str
    chart_ends: tuple[str, str]


@dataclass(slots=True)
class _Sum:
    """What the rows of one group add up to."""

    traces: int = 0
    nanos: int = 0
    unpriced: int = 0
    length_ns: int = 0

    def add(self, row: Summed) -> None:
        """Add a row."""
        self.traces += row.traces
        self.nanos += row.nanos
        self.unpriced += row.repeats
        self.length_ns += row.length_ns

    @property
    def cost(self) -> str:
        """Return what it cost, as text."""
        return cost(self.nanos or None, self.unpriced)


ByDay = Mapping[tuple[int, str], int]
"""Traces by day and reason."""


def build_terminations_page(found: Sequence[Summed], by_day: ByDay, range_: Range, end_day: int) -> TerminationsPage:
    """Return the page of reasons, the most frequent first."""
    by_reason: dict[str, list[Summed]] = {}
    for row in found:
        by_reason.setdefault(row.a, []).append(row)
    total = sum(row.traces for row in found)
    rows = [_row(reason, parts, total, range_) for reason, parts in by_reason.items()]
    rows.sort(key=lambda one: -_number(one.number))
    days = range(range_.first_day, end_day)
    return TerminationsPage(
        range=range_,
        figures=_figures(found, range_) if found else (),
        rows=tuple(rows),
        bars=tuple(_bars(by_day, days)),
        chart_words=f"Runs by day and why they stopped, {plural(len(days), 'day')}",
        chart_ends=(_day(days[0]), _day(days[-1])) if days else ("", ""),
    )


def _number(text: str) -> int:
    return int(text.replace(",", ""))


def _figures(found: Iterable[Summed], range_: Range) -> tuple[Figure, ...]:
    whole, rest, guessed = _Sum(), _Sum(), _Sum()
    for row in found:
        whole.add(row)
        if row.a not in ("completed", "running"):
            rest.add(row)
        if row.b == "inferred" and row.a != "running":
            guessed.add(row)
    unlike = range_.runs('termination != "completed"', 'termination != "running"', _of_agent(range_))
    return (
        Figure("Runs", count(whole.traces), "all of them", "", range_.runs(_of_agent(range_))),
        Figure("Did not complete", count(rest.traces), f"{percent(rest.traces, whole.traces):.1f} % of the runs",
               "bad" if rest.traces else "", unlike),
        Figure("Spent on those that did not", rest.cost if rest.traces else "–", f"{percent(rest.nanos, whole.nanos):.0f} % of the cost"),
        Figure("Inferred", count(guessed.traces), "nobody declared why they stopped"),
    )  # fmt: skip


def _of_agent(range_: Range) -> str:
    return filter_text("agent", range_.agent) if range_.agent else ""


def _row(reason: str, parts: Sequence[Summed], total: int, range_: Range) -> EndingRow:
    whole, agents, declared = _Sum(), dict[str, int](), 0
    for part in parts:
        whole.add(part)
        agents[part.agent] = agents.get(part.agent, 0) + part.traces
        declared += part.traces if part.b == "declared" else 0
    ranked = sorted(agents.items(), key=lambda one: (-one[1], one[0]))
    mean = whole.nanos // whole.traces if whole.traces and whole.nanos else None
    return EndingRow(
        word=termination_word(reason),
        tone=tone(reason),
        href=range_.runs(ended(reason), _of_agent(range_)),
        number=count(whole.traces),
        share=f"{percent(whole.traces, total):.1f} %",
        bar=f"{percent(whole.traces, total):.1f}%",
        source=_source(declared, whole.traces),
        cost=whole.cost,
        each=cost(mean, 0),
        took=duration(whole.length_ns // whole.traces) if whole.traces and whole.length_ns else "–",
        agents=tuple(
            Choice(f"{clip(agent, 30)} {number:,}", range_.runs(ended(reason), filter_text("agent", agent)), current=False)
            for agent, number in ranked[:4]
        ),
    )


def _source(declared: int, traces: int) -> str:
    if declared in (0, traces):
        return "declared" if declared else "inferred"
    return f"{percent(declared, traces):.0f} % declared"


def _bars(by_day: ByDay, days: range) -> Iterable[DayBar]:
    sums: dict[tuple[int, str], int] = {}
    for (day, reason), number in by_day.items():
        key = (day, tone(reason))
        sums[key] = sums.get(key, 0) + number
    most = max((sum(sums.get((day, look), 0) for look in _TONES) for day in days), default=0)
    for place, day in enumerate(days):
        top = _HEIGHT
        for look, colour in reversed(_TONES.items()):
            number = sums.get((day, look), 0)
            if number:
                height = max(_HEIGHT * number / most, 1.0)
                top -= height
                x, width = 100 * place / len(days), 86 / len(days)
                words = {"ok": "completed", "live": "running", "warn": "stopped short", "bad": "failed"}[look]
                yield DayBar(f"{x:.2f}%", f"{top:.1f}", f"{width:.2f}%", f"{height:.1f}", colour, f"{_day(day)}: {number:,} {words}")


def _day(day: int) -> str:
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)
    return f"{at.day} {at.strftime('%b')}"

