"""The worker's share of retention."""

import threading

from ingest.store.engine import Store
from ingest.store.lists import deleted_ns
from ingest.store.reader import which_stored
from ingest.worker import purge_until

from .webui_app import fill
from .wire import NOW, in_trace, run_spans, store_spans

DAY_NS = 86_400 * 10**9
OLD, NEW = b"\1" * 16, b"\2" * 16


def test_what_is_too_old_is_deleted_and_nothing_else(store: Store) -> None:
    """Age counts from when the last of a trace came; the look at the start needs no waiting."""
    fill(store, in_trace(run_spans(), OLD))
    store_spans(store, in_trace(run_spans(), NEW), now_ns=NOW + DAY_NS)
    stop = threading.Event()
    stop.set()

    purge_until(stop, store, DAY_NS, lambda: NOW + DAY_NS + 1)

    with store.engine.connect() as conn:
        assert which_stored(conn, 1, [OLD, NEW]) == {NEW}
    assert deleted_ns(store, 1, OLD) == NOW + DAY_NS + 1
