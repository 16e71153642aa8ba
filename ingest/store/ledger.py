"""The bill: ledger rows of a trace replaced by others, and the roll-ups moved by the difference, in one transaction.

For every project the sums of the ledger and of either roll-up are equal, after each transaction and to the nano-dollar,
whatever came twice, late or was linked again.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import add, sub

from sqlalchemy import ColumnElement, Table, func, literal_column, select

from .bulk import Row, Transaction, marks, take_turn, transaction
from .derived import LEDGER_DIMENSIONS, LEDGER_SUMS, PEOPLE_SUMS, ledger, rollup_day, rollup_hour, rollup_people
from .engine import Store

_HOURS_PER_DAY = 24

_COLUMNS = tuple(ledger.c.keys())
_HOUR, _USER, _SESSION, _AGENT, _OPERATION, _TERMINATION = map(
    _COLUMNS.index, ("hour", "user_id", "session_id", "agent", "operation", "termination")
)
_DIMENSIONS = slice(_COLUMNS.index(LEDGER_DIMENSIONS[0]), _COLUMNS.index(LEDGER_DIMENSIONS[-1]) + 1)
_SUMS = slice(_COLUMNS.index(LEDGER_SUMS[0]), _COLUMNS.index(LEDGER_SUMS[-1]) + 1)
_RUNS, _DURATION = LEDGER_SUMS.index("runs"), LEDGER_SUMS.index("duration_ns")

Sums = tuple[int, ...]
"""Numbers in the order of ``LEDGER_SUMS``."""


def move_rollups(tx: Transaction, old: Sequence[Row], new: Sequence[Row]) -> None:
    """Move the roll-ups by the difference between ledger rows that went and ledger rows that came."""
    hours = _difference(old, new, _of_calls)
    days: dict[Row, list[int]] = {}
    for (project_id, hour, *dimensions), sums in hours.items():
        day = days.setdefault((project_id, hour // _HOURS_PER_DAY, *dimensions), [0] * len(LEDGER_SUMS))
        day[:] = map(add, day, sums)
    _apply(tx, rollup_hour, hours)
    _apply(tx, rollup_day, days)
    _apply(tx, rollup_people, _difference(old, new, _of_people))


def _of_calls(row: Row) -> tuple[Row, Sequence[int]]:
    return (row[0], row[_HOUR], *row[_DIMENSIONS]), row[_SUMS]


def _of_people(row: Row) -> tuple[Row, Sequence[int]]:
    sums = [*row[_SUMS], 0]
    if row[_OPERATION] != _RUN:
        # Each kind of call counts the run that made it too.
        sums[_RUNS] = sums[_DURATION] = 0
    elif row[_TERMINATION] == _COMPLETED:
        sums[-1] = sums[_RUNS]
    return (row[0], row[_HOUR], row[_USER], row[_SESSION], row[_AGENT]), sums


_RUN, _COMPLETED = "run", "completed"


def _difference(old: Iterable[Row], new: Iterable[Row], part: Callable[[Row], tuple[Row, Sequence[int]]]) -> dict[Row, list[int]]:
    moved: dict[Row, list[int]] = {}
    for rows, how in ((new, add), (old, sub)):
        for row in rows:
            key, numbers = part(row)
            sums = moved.get(key)
            if sums is None:
                sums = moved[key] = [0] * len(numbers)
            sums[:] = map(how, sums, numbers)
    return moved


def _apply(tx: Transaction, table: Table, moved: Mapping[Row, Sequence[int]]) -> None:
    """Add differences to a roll-up; a row that comes to nothing goes."""
    width = len(_summed(table))
    changed = sorted((*key, *sums) for key, sums in moved.items() if any(sums))
    tx.insert(table.name, table.c.keys(), changed, _ADD[table.name])
    shrunk = [row[:-width] for row in changed if min(row[-width:]) < 0]
    tx.many(_DELETE_NOTHING[table.name], shrunk)


def _summed(table: Table) -> Sequence[str]:
    return PEOPLE_SUMS if table is rollup_people else LEDGER_SUMS


def _added_up(table: Table) -> str:
    keys = ", ".join(table.primary_key.columns.keys())
    added = ", ".join(f"{name} = {table.name}.{name} + excluded.{name}" for name in _summed(table))
    return f"({keys}) DO UPDATE SET {added}"


def _delete_nothing(table: Table) -> str:
    key = " AND ".join(f"{name} = ?" for name in table.primary_key.columns.keys())
    return f"DELETE FROM {table.name} WHERE {key} AND {' AND '.join(f'{name} = 0' for name in _summed(table))}"


_ROLLUPS = (rollup_hour, rollup_day, rollup_people)
_ADD = {table.name: _added_up(table) for table in _ROLLUPS}
_DELETE_NOTHING = {table.name: _delete_nothing(table) for table in _ROLLUPS}


def rebuild_rollups(store: Store, project_id: int) -> None:
    """Make a project's roll-ups anew from its ledger."""
    with transaction(store) as tx:
        take_turn(tx)
        for table in _ROLLUPS:
            keys = ", ".join(_DAY if name == "day" else name for name in table.primary_key.columns.keys())
            sums = [f"SUM({_in_ledger(table, name)})" for name in _summed(table)]
            tx.run(f"DELETE FROM {table.name} WHERE project_id = ?", (project_id,))
            tx.run(
                f"INSERT INTO {table.name} ({', '.join(table.c.keys())}) SELECT {keys}, {', '.join(sums)} FROM ledger "
                f"WHERE project_id = ? GROUP BY {keys} HAVING {' OR '.join(f'{one} <> 0' for one in sums)}",
                (project_id,),
            )


