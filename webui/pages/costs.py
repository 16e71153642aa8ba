"""The cost page: what was spent against the budget, on what, what was lost, and what has no price."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl

from ingest.rates import Rates
from ingest.store.bill import People, Waste
from ingest.store.cube import Check, CubeRow
from ingest.store.query import Spent
from webui.analysis.accounts import Budgets, Dear, Month, Rate, Tallies
from webui.analysis.repricing import ModelKey
from webui.analysis.spending import CALL_KINDS, UNWANTED, Move, movers, split_by
from webui.format import UNKNOWN, clip, count, money, percent, plural, termination_word

from .cost_chart import BucketRow, ChartMark, bucket_rows
from .cost_losses import DearRow, Estimates, Loss, dear_rows, dear_words, estimates, losses, unwanted_filter
from .cost_month import MonthChart, month_chart, month_figures, rate_figure
from .cost_tables import Bill, MoneyTable, against, people_table, spent_text, split_table, tool_table, turns_by_tool
from .runs import Choice, Figure
from .spend import BY_WORDS, PEOPLE, RANGES, Asked, Period, runs_of, words_of

_SIDE_TABLES = ("agent", "model", "termination")
_MOST_MOVERS = 6


@dataclass(frozen=True, slots=True)
class Facts:
    """What the store says of a bill."""

    asked: Asked
    period: Period
    rows: Sequence[CubeRow]
    before: Sequence[CubeRow]
    people: People | None
    tallies: Tallies
    wasted: Sequence[Waste]
    dearest: Sequence[Dear]
    month: Month
    budgets: Budgets
    rate: Rate | None
    rates: Mapping[ModelKey, Rates]
    marks: Sequence[ChartMark]
    spent: Mapping[int, int]
    """Nano-dollars by hour or day."""
    spent_before: Mapping[int, int]
    check: Check | None

    @property
    def bill(self) -> Bill:
        """Return the bill that tables are made of."""
        return Bill(self.asked, self.period, self.rows, self.before, frozenset(row.agent for row in self.tallies.ends))


@dataclass(frozen=True, slots=True)
class Narrow:
    """What the page is narrowed to, and the page without it."""

    text: str
    href: str


@dataclass(frozen=True, slots=True)
class Mover:
    """A part of the bill that changed much."""

    agent: str
    model: str
    href: str
    now: str
    before: str
    by: str
    more: bool


@dataclass(frozen=True, slots=True)
class CostsPage:
    """Everything on the cost page."""

    words: str
    ranges: tuple[Choice, ...]
    splits: tuple[Choice, ...]
    narrowed: tuple[Narrow, ...]
    figures: tuple[Figure, ...]
    month: MonthChart | None
    month_note: str
    chart_by: str
    figure_href: str
    buckets: tuple[BucketRow, ...]
    bucket_word: str
    marks: tuple[ChartMark, ...]
    reconciled: str
    """That splits and ledger agree, in words; empty where they do not."""
    differs: str
    check_href: str
    check_data_href: str
    """Where the comparison with the ledger is asked for, where it is too much for the first screen."""
    dearest: tuple[DearRow, ...]
    dearest_words: str
    dearest_href: str
    main: MoneyTable
    tables: tuple[MoneyTable, ...]
    losses: tuple[Loss, ...]
    estimates: Estimates
    movers: tuple[Mover, ...]
    asked: Asked
    state: tuple[tuple[str, str], ...]
    """What a form on the page sends along."""
    empty: bool
    wider_href: str
    json_href: str


def build_costs_page(facts: Facts, now_ns: int) -> CostsPage:
    """Return the cost page."""
    asked, period, bill = facts.asked, facts.period, facts.bill
    total = bill.total
    check = _checked(facts, total)
    return CostsPage(
        words=words_of(asked, period),
        ranges=tuple(Choice(text, _at_range(asked, key), asked.from_ns is None and key == asked.last) for key, text in RANGES),
        splits=tuple(Choice(text, replace(asked, by=by).href(), by == asked.by) for by, text in BY_WORDS.items()),
        narrowed=tuple(_narrow(asked, name, value) for name, value in asked.where),
        figures=_figures(facts, total, now_ns),
        month=month_chart(facts.month, now_ns),
        month_note=_month_note(facts),
        chart_by=BY_WORDS[asked.by if asked.by not in PEOPLE else "model"],
        figure_href=asked.href("/costs/figure", by=asked.by),
        buckets=bucket_rows(asked, period, facts.spent, facts.spent_before, facts.marks),
        bucket_word=period.bucket,
        marks=tuple(facts.marks[::-1]),
        reconciled=check[0],
        differs=check[1],
        # What is narrowed is a part of the same rows: the whole is what the ledger is compared with.
        check_href=asked.href(check="1") if facts.check is None and not asked.where else "",
        check_data_href=asked.href("/costs/check") if facts.check is None and not asked.where else "",
        dearest=dear_rows(facts.dearest, bill, now_ns),
        dearest_words=dear_words(facts.dearest, bill),
        dearest_href=runs_of(asked, period, order="cost"),
        main=people_table(bill, facts.people) if facts.people is not None else split_table(bill, asked.by, is_main=True),
        tables=_tables(facts, bill),
        losses=losses(bill, facts.tallies, facts.wasted),
        estimates=estimates(bill, facts.rates),
        movers=tuple(_mover(asked, one) for one in _movers(facts)),
        asked=asked,
        state=tuple(parse_qsl(asked.href(instead="").partition("?")[2])),
        empty=not (total.runs or total.llm_calls),
        wider_href=_at_range(asked, "90d") if asked.last != "90d" else "",
        json_href=asked.href("/api/v1/costs/overview", by="", instead=""),
    )  # fmt: skip


def _at_range(asked: Asked, last: str) -> str:
    return replace(asked, last=last, from_ns=None, to_ns=None).href()


def _narrow(asked: Asked, name: str, value: str) -> Narrow:
    shown = termination_word(value) if name == "termination" else clip(value, 60)
    return Narrow(f"{BY_WORDS[name]}: {shown}", asked.without(name).href())


def _tables(facts: Facts, bill: Bill) -> tuple[MoneyTable, ...]:
    """Return the tables beside the main one: what it is not split by, nor narrowed to."""
    known = {facts.asked.by, *(name for name, _ in facts.asked.where)}
    tables = [split_table(bill, by, is_main=False) for by in _SIDE_TABLES if by not in known]
    if known & {"tool", "model", "provider", "operation"} - {facts.asked.by} or facts.asked.by == "tool":
        return tuple(tables)
    turns = turns_by_tool(facts.tallies.turns) if _has_tallies(facts.asked) else {}
    whole = bill.total.cost_nanos
    covered = sum(turns.values()) / whole if whole else None
    return (*tables, tool_table(bill, turns, covered))


def _has_tallies(asked: Asked) -> bool:
    """Tell whether daily tallies are about what the page is: they are kept by agent alone."""
    return all(name == "agent" for name, _ in asked.where)


def _movers(facts: Facts) -> Sequence[Move]:
    return movers(facts.rows, facts.before, _MOST_MOVERS) if facts.before else ()


def _mover(asked: Asked, one: Move) -> Mover:
    more = one.by_nanos > 0
    narrowed = asked.narrowed("agent", one.agent, "model")
    return Mover(
        agent=clip(one.agent, 40) or "not stated",
        model=clip(one.model, 40) or "tools",
        href=(narrowed.narrowed("model", one.model, "termination") if one.model else narrowed).href(),
        now=money(one.now_nanos) if one.now_nanos else UNKNOWN,
        before=money(one.before_nanos) if one.before_nanos else UNKNOWN,
        by=f"{'+' if more else '−'}{money(abs(one.by_nanos))}",
        more=more,
    )


# --- figures ------------------------------------------------------------------------------------------------------------


def _figures(facts: Facts, total: Spent, now_ns: int) -> tuple[Figure, ...]:
    asked, period = facts.asked, facts.period
    about_runs = not any(name in CALL_KINDS for name, _ in asked.where)
    return (
        _spent_figure(facts, total),
        *month_figures(facts.month, facts.budgets, now_ns),
        *((rate_figure(facts.rate, facts.month, facts.budgets),) if facts.rate is not None else ()),
        *((_each_figure(facts, total), _failed_figure(facts, total)) if about_runs else ()),
        Figure("Without a price", count(total.unpriced_calls), "calls, in no sum" if total.unpriced_calls else "calls",
               "warn" if total.unpriced_calls else "", "#unpriced" if total.unpriced_calls else ""),
        *((Figure("Input tokens", count(total.input_tokens), f"{percent(total.cache_read_tokens, total.input_tokens):.0f} % from cache",
                  "", runs_of(asked, period, order="tokens")),) if not about_runs else ()),
    )  # fmt: skip


def _spent_figure(facts: Facts, total: Spent) -> Figure:
    before = sum(row.cost_nanos for row in facts.before)
    note = f"{against(total.cost_nanos, before)} on {money(before)} before" if before else "nothing in the time before"
    much = total.cost_nanos >= 2 * before > 0
    return Figure("Spent", spent_text(total), note, "warn" if much else "", runs_of(facts.asked, facts.period, order="cost"))


def _each_figure(facts: Facts, total: Spent) -> Figure:
    """Return what a successful run costs: all that was spent, by the runs that completed; what worked inside others is no run here."""
    done = completed_runs(facts)
    each = money(total.cost_nanos // done) if done and total.cost_nanos else UNKNOWN
    where = runs_of(facts.asked, facts.period, 'termination = "completed"', order="cost")
    return Figure("Per completed run", each, f"all spend / {done:,} completed", "", where)


def completed_runs(facts: Facts) -> int:
    """Return how many runs completed, of agents that have runs of their own."""
    tops = facts.bill.top_agents
    return sum(row.runs for row in facts.rows if row.operation == "run" and row.termination == "completed" and row.agent in tops)


def _failed_figure(facts: Facts, total: Spent) -> Figure:
    ends = {reason: spent for reason, spent in split_by(facts.rows, "termination").items() if reason in UNWANTED}
    nanos, runs = sum(one.cost_nanos for one in ends.values()), sum(one.runs for one in ends.values())
    note = f"{percent(nanos, total.cost_nanos):.0f} % of the bill, {percent(runs, total.runs):.0f} % of the runs"
    where = runs_of(facts.asked, facts.period, unwanted_filter(), order="cost")
    return Figure("Failed and cut-off runs", money(nanos) if runs else UNKNOWN, note if runs else "none", "bad" if nanos else "",
                  where if runs else "")  # fmt: skip


def _month_note(facts: Facts) -> str:
    if facts.month.budget_nanos is None:
        return ""
    return "the budget is the agent's own" if facts.asked.where else ""


# --- does it add up? ----------------------------------------------------------------------------------------------------


def _checked(facts: Facts, total: Spent) -> tuple[str, str]:
    """Return that all splits come to the same sum and to the ledger's, or by how much they do not."""
    sums = {by: sum(spent.cost_nanos for spent in split_by(facts.rows, by).values()) for by in ("agent", "model", "termination", "service")}
    buckets = sum(facts.spent.values())
    if set(sums.values()) | {buckets} != {total.cost_nanos}:
        return "", f"by agent, model, end, service and {facts.period.bucket}: {', '.join(money(one) for one in (*sums.values(), buckets))}"
    if facts.check is None:
        return f"{money(total.cost_nanos)}, the same by agent, model, end, service and {facts.period.bucket}", ""
    return check_words(facts.check, total.cost_nanos)


def check_words(check: Check, shown_nanos: int | None = None) -> tuple[str, str]:
    """Say that the roll-ups agree with the ledger, or by how much they do not."""
    ledger = check.ledger["cost_nanos"]
    if check.excess or (shown_nanos is not None and shown_nanos != ledger):
        excess = {name: found.get("cost_nanos", 0) for name, found in check.excess.items()}
        parts = ", ".join(f"{name} {usd_words(nanos)} more" for name, nanos in sorted(excess.items()))
        told = parts or f"the tables say {usd_words(shown_nanos or 0)}"
        return "", f"the ledger says {usd_words(ledger)}; {told}. clew relink makes them anew"
    entries = plural(check.entries, "ledger entry").replace("entrys", "entries")
    return f"{entries} come to {usd_words(ledger)}, the same by hour, day, agent, model and end, to the nano-dollar", ""


def usd_words(nanos: int) -> str:
    """Write an amount in full."""
    return f"{'-' if nanos < 0 else ''}${abs(nanos) // 10**9:,}.{abs(nanos) % 10**9:09d}"
