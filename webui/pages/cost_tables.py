"""Tables of what was spent on what: each row leads to its own split, each count to the runs behind it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ingest.store.bill import MOST_RUNS, People, Person
from ingest.store.cube import CubeRow
from ingest.store.query import Spent
from ingest.store.tally import Summed
from webui.analysis.spending import CALL_KINDS, spent_of, split_by
from webui.format import UNKNOWN, clip, cost, count, duration, money, percent, plural, termination_word, tone

from .spend import BY_WORDS, Asked, Period, condition, group_href, runs_of

_MOST_ROWS = 12
_THEN = {"model": "agent", "agent": "model", "termination": "agent", "tool": "agent", "provider": "model", "operation": "model",
         "service": "agent", "environment": "agent", "user": "agent", "session": "agent"}  # fmt: skip
"""What a group is split by in turn."""
_NAMELESS = {"model": "tools that charge", "provider": "not stated", "agent": "not stated", "tool": "", "operation": "",
             "service": "not stated", "environment": "not stated", "user": "nobody named", "session": "no session"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure of a table: its text, how it looks, where it leads, and whether a narrow screen leaves it out."""

    text: str
    look: str = ""
    wide: bool = False
    href: str = ""


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
    note: str
    heads: tuple[Cell, ...]
    rows: tuple[MoneyRow, ...]
    more: str
    total: tuple[Cell, ...]
    more_href: str = ""
    json_href: str = ""


@dataclass(frozen=True, slots=True)
class Bill:
    """The bill of a time, of the one before it, and which agents have runs of their own."""

    asked: Asked
    period: Period
    rows: Sequence[CubeRow]
    before: Sequence[CubeRow]
    top_agents: frozenset[str]

    @property
    def total(self) -> Spent:
        """Return the sum of all."""
        return spent_of(self.rows)


def spent_text(spent: Spent) -> str:
    """Write what was spent; a sum of nothing but unpriced calls is unpriced, not zero."""
    known = spent.cost_nanos if spent.cost_nanos or spent.unpriced_calls < spent.llm_calls else None
    return cost(known if spent.llm_calls or spent.cost_nanos else None, spent.unpriced_calls)


def against(now: int, before: int) -> str:
    """Write how an amount compares with an earlier one."""
    if not before:
        return "new" if now else ""
    change = 100 * (now - before) / before
    return f"{now / before:.1f} ×" if change >= 200 else f"{change:+.0f} %".replace("-", "−")


def split_table(bill: Bill, by: str, *, is_main: bool) -> MoneyTable:
    """Return what was spent by one thing; as the page's main table with the time before."""
    asked, is_set_against = replace(bill.asked, by=by), is_main and bool(bill.before)
    now, before = split_by(bill.rows, by), split_by(bill.before, by) if is_set_against else {}
    ranked = sorted(now.items(), key=lambda one: (-one[1].cost_nanos, -one[1].llm_calls, -one[1].runs, one[0]))
    shown, left = ranked[: 40 if is_main else _MOST_ROWS], ranked[40 if is_main else _MOST_ROWS :]
    total = bill.total
    top = max((spent.cost_nanos for spent in now.values()), default=0)
    counted = "calls" if by in CALL_KINDS else "runs"
    heads = (
        Cell(counted),
        *((Cell("runs", wide=True),) if is_set_against and counted == "calls" else ()),
        Cell("tokens", wide=True),
        Cell("cost"),
        *((Cell("before", wide=True), Cell("change")) if is_set_against else ()),
        Cell("share", wide=True),
    )
    rows = tuple(_row(bill, asked, one, before.get(one[0], Spent()) if is_set_against else None, (total.cost_nanos, top)) for one in shown)
    return MoneyTable(
        title=f"By {BY_WORDS[by]}",
        by=BY_WORDS[by],
        note=_note(by),
        heads=heads,
        rows=rows,
        more=f"{len(left):,} more, {money(sum(spent.cost_nanos for _, spent in left))}" if left else "",
        total=_cells(bill, asked, total, spent_of(bill.before) if is_set_against else None, ""),
        more_href="" if is_main else asked.href(),
        json_href=json_href(asked, bill.period, by),
    )


