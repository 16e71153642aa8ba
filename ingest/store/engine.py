"""Connections to the store: readers that cannot write, and write transactions that are durable when they end."""

import contextlib
import random
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import NoneType
from typing import Any

from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError

# SQLite takes bytes and None as they are. The driver asks of each whether it would rather be something else, and makes an error
# message of the answer, unless it is told so: a third of the time that a row takes.
sqlite3.register_adapter(bytes, bytes)
_NOTHING: dict[None, None] = {}
sqlite3.register_adapter(NoneType, _NOTHING.get)

BUSY_TIMEOUT_MS = 10_000

_PAGES_KIB = 65_536
"""SQLite's page cache of the writer; readers have a quarter. The file system caches the rest."""


LOG_PAGES = 4_000
"""SQLite's write-ahead log is copied into the file by the commit that makes it longer than this, which takes some 20 ms."""

_SYNC_EACH, _SYNC_LATER = "PRAGMA synchronous=FULL", "PRAGMA synchronous=NORMAL"
"""With FULL a commit is on the disk when it returns."""

_LOG_BYTES = 24 << 20
"""The log is written over and over up to this size: to make it longer costs more than to write it. ``tidy`` empties it."""


class StoreBusy(Exception):
    """The store cannot be written or read now, for a reason that passes: try again."""


class StoreUnfit(Exception):
    """The store cannot be used as it is; the text says why, in one sentence."""


class Store:
    """A store: ``engine`` for reading, ``write`` for transactions. Safe in many threads; not across a fork."""

    def __init__(self, engine: Engine, writer: "_SqliteWriter | None") -> None:
        self.engine = engine
        self.dialect = engine.dialect.name
        """``sqlite`` or ``postgresql``."""
        self._writer = writer

    @contextlib.contextmanager
    def write(self, durable: bool = True) -> Iterator[Any]:
        """Open a write transaction and yield its DB-API cursor; commit at the end, roll back on an exception.

        It is on the disk when this ends, or with the next durable one: a power failure can undo what is not ``durable``, never
        what was committed before. Raises ``StoreBusy`` where the store cannot be written now; nothing of the transaction is stored then.
        """
        if self._writer is not None:
            with self._writer.transaction(durable) as cursor:
                yield cursor
            return
        # The driver's own class, taken from the engine so that a SQLite store does not load PostgreSQL's driver. It covers a
        # lost connection, a deadlock and a failed serialisation.
        passing = self.engine.dialect.loaded_dbapi.OperationalError
        try:
            connection: Any = self.engine.raw_connection()
        except (DBAPIError, passing) as error:
            raise StoreBusy(_reason(error)) from error
        try:
            with connection.cursor() as cursor:
                if not durable:
                    cursor.execute("SET LOCAL synchronous_commit = off")
                yield cursor
            connection.commit()
        except passing as error:
            _give_up(connection)
            raise StoreBusy(_reason(error)) from error
        except BaseException:
            _give_up(connection)
            raise
        finally:
            connection.close()

    def tidy(self) -> bool:
        """Give back what a burst of writing left behind: SQLite's log is copied into the file and emptied. Best done when idle.

        Returns False where somebody reads or writes just now, which keeps the log in use: try again.
        """
        return self._writer is None or self._writer.empty_log()

    def close(self) -> None:
        """Close all connections."""
        if self._writer is not None:
            self._writer.close()
        self.engine.dispose()


def _reason(error: BaseException) -> str:
    return str(error).strip().split("\n")[0][:200] or type(error).__name__


def _give_up(connection: Any) -> None:
    """Roll back; a connection that cannot even do that is of no more use."""
    try:
        connection.rollback()
    except Exception:
        connection.invalidate()


