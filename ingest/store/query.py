"""What readers ask for and get: filters as parsed values, pages of a list, cost tables. No SQL."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Operator: TypeAlias = Literal["=", "!=", "<", "<=", ">", ">=", "in", "contains"]
"""``not in`` and ``not contains`` are ``Not`` around the plain one."""

Value: TypeAlias = str | int | float
"""Times are integer nanoseconds, ``duration_ms`` milliseconds, ``cost_usd`` dollars, all else as written."""


class UnknownField(ValueError):
    """A filter names a field or an operation that its place does not have."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """``field op value``; for ``in`` the value is a tuple. ``reference.order`` is a field of that very name."""

    field: str
    op: Operator
    value: Value | tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class And:
    """All of the parts hold; without parts, always."""

    parts: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """One of the parts holds; without parts, never."""

    parts: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold; what is unknown does not hold either, so ``not user = "x"`` includes runs without a user."""

    part: "Filter"


@dataclass(frozen=True, slots=True)
class StepMatch:
    """``any step (...)``: one step of the trace meets the whole condition, which speaks of the step's own fields."""

    condition: "Filter"


@dataclass(frozen=True, slots=True)
class Chose:
    """``decision chose X [over Y] [at B]``: a decision for X, where Y was offered too, at branch point B.

    ``decision at B`` is a decision at that branch point, whatever was chosen.
    """

    chosen: str | None
    over: str | None = None
    branch: str | None = None


Filter: TypeAlias = Comparison | And | Or | Not | StepMatch | Chose

TRACE_FIELDS = (
    "agent", "service", "environment", "version", "status", "termination", "session", "user", "model", "provider", "tool",
    "failed_tool", "started",
    "duration_ms", "steps", "llm_calls", "tool_calls", "errors", "decisions", "tokens", "input_tokens", "output_tokens",
    "cost_usd", "input", "output", "thought",
)  # fmt: skip
"""Fields of a trace, beside ``reference.NAME``. ``tool`` is any tool that it called, ``failed_tool`` one that failed in it."""

STEP_FIELDS = (
    "kind", "name", "status", "service", "model", "started", "duration_ms", "thought", "input", "output",
    "tool.name", "tool.error", "tool.text", "error",
)  # fmt: skip
"""Fields of a step. ``tool.text`` is its arguments and result."""

Order: TypeAlias = Literal["started", "cost", "tokens", "duration", "steps"]
ORDERS: tuple[Order, ...] = ("started", "cost", "tokens", "duration", "steps")
"""Every order is descending."""

BY = (
    "hour", "day", "agent", "model", "provider", "tool", "operation", "user", "session", "service", "environment", "termination",
)  # fmt: skip
"""What costs can be grouped by."""


@dataclass(frozen=True, slots=True)
class Spent:
    """Sums over a part of the ledger. Input includes what was read from and written to the cache, output the reasoning."""

    runs: int = 0
    llm_calls: int = 0
    tool_calls: int = 0
    errors: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    cost_nanos: int = 0
    unpriced_calls: int = 0
    duration_ns: int = 0


@dataclass(frozen=True, slots=True)
class CostRow:
    """One group of a cost table: its values in the order of ``by``, and what it spent.

    ``hour`` and ``day`` are counted since the Unix epoch; an empty text means that the rows are about no such thing.
    """

    group: tuple[int | str, ...]
    spent: Spent


@dataclass(frozen=True, slots=True)
class CostTable:
    """Rows sorted by group, and the total, in which each run counts once."""

    by: tuple[str, ...]
    rows: list[CostRow]
    total: Spent


@dataclass(frozen=True, slots=True)
class Found:
    """One trace that answers a lookup by value, and what matched."""

    kind: Literal["session", "user", "reference"]
    name: str
    """Name of the reference; empty for sessions and users."""
    value: str
    trace_id: bytes
    agent: str
    started_ns: int
