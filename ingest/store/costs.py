"""What was spent, by whatever it is asked by: from the roll-ups, and from the ledger where one user or session is asked for."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from operator import add
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, Table, bindparam, case, func, select

from .clip import clip
from .cube import DIMENSIONS, HOURS_PER_DAY, PEOPLE, CubeQuery, bucket_of, hours_of, narrowed, parts_of_query, ranges_of
from .derived import LEDGER_SUMS, ledger, rollup_day, rollup_hour, rollup_people
from .engine import Store
from .query import BY, CostRow, CostTable, Spent, UnknownField

_COLUMNS = {"user": "user_id", "session": "session_id"}
_CALL_DIMENSIONS = ("model", "provider", "tool", "operation")

_Sums = tuple[int, ...]
"""Numbers in the order of ``LEDGER_SUMS``, then the runs and durations of those rows that count the runs themselves."""

_NOTHING: _Sums = (0,) * (len(LEDGER_SUMS) + 2)

# What ``_spent`` takes them for.
assert LEDGER_SUMS == (
    "runs", "llm_calls", "tool_calls", "errors", "uncached_input_tokens", "cache_read_tokens", "cache_write_tokens",
    "plain_output_tokens", "reasoning_tokens", "cost_nanos", "unpriced_calls", "duration_ns",
)  # fmt: skip

_Group = tuple[int | str, ...]


def costs(store: Store, project_id: int, from_ns: int, to_ns: int, by: Sequence[str]) -> CostTable:
    """Return what was spent in the UTC hours that touch ``[from_ns, to_ns)``, grouped by any of ``BY``.

    In a group about a model, provider, tool or operation ``runs`` counts the runs that made such calls, once per kind of
    call; in all others and in the total each run once. Groups of no model and no cost are left out where models or
    providers are asked for. Raises ``UnknownField``.
    """
    return costs_of(store, project_id, CubeQuery(from_ns, to_ns), by)


def costs_of(store: Store, project_id: int, query: CubeQuery, by: Sequence[str]) -> CostTable:
    """Return the same of what a query is narrowed to. One user or session is known from their newest 2,000 traces."""
    unknown = [name for name in by if name not in BY] or [name for name, _ in query.where if name not in DIMENSIONS]
    if unknown:
        raise UnknownField(f"costs cannot be grouped by {unknown[0]}")
    found: dict[_Group, _Sums] = {}
    with store.engine.connect() as conn:
        for wanted, values in _parts(project_id, query, tuple(by)):
            for group, sums in _grouped(conn, wanted, values):
                found[group] = _added(found[group], sums) if group in found else sums
    of_calls, about_models = _places(by, _CALL_DIMENSIONS), _places(by, ("model", "provider"))
    rows = [CostRow(group, _spent(of_calls, group, sums)) for group, sums in sorted(found.items())]
    total = _spent((), (), tuple(map(sum, zip(*found.values(), strict=True))) or _NOTHING)
    return CostTable(tuple(by), [row for row in rows if _is_told(about_models, row)], total)


def _places(by: Sequence[str], names: Collection[str]) -> Sequence[int]:
    return [place for place, name in enumerate(by) if name in names]


class _Wanted(NamedTuple):
    """A question about one table, and where in its rows what is asked by stands."""

    statement: Select[*tuple[Any, ...]]
    places: Sequence[int]
    first: int
    """Where the sums begin."""


def _parts(project_id: int, query: CubeQuery, by: tuple[str, ...]) -> Iterator[tuple[_Wanted, dict[str, Any]]]:
    """Choose what to read: roll-ups, or the ledger where sessions or users go with what their roll-up does not have; with the values
    to be bound.
    """
    if any(name in PEOPLE for name, _ in query.where):
        for table, within in parts_of_query(project_id, query, by_hour="hour" in by):
            wanted = _wanted(table, by)
            yield wanted._replace(statement=wanted.statement.where(within, *narrowed(table, query.where))), {"project_id": project_id}
        return
    hours = hours_of(query.from_ns, query.to_ns)
    names = tuple(name for name, _ in query.where)
    values = {"project_id": project_id, **{f"is_{n}": clip(value) for n, (_, value) in enumerate(query.where)}}
    if "user" in by or "session" in by:
        ranges = [(rollup_people if is_of_people(by, names) else ledger, *hours)]
    else:
        ranges = list(ranges_of(hours, by_hour="hour" in by))
    for table, first, end in ranges:
        yield _wanted_in_range(table, by, names), {**values, "first": first, "end": end}


def is_of_people(by: Collection[str], names: Collection[str]) -> bool:
    """Tell whether what is grouped and narrowed by is all in the roll-up of users and sessions."""
    return {*by} <= {"user", "session", "agent", "hour", "day"} and {*names} <= {"agent"}


@lru_cache(maxsize=256)
def _wanted_in_range(table: Table, by: tuple[str, ...], names: tuple[str, ...]) -> _Wanted:
    """Ask for the sums of a range of hours or days in which some columns have a value. Kept: to build it takes as long as to run it."""
    bucket, wanted = bucket_of(table), _wanted(table, by)
    are = (table.c[name] == bindparam(f"is_{n}") for n, name in enumerate(names))
    return wanted._replace(statement=wanted.statement.where(bucket >= bindparam("first"), bucket < bindparam("end"), *are))


def _wanted(table: Table, by: tuple[str, ...]) -> _Wanted:
    finer = _in_key_order(table, by)
    groups = [_group_column(table, name) for name in finer]
    statement = select(*groups, *_SUMS[table.name]).where(table.c.project_id == bindparam("project_id")).group_by(*groups)
    return _Wanted(statement, [finer.index(name) for name in by], len(finer))


def _sums(table: Table) -> list[ColumnElement[int]]:
    whole = [func.sum(table.c[name]) for name in LEDGER_SUMS]
    if table is rollup_people:
        return [*whole, *(func.sum(table.c[name]) for name in ("runs", "duration_ns"))]
    is_run = table.c.operation == "run"
    # A run is not the sum of its kinds of calls, each of which counts it too.
    return [*whole, *(func.sum(case((is_run, table.c[name]), else_=0)) for name in ("runs", "duration_ns"))]


# Made once: to build these expressions takes longer than to run them.
_SUMS = {table.name: _sums(table) for table in (ledger, rollup_hour, rollup_day, rollup_people)}


def _grouped(conn: Connection, wanted: _Wanted, values: Mapping[str, Any]) -> Iterator[tuple[_Group, _Sums]]:
    """Yield sums by group; one group may come several times."""
    _, places, first = wanted
    # Sums of bigint are Decimal on PostgreSQL.
    read: Callable[[Sequence[Any]], _Sums] = tuple if conn.dialect.name == "sqlite" else _whole
    for row in conn.execute(wanted.statement, values).all():
        # Without groups there is a row of nothing even where there is nothing.
        if row[first] is not None:
            yield tuple([row[place] for place in places]), read(row[first:])


_FEW_GROUPS = ("agent", "model")
"""What a roll-up's key goes on with after its hour or day, as far as that makes few groups."""