class _SqliteWriter:
    """The one writing connection of this process. Other processes' writers take turns with it through SQLite's lock."""

    def __init__(self, path: str, log_pages: int) -> None:
        self._path = path
        self._log_pages = log_pages
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    @contextlib.contextmanager
    def transaction(self, durable: bool) -> Iterator[sqlite3.Cursor]:
        with self._lock:
            connection = self._connected()
            cursor = connection.cursor()
            try:
                # The log is one for all writers: who syncs it syncs what stands before.
                cursor.execute(_SYNC_EACH if durable else _SYNC_LATER)
                _begin(cursor)
                yield cursor
                connection.commit()
            except sqlite3.OperationalError as error:
                connection.rollback()
                raise StoreBusy(_reason(error)) from error
            except BaseException:
                connection.rollback()
                raise
            finally:
                cursor.close()

    def empty_log(self) -> bool:
        with self._lock, contextlib.suppress(sqlite3.OperationalError):
            return not self._connected().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        return False

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            try:
                connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, cached_statements=256)
            except sqlite3.OperationalError as error:
                raise StoreBusy(_reason(error)) from error
            set_pragmas(connection)
            connection.execute(f"PRAGMA cache_size=-{_PAGES_KIB}")
            # A commit appends to the log; copying it into the file waits until it is worth it.
            connection.execute(f"PRAGMA wal_autocheckpoint={self._log_pages}")
            connection.execute(f"PRAGMA journal_size_limit={_LOG_BYTES}")
            self._connection = connection
        return self._connection

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None


def _begin(cursor: sqlite3.Cursor) -> None:
    """Take the write lock. SQLite's own waiting grows to 100 ms a turn, so that a waiter starves beside a busy writer."""
    deadline = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            cursor.execute("BEGIN IMMEDIATE")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(random.uniform(0.001, 0.004))


def set_pragmas(connection: Any) -> None:
    """Set what every connection to a SQLite store has in common and check that it took effect. Raises ``StoreUnfit``."""
    mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
    if str(mode).lower() != "wal":
        raise StoreUnfit(f"The file system of the store cannot do SQLite's write-ahead log (its mode is {mode}); use a local disk.")
    connection.execute(_SYNC_EACH)
    if connection.execute("PRAGMA synchronous").fetchone()[0] != 2:
        raise StoreUnfit("SQLite does not take synchronous=FULL, so nothing it acknowledges would be safe.")
    connection.execute("PRAGMA busy_timeout=0")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA temp_store=MEMORY")


def _on_reader_connect(connection: sqlite3.Connection, record: object) -> None:
    set_pragmas(connection)
    connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    connection.execute(f"PRAGMA cache_size=-{_PAGES_KIB // 4}")
    connection.execute("PRAGMA mmap_size=268435456")
    connection.execute("PRAGMA query_only=ON")


def _on_postgres_connect(connection: Any, record: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = on")
        cursor.execute("SET idle_in_transaction_session_timeout = '60s'")
        # Plans with parallel workers cost more than they save on what pages ask for.
        cursor.execute("SET jit = off")
    connection.commit()


def open_store(url: str, log_pages: int = LOG_PAGES) -> Store:
    """Open a store by its SQLAlchemy URL. Connects when first asked; raises ``StoreUnfit`` where it never could.

    ``log_pages`` is how long this process lets SQLite's log become before it copies it, unless another does so first.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        path = Path(str(parsed.database))
        path.parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(url, pool_size=16, max_overflow=16, connect_args={"check_same_thread": False})
        event.listen(engine, "connect", _on_reader_connect)
        return Store(engine, _SqliteWriter(str(path), log_pages))
    engine = create_engine(url, pool_size=8, max_overflow=24, pool_pre_ping=True, connect_args={"connect_timeout": 5})
    event.listen(engine, "connect", _on_postgres_connect)
    return Store(engine, None)


def schema_problem(store: Store, wanted: str) -> str | None:
    """Say why a store cannot serve now: it is away, or its schema is not the wanted revision; None where all is well."""
    try:
        with store.engine.connect() as conn:
            found = conn.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    except DBAPIError as error:
        known = "no such table" in str(error.orig) or "UndefinedTable" in type(error.orig).__name__
        return "The store is empty: run clew migrate." if known else f"The store cannot be reached: {_reason(error.orig or error)}."
    if found != wanted:
        return f"The store's schema is {found}, this version needs {wanted}: run clew migrate."
    return None