def json_href(asked: Asked, period: Period, by: str) -> str:
    """Return where a program gets a table."""
    return replace(asked, by=by, from_ns=period.from_ns, to_ns=None, instead="").href("/api/v1/costs", by=by)


def _note(by: str) -> str:
    if by == "tool":
        return "what tools charge themselves"
    return "as each run ended, nested ones too" if by == "termination" else ""


def _row(bill: Bill, asked: Asked, one: tuple[str, Spent], before: Spent | None, of: tuple[int, int]) -> MoneyRow:
    name, spent = one
    total, top = of
    href = group_href(asked, bill.period, name, bill.top_agents)
    share = Cell(f"{percent(spent.cost_nanos, total):.1f} %" if spent.cost_nanos else UNKNOWN, "soft", wide=True)
    cells = (*_cells(bill, asked, spent, before, href)[:-1], share)
    look = {"bad": "c-bad", "warn": "f-recover"}.get(tone(name), "b") if asked.by == "termination" else "b"
    shown = termination_word(name) if asked.by == "termination" else clip(name, 60) or _NAMELESS.get(asked.by, "not stated")
    drill = asked.narrowed(asked.by, name, _THEN[asked.by]).href() if name else ""
    return MoneyRow(shown, drill, cells, f"{percent(spent.cost_nanos, top):.1f}%", look)


def _cells(bill: Bill, asked: Asked, spent: Spent, before: Spent | None, href: str) -> tuple[Cell, ...]:
    """Return the figures of a row; with the time before where that is shown. The last is left to fill in."""
    of_calls = asked.by in CALL_KINDS
    runs = Cell(count(spent.runs), "soft", wide=of_calls, href=href)
    calls = Cell(count(spent.llm_calls + spent.tool_calls if asked.by in ("tool", "operation") else spent.llm_calls), "soft")
    first = (calls, *((runs,) if before is not None else ())) if of_calls else (runs,)
    money_cells = (Cell(_tokens(spent), "soft", wide=True), Cell(spent_text(spent), "warn" if spent.unpriced_calls else "", href=href))
    if before is None:
        return (*first, *money_cells, Cell("", wide=True))
    change = against(spent.cost_nanos, before.cost_nanos)
    look = "warn" if spent.cost_nanos >= 2 * before.cost_nanos and spent.cost_nanos else "soft"
    was = Cell(spent_text(before) if before.llm_calls or before.cost_nanos else UNKNOWN, "soft", wide=True)
    return (*first, *money_cells, was, Cell(change or UNKNOWN, look), Cell("", wide=True))


def _tokens(spent: Spent) -> str:
    return count(spent.input_tokens + spent.output_tokens or None)


def tool_table(bill: Bill, turns: Mapping[str, int], covered: float | None) -> MoneyTable:
    """Return the tools by what models were paid to read their results: ``turns``, which are known of a share of the bill, ``covered``."""
    asked = replace(bill.asked, by="tool")
    spent = {name: one for name, one in split_by(bill.rows, "tool").items() if name}
    ranked = sorted(spent.items(), key=lambda one: (-turns.get(one[0], 0), -one[1].tool_calls, one[0]))
    top = max((turns.get(name, 0) for name in spent), default=0)
    left = ranked[_MOST_ROWS:]
    total = spent_of(row for row in bill.rows if row.tool)
    read = sum(turns.get(name, 0) for name in spent)
    note = "reading: the model calls that were first to get its results"
    if covered is not None and covered < 0.95:
        note += f", known of {covered:.0%} of the bill"
    return MoneyTable(
        title="By tool",
        by="tool",
        note=note,
        heads=(Cell("calls"), Cell("failed"), Cell("time each", wide=True), Cell("charged"), Cell("reading")),
        rows=tuple(_tool_row(bill, asked, one, turns.get(one[0], 0), top) for one in ranked[:_MOST_ROWS]),
        more=plural(len(left), "more tool") if left else "",
        total=_tool_cells(total, read, ""),
        more_href=asked.href(),
        json_href=json_href(asked, bill.period, "tool"),
    )


