"""The home page: the lookup box, the newest runs and the last day in figures."""

from collections.abc import Sequence
from dataclasses import dataclass

from ingest.model import TraceSummary
from ingest.store.query import CostTable, Spent
from webui.format import cost, count, percent, plural

from .links import runs_href
from .runs import RANGES, Figure, RunRow, run_rows


@dataclass(frozen=True, slots=True)
class HomePage:
    """Everything on the home page."""

    rows: tuple[RunRow, ...]
    figures: tuple[Figure, ...]
    endpoint: str


def build_home_page(summaries: Sequence[TraceSummary], recent: tuple[str, CostTable], endpoint: str, now_ns: int) -> HomePage:
    """Return the home page; ``recent`` is a range and what was spent in it by termination. Nothing spent shows no figures."""
    return HomePage(run_rows(summaries, now_ns), _figures(*recent) if recent[1].total.runs else (), endpoint)


def _figures(last: str, day: CostTable) -> tuple[Figure, ...]:
    total = day.total
    others = [row for row in day.rows if row.group[0] not in ("completed", "running")]
    unfinished = sum(row.spent.runs for row in others)
    wasted = sum(row.spent.cost_nanos for row in others)
    where = runs_href(last=last, filter='termination != "completed" and termination != "running"')
    return (
        Figure(f"Runs, last {dict(RANGES)[last]}", count(total.runs), f"{total.llm_calls:,} model, {total.tool_calls:,} tool calls"),
        Figure(
            "Did not complete",
            count(unfinished),
            f"{percent(unfinished, total.runs):.0f} % of the runs",
            "bad" if unfinished else "",
            where,
        ),
        Figure("Cost", spent_text(total), _unpriced_note(total)),
        Figure(
            "Spent on those that did not",
            cost(wasted, 0) if unfinished else "–",
            f"{percent(wasted, total.cost_nanos):.0f} % of the cost",
        ),
        Figure(
            "Tokens",
            count(total.input_tokens + total.output_tokens),
            f"{percent(total.cache_read_tokens, total.input_tokens):.0f} % of the input from cache",
        ),
        Figure("Failed steps", count(total.errors), "", "bad" if total.errors else ""),
    )


def spent_text(spent: Spent) -> str:
    """Write what was spent; a sum of nothing but unpriced calls is unpriced, not zero."""
    known = spent.cost_nanos if spent.cost_nanos or spent.unpriced_calls < spent.llm_calls else None
    return cost(known if spent.llm_calls or spent.cost_nanos else None, spent.unpriced_calls)


def _unpriced_note(spent: Spent) -> str:
    return f"{plural(spent.unpriced_calls, 'call')} without a price" if spent.unpriced_calls else ""
