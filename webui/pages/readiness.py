"""The production checklist, judged per agent from its traces."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ingest.store.tally import Example
from webui.analysis.readiness import ITEMS, Judgement, Status
from webui.format import clip, clock, plural, short_id

from .links import trace_href, with_state
from .range import Range

_MARK = {"seen": "●", "seen failing": "✕", "not seen": "○", "cannot be seen": "–"}
_LOOK = {"seen": "ok", "seen failing": "bad", "not seen": "warn", "cannot be seen": "none"}
_COLUMNS = 10


@dataclass(frozen=True, slots=True)
class Proof:
    """A span that shows an item."""

    href: str
    id: str
    started: str
    words: str
    bad: bool


@dataclass(frozen=True, slots=True)
class ItemRow:
    """One item of the checklist for the agent shown."""

    number: int
    title: str
    status: str
    look: str
    why: str
    means: str
    proofs: tuple[Proof, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """One item for one of several agents."""

    mark: str
    look: str
    words: str
    href: str


@dataclass(frozen=True, slots=True)
class Column:
    """An agent at the head of the overview."""

    name: str
    href: str
    current: bool


@dataclass(frozen=True, slots=True)
class ReadinessPage:
    """The checklist of one agent, and an overview of all."""

    range: Range
    agent: str
    summary: str
    rows: tuple[ItemRow, ...]
    columns: tuple[Column, ...]
    marks: tuple[tuple[str, tuple[Mark, ...]], ...]
    """For each item its title and the marks of the agents."""
    left_out: str


def build_readiness_page(found: Mapping[str, Sequence[Judgement]], range_: Range, now_ns: int) -> ReadinessPage:
    """Return the page: the agent asked for, else the busiest, in full; the busiest ten beside each other."""
    agent = range_.agent if range_.agent in found else next(iter(found), "")
    judged = found.get(agent, ())
    shown = list(found)[:_COLUMNS]
    left = len(found) - len(shown)
    return ReadinessPage(
        range=range_,
        agent=clip(agent, 60),
        summary=_summary(judged),
        rows=tuple(_row(n, one, now_ns) for n, one in enumerate(judged, 1)),
        columns=tuple(Column(clip(name, 24), _href(range_, name), name == agent) for name in shown),
        marks=tuple(
            (item.title, tuple(_mark(found[name][place], _href(range_, name)) for name in shown)) for place, item in enumerate(ITEMS)
        ),
        left_out=f"{plural(left, 'agent')} with fewer runs not shown here" if left > 0 else "",
    )


def _href(range_: Range, agent: str) -> str:
    return with_state("/readiness", last=range_.last if range_.last != "7d" else "", agent=agent)


def _summary(judged: Sequence[Judgement]) -> str:
    numbers: dict[Status, int] = {}
    for one in judged:
        numbers[one.verdict.status] = numbers.get(one.verdict.status, 0) + 1
    order: tuple[Status, ...] = ("seen failing", "not seen", "seen", "cannot be seen")
    return ", ".join(f"{numbers[status]} {status}" for status in order if numbers.get(status))


def _row(number: int, one: Judgement, now_ns: int) -> ItemRow:
    return ItemRow(
        number=number,
        title=one.item.title,
        status=one.verdict.status,
        look=_LOOK[one.verdict.status],
        why=one.verdict.words,
        means=one.item.means,
        proofs=tuple(_proof(example, now_ns) for example in one.examples),
    )


def _proof(example: Example, now_ns: int) -> Proof:
    step = example.span_id.hex() if example.span_id != example.run_id else ""
    return Proof(
        href=trace_href(example.trace_id, run=example.run_id.hex(), step=step),
        id=short_id(example.trace_id),
        started=clock(example.started_ns, now_ns),
        words=clip(example.words, 120) or example.name,
        bad=example.failed,
    )


def _mark(one: Judgement, href: str) -> Mark:
    status = one.verdict.status
    return Mark(_MARK[status], _LOOK[status], status, href)
