"""The bill: ledger rows of a trace replaced by others, and the roll-ups moved by the difference, in one transaction.

For every project the sums of the ledger and of either roll-up are equal, after each transaction and to the nano-dollar,
whatever came twice, late or was linked again.
"""

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Table, func, select

from .bulk import Row, Transaction, marks, take_turn, transaction
from .derived import LEDGER_DIMENSIONS, LEDGER_SUMS, ledger, rollup_day, rollup_hour
from .engine import Store

_HOURS_PER_DAY = 24

_COLUMNS = tuple(ledger.c.keys())
_HOUR = _COLUMNS.index("hour")
_DIMENSIONS = slice(_COLUMNS.index(LEDGER_DIMENSIONS[0]), _COLUMNS.index(LEDGER_DIMENSIONS[-1]) + 1)
_SUMS = slice(_COLUMNS.index(LEDGER_SUMS[0]), _COLUMNS.index(LEDGER_SUMS[-1]) + 1)

Sums = tuple[int, ...]
"""Numbers in the order of ``LEDGER_SUMS``."""


def move_rollups(tx: Transaction, old: Iterable[Row], new: Iterable[Row]) -> None:
    """Move the roll-ups by the difference between ledger rows that went and ledger rows that came."""
    hours = _difference(old, new)
    days: dict[Row, list[int]] = {}
    for (project_id, hour, *dimensions), sums in hours.items():
        _add(days.setdefault((project_id, hour // _HOURS_PER_DAY, *dimensions), [0] * len(LEDGER_SUMS)), sums)
    _apply(tx, rollup_hour, hours)
    _apply(tx, rollup_day, days)


def _difference(old: Iterable[Row], new: Iterable[Row]) -> dict[Row, list[int]]:
    moved: dict[Row, list[int]] = {}
    for rows, sign in ((new, 1), (old, -1)):
        for row in rows:
            key = (row[0], row[_HOUR], *row[_DIMENSIONS])
            sums = moved.get(key)
            if sums is None:
                moved[key] = [sign * number for number in row[_SUMS]]
            else:
                _add(sums, row[_SUMS], sign)
    return moved


def _add(sums: list[int], more: Sequence[int], sign: int = 1) -> None:
    for place, number in enumerate(more):
        if number:
            sums[place] += sign * number


def _apply(tx: Transaction, table: Table, moved: Mapping[Row, Sequence[int]]) -> None:
    """Add differences to a roll-up; a row that comes to nothing goes."""
    changed = sorted((*key, *sums) for key, sums in moved.items() if any(sums))
    tx.insert(table.name, table.c.keys(), changed, _ADD[table.name])
    shrunk = [row[: -len(LEDGER_SUMS)] for row in changed if min(row[-len(LEDGER_SUMS) :]) < 0]
    tx.many(_DELETE_NOTHING[table.name], shrunk)


def _added_up(table: Table) -> str:
    keys = ", ".join(table.primary_key.columns.keys())
    added = ", ".join(f"{name} = {table.name}.{name} + excluded.{name}" for name in LEDGER_SUMS)
    return f"({keys}) DO UPDATE SET {added}"


def _delete_nothing(table: Table) -> str:
    key = " AND ".join(f"{name} = ?" for name in table.primary_key.columns.keys())
    return f"DELETE FROM {table.name} WHERE {key} AND {' AND '.join(f'{name} = 0' for name in LEDGER_SUMS)}"


_ADD = {table.name: _added_up(table) for table in (rollup_hour, rollup_day)}
_DELETE_NOTHING = {table.name: _delete_nothing(table) for table in (rollup_hour, rollup_day)}


def rebuild_rollups(store: Store, project_id: int) -> None:
    """Make a project's roll-ups anew from its ledger."""
    with transaction(store) as tx:
        take_turn(tx)
        for table, bucket in ((rollup_hour, "hour"), (rollup_day, f"hour / {_HOURS_PER_DAY}")):
            keys = ", ".join(("project_id", bucket, *LEDGER_DIMENSIONS))
            sums = ", ".join(f"SUM({name})" for name in LEDGER_SUMS)
            some = " OR ".join(f"SUM({name}) <> 0" for name in LEDGER_SUMS)
            tx.run(f"DELETE FROM {table.name} WHERE project_id = ?", (project_id,))
            tx.run(
                f"INSERT INTO {table.name} ({', '.join(table.c.keys())}) "
                f"SELECT {keys}, {sums} FROM ledger WHERE project_id = ? GROUP BY {keys} HAVING {some}",
                (project_id,),
            )


def read_ledger(tx: Transaction, project_id: int, trace_ids: Sequence[bytes]) -> list[Row]:
    """Return the ledger rows of some traces, in key order."""
    return tx.rows(
        f"SELECT {', '.join(_COLUMNS)} FROM ledger WHERE project_id = ? AND trace_id IN ({marks(trace_ids)}) ORDER BY trace_id, place",
        (project_id, *trace_ids),
    )


def table_sums(store: Store, table: Table, project_id: int) -> Sums:
    """Return the sums of a project's ledger or of one of its roll-ups."""
    # Decimal on PostgreSQL, None on an empty table.
    columns = [func.coalesce(func.sum(table.c[name]), 0) for name in LEDGER_SUMS]
    with store.engine.connect() as conn:
        return tuple(int(number) for number in conn.execute(select(*columns).where(table.c.project_id == project_id)).one())


def check_reconciles(store: Store, project_id: int) -> dict[str, dict[str, int]]:
    """Return by how much each roll-up exceeds the ledger, per sum; empty where all agree."""
    truth = table_sums(store, ledger, project_id)
    excess: dict[str, dict[str, int]] = {}
    for table in (rollup_hour, rollup_day):
        sums = zip(LEDGER_SUMS, table_sums(store, table, project_id), truth, strict=True)
        differing = {name: ours - true for name, ours, true in sums if ours != true}
        if differing:
            excess[table.name] = differing
    return excess
