"""The home page: the lookup box, what is burning, what it costs, and what changed since yesterday."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ingest.model import TraceSummary
from ingest.store.alert_model import Alert
from ingest.store.cube import CubeRow
from ingest.store.query import Spent
from webui.analysis.accounts import Budgets, Changes, Month, Rate
from webui.analysis.spending import Failing, Move, failing, movers, names_of, new_names, spent_of, triples
from webui.analysis.today import Today
from webui.format import UNKNOWN, clip, count, duration, money, percent, plural

from .alerts import AlertRow, alert_row
from .cost_losses import unwanted_filter
from .cost_month import month_figures, rate_figure
from .cost_tables import against
from .links import filter_text, person_href, runs_href
from .runs import Figure, RunRow, run_rows
from .spend import Asked

_MOST_NAMES, _MOST_MOVERS = 4, 3
_FEWEST_RUNS, _MORE_SHARE, _MORE_TIMES = 5, 0.05, 1.5
"""An agent's failures are news from so many ended runs on, where the share grew by five points and by half."""
_MOVES, _OF_ALL = 0.2, 0.05
"""A cost that changed by less than a fifth of itself, or a twentieth of the day's, is no news."""


@dataclass(frozen=True, slots=True)
class HomeFacts:
    """What the store says."""

    newest: Sequence[TraceSummary]
    firing: Sequence[Alert]
    firing_count: int
    live: Sequence[TraceSummary]
    today: Today
    rate: Rate
    month: Month
    budgets: Budgets
    changes: Changes


@dataclass(frozen=True, slots=True)
class LiveRow:
    """A run that goes on."""

    href: str
    agent: str
    asked: str
    cost: str
    length: str
    steps: str


@dataclass(frozen=True, slots=True)
class ChangeLine:
    """One thing that is not as it was yesterday."""

    word: str
    """What kind of change."""
    text: str
    note: str
    href: str
    look: str = ""


@dataclass(frozen=True, slots=True)
class HomePage:
    """Everything on the home page."""

    rows: tuple[RunRow, ...]
    figures: tuple[Figure, ...]
    firing: tuple[AlertRow, ...]
    more_firing: str
    live: tuple[LiveRow, ...]
    changes: tuple[ChangeLine, ...]
    no_changes: str
    endpoint: str


def build_home_page(facts: HomeFacts, endpoint: str, now_ns: int) -> HomePage:
    """Return the home page; without any run it holds nothing but where to send them."""
    hidden = facts.firing_count - len(facts.firing)
    changes = tuple(change_lines(facts.changes)) if facts.newest else ()
    return HomePage(
        rows=run_rows(facts.newest, now_ns),
        figures=_figures(facts, now_ns) if facts.newest else (),
        firing=tuple(alert_row(one, now_ns) for one in facts.firing),
        more_firing=f"{plural(hidden, 'more alert')}" if hidden > 0 else "",
        live=tuple(_live_row(one, now_ns) for one in facts.live),
        changes=changes,
        no_changes="" if changes else _nothing_new(facts.changes),
        endpoint=endpoint,
    )


def _figures(facts: HomeFacts, now_ns: int) -> tuple[Figure, ...]:
    return (
        _today_figure(facts.today),
        replace(rate_figure(facts.rate, facts.month, facts.budgets), href="/costs?last=24h"),
        *month_figures(facts.month, facts.budgets, now_ns),
        *_day_figures(facts.changes),
    )


def _today_figure(today: Today) -> Figure:
    usual = f"usual by now {money(today.usual_nanos)}" if today.usual_nanos is not None else ""
    yesterday = f"{money(today.yesterday_nanos)} yesterday by now" if today.yesterday_nanos else "nothing yesterday by now"
    look = "warn" if today.nanos > 2 * max(today.yesterday_nanos, today.usual_nanos or 0) > 0 else ""
    return Figure("Today, UTC", money(today.nanos), ", ".join(one for one in (yesterday, usual) if one), look, "/costs?last=24h")


def _day_figures(changes: Changes) -> tuple[Figure, ...]:
    now, before = spent_of(changes.now), spent_of(changes.before)
    bad, ended = _shares(failing(changes.now, changes.before))
    bad_before, ended_before = _shares(failing(changes.before, ()))
    ended, ended_before = max(ended, _ended(changes.now)), max(ended_before, _ended(changes.before))
    was = f"{percent(bad_before, ended_before):.0f} % the day before" if ended_before else "no run the day before"
    return (
        Figure("Runs, last 24 h", count(now.runs), _runs_note(now, before), "", runs_href(last="24h")),
        Figure("Failed or cut off", f"{percent(bad, ended):.0f} %" if ended else UNKNOWN, f"{bad:,} of {ended:,}; {was}",
               "bad" if bad else "", runs_href(last="24h", filter=unwanted_filter())),
    )  # fmt: skip


