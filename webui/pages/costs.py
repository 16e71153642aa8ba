"""The cost page: what was spent, on what, and what has no price."""

from collections.abc import Sequence
from dataclasses import dataclass

from ingest.store.query import CostRow, CostTable, Spent
from webui.format import UNKNOWN, clip, count, money, percent, termination_word, tone

from .home import spent_text
from .links import costs_href, filter_text, person_href, runs_href
from .runs import Choice, Figure

RANGES = (("24h", "24 h"), ("7d", "7 d"), ("30d", "30 d"), ("90d", "90 d"))
_MOST_ROWS = 12


@dataclass(frozen=True, slots=True)
class MoneyRow:
    """One line of a cost table."""

    name: str
    href: str
    calls: str
    tokens: str
    cost: str
    share: str
    bar: str
    look: str
    unpriced: bool


@dataclass(frozen=True, slots=True)
class MoneyTable:
    """What was spent by one thing, the dearest first."""

    title: str
    note: str
    by: str
    calls_word: str
    rows: tuple[MoneyRow, ...]
    more: str
    total: str
    total_calls: str


@dataclass(frozen=True, slots=True)
class CostsPage:
    """Everything on the cost page."""

    last: str
    ranges: tuple[Choice, ...]
    figures: tuple[Figure, ...]
    tables: tuple[MoneyTable, ...]
    figure_href: str
    reconciled: str
    empty: bool


@dataclass(frozen=True, slots=True)
class Tables:
    """The cost tables that the page is made of."""

    agent: CostTable
    model: CostTable
    tool: CostTable
    termination: CostTable


def build_costs_page(tables: Tables, last: str) -> CostsPage:
    """Return the cost page of a range."""
    total = tables.agent.total
    return CostsPage(
        last=last,
        ranges=tuple(Choice(text, costs_href(last=key), key == last) for key, text in RANGES),
        figures=_figures(tables),
        tables=(
            _table("By agent", tables.agent, "runs"),
            _table("By model", _with_calls(tables.model), "calls"),
            _table("By why it stopped", tables.termination, "runs"),
            _table("By tool", _with_tools(tables.tool), "calls", "what the call itself charged; most tools charge nothing"),
        ),
        figure_href=f"/costs/figure?last={last}",
        reconciled=_reconciled(tables),
        empty=not (total.runs or total.llm_calls),
    )


def _with_calls(table: CostTable) -> CostTable:
    return CostTable(table.by, [row for row in table.rows if row.spent.llm_calls or row.spent.cost_nanos], table.total)


def _with_tools(table: CostTable) -> CostTable:
    rows = [row for row in table.rows if row.group[0]]
    return CostTable(table.by, rows, sum_spent([row.spent for row in rows]))


def sum_spent(parts: Sequence[Spent]) -> Spent:
    """Add up what parts of the ledger spent."""
    return Spent(
        runs=sum(part.runs for part in parts),
        llm_calls=sum(part.llm_calls for part in parts),
        tool_calls=sum(part.tool_calls for part in parts),
        errors=sum(part.errors for part in parts),
        input_tokens=sum(part.input_tokens for part in parts),
        output_tokens=sum(part.output_tokens for part in parts),
        cost_nanos=sum(part.cost_nanos for part in parts),
        unpriced_calls=sum(part.unpriced_calls for part in parts),
    )


def _figures(tables: Tables) -> tuple[Figure, ...]:
    total = tables.agent.total
    done = sum(row.spent.runs for row in tables.termination.rows if row.group[0] == "completed")
    others = [row for row in tables.termination.rows if tone(str(row.group[0])) in ("bad", "warn")]
    wasted = sum(row.spent.cost_nanos for row in others)
    cached = percent(total.cache_read_tokens, total.input_tokens)
    return (
        Figure("Spent", spent_text(total), f"{total.runs:,} runs"),
        Figure("Per completed run", money(total.cost_nanos // done) if done and total.cost_nanos else UNKNOWN, f"{done:,} completed"),
        Figure(
            "Runs that did not complete",
            money(wasted) if others else UNKNOWN,
            f"{percent(wasted, total.cost_nanos):.0f} % of the bill",
            "bad" if wasted else "",
        ),
        Figure("Input tokens", count(total.input_tokens), f"{cached:.0f} % read from cache"),
        Figure("Output tokens", count(total.output_tokens), f"{count(total.reasoning_tokens)} reasoning"),
        Figure("Without a price", count(total.unpriced_calls), "calls, in no sum", "warn" if total.unpriced_calls else ""),
    )


def _reconciled(tables: Tables) -> str:
    sums = {sum(row.spent.cost_nanos for row in table.rows) for table in (tables.agent, tables.model, tables.termination)}
    whole = tables.agent.total.cost_nanos
    return money(whole) if sums == {whole} else ""


def _table(title: str, table: CostTable, calls_word: str, note: str = "") -> MoneyTable:
    ordered = sorted(table.rows, key=lambda row: (-row.spent.cost_nanos, -_calls(row, calls_word, table.by[0]), str(row.group[0])))
    top = max([row.spent.cost_nanos for row in ordered], default=0)
    left = ordered[_MOST_ROWS:]
    return MoneyTable(
        title=title,
        note=note,
        by=table.by[0],
        calls_word=calls_word,
        rows=tuple(_row(row, table, calls_word, top) for row in ordered[:_MOST_ROWS]),
        more=f"{len(left):,} more, {money(sum(row.spent.cost_nanos for row in left))}" if left else "",
        total=spent_text(table.total) if table.by[0] != "tool" else money(table.total.cost_nanos) if table.total.cost_nanos else UNKNOWN,
        total_calls=count(table.total.runs if calls_word == "runs" else _all_calls(table.total, table.by[0])),
    )


def _all_calls(spent: Spent, by: str) -> int:
    return spent.tool_calls if by == "tool" else spent.llm_calls


def _calls(row: CostRow, calls_word: str, by: str) -> int:
    return row.spent.runs if calls_word == "runs" else _all_calls(row.spent, by)


def _row(row: CostRow, table: CostTable, calls_word: str, top: int) -> MoneyRow:
    by, name, spent = table.by[0], str(row.group[0]), row.spent
    shown = termination_word(name) if by == "termination" else name
    return MoneyRow(
        name=clip(shown, 60) or "none stated",
        href=_href(by, name),
        calls=count(_calls(row, calls_word, by)),
        tokens=count(spent.input_tokens + spent.output_tokens),
        cost=_cost(spent, by),
        share=f"{percent(spent.cost_nanos, table.total.cost_nanos):.1f} %" if table.total.cost_nanos else UNKNOWN,
        bar=f"{percent(spent.cost_nanos, top):.1f}%",
        look={"bad": "c-bad", "warn": "f-recover"}.get(tone(name), "b") if by == "termination" else "b",
        unpriced=bool(spent.unpriced_calls),
    )


def _cost(spent: Spent, by: str) -> str:
    if by == "tool":
        return money(spent.cost_nanos) if spent.cost_nanos else UNKNOWN
    return spent_text(spent)


def _href(by: str, name: str) -> str:
    if not name:
        return ""
    if by == "agent":
        return person_href("agents", name)
    if by == "tool":
        return runs_href(filter=f"any step ({filter_text('tool.name', name)})")
    return runs_href(filter=filter_text(by, name))
