"""What a coding agent may ask of Clew, each a tool: a function over the store whose docstring the agent reads. All only read."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from ingest.model import Trace, TraceSummary
from ingest.store.alertbook import list_alerts, read_alert
from ingest.store.engine import Store
from ingest.store.lists import ListQuery
from ingest.store.query import BY, ORDERS, CostRow, Order
from webui.filters import FilterError, nearest, parse_filter, parse_time
from webui.format import clip, clock, cost, count, duration, money, now_ns, plural, termination_word
from webui.lookup import Match
from webui.reads import Reads

from .alerts import evidence_lines
from .errors import CliError
from .lookup import find_matches
from .mcp_fence import Data, fence
from .mcp_outline import find_step, outline_page, step_piece

_DAY_NS = 86_400 * 10**9
_HOUR_NS = 3_600 * 10**9
_MOST_RUNS, _MOST_GROUPS, _MOST_ALERTS = 50, 60, 50
_OPEN = ("pending", "firing", "recovering")
_STATES = {"open": _OPEN, "resolved": ("resolved",), "all": ()}

Scrap = Annotated[str, Field(description="A trace id or its first digits, a span, session or user id, an order number, a URL, a log line.")]
Since = Annotated[str, Field(description="-24h, -7d, 2026-05-12 or 2026-05-12T07:41:00Z, in UTC")]

Grouped = Annotated[str, Field(description=f"Any of {', '.join(BY)}, with commas between")]
Ordered = Annotated[str, Field(description=f"One of {', '.join(ORDERS)}, each descending")]


@dataclass(frozen=True, slots=True)
class Shelf:
    """What the tools read: one project of a store, and where its pages are."""

    reads: Reads
    store: Store
    project_id: int
    base_url: str


def tools_of(shelf: Shelf) -> list[Callable[..., str]]:
    """Return the tools over a store."""

    def lookup(anything: Scrap) -> str:
        """Find the runs that an id, a customer's reference, a log line or some words are about. Says why where nothing is found."""
        return fence(_lookup(shelf, anything))

    def outline(trace: Scrap, start: int = 1) -> str:
        """Read a run's reasoning chain: what it was asked, its steps with thoughts, choices, tool calls, results and costs, and why it
        stopped. A long one comes in pages: the first has both ends, start asks for more.
        """
        found = _trace(shelf, trace)
        return fence(_with_link(outline_page(found, start), f"{shelf.base_url}/traces/{found.trace_id.hex()}"))

    def step(trace: Scrap, step: Annotated[str, Field(description="Its id or number, as outline shows it")], offset: int = 0) -> str:
        """Read one step of a run whole: thought, arguments, result, tokens, and the span exactly as it was recorded."""
        found = _trace(shelf, trace)
        one = find_step(found, step)
        return fence(step_piece(one, shelf.reads.span(found.trace_id, one.span_id), max(offset, 0)))

    def runs(where: str = "", since: Since = "", order: Ordered = "started", limit: int = 20, cursor: str = "") -> str:
        """List runs, the newest first unless told otherwise. In where goes a filter: status = "error" and cost_usd > 0.5,
        agent in ("scheduler"), termination != "completed", any step (tool.name = "search" and tool.error contains "timeout"),
        decision chose "cancel" over "reschedule", reference.order = "12345", thought contains "wrong customer".
        """
        return fence(_runs(shelf, _query(where, since, order, limit, cursor)))

    def costs(by: Grouped = "agent,model", since: Since = "-7d", until: str = "") -> str:
        """Sum up what runs cost in a time, by whatever is asked: calls, tokens and dollars, the dearest first."""
        return fence(_costs(shelf, by, since, until))

    def alerts(state: Annotated[str, Field(description="open, resolved or all")] = "open") -> str:
        """List alerts: loops, budgets, leaks, failures that Clew found by itself."""
        return fence(_alerts(shelf, state))

    def alert(number: int) -> str:
        """Read one alert's evidence: what was seen against what was expected, the runs and steps behind it, what happened since."""
        return fence(_alert(shelf, number))

    return [lookup, outline, step, runs, costs, alerts, alert]


def _with_link(data: Data, href: str) -> Data:
    return Data(data.lines, data.before, f"{data.after}\nA person reads it at {href}")


def _trace(shelf: Shelf, asked: str) -> Trace:
    matches = _matches(shelf, asked)
    found = shelf.reads.trace(matches[0].trace_id) if len(matches) == 1 else None
    if found is None:
        raise CliError(f"{plural(len(matches), 'trace')} found: lookup lists them, and any of their ids will do here.")
    return found


def _matches(shelf: Shelf, asked: str) -> Sequence[Match]:
    found = find_matches(shelf.reads, asked)
    if found.miss is not None:
        raise CliError(f"{found.miss.message} ({found.miss.reason})")
    return found.matches


def _lookup(shelf: Shelf, anything: str) -> Data:
    matches = _matches(shelf, anything)
    return Data(list(map(_match_line, matches)), f"{plural(len(matches), 'run')} found, the best first.", "outline reads one.")


def _match_line(match: Match) -> str:
    at = f", step {match.span_id.hex()}" if match.span_id else ""
    return f"{match.trace_id.hex()}{at}  {clock(match.started_ns)}  {clip(match.agent, 100) or 'unnamed'}  ({clip(match.matched, 200)})"


