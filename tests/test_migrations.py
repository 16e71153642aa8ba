"""Stores of earlier versions come to the current schema whole, or stay as they were."""

import importlib
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from alembic import op
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import create_engine, inspect, text

from ingest.store.engine import open_store
from ingest.store.reader import find_spans
from ingest.store.schema import REVISION
from migrations.migrate import migrate

TRACE_ID, SPAN_ID = b"t" * 16, b"s" * 8
_DECISION = {
    "project_id": 1, "trace_id": TRACE_ID, "place": 0, "run_id": SPAN_ID, "span_id": SPAN_ID, "step": 1, "decided_ns": 5, "agent": "a",
    "chosen": "x", "source": "said", "question": None, "because": "so", "set_hash": b"h", "branch": "b",
}  # fmt: skip
_SPAN = {
    "project_id": 1, "trace_id": TRACE_ID, "span_id": SPAN_ID, "start_ns": 1, "end_ns": 2, "kind": "llm", "name": "n", "status_code": 0,
    "chunk_id": b"c", "place": 0, "rank": 9,
}  # fmt: skip
_TALLY = {"project_id": 1, "trace_id": TRACE_ID, "entries": b"e"}


@pytest.fixture
def old_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the URL of a store of version 0008 with a span, a decision and a tally in it."""
    url = f"sqlite:///{tmp_path / 'old.db'}"
    with monkeypatch.context() as then:
        then.setattr("migrations.migrate.REVISION", "0008")
        assert migrate(url) == "0008"
    engine = create_engine(url)
    with engine.begin() as conn:
        for name, row in (("span", _SPAN), ("decision", _DECISION), ("tally", _TALLY)):
            conn.execute(text(f"INSERT INTO {name} ({', '.join(row)}) VALUES ({', '.join(f':{key}' for key in row)})"), row)
    engine.dispose()
    return url


def _schema(url: str) -> list[str]:
    engine = create_engine(url)
    with engine.connect() as conn:
        found = [str(sql) for sql in conn.execute(text("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")).scalars()]
    engine.dispose()
    return sorted(" ".join(sql.replace('"', "").split()).replace("IF NOT EXISTS ", "") for sql in found)


def _check_kept(url: str) -> None:
    store = open_store(url)
    with store.engine.connect() as conn:
        assert find_spans(conn, 1, SPAN_ID) == [TRACE_ID]
        assert [dict(row) for row in conn.execute(text("SELECT * FROM decision")).mappings()] == [_DECISION]
        assert [dict(row) for row in conn.execute(text("SELECT * FROM tally")).mappings()] == [_TALLY]
        names = {table: {one["name"] for one in inspect(conn).get_indexes(table)} for table in ("span", "decision")}
        assert names == {"span": {"ix_span_segment"}, "decision": {"ix_decision_chosen"}}
    store.close()


def test_what_an_old_store_holds_is_kept(old_url: str, sqlite_url: str) -> None:
    """Spans, decisions and tallies come along, and the schema is that of a new store."""
    assert migrate(old_url) == REVISION
    _check_kept(old_url)
    assert _schema(old_url) == _schema(sqlite_url)


def test_a_migration_that_fails_leaves_the_store_as_it_was(old_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done half is taken back, tables that were dropped among it, and it can be done again."""
    before = _schema(old_url)

    def give_up(*_: Any) -> None:
        raise RuntimeError("out of disk")

    with monkeypatch.context() as then, pytest.raises(RuntimeError, match="out of disk"):
        then.setattr(op, "rename_table", give_up)
        migrate(old_url)
    assert _schema(old_url) == before

    assert migrate(old_url) == REVISION
    _check_kept(old_url)


def test_a_migration_waits_for_who_writes(sqlite_url: str) -> None:
    """It is part of every start, also beside a process that is at work on the same store."""
    engine = create_engine(sqlite_url, connect_args={"isolation_level": None, "check_same_thread": False})
    writer = engine.raw_connection()
    writer.cursor().execute("BEGIN IMMEDIATE")
    done = threading.Timer(0.5, writer.rollback)
    done.start()
    assert migrate(sqlite_url) == REVISION
    done.join()
    writer.close()
    engine.dispose()


def test_of_two_that_migrate_at_once_one_waits(old_url: str, sqlite_url: str) -> None:
    """Both end at the current schema."""
    command = [sys.executable, "-c", f"from migrations.migrate import migrate; print(migrate({old_url!r}))"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [one.communicate(timeout=60)[0].strip() for one in both] == [REVISION, REVISION]
    assert _schema(old_url) == _schema(sqlite_url)


def test_steps_can_be_taken_back(old_url: str) -> None:
    """What an earlier version can read is made again, with all that is in it."""
    before = _schema(old_url)
    migrate(old_url)
    engine = create_engine(old_url)
    with engine.begin() as conn:
        for name in ("0010_appended_rows", "0009_span_segments"):
            with Operations.context(MigrationContext.configure(conn)):
                importlib.import_module(f"migrations.versions.{name}").downgrade()
        assert [dict(row) for row in conn.execute(text("SELECT * FROM decision")).mappings()] == [_DECISION]
    engine.dispose()
    assert _schema(old_url) == before
