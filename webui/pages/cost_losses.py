"""Where money was lost, and what else the same work would have cost. Estimates are called so."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ingest.rates import Rates
from ingest.store.bill import Waste
from ingest.store.cube import CubeRow
from webui.analysis.accounts import Dear, Tallies
from webui.analysis.repricing import Instead, ModelKey, Saving, cache_savings, what_if
from webui.analysis.spending import CALL_KINDS, UNWANTED, split_by, unpriced_of
from webui.format import UNKNOWN, clip, count, money, percent, plural

from .cost_tables import Bill
from .links import filter_text, quoted, trace_href
from .runs import Choice, RunRow, run_row
from .spend import DAY_NS, day_words, runs_of

_MOST_WASTED, _MOST_MODELS = 3, 8


@dataclass(frozen=True, slots=True)
class Loss:
    """An amount that bought nothing, or not enough: what it is, how it is known, and the runs behind it."""

    name: str
    amount: str
    note: str
    href: str
    bad: bool
    runs: tuple[Choice, ...] = ()


def unwanted_filter() -> str:
    """Return the condition that a run ended as nobody wanted."""
    return f"termination in ({', '.join(quoted(reason) for reason in sorted(UNWANTED))})"


def losses(bill: Bill, tallies: Tallies, wasted: Sequence[Waste]) -> tuple[Loss, ...]:
    """Return where money was lost. The amounts overlap: a loop may end in a failed run, and they are no parts of one sum."""
    since = f"of runs that began since {day_words(tallies.first_day * DAY_NS)}"
    return (_unfinished(bill), _loops(bill, wasted), _repeats(bill, tallies, since), *_second_tries(bill, tallies, since))


def _unfinished(bill: Bill) -> Loss:
    ends = {reason: spent for reason, spent in split_by(bill.rows, "termination").items() if reason in UNWANTED}
    nanos, runs = sum(one.cost_nanos for one in ends.values()), sum(one.runs for one in ends.values())
    note = f"{plural(runs, 'run')}, {percent(nanos, bill.total.cost_nanos):.0f} % of the bill"
    return Loss("Runs that ended as nobody wanted", money(nanos) if runs else UNKNOWN, note,
                runs_of(bill.asked, bill.period, unwanted_filter(), order="cost") if runs else "", bad=nanos > 0)  # fmt: skip


def _loops(bill: Bill, wasted: Sequence[Waste]) -> Loss:
    nanos = sum(one.wasted_nanos for one in wasted)
    worst = tuple(Choice(_wasted_words(one), trace_href(one.trace_id, run=one.run_id.hex()), False) for one in wasted[:_MOST_WASTED])
    note = f"{plural(len(wasted), 'run')} went on without progress" if wasted else "no loop was found"
    return Loss("Loops", money(nanos) if wasted else UNKNOWN, note, "", bad=nanos > 0, runs=worst)


def _wasted_words(one: Waste) -> str:
    # A finding's sentence begins with the agent's name, where it is about one.
    before = "" if one.sentence.startswith(one.agent) else f"{clip(one.agent, 40)}: "
    return f"{before}{clip(one.sentence, 90)}, {money(one.wasted_nanos)}"


def _repeats(bill: Bill, tallies: Tallies, since: str) -> Loss:
    calls = sum(row.repeats for row in tallies.tools)
    nanos = sum(row.nanos for row in tallies.tools)
    words = f"{plural(calls, 'call')} of tools for an answer that the run had, {since}" if calls else "no tool was asked the same twice"
    return Loss("Asked again for what was known", money(nanos) if calls else UNKNOWN, words, "/tools" if calls else "", bad=nanos > 0)


_TRIES = (("retry", "Retries"), ("fallback", "Fallbacks"), ("repair", "Repairs"))


def second_tries(tallies: Tallies) -> dict[str, tuple[int, int, int]]:
    """Return, by what led to them, how many model calls were second tries, how many of these failed, and what they cost."""
    found = {}
    for kind, _ in _TRIES:
        rows = [row for row in tallies.again if row.a == kind]
        found[kind] = (sum(row.times for row in rows), sum(row.failed for row in rows), sum(row.nanos for row in rows))
    return found


def _second_tries(bill: Bill, tallies: Tallies, since: str) -> tuple[Loss, ...]:
    tries, found = second_tries(tallies), []
    for kind, name in _TRIES:
        calls, failed, nanos = tries[kind]
        if calls:
            note = f"{plural(calls, 'model call')} after one, {failed:,} failed, {since}"
            href = runs_of(bill.asked, bill.period, f'any step (kind = "{kind}")', order="cost")
            found.append(Loss(name, money(nanos), note, href, bad=False))
    return tuple(found)


# --- what else it would have cost ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CacheRow:
    """What the cache saved of one model's tokens."""

    model: str
    href: str
    read: str
    written: str
    full: str
    paid: str
    saved: str
    bad: bool


@dataclass(frozen=True, slots=True)
class InsteadRow:
    """One agent's calls of one model on another."""

    agent: str
    agent_href: str
    model: str
    calls: str
    paid: str
    other: str
    would: str
    saved: str
    less: bool


