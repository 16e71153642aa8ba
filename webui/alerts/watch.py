"""The watch: reads what is new, brings it together with what is known, and writes what follows from it in one transaction."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence

import msgspec
from sqlalchemy import Connection

from ingest.store.alert_model import Alert, AlertEvent, AlertRun, Parcel, SeenFinding, StopRequest
from ingest.store.alertbook import (
    Actor,
    RunSign,
    add_audit,
    add_events,
    add_stops,
    all_linked_until,
    audit_of_stop,
    clear_acknowledged,
    close_runs,
    findings_page,
    known_runs,
    next_alert_id,
    open_runs,
    save_alerts,
    save_runs,
    unresolved,
)
from ingest.store.bulk import transaction
from ingest.store.engine import Store, StoreBusy
from ingest.store.outbox import add_parcels
from ingest.store.watchbook import (
    Lease,
    LeaseLost,
    Progress,
    RuleSetting,
    SettingKey,
    give_lease_back,
    hold,
    read_progress,
    read_settings,
    save_progress,
    take_lease,
)
from webui.analysis.detectors.catalogue import rule_of

from .dispatch import Outlets, write_parcels
from .engine import REOPEN_NS, Change, Signal, Timing, advance, behind, comes_back, gather, open_alert, run_goes_on
from .findings import RunKey, signals_of, stops_of, with_all_runs
from .roundup import write_roundups

log = logging.getLogger(__name__)

_SECOND_NS = 1_000_000_000
_MINUTE_NS = 60 * _SECOND_NS

PAGE = 1_000
"""So many findings are dealt with in one transaction: some 20 ms."""

OVERLAP_NS = 60 * _SECOND_NS
"""What arrived so shortly before what was read last is read again: it may have been stored after."""

_FIRST_LOOK_NS = 15 * _MINUTE_NS
_DEAD_NS = 10 * _MINUTE_NS
_RUNS_EVERY_NS = 5 * _SECOND_NS
_SAVE_EVERY_NS = 10 * _SECOND_NS
_TICK_S = 1.0
_BUSY_S = 2.0


class Seen(msgspec.Struct, frozen=True):
    """What looking at tables found: signals, and the rules that were evaluated, whose alerts else no longer hold."""

    signals: tuple[Signal, ...] = ()
    evaluated: frozenset[str] = frozenset()
    parcels: tuple[Parcel, ...] = ()


Settings = Mapping[SettingKey, RuleSetting]

Look = Callable[[Store, Settings, int], Seen]
"""Looks at what needs tables rather than one run. Bounded; may raise, and is then asked again."""


def look_at_nothing(store: Store, settings: Settings, now_ns: int) -> Seen:
    """Find nothing, evaluate nothing."""
    return Seen()


class Watch(msgspec.Struct):
    """One process's watch over a store. Only the holder of the lease writes."""

    store: Store
    outlets: Outlets
    holder: str
    look: Look = look_at_nothing
    lease: Lease | None = None
    runs_ns: int = 0
    saved_ns: int = 0


class _Round(msgspec.Struct):
    """What one transaction is going to write."""

    now_ns: int
    alerts: dict[int, Alert]
    """Every alert in play as it is now, by its number."""
    changed: set[int] = msgspec.field(default_factory=set)
    runs: list[AlertRun] = msgspec.field(default_factory=list)
    closed: list[RunSign] = msgspec.field(default_factory=list)
    events: list[AlertEvent] = msgspec.field(default_factory=list)
    raised: list[int] = msgspec.field(default_factory=list)
    parcels: list[Parcel] = msgspec.field(default_factory=list)
    stops: list[tuple[int, StopRequest]] = msgspec.field(default_factory=list)

    def is_empty(self) -> bool:
        """Tell whether there is nothing to write."""
        return not (self.changed or self.runs or self.closed or self.events or self.parcels or self.stops)


def tick(watch: Watch, now_ns: int) -> bool:
    """Look once; False where another process watches. Raises ``StoreBusy``; then nothing of the page at hand is written.

    Raises ``LeaseLost`` where another process took over meanwhile.
    """
    if not _holds_lease(watch, now_ns):
        return False
    with watch.store.engine.connect() as conn:
        progress = read_progress(conn)
        settings = read_settings(conn)
        linked_ns = all_linked_until(conn, now_ns)
    late = _lateness(progress, now_ns)
    after = _first_key(progress, now_ns)
    while True:
        with watch.store.engine.connect() as conn:
            page = findings_page(conn, after, PAGE)
        if len(page) < PAGE:
            break
        _deal_with(watch, page, settings, now_ns)
        last = page[-1]
        after = (last.seen_ns, last.project_id, last.trace_id, last.place)
    seen = watch.look(watch.store, settings, now_ns)
    seen = Seen((*late, *seen.signals), seen.evaluated, tuple(write_roundups(watch.store, watch.outlets, progress.ticked_ns, now_ns)))
    ahead = msgspec.structs.replace(progress, read_ns=max(min(linked_ns, now_ns) - OVERLAP_NS, 1), ticked_ns=now_ns)
    _finish(watch, page, settings, seen, ahead)
    return True


