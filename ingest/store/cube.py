"""The bill in its smallest parts: one row for each combination of what it is kept by. Pages add these up, so that their tables agree.

Read from the roll-ups alone: what makes it grow is days times combinations of agent, model, tool and the like, not runs or spans.
Where one user or session is asked for, it is read from the ledger of that one's newest traces.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec
from sqlalchemy import ColumnElement, Table, and_, func, literal_column, select

from .clip import clip
from .derived import LEDGER_DIMENSIONS, LEDGER_SUMS, ledger, rollup_day, rollup_hour, rollup_people, summary
from .engine import Store
from .query import UnknownField

HOUR_NS = 3_600_000_000_000
HOURS_PER_DAY = 24

MOST_TRACES = 2_000
"""So many of the newest traces of one user or session are added up."""

PEOPLE = {"user": summary.c.user_id, "session": summary.c.session_id}
"""Who runs are for, as the traces say."""

DIMENSIONS = (*LEDGER_DIMENSIONS, *PEOPLE)
"""What a cube can be narrowed to."""


class CubeRow(msgspec.Struct, frozen=True, gc=False):
    """One combination and its sums. ``bucket`` is the hour or day since the epoch, 0 where none was asked for.

    Rows of operation ``run`` count the runs themselves; the others count in ``runs`` the runs that made such calls.
    """

    bucket: int
    agent: str
    model: str
    provider: str
    tool: str
    operation: str
    service: str
    environment: str
    termination: str
    runs: int
    llm_calls: int
    tool_calls: int
    errors: int
    uncached_input_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    plain_output_tokens: int
    reasoning_tokens: int
    cost_nanos: int
    unpriced_calls: int
    duration_ns: int


assert CubeRow.__struct_fields__ == ("bucket", *LEDGER_DIMENSIONS, *LEDGER_SUMS)


class CubeQuery(msgspec.Struct, frozen=True):
    """What is asked for: the UTC hours that touch ``[from_ns, to_ns)``, by hour, by day or together, and narrowed to some values."""

    from_ns: int
    to_ns: int
    bucket: Literal["", "hour", "day"] = ""
    where: tuple[tuple[str, str], ...] = ()
    """Pairs of a dimension, a user or a session, and its value."""


def read_cube(store: Store, project_id: int, query: CubeQuery) -> list[CubeRow]:
    """Return the rows of a cube, in no order; a combination may come in up to three of them. Raises ``UnknownField``."""
    for name, _ in query.where:
        if name not in DIMENSIONS:
            raise UnknownField(f"costs cannot be narrowed by {name}")
    found: list[CubeRow] = []
    with store.engine.connect() as conn:
        for table, within in parts_of_query(project_id, query, by_hour=query.bucket == "hour"):
            dimensions = [table.c[name] for name in LEDGER_DIMENSIONS]
            bucket = _bucket(table, query.bucket)
            wanted = select(bucket, *dimensions, *(func.sum(table.c[name]) for name in LEDGER_SUMS))
            wanted = wanted.where(table.c.project_id == project_id, within, *narrowed(table, query.where))
            groups = dimensions if query.bucket == "" else [bucket, *dimensions]
            # Sums of bigint are Decimal on PostgreSQL.
            found += [CubeRow(*row[:9], *map(int, row[9:])) for row in conn.execute(wanted.group_by(*groups))]
    return found


def _bucket(table: Table, name: str) -> ColumnElement[int]:
    if name == "":
        return literal_column("0")
    if name == "day" and "day" not in table.c:
        return table.c.hour // HOURS_PER_DAY
    return table.c[name]


def parts_of_query(project_id: int, query: CubeQuery, *, by_hour: bool) -> Iterator[tuple[Table, ColumnElement[bool]]]:
    """Choose what to read: the ledger rows of one user or session, else roll-ups."""
    hours = hours_of(query.from_ns, query.to_ns)
    people = [(name, value) for name, value in query.where if name in PEOPLE]
    if people:
        yield ledger, _of_people(project_id, people, hours)
        return
    yield from parts_of(hours, by_hour=by_hour)


def _of_people(project_id: int, people: Sequence[tuple[str, str]], hours: tuple[int, int]) -> ColumnElement[bool]:
    """Return the condition on ledger rows of the newest traces of a user or session. A run that began earlier may go on in the hours."""
    theirs = [PEOPLE[name] == clip(value) for name, value in people]
    newest = select(summary.c.trace_id).where(summary.c.project_id == project_id, *theirs)
    newest = newest.where(summary.c.started_ns < hours[1] * HOUR_NS).order_by(summary.c.started_ns.desc()).limit(MOST_TRACES)
    # With 0 added, so that the few traces lead to the rows, not all rows of the hours.
    hour = ledger.c.hour + literal_column("0")
    return and_(ledger.c.trace_id.in_(newest), hour >= hours[0], hour < hours[1])


def hours_of(from_ns: int, to_ns: int) -> tuple[int, int]:
    """Return the hours that a time touches, from the first to before the second."""
    return from_ns // HOUR_NS, -(-to_ns // HOUR_NS)


def parts_of(hours: tuple[int, int], *, by_hour: bool = False) -> Iterator[tuple[Table, ColumnElement[bool]]]:
    """Choose what to read, as ``ranges_of`` does, with the condition on its rows."""
    for table, first, end in ranges_of(hours, by_hour=by_hour):
        bucket = bucket_of(table)
        yield table, and_(bucket >= first, bucket < end)


def bucket_of(table: Table) -> ColumnElement[int]:
    """Return the column of a roll-up that holds its hour or day."""
    return table.c.day if "day" in table.c else table.c.hour


def ranges_of(hours: tuple[int, int], *, by_hour: bool = False) -> Iterator[tuple[Table, int, int]]:
    """Choose what to read, from which hour or day to before which: days where whole ones are asked for, with the hours at both ends."""
    first, end = hours
    first_day, end_day = -(-first // HOURS_PER_DAY), end // HOURS_PER_DAY
    if by_hour or first_day >= end_day:
        yield rollup_hour, first, end
        return
    yield rollup_day, first_day, end_day
    # Two ranges by themselves: with OR, SQLite would read all hours of the project. An empty one is not asked.
    if first < first_day * HOURS_PER_DAY:
        yield rollup_hour, first, first_day * HOURS_PER_DAY
    if end > end_day * HOURS_PER_DAY:
        yield rollup_hour, end_day * HOURS_PER_DAY, end


def narrowed(table: Table, where: Sequence[tuple[str, str]]) -> list[ColumnElement[bool]]:
    """Return the conditions on rows of a table; those on users and sessions are met by ``parts_of_query``."""
    return [table.c[name] == clip(value) for name, value in where if name not in PEOPLE]


def spent_by(store: Store, project_id: int, query: CubeQuery) -> dict[int, int]:
    """Return nano-dollars by hour or day. Costs a pass over the same rows as ``read_cube``, with one sum instead of twelve."""
    found: dict[int, int] = {}
    with store.engine.connect() as conn:
        for table, within in parts_of_query(project_id, query, by_hour=query.bucket == "hour"):
            bucket = _bucket(table, query.bucket)
            wanted = select(bucket, func.sum(table.c.cost_nanos)).where(table.c.project_id == project_id, within)
            for row in conn.execute(wanted.where(*narrowed(table, query.where)).group_by(bucket)):
                found[row[0]] = found.get(row[0], 0) + int(row[1])
    return found


def spent_on(store: Store, project_id: int, query: CubeQuery, by: str) -> dict[tuple[int, str], int]:
    """Return nano-dollars by hour or day and one dimension. Costs as ``spent_by``."""
    found: dict[tuple[int, str], int] = {}
    with store.engine.connect() as conn:
        for table, within in parts_of_query(project_id, query, by_hour=query.bucket == "hour"):
            groups = [_bucket(table, query.bucket), table.c[by]]
            wanted = select(*groups, func.sum(table.c.cost_nanos)).where(table.c.project_id == project_id, within)
            for row in conn.execute(wanted.where(*narrowed(table, query.where)).group_by(*groups)):
                found[row[0], row[1]] = found.get((row[0], row[1]), 0) + int(row[2])
    return found


def names_in(store: Store, project_id: int, query: CubeQuery) -> set[tuple[str, str, str]]:
    """Return the (agent, model, tool) there were in a time. Costs a pass over the same rows, without any sum."""
    found: set[tuple[str, str, str]] = set()
    with store.engine.connect() as conn:
        for table, within in parts_of_query(project_id, query, by_hour=False):
            wanted = select(table.c.agent, table.c.model, table.c.tool).where(table.c.project_id == project_id, within).distinct()
            found |= {(row[0], row[1], row[2]) for row in conn.execute(wanted)}
    return found


CHECKED = ("runs", "llm_calls", "tool_calls", "cost_nanos", "unpriced_calls", "uncached_input_tokens", "cache_read_tokens",
           "cache_write_tokens", "plain_output_tokens", "reasoning_tokens")  # fmt: skip


class Check(msgspec.Struct, frozen=True):
    """The sums of some hours by the ledger, and by how much each roll-up differs from it: empty where it agrees."""

    entries: int
    ledger: dict[str, int]
    excess: dict[str, dict[str, int]]


def check_range(store: Store, project_id: int, from_ns: int, to_ns: int) -> Check:
    """Compare the roll-ups with the ledger, row by row. Costs every ledger row of these hours, about ten a run: not for a first screen."""
    hours = hours_of(from_ns, to_ns)
    of_ledger = and_(ledger.c.hour >= hours[0], ledger.c.hour < hours[1])
    sources: dict[str, list[tuple[Table, Any]]] = {
        "rollup_hour": list(parts_of(hours, by_hour=True)),
        "rollup_day": list(parts_of(hours)),
        "rollup_people": [(rollup_people, and_(rollup_people.c.hour >= hours[0], rollup_people.c.hour < hours[1]))],
    }
    with store.engine.connect() as conn:

        def sums(table: Table, within: ColumnElement[bool]) -> list[int]:
            wanted = select(func.count(), *(func.coalesce(func.sum(table.c[name]), 0) for name in CHECKED))
            return [int(number) for number in conn.execute(wanted.where(table.c.project_id == project_id, within)).one()]

        entries, *truth = sums(ledger, of_ledger)
        excess: dict[str, dict[str, int]] = {}
        for name, parts in sources.items():
            ours = [sum(column) for column in zip(*(sums(*part)[1:] for part in parts), strict=True)]
            differing = {what: mine - true for what, mine, true in zip(CHECKED, ours, truth, strict=True) if mine != true}
            if name == "rollup_people":
                # It counts each run once, the ledger once a kind of call as well.
                differing.pop("runs", None)
            excess[name] = differing
    return Check(entries, dict(zip(CHECKED, truth, strict=True)), {name: found for name, found in excess.items() if found})
