"""The worker: links what arrived, judges open runs that fell silent, and deletes what is too old, until it is told to stop."""

import gc
import logging
import signal
import threading
import time
from collections.abc import Callable, Sequence

from .settings import Settings
from .store.engine import Store, StoreBusy, open_store
from .store.linker import BATCH_SPANS, BATCH_TRACES, Pace, Rulebook, link_dirty, link_silent
from .store.maintenance import purge

log = logging.getLogger(__name__)

Ready = Callable[[str, str], None]
"""Called with a part's name and address once it works."""

MakeRulebook = Callable[[Store], Rulebook]
"""Reads the prices and the detectors' settings of a store."""

Beside = Callable[[threading.Event, Store], None]
"""Something that is done beside the linking, in a thread of its own, until the event is set."""

POLL_S = 0.15
"""How often the store is asked for changed traces: one look into a nearly empty index."""

_SWEEP_NS = 5_000_000_000
_BUSY_S = 1.0

_END_S = 3.0
"""What is done beside has so long to end each; what is cut off then was one short transaction, or is done again."""

_DAY_NS = 86_400 * 10**9
_PURGE_S = 600.0
"""How often traces that are too old are looked for."""


def work(settings: Settings, ready: Ready, make_rulebook: MakeRulebook, beside: Sequence[Beside] = ()) -> None:
    """Link until SIGTERM or SIGINT, then finish the batch at hand and return; ``beside`` has a few seconds to end too."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    store = open_store(settings.database_url)
    rules = make_rulebook(store)
    # What is loaded now lives as long as the process: no collection need look at it again. Traces are trees with parents
    # and die all at once, so that looking for garbage more seldom finds just as much.
    gc.freeze()
    gc.set_threshold(200_000, 20, 50)
    if settings.retention_days is not None:
        # Beside the linking, which must not wait until a year is deleted. What is cut off at the end was one short transaction.
        keep = (stop, store, round(settings.retention_days * _DAY_NS))
        threading.Thread(target=purge_until, args=keep, name="purge", daemon=True).start()
    others = [threading.Thread(target=one, args=(stop, store), name=f"beside {place}", daemon=True) for place, one in enumerate(beside)]
    for thread in others:
        thread.start()
    ready("worker", "")
    run_until(stop, store, rules)
    for thread in others:
        thread.join(_END_S)


def purge_until(stop: threading.Event, store: Store, keep_ns: int, clock_ns: Callable[[], int] = time.time_ns) -> None:
    """Delete traces of which nothing came for ``keep_ns``, at once and then now and again until ``stop`` is set."""
    while True:
        now_ns = clock_ns()
        try:
            purge(store, now_ns - keep_ns, now_ns)
        except StoreBusy as error:
            log.warning("what is too old cannot be deleted now: %s", error)
        if stop.wait(_PURGE_S):
            return


def run_until(stop: threading.Event, store: Store, rules: Rulebook, clock_ns: Callable[[], int] = time.time_ns) -> None:
    """Link what is due until ``stop`` is set; a store that is busy or away is asked again a second later."""
    pace = Pace()
    swept_ns = 0
    worked = untidy = False
    while not stop.is_set():
        try:
            report = link_dirty(store, clock_ns, rules, pace)
            linked = report.traces
            if clock_ns() - swept_ns >= _SWEEP_NS:
                linked += link_silent(store, clock_ns, rules, pace).traces
                if untidy and not worked:
                    untidy = not store.tidy()
                worked, swept_ns = False, clock_ns()
        except StoreBusy as error:
            log.warning("the store cannot be written now: %s", error)
            stop.wait(_BUSY_S)
            continue
        if linked:
            worked = untidy = True
        # Where less than a batch was due, more may gather: each transaction costs the same for one trace as for sixty.
        if report.traces < BATCH_TRACES and report.spans < BATCH_SPANS:
            stop.wait(POLL_S)