def _query(filter_: str, since: str, order: str, limit: int, cursor: str) -> ListQuery:
    if order not in ORDERS:
        raise CliError(f"There is no order {order[:40]!r}. {nearest(order, ORDERS)}")
    orders: dict[str, Order] = {one: one for one in ORDERS}
    try:
        asked = parse_filter(filter_, now_ns())
    except FilterError as error:
        raise CliError(f"{error} {error.hint}".strip()) from error
    return ListQuery(asked, _time(since) if since else None, None, orders[order], min(max(limit, 1), _MOST_RUNS), cursor or None)


def _time(text: str) -> int:
    at = parse_time(text, now_ns())
    if at is None:
        raise CliError(f"This is no time: {text[:40]!r}. Write -24h, -7d, 2026-05-12 or 2026-05-12T07:41:00Z.")
    return at


def _runs(shelf: Shelf, query: ListQuery) -> Data:
    found, cursor = shelf.reads.listed(query)
    following = f"Ask with cursor={cursor} for more." if cursor else ""
    return Data([line for one in found for line in _run_lines(one)], f"{plural(len(found), 'run')}.", following)


def _run_lines(one: TraceSummary) -> Iterator[str]:
    totals, length = one.totals, one.ended_ns - one.started_ns if one.ended_ns is not None else None
    calls = f"{plural(totals.steps, 'step')}, {plural(totals.tool_calls, 'tool call')}, {plural(totals.errors, 'error')}"
    spent = f"{cost(totals.cost_nanos, totals.unpriced_calls)}, {duration(length)}"
    yield f"{one.trace_id.hex()}  {clock(one.started_ns)}  {clip(one.agent, 100)}: {termination_word(one.termination)}; {calls}, {spent}"
    for name, words in (("asked", one.input), ("answered", one.output)):
        if words:
            yield f"    {name}: {clip(words, 160)}"


def _costs(shelf: Shelf, by: str, since: str, until: str) -> Data:
    groups = tuple(dict.fromkeys(part.strip() for part in by.split(",") if part.strip()))
    wrong = next((part for part in groups if part not in BY), None)
    if wrong is not None:
        raise CliError(f"Costs cannot be grouped by {wrong[:40]!r}. {nearest(wrong, BY)}")
    from_ns, to_ns = _time(since), _time(until) if until else now_ns()
    table = shelf.reads.costs(groups, from_ns, to_ns)
    rows = sorted(table.rows, key=lambda row: -row.spent.cost_nanos)
    left = rows[_MOST_GROUPS:]
    rest = [f"{len(left):,} more groups: {money(sum(row.spent.cost_nanos for row in left))}"] if left else []
    whole = CostRow(("all",), table.total)
    span = f"From {clock(from_ns)} to {clock(to_ns)} UTC, in whole hours, by {', '.join(groups) or 'nothing'}."
    return Data([*(_cost_line(groups, row) for row in rows[:_MOST_GROUPS]), *rest, _cost_line(("",), whole)], span, _UNPRICED)


_UNPRICED = "A call whose model has no known price adds nothing to the dollars; it is counted as unpriced."


def _cost_line(groups: Sequence[str], row: CostRow) -> str:
    spent = row.spent
    named = ", ".join(_group_word(by, value) for by, value in zip(groups, row.group, strict=True))
    unpriced = f", {spent.unpriced_calls:,} unpriced" if spent.unpriced_calls else ""
    tokens = f"{count(spent.input_tokens)} tokens in ({count(spent.cache_read_tokens)} cached), {count(spent.output_tokens)} out"
    calls = f"{plural(spent.llm_calls, 'model call')}{unpriced}, {plural(spent.tool_calls, 'tool call')}, {plural(spent.errors, 'error')}"
    return f"{money(spent.cost_nanos)}  {named or 'all'}: {plural(spent.runs, 'run')}, {calls}, {tokens}"


def _group_word(by: str, value: int | str) -> str:
    if by in ("hour", "day"):
        at = clock(int(value) * (_HOUR_NS if by == "hour" else _DAY_NS))
        return at[:-3] if by == "hour" else at[:-9]
    return clip(str(value), 100) or f"no {by}"


def _alerts(shelf: Shelf, state: str) -> Data:
    if state not in _STATES:
        raise CliError(f"There is no state {state[:40]!r}. {nearest(state, tuple(_STATES))}")
    with shelf.store.engine.connect() as conn:
        found = list_alerts(conn, shelf.project_id, _STATES[state], None, _MOST_ALERTS)
    lines = [f"{one.id}  {one.severity}, {one.state} since {clock(one.opened_ns)}: {one.sentence}" for one in found]
    return Data(lines, f"{plural(len(found), 'alert')}, the newest first.", "alert reads one's evidence.")


def _alert(shelf: Shelf, number: int) -> Data:
    with shelf.store.engine.connect() as conn:
        found = read_alert(conn, shelf.project_id, number) if 0 < number < 2**62 else None
        if found is None:
            raise CliError(f"There is no alert {number}.")
        lines = evidence_lines(conn, found, now_ns())
    return Data(lines, after=f"A person reads it at {shelf.base_url}/alerts/{number}")