@dataclass(frozen=True, slots=True)
class UnpricedRow:
    """A model's calls without a price."""

    model: str
    href: str
    calls: str
    input: str
    output: str
    note: str


@dataclass(frozen=True, slots=True)
class Estimates:
    """What the same tokens would have cost otherwise."""

    cache: tuple[CacheRow, ...]
    saved: str
    saved_bad: bool
    instead: tuple[InsteadRow, ...]
    models: tuple[str, ...]
    """Models whose price is known: to choose one from."""
    unknown: str
    """The model asked for, where its price is not known."""
    unpriced: tuple[UnpricedRow, ...]


def estimates(bill: Bill, rates: Mapping[ModelKey, Rates]) -> Estimates:
    """Return what the cache saved, what other models would have cost, and what has no price."""
    asked = bill.asked
    savings = cache_savings(bill.rows, rates)
    saved = sum(one.saved_nanos for one in savings)
    others = what_if(bill.rows, rates, asked.instead, _MOST_MODELS)
    known = tuple(sorted({model for _, model in rates}))
    return Estimates(
        cache=tuple(_cache_row(bill, one) for one in savings[:_MOST_MODELS]),
        saved=money(saved) if savings else "",
        saved_bad=saved < 0,
        instead=tuple(_instead_row(bill, one) for one in others),
        models=known,
        unknown=clip(asked.instead, 60) if asked.instead and asked.instead not in known else "",
        unpriced=tuple(_unpriced_rows(bill, bill.rows)),
    )


def _cache_row(bill: Bill, one: Saving) -> CacheRow:
    return CacheRow(
        model=clip(one.model, 60),
        href=bill.asked.narrowed("model", one.model, "agent").href(),
        read=f"{percent(one.read_tokens, one.input_tokens):.0f} %",
        written=f"{percent(one.write_tokens, one.input_tokens):.0f} %",
        full=money(one.full_nanos),
        paid=money(one.paid_nanos),
        saved=money(one.saved_nanos),
        bad=one.saved_nanos < 0,
    )


def _instead_row(bill: Bill, one: Instead) -> InsteadRow:
    return InsteadRow(
        agent=clip(one.agent, 40),
        agent_href=bill.asked.narrowed("agent", one.agent, "model").href(),
        model=clip(one.model, 40),
        calls=count(one.calls),
        paid=money(one.paid_nanos),
        other=clip(one.other_model, 40),
        would=money(one.other_nanos),
        saved=f"{-percent(one.saved_nanos, one.paid_nanos):+.0f} %".replace("-", "−"),
        less=one.saved_nanos > 0,
    )


def _unpriced_rows(bill: Bill, rows: Sequence[CubeRow]) -> list[UnpricedRow]:
    found = []
    for one in unpriced_of(rows):
        some = "" if one.calls == one.all_calls else f"tokens of all its {one.all_calls:,} calls"
        name = clip(one.model, 60) or "no model named"
        provider = clip(one.provider, 40) or "no provider named"
        href = runs_of(bill.asked, bill.period, filter_text("model", one.model)) if one.model else ""
        tokens = (count(one.input_tokens or None), count(one.output_tokens or None))
        found.append(UnpricedRow(name, href, count(one.calls), *tokens, f"{provider}{', ' if some else ''}{some}"))
    return found


# --- the runs that made the bill --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DearRow:
    """One of the dearest runs."""

    number: str
    run: RunRow
    running: str
    where: str
    where_bad: bool
    where_href: str


def dear_rows(found: Sequence[Dear], bill: Bill, now_ns: int) -> tuple[DearRow, ...]:
    """Return the dearest runs with the share of the bill that they and the dearer ones make, where all of what they cost is in it."""
    rows, so_far, total_nanos = [], 0, 0 if _is_partial(bill) else bill.total.cost_nanos
    for place, one in enumerate(found, 1):
        so_far += one.summary.totals.cost_nanos or 0
        words = one.finding or _dearest_entry(one)
        running = f"{min(percent(so_far, total_nanos), 100):.1f} %" if total_nanos else UNKNOWN
        href = trace_href(one.summary.trace_id)
        rows.append(DearRow(str(place), run_row(one.summary, now_ns), running, clip(words, 110), bool(one.finding), href))
    return tuple(rows)


def _dearest_entry(one: Dear) -> str:
    """Say what most of a run's money went on."""
    nanos = one.summary.totals.cost_nanos or 0
    if not one.entries or not nanos:
        return ""
    top = one.entries[0]
    return f"{top.model or top.tool}, {plural(top.calls, 'call')}, {percent(top.cost_nanos, nanos):.0f} %"


def dear_words(rows: Sequence[Dear], bill: Bill) -> str:
    """Say how much of the bill the dearest runs are."""
    nanos = sum(one.summary.totals.cost_nanos or 0 for one in rows)
    total = bill.total
    if _is_partial(bill):
        return "all that these runs cost"
    return f"{plural(len(rows), 'run')}, {min(percent(nanos, total.cost_nanos), 100):.1f} % of the bill"


def _is_partial(bill: Bill) -> bool:
    """Tell whether the bill is narrowed to parts of runs."""
    return any(name in (*CALL_KINDS, "agent") for name, _ in bill.asked.where)
