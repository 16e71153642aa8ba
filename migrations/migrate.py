"""Bringing a store to the current schema."""

from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import OperationalError

from ingest.store.engine import StoreBusy, set_pragmas
from ingest.store.schema import REVISION

_LOCK = 4770


def migrate(url: str) -> str:
    """Bring the store to the current schema and return its revision; does nothing where it is current, or where it fails.

    Raises ``StoreBusy`` where the store cannot be reached, ``StoreUnfit`` where it never could serve.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        Path(str(parsed.database)).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":
        _begin_at_once(engine)
    try:
        with engine.connect() as conn:
            _prepare(conn)
            config = Config()
            config.set_main_option("script_location", str(Path(__file__).parent))
            config.attributes["connection"] = conn
            command.upgrade(config, REVISION)
            conn.commit()
    except OperationalError as error:
        raise StoreBusy(str(error.orig).strip().split("\n")[0]) from error
    finally:
        engine.dispose()
    return REVISION


def _begin_at_once(engine: Engine) -> None:
    """Let a transaction hold all that it does: Python's driver would begin it after the tables are made, and let go in between."""

    def take_over(connection: Any, record: object) -> None:
        connection.isolation_level = None

    event.listen(engine, "connect", take_over)
    event.listen(engine, "begin", lambda conn: conn.exec_driver_sql("BEGIN IMMEDIATE"))


def _prepare(conn: Connection) -> None:
    """Make sure that of several processes one migrates and the others wait for it."""
    if conn.dialect.name == "sqlite":
        driver: Any = conn.connection.dbapi_connection
        set_pragmas(driver)
        # Through the driver: a statement of the connection's would begin a transaction, which is what has to wait.
        driver.execute("PRAGMA busy_timeout=30000")
    else:
        conn.exec_driver_sql(f"SELECT pg_advisory_lock({_LOCK})")
        conn.commit()
