"""What was spent, by whatever it is asked by: from the roll-ups, and from the ledger where sessions or users are asked for."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import reduce
from operator import add
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, func, select

from .cube import DIMENSIONS, HOURS_PER_DAY, PEOPLE, CubeQuery, hours_of, narrowed, parts_of_query
from .derived import LEDGER_SUMS, ledger, rollup_day, rollup_hour
from .engine import Store
from .query import BY, CostRow, CostTable, Spent, UnknownField

_COLUMNS = {"user": "user_id", "session": "session_id"}
_CALL_DIMENSIONS = ("model", "provider", "tool", "operation")

_Sums = tuple[int, ...]
"""Numbers in the order of ``LEDGER_SUMS``."""

_NOTHING: _Sums = (0,) * len(LEDGER_SUMS)
_RUNS, _DURATION = LEDGER_SUMS.index("runs"), LEDGER_SUMS.index("duration_ns")
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
    runs: dict[_Group, _Sums] = {}
    calls: dict[_Group, _Sums] = {}
    with store.engine.connect() as conn:
        for table, within in _parts(project_id, query, by):
            for is_run, group, sums in _grouped(conn, table, and_(within, *narrowed(table, query.where)), project_id, by):
                kept = runs if is_run else calls
                kept[group] = _added(kept[group], sums) if group in kept else sums
    rows = [CostRow(group, _spent(by, group, runs.get(group), calls.get(group))) for group in sorted({*runs, *calls})]
    total = _spent((), (), reduce(_added, runs.values(), _NOTHING), reduce(_added, calls.values(), _NOTHING))
    return CostTable(tuple(by), [row for row in rows if _is_told(by, row)], total)


def _parts(project_id: int, query: CubeQuery, by: Sequence[str]) -> Iterator[tuple[Table, ColumnElement[bool]]]:
    """Choose what to read: the ledger where sessions or users are grouped, else roll-ups."""
    if ("user" in by or "session" in by) and not any(name in PEOPLE for name, _ in query.where):
        first, end = hours_of(query.from_ns, query.to_ns)
        yield ledger, and_(ledger.c.hour >= first, ledger.c.hour < end)
        return
    yield from parts_of_query(project_id, query, by_hour="hour" in by)


# Made once: to build these expressions takes longer than to run them.
_SUMS = {table.name: [func.sum(table.c[name]) for name in LEDGER_SUMS] for table in (ledger, rollup_hour, rollup_day)}


def _grouped(
    conn: Connection, table: Table, within: ColumnElement[bool], project_id: int, by: Sequence[str]
) -> Iterator[tuple[bool, _Group, _Sums]]:
    """Yield sums by group, those of the rows that count runs apart: a run is not the sum of its kinds of calls."""
    is_run = table.c.operation == "run"
    groups = [_group_column(table, name) for name in by]
    wanted = select(is_run, *groups, *_SUMS[table.name]).where(table.c.project_id == project_id, within).group_by(is_run, *groups)
    # Sums of bigint are Decimal on PostgreSQL.
    read: Callable[[Sequence[Any]], _Sums] = tuple if conn.dialect.name == "sqlite" else _whole
    first = 1 + len(by)
    for row in conn.execute(wanted):
        yield bool(row[0]), tuple(row[1:first]), read(row[first:])


def _whole(numbers: Iterable[Any]) -> _Sums:
    return tuple(map(int, numbers))


def _group_column(table: Table, name: str) -> ColumnElement[int | str]:
    if name == "day" and "day" not in table.c:
        return table.c.hour // HOURS_PER_DAY
    return table.c[_COLUMNS.get(name, name)]


def _added(one: _Sums, other: _Sums) -> _Sums:
    return tuple(map(add, one, other))


def _spent(by: Sequence[str], group: _Group, runs: _Sums | None, calls: _Sums | None) -> Spent:
    runs, calls = runs or _NOTHING, calls or _NOTHING
    of_calls = calls[_RUNS] > 0 and any(value and name in _CALL_DIMENSIONS for name, value in zip(by, group, strict=True))
    counted = calls if of_calls else runs
    both = dict(zip(LEDGER_SUMS, map(add, runs, calls), strict=True))
    return Spent(
        runs=counted[_RUNS],
        llm_calls=both["llm_calls"],
        tool_calls=both["tool_calls"],
        errors=both["errors"],
        input_tokens=both["uncached_input_tokens"] + both["cache_read_tokens"] + both["cache_write_tokens"],
        output_tokens=both["plain_output_tokens"] + both["reasoning_tokens"],
        cache_read_tokens=both["cache_read_tokens"],
        cache_write_tokens=both["cache_write_tokens"],
        reasoning_tokens=both["reasoning_tokens"],
        cost_nanos=both["cost_nanos"],
        unpriced_calls=both["unpriced_calls"],
        duration_ns=counted[_DURATION],
    )


def _is_told(by: Sequence[str], row: CostRow) -> bool:
    """Leave out groups that say only that there were runs, where the question is about models."""
    about_models = [value for name, value in zip(by, row.group, strict=True) if name in ("model", "provider")]
    spent = row.spent
    return not about_models or any(about_models) or bool(spent.llm_calls or spent.cost_nanos or spent.input_tokens or spent.output_tokens)
