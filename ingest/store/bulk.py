"""Set-wise statements inside a write transaction, the same on both stores."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import chain
from typing import Any, Protocol

from .engine import Store

Row = tuple[Any, ...]


_GROUP_ROWS = (128, 16, 4, 1)
"""Sizes of groups of rows: few, so that their statements stay prepared."""


class Cursor(Protocol):
    """What sqlite3's and psycopg's cursors share."""

    rowcount: int

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> Any:
        """Run a statement."""

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> Any:
        """Run a statement for each row."""

    def fetchall(self) -> list[Row]:
        """Return the rows of the last statement."""


class Transaction:
    """An open write transaction. Statements are written with ``?`` for parameters and hold no other question mark."""

    def __init__(self, cursor: Cursor, dialect: str) -> None:
        self._cursor = cursor
        self.dialect = dialect

    def run(self, statement: str, parameters: Sequence[Any] = ()) -> int:
        """Run a statement and return how many rows it touched."""
        self._cursor.execute(self._spelled(statement), parameters)
        return self._cursor.rowcount

    def many(self, statement: str, rows: Sequence[Row]) -> None:
        """Run a statement once per row."""
        if rows:
            self._cursor.executemany(self._spelled(statement), rows)

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Row], on_conflict: str = "") -> None:
        """Insert rows; ``on_conflict`` is what follows ON CONFLICT, empty where no row can be there already."""
        if not rows:
            return
        if self.dialect == "sqlite":
            self._insert_groups(insert_into(table, columns), f" ON CONFLICT {on_conflict}" if on_conflict else "", rows)
        elif on_conflict:
            self._insert_staged(table, columns, rows, on_conflict)
        else:
            self._copy(table, columns, rows)

    def _insert_groups(self, statement: str, ending: str, rows: Sequence[Row]) -> None:
        """Insert many rows a statement. Each statement gives up the interpreter's lock once and has to wait to get it back,
        up to 5 ms where another thread computes: row by row, a writer would starve beside those who decode.
        """
        head, _, one = statement.partition(" VALUES ")
        place = 0
        for size in _GROUP_ROWS:
            whole = f"{head} VALUES {', '.join([one] * size)}{ending}"
            while len(rows) - place >= size:
                self._cursor.execute(whole, list(chain.from_iterable(rows[place : place + size])))
                place += size

    def _insert_staged(self, table: str, columns: Sequence[str], rows: Iterable[Row], on_conflict: str) -> None:
        """Insert through a staging table, since COPY knows no conflicts: four times as fast as single statements."""
        names, staged = ", ".join(columns), f"staged_{table}"
        self._cursor.execute(f"CREATE TEMP TABLE IF NOT EXISTS {staged} (LIKE {table} INCLUDING DEFAULTS) ON COMMIT DELETE ROWS")
        self._copy(staged, columns, rows)
        self._cursor.execute(f"INSERT INTO {table} ({names}) SELECT {names} FROM {staged} ON CONFLICT {on_conflict}")
        # At once, for a second project in the same transaction.
        self._cursor.execute(f"DELETE FROM {staged}")

    def _copy(self, table: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
        cursor: Any = self._cursor
        with cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copied:
            for row in rows:
                copied.write_row(row)

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Return what a statement selects."""
        self._cursor.execute(self._spelled(statement), parameters)
        return self._cursor.fetchall()

    def _spelled(self, statement: str) -> str:
        return statement if self.dialect == "sqlite" else _with_percents(statement)


@lru_cache(maxsize=512)
def _with_percents(statement: str) -> str:
    return statement.replace("?", "%s")


def marks(values: Sequence[object]) -> str:
    """Return a placeholder for each value."""
    return ",".join("?" * len(values))


def insert_into(table: str, columns: Sequence[str]) -> str:
    """Return an INSERT of whole rows."""
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks(columns)})"


@contextmanager
def transaction(store: Store, durable: bool = True) -> Iterator[Transaction]:
    """Open a write transaction, as ``Store.write``; raises ``StoreBusy`` where the store cannot be written now."""
    with store.write(durable) as cursor:
        yield Transaction(cursor, store.dialect)


_TURN = "SELECT pg_advisory_xact_lock(4771)"


def take_turn(tx: Transaction) -> None:
    """Wait until no other process writes derived tables; to be called first in a transaction that does.

    Workers on one PostgreSQL derive side by side, which is most of the work, and write one after the other, so that
    what one reads of the ledger nobody else is replacing. On SQLite there is one writer anyway.
    """
    if tx.dialect == "postgresql":
        tx.rows(_TURN)
