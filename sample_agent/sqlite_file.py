"""A file that several threads and processes change: one connection, and transactions that are whole or never were."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

BUSY_TIMEOUT_MS = 10_000
"""For so long a writer waits for another process before ``sqlite3.OperationalError`` says that the file is busy."""


class SqliteFile:
    """An SQLite file with these tables, made when it is not there. Safe between threads and between processes.

    ``durable=False`` leaves syncing to the operating system: a killed process loses nothing still, a machine without power may.
    """

    def __init__(self, path: Path | str, tables: str, *, durable: bool = True) -> None:
        self.path = str(path)
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'OFF'}")
        self._connection.execute("PRAGMA foreign_keys = ON")
        self._connection.executescript(tables)

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection that holds the write lock from its first read on; commits at the end, undoes all on an exception."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def rows(self, query: str, values: tuple[Any, ...] = ()) -> list[sqlite3.Row]:
        """Return the rows of one reading query."""
        with self._lock:
            return self._connection.execute(query, values).fetchall()

    def close(self) -> None:
        """Close the file. Twice is harmless."""
        with self._lock:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
