"""What was spent on what: the bill's rows added up by one thing, set against the time before. Pure.

Every table of a page is added up from the same rows, so that they agree to the nano-dollar.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

from ingest.store.cube import CubeRow
from ingest.store.query import Spent

CALL_KINDS = ("model", "provider", "tool", "operation")
"""What is known of calls and not of runs."""


def spent_of(rows: Iterable[CubeRow]) -> Spent:
    """Add rows up. Runs are counted by the rows about runs; where there are none, by those of the calls they made, once a kind of call."""
    sums = [0] * 10
    of_runs, length_ns, of_calls, calls_ns = 0, 0, 0, 0
    for row in rows:
        sums[0] += row.llm_calls
        sums[1] += row.tool_calls
        sums[2] += row.errors
        sums[3] += row.uncached_input_tokens
        sums[4] += row.cache_read_tokens
        sums[5] += row.cache_write_tokens
        sums[6] += row.plain_output_tokens
        sums[7] += row.reasoning_tokens
        sums[8] += row.cost_nanos
        sums[9] += row.unpriced_calls
        if row.operation == "run":
            of_runs += row.runs
            length_ns += row.duration_ns
        else:
            of_calls += row.runs
            calls_ns += row.duration_ns
    runs, took_ns = (of_runs, length_ns) if of_runs or not of_calls else (of_calls, calls_ns)
    return Spent(
        runs=runs,
        llm_calls=sums[0],
        tool_calls=sums[1],
        errors=sums[2],
        input_tokens=sums[3] + sums[4] + sums[5],
        output_tokens=sums[6] + sums[7],
        cache_read_tokens=sums[4],
        cache_write_tokens=sums[5],
        reasoning_tokens=sums[7],
        cost_nanos=sums[8],
        unpriced_calls=sums[9],
        duration_ns=took_ns,
    )


def key_of(by: str) -> Callable[[CubeRow], str]:
    """Return what reads a dimension of a row."""

    def read(row: CubeRow) -> str:
        value: str = getattr(row, by)
        return value

    return read


def split(rows: Iterable[CubeRow], key: Callable[[CubeRow], str]) -> dict[str, Spent]:
    """Add rows up by what a function says of them."""
    groups: dict[str, list[CubeRow]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return {name: spent_of(group) for name, group in groups.items()}


def split_by(rows: Iterable[CubeRow], by: str) -> dict[str, Spent]:
    """Add rows up by a dimension. What is about no model, tool or the like is a group without a name, left out where it spent nothing."""
    found = split(rows, key_of(by))
    if by in CALL_KINDS:
        nameless = found.get("")
        if nameless is not None and not (nameless.cost_nanos or nameless.llm_calls):
            del found[""]
        if by == "operation":
            found.pop("run", None)
    return found


@dataclass(frozen=True, slots=True)
class Unpriced:
    """Calls of one model that have no price. Their tokens are those of all its calls where some have one."""

    provider: str
    model: str
    calls: int
    input_tokens: int
    output_tokens: int
    all_calls: int


def unpriced_of(rows: Iterable[CubeRow]) -> list[Unpriced]:
    """Return what has no price, by model, the most calls first."""
    found: dict[tuple[str, str], list[CubeRow]] = {}
    for row in rows:
        if row.unpriced_calls:
            found.setdefault((row.provider, row.model), []).append(row)
    spent = {key: spent_of(group) for key, group in found.items()}
    listed = [Unpriced(*key, one.unpriced_calls, one.input_tokens, one.output_tokens, one.llm_calls) for key, one in spent.items()]
    return sorted(listed, key=lambda one: (-one.calls, one.provider, one.model))


@dataclass(frozen=True, slots=True)
class Move:
    """How much more, or less, one part of the bill cost than in the time before."""

    agent: str
    model: str
    now_nanos: int
    before_nanos: int

    @property
    def by_nanos(self) -> int:
        """Return the difference; negative for less."""
        return self.now_nanos - self.before_nanos


def movers(now: Iterable[CubeRow], before: Iterable[CubeRow], most: int) -> list[Move]:
    """Return the agents and models whose cost changed most, the largest change first; what did not change is no mover."""
    sums: dict[tuple[str, str], list[int]] = {}
    for place, rows in enumerate((now, before)):
        for row in rows:
            if row.cost_nanos:
                sums.setdefault((row.agent, row.model), [0, 0])[place] += row.cost_nanos
    found = [Move(*key, *both) for key, both in sums.items() if both[0] != both[1]]
    return sorted(found, key=lambda one: (-abs(one.by_nanos), one.agent, one.model))[:most]


@dataclass(frozen=True, slots=True)
class Names:
    """Names that were in use: agents, models, tools, and agents with their versions."""

    agents: frozenset[str]
    models: frozenset[str]
    tools: frozenset[str]


def names_of(rows: Set[tuple[str, str, str]]) -> Names:
    """Return the names in (agent, model, tool)."""
    agents, models, tools = (frozenset(names) - {""} for names in (zip(*rows, strict=True) if rows else ((), (), ())))
    return Names(agents, models, tools)


def triples(rows: Iterable[CubeRow]) -> set[tuple[str, str, str]]:
    """Return the (agent, model, tool) in rows of a bill."""
    return {(row.agent, row.model, row.tool) for row in rows}


def new_names(now: Names, before: Names) -> Names:
    """Return the names that were not in use before."""
    return Names(now.agents - before.agents, now.models - before.models, now.tools - before.tools)


UNWANTED = frozenset(
    ("max_tokens", "token_budget", "cost_budget", "max_steps", "timeout", "circuit_breaker", "tool_failure", "llm_unavailable",
     "validation_failed", "guardrail", "loop", "error", "lost")
)  # fmt: skip
"""Ends that nobody wanted: handing over to a person, refusing, and being stopped are wanted."""


@dataclass(frozen=True, slots=True)
class Failing:
    """Which share of an agent's ended runs ended as nobody wanted, now and before."""

    agent: str
    bad: int
    ended: int
    bad_before: int
    ended_before: int


def failing(now: Sequence[CubeRow], before: Sequence[CubeRow]) -> list[Failing]:
    """Return the agents of which runs ended as nobody wanted, the highest share first."""
    counts, earlier = _endings(now), _endings(before)
    found = [Failing(agent, *both, *earlier.get(agent, (0, 0))) for agent, both in counts.items() if both[0]]
    return sorted(found, key=lambda one: (-one.bad / one.ended, one.agent))


def _endings(rows: Iterable[CubeRow]) -> Mapping[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for row in rows:
        if row.operation == "run" and row.termination != "running":
            bad, ended = found.get(row.agent, (0, 0))
            found[row.agent] = (bad + (row.runs if row.termination in UNWANTED else 0), ended + row.runs)
    return {agent: both for agent, both in found.items() if both[1]}
