"""The worker: when it looks for work again, and its share of retention."""

import queue
import threading
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import func, make_url, select

from ingest.store.engine import Store
from ingest.store.linker import BATCH_TRACES, REST_NS
from ingest.store.lists import deleted_ns
from ingest.store.reader import which_stored
from ingest.store.schema import trace
from ingest.worker import purge_until, run_until
from webui.cli.rulebook import make_rulebook

from .webui_app import fill
from .wire import NOW, agent_span, in_trace, run_spans, store_spans

DAY_NS = 86_400 * 10**9
OLD, NEW = b"\1" * 16, b"\2" * 16


def test_the_log_is_emptied_once_nobody_reads(sqlite_store: Store, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite's log stays as long as a reader needs it; the worker asks again at its next look."""
    log = Path(f"{make_url(sqlite_url).database}-wal")
    tried: queue.Queue[bool] = queue.Queue()
    really_tidy = sqlite_store.tidy

    def tidy() -> bool:
        tried.put(done := really_tidy())
        return done

    monkeypatch.setattr(sqlite_store, "tidy", tidy)
    stop, seconds = threading.Event(), count(NOW // 10**9, 3)
    with sqlite_store.engine.connect() as reader:
        reader.exec_driver_sql("BEGIN")
        reader.execute(select(func.count()).select_from(trace))
        store_spans(sqlite_store, in_trace(run_spans(), OLD))
        work = (stop, sqlite_store, make_rulebook(sqlite_store), lambda: next(seconds) * 10**9)
        worker = threading.Thread(target=run_until, args=work, daemon=True)
        worker.start()
        assert not tried.get(timeout=60)
        assert log.stat().st_size
    while not tried.get(timeout=60):
        pass
    stop.set()
    worker.join()
    assert not log.stat().st_size


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


class FirstPause(threading.Event):
    """Stops the worker when it pauses first, and notes how often it has looked for work and what is due then."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self.looks = 0
        self.due = -1
        self._store = store

    def is_set(self) -> bool:
        """Tell whether the worker shall end: it asks before each look."""
        self.looks += not super().is_set()
        return super().is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Pause no longer than this takes."""
        del timeout
        with self._store.engine.connect() as conn:
            self.due = conn.execute(select(func.count()).select_from(trace).where(trace.c.dirty_ns.is_not(None))).scalar_one()
        self.set()
        return True


@pytest.mark.parametrize(("traces", "looks"), [(3, 1), (BATCH_TRACES, 2), (BATCH_TRACES + 3, 2)])
def test_the_worker_pauses_as_soon_as_less_than_a_batch_is_due(store: Store, traces: int, looks: int) -> None:
    """A few that were due are written together, and more may gather before the next time; a full batch is followed by the next at once."""
    store_spans(store, [span for number in range(traces) for span in in_trace([agent_span(1)], (number + 1).to_bytes(16))])
    pause = FirstPause(store)

    run_until(pause, store, make_rulebook(store), lambda: NOW + REST_NS)

    assert (pause.looks, pause.due) == (looks, 0)