def _in_key_order(table: Table, by: Sequence[str]) -> Sequence[str]:
    """Return what to group by: for a roll-up the start of its key, where that holds all that is asked for, because rows that come
    in the order of their groups are added up in half the time.
    """
    bucket = {rollup_hour.name: "hour", rollup_day.name: "day"}.get(table.name)
    key = (bucket, *_FEW_GROUPS)
    if bucket is None or not set(by) <= set(key):
        return by
    return [name for place, name in enumerate(key) if name is not None and any(later in by for later in key[place:])]


def _whole(numbers: Iterable[Any]) -> _Sums:
    return tuple(map(int, numbers))


def _group_column(table: Table, name: str) -> ColumnElement[int | str]:
    if name == "day" and "day" not in table.c:
        return table.c.hour // HOURS_PER_DAY
    return table.c[_COLUMNS.get(name, name)]


def _added(one: _Sums, other: _Sums) -> _Sums:
    return tuple(map(add, one, other))


def _spent(of_calls: Sequence[int], group: _Group, sums: _Sums) -> Spent:
    """Return sums under their names; ``of_calls`` are the places in a group whose values only calls have."""
    runs, llm, tools, errors, uncached, read, write, plain, reasoning, nanos, unpriced, length_ns, own_runs, own_ns = sums
    if runs > own_runs and any(group[place] for place in of_calls):
        own_runs, own_ns = runs - own_runs, length_ns - own_ns
    return Spent(
        own_runs, llm, tools, errors, uncached + read + write, plain + reasoning, read, write, reasoning, nanos, unpriced, own_ns
    )  # fmt: skip


def _is_told(about_models: Sequence[int], row: CostRow) -> bool:
    """Leave out groups that say only that there were runs, where the question is about models."""
    if not about_models or any(row.group[place] for place in about_models):
        return True
    spent = row.spent
    return bool(spent.llm_calls or spent.cost_nanos or spent.input_tokens or spent.output_tokens)