_DAY = f"hour / {_HOURS_PER_DAY}"


def _in_ledger(table: Table, name: str) -> str:
    """Return what of a ledger row goes into a sum of a roll-up, as ``_of_people`` says it."""
    if table is not rollup_people or name not in ("runs", "duration_ns", "completed"):
        return name
    completed = f" AND termination = '{_COMPLETED}'" if name == "completed" else ""
    return f"CASE WHEN operation = '{_RUN}'{completed} THEN {'runs' if completed else name} ELSE 0 END"


def read_ledger(tx: Transaction, project_id: int, trace_ids: Sequence[bytes]) -> list[Row]:
    """Return the ledger rows of some traces, in key order."""
    return tx.rows(
        f"SELECT {', '.join(_COLUMNS)} FROM ledger WHERE project_id = ? AND trace_id IN ({marks(trace_ids)}) ORDER BY trace_id, place",
        (project_id, *trace_ids),
    )


def table_sums(store: Store, table: Table, project_id: int) -> Sums:
    """Return the sums of a project's ledger or of one of its roll-ups."""
    return _sums_by(store, table, project_id, LEDGER_SUMS)


def _sums_by(store: Store, table: Table, project_id: int, sums: Iterable[str]) -> Sums:
    # Decimal on PostgreSQL, None on an empty table.
    columns: list[ColumnElement[int]] = [func.coalesce(func.sum(literal_column(one)), 0) for one in sums]
    with store.engine.connect() as conn:
        return tuple(int(number) for number in conn.execute(select(*columns).where(table.c.project_id == project_id)).one())


def check_reconciles(store: Store, project_id: int) -> dict[str, dict[str, int]]:
    """Return by how much each roll-up exceeds the ledger, per sum; empty where all agree."""
    excess: dict[str, dict[str, int]] = {}
    for table in _ROLLUPS:
        names = _summed(table)
        truth = _sums_by(store, ledger, project_id, [_in_ledger(table, name) for name in names])
        sums = zip(names, _sums_by(store, table, project_id, names), truth, strict=True)
        differing = {name: ours - true for name, ours, true in sums if ours != true}
        if differing:
            excess[table.name] = differing
    return excess
