"""What the ingest process says of itself: what it stored and rejected, and a canary on the way that every span takes."""

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from sqlalchemy import Table, func, select

from ingest.heartbeat import Counts, beat, canary
from ingest.intake import Intake
from ingest.otlp.decoded import Undecodable
from ingest.otlp.export import Export, Outcome
from ingest.store.engine import Store, StoreBusy
from ingest.store.pulse import CANARY_PROJECT, CANARY_TRACE, SLOT_NS, add_counts, canary_read_ns, counts_since, forget_old_canaries
from ingest.store.schema import chunk, span, trace
from ingest.store.writer import Writer

from .builders import SECOND
from .otlp_builders import NOW, json_span, json_traces
from .wire import link_all

LIMIT = 1 << 20


@contextmanager
def intake_of(store: Store) -> Iterator[Intake]:
    """Open an intake over a store."""
    writer = Writer(store)
    intake = Intake(writer, LIMIT, 1)
    try:
        yield intake
    finally:
        intake.close()
        writer.close()


def rows(store: Store, table: Table) -> int:
    with store.engine.connect() as conn:
        return conn.execute(select(func.count()).select_from(table)).scalar_one()


def counted(store: Store) -> dict[int, tuple[int, int]]:
    with store.engine.connect() as conn:
        return counts_since(conn, 0)


def read_ns(store: Store) -> int | None:
    with store.engine.connect() as conn:
        return canary_read_ns(conn)


async def send(intake: Intake, body: bytes, project_id: int = 1, **fields: bool) -> Outcome:
    return await intake.take(Export("traces", project_id, body, is_json=True, **fields))


def test_what_is_stored_and_rejected_is_counted_by_project(store: Store) -> None:
    """A request that cannot be read at all counts as one span; log records count as none."""

    async def take_all(intake: Intake) -> None:
        outcome = await send(intake, json_traces(json_span(1), json_span(2), json_span(3, traceId="00" * 16)))
        assert outcome.rejected == 1
        await send(intake, json_traces(json_span(4)), 2)
        with pytest.raises(Undecodable):
            await send(intake, b"{")
        with pytest.raises(Undecodable):
            await intake.take(Export("logs", 1, b"{", is_json=True))
        await intake.counts.write(store)
        await intake.counts.write(store)

    with intake_of(store) as intake:
        asyncio.run(take_all(intake))
    assert counted(store) == {1: (2, 2), 2: (1, 0)}


def test_counts_add_up_and_old_ones_go(store: Store) -> None:
    add_counts(store, {(1, 1_000): (5, 1), (2, 1_000): (1, 0)})
    add_counts(store, {(1, 1_000): (7, 0), (1, 1_001): (1, 1)})
    assert counted(store) == {1: (13, 2), 2: (1, 0)}
    add_counts(store, {(1, 2_000): (1, 0)})
    assert counted(store) == {1: (1, 0)}
    with store.engine.connect() as conn:
        assert counts_since(conn, 2_001) == {}


def test_counts_wait_for_a_store_that_is_busy(sqlite_store: Store) -> None:
    """What could not be written is written the next time."""

    def rename(old: str, new: str) -> None:
        with closing(sqlite3.connect(str(sqlite_store.engine.url.database))) as conn:
            conn.execute(f"ALTER TABLE {old} RENAME TO {new}")

    async def write_twice(counts: Counts) -> None:
        counts.note(1, 3, 1)
        rename("intake_slot", "away")
        await counts.write(sqlite_store)
        rename("away", "intake_slot")
        counts.note(1, 2, 0)
        await counts.write(sqlite_store)

    asyncio.run(write_twice(Counts(lambda: SLOT_NS)))
    assert counted(sqlite_store) == {1: (5, 1)}


def test_the_canary_is_read_when_it_was_linked_and_leaves_nothing_behind(store: Store) -> None:
    """Sent again and again it is one trace of one span in one chunk, of a project that nobody has."""

    async def sing(intake: Intake) -> None:
        for turn in range(4):
            await send(intake, canary(NOW + turn * SECOND), CANARY_PROJECT)
            forget_old_canaries(store)

    assert read_ns(store) is None
    with intake_of(store) as intake:
        asyncio.run(sing(intake))
    assert read_ns(store) is None
    link_all(store, time.time_ns() + SECOND)
    assert read_ns(store) == NOW + 3 * SECOND
    assert [rows(store, one) for one in (trace, span, chunk)] == [1, 1, 1]


def test_it_beats_until_it_is_cancelled(sqlite_store: Store) -> None:
    """A store that fails is no last beat."""

    async def live(intake: Intake) -> list[bytes]:
        sent: list[bytes] = []

        async def take(export: Export) -> Outcome:
            sent.append(export.body)
            if len(sent) == 1:
                raise StoreBusy("later")
            if len(sent) == 2:
                raise RuntimeError("unforeseen")
            return await intake.take(export)

        heart = asyncio.create_task(beat(take, intake.counts, sqlite_store, canary_s=0.01))
        while rows(sqlite_store, trace) == 0 or counted(sqlite_store) == {}:
            await asyncio.sleep(0.01)
        heart.cancel()
        await asyncio.gather(heart, return_exceptions=True)
        return sent

    with intake_of(sqlite_store) as intake:
        sent = asyncio.run(live(intake))
    assert len(sent) >= 3
    assert all(CANARY_TRACE.hex().encode() in body for body in sent)
