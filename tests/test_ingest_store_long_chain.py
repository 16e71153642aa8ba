"""Chains of long traces, kept as they were linked: what is read is what would be reconstructed, and nothing of yesterday."""

import time
from collections.abc import Sequence

import pytest
from sqlalchemy import text

from ingest.chain.reconstruct import TraceContext, reconstruct
from ingest.model import Span, Trace
from ingest.store.engine import Store
from ingest.store.long_chain import LEAST_SPANS, read_chain
from ingest.store.maintenance import purge, relink_all
from ingest.store.prices import load_prices
from ingest.store.reader import read_trace
from webui.cli.rulebook import make_rulebook

from .builders import TRACE_ID
from .webui_app import client_of
from .wire import agent_span, link_all, llm_span, store_spans, tool_span


def long_run(*, ended: bool = True, steps: int = LEAST_SPANS) -> list[Span]:
    pairs = [
        span
        for n in range(2, steps + 2, 2)
        for span in (llm_span(n, 1, at=n, tokens=(100, 10)), tool_span(n + 1, "search", 1, at=n + 0.5, status_code=2 if n == 100 else 0))
    ]
    return [agent_span(1, "clerk", lasts=steps + 10), *pairs] if ended else pairs


def kept(store: Store, now_ns: int | None = None) -> Trace | None:
    with store.engine.connect() as conn:
        found = read_chain(conn, 1, TRACE_ID, now_ns or time.time_ns())
    return None if found is None else found[1]


def made_anew(store: Store, now_ns: int) -> Trace:
    with store.engine.connect() as conn:
        stored = read_trace(conn, 1, TRACE_ID)
    assert stored is not None
    return reconstruct(stored.spans, TraceContext(TRACE_ID, stored.first_seen_ns, stored.last_seen_ns, now_ns, load_prices(store).price))


def stored_long(store: Store, spans: Sequence[Span]) -> None:
    store_spans(store, spans)
    link_all(store)


def test_the_kept_chain_is_the_one_made_anew(store: Store) -> None:
    """At any time of asking: a trace that has only just come is settling, later it is complete."""
    stored_long(store, long_run())
    with store.engine.connect() as conn:
        last_seen_ns: int = conn.execute(text("SELECT last_seen_ns FROM trace")).scalar_one()
    for later_ns, state in ((0, "settling"), (10**12, "complete")):
        found = kept(store, last_seen_ns + later_ns)
        assert found == made_anew(store, last_seen_ns + later_ns)
        assert found is not None
        assert found.state == state


def test_linking_again_changes_nothing(store: Store) -> None:
    stored_long(store, long_run())
    assert kept(store)
    assert relink_all(store, None, time.time_ns() + 10**12, make_rulebook(store)).changed == 0


def test_what_has_grown_is_read_only_once_it_is_linked(store: Store) -> None:
    """Between, there is nothing to read: the chain is that of fewer spans than are stored."""
    stored_long(store, long_run())
    store_spans(store, [llm_span(9_999, 1, at=5_000)])
    assert kept(store) is None
    link_all(store)
    found = kept(store)
    assert found is not None
    assert found.span_count == LEAST_SPANS + 2


@pytest.mark.parametrize("spans", [long_run(ended=False), long_run(steps=LEAST_SPANS - 10)], ids=["under way", "short"])
def test_what_time_changes_and_what_is_short_is_not_kept(store: Store, spans: list[Span]) -> None:
    stored_long(store, spans)
    assert kept(store) is None


def test_a_chain_that_cannot_be_read_is_none(store: Store) -> None:
    """One that another version kept in another shape."""
    stored_long(store, long_run())
    assert kept(store)
    with store.write() as cursor:
        cursor.execute("UPDATE long_chain SET body = (SELECT facts FROM chunk LIMIT 1)")
    assert kept(store) is None


def test_pages_and_the_api_read_it(sqlite_store: Store, sqlite_url: str) -> None:
    """With the answers that reconstructing gives, which is no longer possible once the spans' facts are gone."""
    stored_long(sqlite_store, long_run())
    path = f"/api/v1/traces/{TRACE_ID.hex()}"
    with sqlite_store.write() as cursor:
        cursor.execute("ALTER TABLE long_chain RENAME TO aside")
        cursor.execute("CREATE TABLE long_chain AS SELECT * FROM aside WHERE 0")
    made_anew = client_of(sqlite_store, sqlite_url).get(path).data
    with sqlite_store.write() as cursor:
        cursor.execute("INSERT INTO long_chain SELECT * FROM aside")
        cursor.execute("DELETE FROM chunk")
    client = client_of(sqlite_store, sqlite_url)
    assert client.get(path).data == made_anew
    assert "2,001" in client.get(f"/traces/{TRACE_ID.hex()}").text


def test_it_is_deleted_with_its_trace(store: Store) -> None:
    stored_long(store, long_run())
    assert kept(store)
    purge(store, time.time_ns() + 10**12, time.time_ns())
    with store.engine.connect() as conn:
        assert conn.execute(text("SELECT count(*) FROM long_chain")).scalar_one() == 0