def _runs_note(now: Spent, before: Spent) -> str:
    change = against(now.runs, before.runs)
    return f"{change} on the day before" if change and before.runs else f"{now.llm_calls:,} model calls"


def _shares(found: Iterable[Failing]) -> tuple[int, int]:
    agents = list(found)
    return sum(one.bad for one in agents), sum(one.ended for one in agents)


def _ended(rows: Iterable[CubeRow]) -> int:
    return sum(row.runs for row in rows if row.operation == "run" and row.termination != "running")


def _live_row(one: TraceSummary, now_ns: int) -> LiveRow:
    totals = one.totals
    return LiveRow(
        href=f"/traces/{one.trace_id.hex()}",
        agent=clip(one.agent, 40) or UNKNOWN,
        asked=clip(one.input, 90),
        cost=money(totals.cost_nanos),
        length=duration(max(now_ns - one.started_ns, 0)),
        steps=plural(totals.steps, "step"),
    )


# --- what changed -------------------------------------------------------------------------------------------------------


def change_lines(changes: Changes) -> list[ChangeLine]:
    """Return what the last 24 hours have that the days before had not, the gravest first. The very first day of all has no news."""
    has_past = bool(changes.earlier or changes.before)
    return [*_failing_lines(changes), *_mover_lines(changes), *(_new_lines(changes) if has_past else ())]


def _failing_lines(changes: Changes) -> list[ChangeLine]:
    found = []
    for one in failing(changes.now, changes.before):
        share, before = one.bad / one.ended, one.bad_before / one.ended_before if one.ended_before else 0.0
        if one.ended < _FEWEST_RUNS or share < before + _MORE_SHARE or share < _MORE_TIMES * before:
            continue
        was = f"{before:.0%} the day before" if one.ended_before else "none ended the day before"
        where = runs_href(last="24h", filter=f"{filter_text('agent', one.agent)} and {unwanted_filter()}")
        found.append(ChangeLine("failing", clip(one.agent, 60), f"{share:.0%} of {one.ended:,} runs, {was}", where, "bad"))
    return found


def _mover_lines(changes: Changes) -> list[ChangeLine]:
    if not changes.before:
        return []
    least = _OF_ALL * max(spent_of(changes.now).cost_nanos, spent_of(changes.before).cost_nanos)
    moved = movers(changes.now, changes.before, _MOST_MOVERS)
    return [_mover_line(one) for one in moved if abs(one.by_nanos) >= max(_MOVES * one.before_nanos, least)]


def _mover_line(one: Move) -> ChangeLine:
    more = one.by_nanos > 0
    name = f"{clip(one.agent, 40)} on {clip(one.model, 40) or 'tools'}"
    note = f"{money(one.now_nanos)} after {money(one.before_nanos) if one.before_nanos else 'nothing'} the day before"
    asked = Asked(last="2d", by="termination").narrowed("agent", one.agent, "termination")
    href = (asked.narrowed("model", one.model, "termination") if one.model else asked).href()
    return ChangeLine("dearer" if more else "cheaper", name, note, href, "warn" if more else "")


def _new_lines(changes: Changes) -> list[ChangeLine]:
    fresh = new_names(names_of(triples(changes.now)), names_of(triples(changes.before) | changes.earlier))
    since = "not seen in the 30 days before"
    versions = [one for one in changes.deploys if not one.is_first]
    return [
        *(ChangeLine("new version", f"{clip(one.agent, 40)} {clip(one.version, 40)}", "first seen in the last 24 hours",
                     runs_href(filter=f"{filter_text('agent', one.agent)} and {filter_text('version', one.version)}"))
          for one in versions[:_MOST_NAMES]),
        *(ChangeLine("new agent", clip(name, 60), since, person_href("agents", name)) for name in sorted(fresh.agents)[:_MOST_NAMES]),
        *(ChangeLine("new model", clip(name, 60), since, runs_href(filter=filter_text("model", name)))
          for name in sorted(fresh.models)[:_MOST_NAMES]),
        *(ChangeLine("new tool", clip(name, 60), since, runs_href(filter=filter_text("tool", name)))
          for name in sorted(fresh.tools)[:_MOST_NAMES]),
    ]  # fmt: skip


def _nothing_new(changes: Changes) -> str:
    if not changes.now:
        return "No run began in the last 24 hours."
    if not (changes.before or changes.earlier):
        return "These are the first runs of all: from tomorrow on, what changed is told here."
    return "Nothing: the same agents, models and tools, no more failures, and costs within a fifth of the day before."
