"""The sessions or users of late: who ran what, how it ended, what it cost."""

from collections.abc import Callable
from dataclasses import dataclass

from ingest.store.people import MOST_TRACES, People, PersonKind, PersonSums
from webui.format import clip, clock, cost, count, termination_word, tone

from .links import filter_text, person_href, quoted, with_state
from .range import Range, ended
from .runs import Choice

MOST_SHOWN = 200

_ORDERS: dict[str, tuple[str, Callable[[PersonSums], float]]] = {
    "latest": ("latest", lambda who: who.last_ns),
    "runs": ("runs", lambda who: who.traces),
    "cost": ("cost", lambda who: who.cost_nanos or 0),
    "failed": ("failed runs", lambda who: failed_runs(who)),
}


def failed_runs(who: PersonSums) -> int:
    """Return how many of someone's runs ended badly."""
    return sum(number for reason, number in who.endings.items() if tone(reason) == "bad")


@dataclass(frozen=True, slots=True)
class PersonRow:
    """One session or user."""

    name: str
    href: str
    last: str
    runs: str
    failed: str
    failed_href: str
    agents: str
    tokens: str
    cost: str
    unpriced: bool
    why: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class PeoplePage:
    """The list of sessions or users."""

    kind: PersonKind
    range: Range
    rows: tuple[PersonRow, ...]
    orders: tuple[Choice, ...]
    note: str
    """What of them is not shown or not added up; empty where all is."""


def build_people_page(kind: PersonKind, people: People, range_: Range, order: str, now_ns: int) -> PeoplePage:
    """Return the page; an unknown order is the latest first."""
    order = order if order in _ORDERS else "latest"
    ranked = sorted(people.people, key=_ORDERS[order][1], reverse=True)
    last = range_.last if range_.last != "7d" else ""
    choices = (
        Choice(text, with_state(range_.path, last=last, order=key if key != "latest" else ""), key == order)
        for key, (text, _) in _ORDERS.items()
    )
    rows = tuple(_row(kind, who, range_, now_ns) for who in ranked[:MOST_SHOWN])
    return PeoplePage(kind, range_, rows, tuple(choices), _note(kind, people, now_ns))


def _note(kind: PersonKind, people: People, now_ns: int) -> str:
    notes = []
    if people.read_since_ns is not None:
        notes.append(f"Added up over the newest {MOST_TRACES:,} runs, since {clock(people.read_since_ns, now_ns)}.")
    if len(people.people) > MOST_SHOWN:
        notes.append(f"{MOST_SHOWN} of {len(people.people):,} {kind}s shown.")
    return " ".join(notes)


def _row(kind: PersonKind, who: PersonSums, range_: Range, now_ns: int) -> PersonRow:
    named = filter_text(kind, who.name)
    bad = [reason for reason in who.endings if tone(reason) == "bad"]
    others = sorted((-number, reason) for reason, number in who.endings.items() if reason != "completed")[:4]
    agents = sorted(who.agents, key=lambda agent: (-who.agents[agent], agent))
    return PersonRow(
        name=clip(who.name, 80),
        href=person_href(f"{kind}s", who.name),
        last=clock(who.last_ns, now_ns),
        runs=count(who.traces),
        failed=count(failed_runs(who)),
        failed_href=range_.runs(named, f"termination in ({', '.join(map(quoted, sorted(bad)))})") if bad else "",
        agents=", ".join(clip(agent, 40) for agent in agents[:3]) + (f" + {len(agents) - 3}" if len(agents) > 3 else ""),
        tokens=count(who.tokens) if who.tokens else "–",
        cost=cost(who.cost_nanos, who.unpriced_calls),
        unpriced=bool(who.unpriced_calls),
        why=tuple(
            Choice(f"{termination_word(reason)} {-number:,}", range_.runs(named, ended(reason)), tone(reason) == "bad")
            for number, reason in others
        ),
    )