def _holds_lease(watch: Watch, now_ns: int) -> bool:
    lease = watch.lease
    if lease is None or not now_ns < lease.until_ns - 15 * _SECOND_NS or lease.until_ns > now_ns + 60 * _SECOND_NS:
        watch.lease = take_lease(watch.store, watch.holder, now_ns)
    return watch.lease is not None


def _first_key(progress: Progress, now_ns: int) -> tuple[int, int, bytes, int]:
    """Return where to read on. A clock that was put back must not leave a gap until it has caught up."""
    read_ns = progress.read_ns if 0 < progress.read_ns <= now_ns else now_ns - _FIRST_LOOK_NS
    return read_ns, -1, b"", -1


def _lateness(progress: Progress, now_ns: int) -> tuple[Signal, ...]:
    """Say that the watch was away: whatever happened meanwhile is told of now, once."""
    away_ns = now_ns - progress.ticked_ns
    if not progress.ticked_ns or away_ns < _DEAD_NS:
        return ()
    minutes = away_ns // _MINUTE_NS
    sentence = f"The watch did not run for {minutes:,} minutes: what happened meanwhile is told now"
    return (Signal(1, "H1", "", "watch", "critical" if minutes >= 50 else "warning", float(minutes), 10.0, sentence),)


def _deal_with(watch: Watch, page: Sequence[SeenFinding], settings: Settings, now_ns: int) -> None:
    """Take in a page of findings and write it, without telling anybody yet: that is done for all pages together."""
    with watch.store.engine.connect() as conn:
        work = _Round(now_ns, {one.id: one for one in unresolved(conn, now_ns - 2 * REOPEN_NS)})
        _take_in(conn, work, page, (), settings)
    _write(watch, work, None)


def _finish(watch: Watch, page: Sequence[SeenFinding], settings: Settings, seen: Seen, ahead: Progress) -> None:
    """Take in the last page and what tables say, let time pass for all alerts, and write whom to tell."""
    now_ns = ahead.ticked_ns
    with watch.store.engine.connect() as conn:
        work = _Round(now_ns, {one.id: one for one in unresolved(conn, now_ns - 2 * REOPEN_NS)})
        spoken = _take_in(conn, work, page, seen.signals, settings)
        _let_time_pass(conn, work, watch, seen.evaluated, spoken)
        told = write_parcels(conn, watch.outlets, list(work.alerts.values()), work.runs, now_ns)
    for alert in told.alerts:
        work.alerts[alert.id] = alert
        work.changed.add(alert.id)
    work.parcels, work.events = [*told.parcels, *seen.parcels], [*work.events, *told.events]
    is_due = not 0 <= now_ns - watch.saved_ns < _SAVE_EVERY_NS or page
    if is_due or not work.is_empty():
        _write(watch, work, ahead)
        watch.saved_ns = now_ns


def _take_in(conn: Connection, work: _Round, page: Sequence[SeenFinding], others: Sequence[Signal], settings: Settings) -> set[str]:
    """Bring signals together with the alerts there are; returns the fingerprints that spoke."""
    known = known_runs(conn, sorted({one.trace_id for one in page} | {run.trace_id for one in others for run in one.runs}))
    signals = gather([*signals_of(page, known, work.now_ns), *others])
    latest = {one.fingerprint: one for one in sorted(work.alerts.values(), key=lambda one: (one.state != "resolved", one.id))}
    number = next_alert_id(conn)
    for mark, signal in signals.items():
        found = latest.get(mark)
        if found is not None and found.state == "resolved" and not comes_back(found, work.now_ns):
            found = None
        change = _advanced(found, signal, known, work.now_ns) if found is not None else _opened(number, signal, work.now_ns)
        number += found is None
        _note(work, change)
        work.runs += behind(signal.runs, change.alert.id)
        work.stops += [(change.alert.id, stop) for stop in stops_of(signal, settings, work.now_ns)]
    return set(signals)


