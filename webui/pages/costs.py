"""The cost page: what was spent, on what, and what has no price."""

from collections.abc import Sequence
from dataclasses import dataclass

from ingest.store.query import CostRow, CostTable, Spent
from webui.format import UNKNOWN, clip, count, duration, money, percent, plural, termination_word, tone

from .home import spent_text
from .links import costs_href, filter_text, person_href, runs_href
from .runs import Choice, Figure

RANGES = (("24h", "24 h"), ("7d", "7 d"), ("30d", "30 d"), ("90d", "90 d"))
_MOST_ROWS = 12


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure of a table: its text, how it looks, and whether a narrow screen leaves it out."""

    text: str
    look: str = ""
    wide: bool = False


@dataclass(frozen=True, slots=True)
class MoneyRow:
    """One line of a table: a name, its figures and a bar for the one the table is ordered by."""

    name: str
    href: str
    cells: tuple[Cell, ...]
    bar: str
    look: str


@dataclass(frozen=True, slots=True)
class MoneyTable:
    """What was spent by one thing, the dearest first; tools, which mostly charge nothing, by calls."""

    title: str
    by: str
    heads: tuple[Cell, ...]
    rows: tuple[MoneyRow, ...]
    more: str
    total: tuple[Cell, ...]


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
            _money_table("By agent", tables.agent, "runs"),
            _money_table("By model", _with_calls(tables.model), "calls"),
            _money_table("By why it stopped", tables.termination, "runs"),
            _tool_table(_with_tools(tables.tool)),
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
        duration_ns=sum(part.duration_ns for part in parts),
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


def _money_table(title: str, table: CostTable, counted: str) -> MoneyTable:
    by = table.by[0]
    rows = sorted(table.rows, key=lambda row: (-row.spent.cost_nanos, -_number(row.spent, counted), str(row.group[0])))
    top = max([row.spent.cost_nanos for row in rows], default=0)
    left = rows[_MOST_ROWS:]
    return MoneyTable(
        title=title,
        by="why" if by == "termination" else by,
        heads=(Cell(counted), Cell("tokens", wide=True), Cell("cost"), Cell("share", wide=True)),
        rows=tuple(_money_row(by, row, counted, (table.total.cost_nanos, top)) for row in rows[:_MOST_ROWS]),
        more=f"{len(left):,} more, {money(sum(row.spent.cost_nanos for row in left))}" if left else "",
        total=(
            Cell(count(_number(table.total, counted))),
            Cell(_tokens(table.total), wide=True),
            Cell(spent_text(table.total)),
            Cell("", wide=True),
        ),
    )


def _money_row(by: str, row: CostRow, counted: str, of: tuple[int, int]) -> MoneyRow:
    name, spent = str(row.group[0]), row.spent
    total, top = of
    cells = (
        Cell(count(_number(spent, counted)), "soft"),
        Cell(_tokens(spent), "soft", wide=True),
        Cell(spent_text(spent), "warn" if spent.unpriced_calls else ""),
        Cell(f"{percent(spent.cost_nanos, total):.1f} %" if spent.cost_nanos else UNKNOWN, "soft", wide=True),
    )
    look = {"bad": "c-bad", "warn": "f-recover"}.get(tone(name), "b") if by == "termination" else "b"
    shown = termination_word(name) if by == "termination" else name
    return MoneyRow(clip(shown, 60) or "none stated", _href(by, name), cells, f"{percent(spent.cost_nanos, top):.1f}%", look)


def _number(spent: Spent, counted: str) -> int:
    return spent.runs if counted == "runs" else spent.llm_calls


def _tokens(spent: Spent) -> str:
    return count(spent.input_tokens + spent.output_tokens or None)


def _tool_table(table: CostTable) -> MoneyTable:
    """Return the tools by calls; what they charge is shown where any of them charges."""
    rows = sorted(table.rows, key=lambda row: (-row.spent.tool_calls, str(row.group[0])))
    top = max([row.spent.tool_calls for row in rows], default=0)
    left = rows[_MOST_ROWS:]
    charged = bool(table.total.cost_nanos)
    heads = (Cell("calls"), Cell("failed"), Cell("time each", wide=True), *((Cell("cost"),) if charged else ()))
    return MoneyTable(
        title="By tool",
        by="tool",
        heads=heads,
        rows=tuple(_tool_row(row, charged, top) for row in rows[:_MOST_ROWS]),
        more=f"{plural(len(left), 'more tool')}" if left else "",
        total=_tool_cells(table.total, charged),
    )


def _tool_row(row: CostRow, charged: bool, top: int) -> MoneyRow:
    name, spent = str(row.group[0]), row.spent
    return MoneyRow(clip(name, 60), _href("tool", name), _tool_cells(spent, charged), f"{percent(spent.tool_calls, top):.1f}%", "b")


def _tool_cells(spent: Spent, charged: bool) -> tuple[Cell, ...]:
    each = spent.duration_ns // spent.tool_calls if spent.tool_calls and spent.duration_ns else None
    paid = (Cell(money(spent.cost_nanos or None)),) if charged else ()
    return (
        Cell(count(spent.tool_calls)),
        Cell(count(spent.errors), "bad" if spent.errors else "soft"),
        Cell(duration(each), "soft", wide=True),
        *paid,
    )


def _href(by: str, name: str) -> str:
    if not name:
        return ""
    if by == "agent":
        return person_href("agents", name)
    if by == "tool":
        return runs_href(filter=f"any step ({filter_text('tool.name', name)})")
    return runs_href(filter=filter_text(by, name))