def _tool_row(bill: Bill, asked: Asked, one: tuple[str, Spent], read: int, top: int) -> MoneyRow:
    name, spent = one
    href = runs_of(asked, bill.period, condition("tool", name), order="cost")
    cells = _tool_cells(spent, read, href)
    return MoneyRow(clip(name, 60), asked.narrowed("tool", name, "agent").href(), cells, f"{percent(read, top):.1f}%", "b")


def _tool_cells(spent: Spent, read: int, href: str) -> tuple[Cell, ...]:
    each = spent.duration_ns // spent.tool_calls if spent.tool_calls and spent.duration_ns else None
    return (
        Cell(count(spent.tool_calls), "soft", href=href),
        Cell(count(spent.errors), "bad" if spent.errors else "soft"),
        Cell(duration(each), "soft", wide=True),
        Cell(money(spent.cost_nanos or None), "soft"),
        Cell(money(read or None), href=href),
    )


def turns_by_tool(turns: Sequence[Summed]) -> dict[str, int]:
    """Return what models were paid to read each tool's results; an empty name is what they read before any tool was called."""
    found: dict[str, int] = {}
    for row in turns:
        found[row.a] = found.get(row.a, 0) + row.nanos
    return found


def people_table(bill: Bill, people: People) -> MoneyTable:
    """Return users or sessions by cost, as the runs say whom they were for."""
    asked = bill.asked
    top = max((one.cost_nanos for one in people.items), default=0)
    is_cut = not people.is_all and people.looked >= MOST_RUNS
    looked = f"the newest {people.looked:,} runs" if is_cut else plural(people.looked, "run")
    by_start = "" if people.is_all else ", by the day they began"
    left = people.total.cost_nanos - sum(one.cost_nanos for one in people.items)
    return MoneyTable(
        title=f"By {BY_WORDS[asked.by]}",
        by=BY_WORDS[asked.by],
        note=f"added up from {looked}{by_start}" + ("; older ones are not in it" if is_cut else ""),
        heads=(Cell("runs"), Cell("completed", wide=True), Cell("tokens", wide=True), Cell("cost"), Cell("each", wide=True),
               Cell("share", wide=True)),
        rows=tuple(_person_row(bill, one, (people.total.cost_nanos, top)) for one in people.items[:40]),
        more=_more(people, left),
        total=_person_cells(people.total, people.total.cost_nanos, ""),
        json_href=json_href(asked, bill.period, asked.by),
    )  # fmt: skip


def _more(people: People, left: int) -> str:
    hidden = people.more + max(len(people.items) - 40, 0)
    left += sum(one.cost_nanos for one in people.items[40:])
    return f"{hidden:,} more, {money(left)}" if hidden else ""


def _person_row(bill: Bill, one: Person, of: tuple[int, int]) -> MoneyRow:
    asked, (total, top) = bill.asked, of
    href = runs_of(asked, bill.period, condition(asked.by, one.name), order="cost")
    drill = asked.narrowed(asked.by, one.name, "agent").href() if one.name else ""
    name = clip(one.name, 60) or _NAMELESS[asked.by]
    return MoneyRow(name, drill, _person_cells(one, total, href), f"{percent(one.cost_nanos, top):.1f}%", "b")


def _person_cells(one: Person, total: int, href: str) -> tuple[Cell, ...]:
    known = one.cost_nanos if one.cost_nanos or one.unpriced_calls < one.llm_calls else None
    return (
        Cell(count(one.runs), "soft", href=href),
        Cell(f"{percent(one.completed, one.runs):.0f} %" if one.runs else UNKNOWN, "soft", wide=True),
        Cell(count(one.tokens or None), "soft", wide=True),
        Cell(cost(known if one.llm_calls else None, one.unpriced_calls), "warn" if one.unpriced_calls else "", href=href),
        Cell(money(one.cost_nanos // one.runs) if one.runs and one.cost_nanos else UNKNOWN, "soft", wide=True),
        Cell(f"{percent(one.cost_nanos, total):.1f} %" if one.cost_nanos else UNKNOWN, "soft", wide=True),
    )