def _opened(number: int, signal: Signal, now_ns: int) -> Change:
    return open_alert(number, signal, now_ns, _timing(signal.rule))


def _advanced(alert: Alert, signal: Signal, known: Mapping[RunKey, AlertRun], now_ns: int) -> Change:
    mine = {key: run for key, run in known.items() if run.alert_id == alert.id}
    whole, runs = with_all_runs(signal, alert.runs, alert.wasted_nanos, mine)
    return advance(msgspec.structs.replace(alert, runs=runs), whole, True, now_ns, _timing(signal.rule))


def _timing(rule: str) -> Timing:
    return Timing(0, rule_of(rule).keep_ns)


def _note(work: _Round, change: Change) -> None:
    work.alerts[change.alert.id] = change.alert
    work.changed.add(change.alert.id)
    work.events += change.events
    work.raised += [event.alert_id for event in change.events if event.kind in ("raised", "returned")]


def _let_time_pass(conn: Connection, work: _Round, watch: Watch, evaluated: frozenset[str], spoken: set[str]) -> None:
    """Ask of every other alert whether its condition still holds: its runs go on, or its rule has just said so."""
    going = _going_on(conn, work, watch)
    for alert in list(work.alerts.values()):
        if alert.state == "resolved" or alert.fingerprint in spoken:
            continue
        if rule_of(alert.rule).kind == "run":
            holds = None if going is None else alert.id in going
        else:
            holds = False if alert.rule in evaluated or _is_momentary(alert) else None
        change = advance(alert, None, holds, work.now_ns, _timing(alert.rule))
        if change.events:
            _note(work, change)
        elif change.alert.active_ns - alert.active_ns >= _MINUTE_NS:
            # When it held last is worth a write a minute, not one a second.
            work.alerts[alert.id] = change.alert
            work.changed.add(alert.id)


def _is_momentary(alert: Alert) -> bool:
    """Tell whether an alert is about a moment, after which it cannot go on: that the watch was away."""
    return alert.rule == "H1" and alert.subject == "watch"


def _going_on(conn: Connection, work: _Round, watch: Watch) -> set[int] | None:
    """Return the alerts of which a run goes on; None between the looks at all of them, every few seconds."""
    if 0 <= work.now_ns - watch.runs_ns < _RUNS_EVERY_NS:
        return None
    watch.runs_ns = work.now_ns
    going: set[int] = {run.alert_id for run in work.runs if run.is_open}
    for sign in open_runs(conn):
        if run_goes_on(sign.ended_ns, sign.last_seen_ns, work.now_ns):
            going.add(sign.alert_id)
        elif sign.ended_ns is not None:
            work.closed.append(sign)
    return going


def _write(watch: Watch, work: _Round, ahead: Progress | None) -> None:
    if work.is_empty() and ahead is None:
        return
    lease = watch.lease
    assert lease is not None
    with transaction(watch.store) as tx:
        hold(tx, lease, work.now_ns)
        save_alerts(tx, [work.alerts[number] for number in sorted(work.changed)])
        clear_acknowledged(tx, work.raised)
        close_runs(tx, work.closed)
        save_runs(tx, work.runs)
        for alert_id, stop in work.stops:
            if add_stops(tx, [stop]):
                add_audit(tx, [audit_of_stop(stop, Actor(stop.stopped_by))])
                work.events.append(AlertEvent(alert_id, work.now_ns, "stop", stop.stopped_by, f"run {stop.run_id.hex()} asked to stop"))
        add_events(tx, work.events)
        add_parcels(tx, work.parcels)
        if ahead is not None:
            save_progress(tx, ahead)
    watch.lease = msgspec.structs.replace(lease, until_ns=work.now_ns + 30 * _SECOND_NS)


def watch_until(stop: threading.Event, watch: Watch, clock_ns: Callable[[], int] = time.time_ns) -> None:
    """Look again and again until ``stop`` is set; what fails unforeseen is logged and tried again."""
    while not stop.is_set():
        began = time.monotonic()
        pause_s = _TICK_S
        try:
            tick(watch, clock_ns())
        except LeaseLost:
            watch.lease = None
        except StoreBusy as error:
            log.warning("alerts cannot be written now: %s", error)
            pause_s = _BUSY_S
        except Exception:
            log.exception("the watch failed")
            pause_s = _BUSY_S
        # Where there is much to look at, linking has most of the time all the same.
        stop.wait(max(pause_s, 5 * (time.monotonic() - began)))
    try:
        give_lease_back(watch.store, watch.holder)
    except StoreBusy:
        log.warning("the lease of the watch runs out by itself")
