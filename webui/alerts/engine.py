"""What becomes of an alert when its condition holds, or no longer does. Pure: ``now`` is a parameter, nothing is kept.

inactive -> pending -> firing -> recovering -> resolved. Words and meaning are Alertmanager's. A rule that cannot be evaluated says
``None`` instead of yes or no, and its alerts stay as they are.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from ingest.findings import Severity
from ingest.store.alert_model import Alert, AlertEvent, AlertRun, worse

_MINUTE_NS = 60_000_000_000
_HOUR_NS = 60 * _MINUTE_NS

REOPEN_NS = 30 * _MINUTE_NS
"""What comes back so soon after it was over is the same incident."""

LONGEST_KEEP_NS = _HOUR_NS

IDLE_NS = 15 * _MINUTE_NS
"""A run of which nothing came for so long does nothing wrong any more."""


class Signal(msgspec.Struct, frozen=True):
    """What a rule says of one alert identity: that its condition holds, how badly, and in which runs."""

    project_id: int
    rule: str
    agent: str
    subject: str
    severity: Severity
    observed: float
    threshold: float
    sentence: str
    detail: str = ""
    expected: str = ""
    runs: tuple[AlertRun, ...] = ()
    wasted_nanos: int | None = None

    @property
    def fingerprint(self) -> str:
        """Return what stays the same from run to run: project, rule, agent and what it is about."""
        return fingerprint(self.project_id, self.rule, self.agent, self.subject)


class Timing(NamedTuple):
    """How long a condition must hold before it fires, and must not hold before it is over."""

    pending_ns: int
    keep_ns: int


class Change(NamedTuple):
    """An alert as it is now, and what happened to it."""

    alert: Alert
    events: tuple[AlertEvent, ...]


def fingerprint(project_id: int, rule: str, agent: str, subject: str) -> str:
    """Return the identity of an alert; which run it was in is no part of it."""
    parts = [str(project_id), rule, *(f"{name}={value}" for name, value in sorted({"agent": agent, "subject": subject}.items()))]
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()


def gather(signals: Iterable[Signal]) -> dict[str, Signal]:
    """Bring signals of one identity together: the worst speaks, the runs of all are behind it."""
    found: dict[str, Signal] = {}
    for signal in signals:
        known = found.get(signal.fingerprint)
        found[signal.fingerprint] = signal if known is None else _together(known, signal)
    return found


def _together(one: Signal, other: Signal) -> Signal:
    loud, quiet = (other, one) if _weight(other) > _weight(one) else (one, other)
    wasted = [amount for amount in (one.wasted_nanos, other.wasted_nanos) if amount is not None]
    return msgspec.structs.replace(loud, runs=(*loud.runs, *quiet.runs), wasted_nanos=sum(wasted) if wasted else None)


def _weight(signal: Signal) -> tuple[bool, float]:
    return signal.severity == "critical", signal.observed


def open_alert(number: int, signal: Signal, now_ns: int, timing: Timing) -> Change:
    """Return a new alert: pending, or firing at once where its rule need not wait."""
    fires = timing.pending_ns <= 0
    alert = Alert(
        id=number,
        project_id=signal.project_id,
        fingerprint=signal.fingerprint,
        rule=signal.rule,
        agent=signal.agent,
        subject=signal.subject,
        state="firing" if fires else "pending",
        severity=signal.severity,
        observed=signal.observed,
        threshold=signal.threshold,
        sentence=signal.sentence,
        detail=signal.detail,
        expected=signal.expected,
        opened_ns=now_ns,
        active_ns=now_ns,
        changed_ns=now_ns,
        fired_ns=now_ns if fires else None,
        runs=len({(run.trace_id, run.run_id) for run in signal.runs}),
        wasted_nanos=signal.wasted_nanos,
    )
    return Change(alert, (_event(alert, now_ns, "opened", signal.sentence), *([_event(alert, now_ns, "fired")] if fires else [])))


def advance(alert: Alert, signal: Signal | None, holds: bool | None, now_ns: int, timing: Timing) -> Change:
    """Return an alert after one look: ``holds`` says whether its condition does, ``signal`` what is new of it."""
    if alert.state == "resolved":
        return _return(alert, signal, now_ns) if signal is not None and holds else Change(alert, ())
    told, events = _updated(alert, signal, now_ns)
    if holds is None:
        return Change(told, events)
    if holds:
        return _holding(told, events, now_ns, timing)
    return _lapsing(told, events, now_ns, timing)


def _updated(alert: Alert, signal: Signal | None, now_ns: int) -> tuple[Alert, tuple[AlertEvent, ...]]:
    """Take in what is new. The severity of an incident never falls: what it was at its worst is what it was."""
    if signal is None:
        return alert, ()
    raised = worse(signal.severity, alert.severity)
    speaks = raised or (signal.severity == alert.severity and signal.observed >= alert.observed)
    changed: dict[str, object] = {"changed_ns": now_ns}
    if speaks:
        changed |= {"severity": signal.severity, "observed": signal.observed, "threshold": signal.threshold}
        changed |= {"sentence": signal.sentence, "detail": signal.detail, "expected": signal.expected or alert.expected}
    if signal.wasted_nanos is not None:
        changed["wasted_nanos"] = max(signal.wasted_nanos, alert.wasted_nanos or 0)
    told = msgspec.structs.replace(alert, **changed)
    return told, ((_event(told, now_ns, "raised", signal.sentence),) if raised else ())


def _holding(alert: Alert, events: tuple[AlertEvent, ...], now_ns: int, timing: Timing) -> Change:
    if alert.state == "pending":
        if _since(alert.opened_ns, now_ns) < timing.pending_ns:
            return Change(msgspec.structs.replace(alert, active_ns=now_ns), events)
        fired = msgspec.structs.replace(alert, state="firing", active_ns=now_ns, fired_ns=now_ns, changed_ns=now_ns)
        return Change(fired, (*events, _event(fired, now_ns, "fired")))
    if alert.state == "recovering":
        back = msgspec.structs.replace(alert, state="firing", active_ns=now_ns, changed_ns=now_ns)
        return Change(back, (*events, _event(back, now_ns, "returned")))
    return Change(msgspec.structs.replace(alert, active_ns=now_ns), events)


def _lapsing(alert: Alert, events: tuple[AlertEvent, ...], now_ns: int, timing: Timing) -> Change:
    if alert.state == "pending":
        over = msgspec.structs.replace(alert, state="resolved", resolved_ns=now_ns, changed_ns=now_ns)
        return Change(over, (*events, _event(over, now_ns, "resolved", "before it fired")))
    if alert.state == "firing":
        better = msgspec.structs.replace(alert, state="recovering", changed_ns=now_ns)
        return Change(better, (*events, _event(better, now_ns, "recovering")))
    if _since(alert.active_ns, now_ns) < keep_of(alert, timing):
        return Change(alert, events)
    over = msgspec.structs.replace(alert, state="resolved", resolved_ns=now_ns, changed_ns=now_ns)
    return Change(over, (*events, _event(over, now_ns, "resolved")))


def keep_of(alert: Alert, timing: Timing) -> int:
    """Return how long an alert must be quiet to be over: twice as long each time it came back."""
    return min(timing.keep_ns << min(alert.flaps, 8), max(LONGEST_KEEP_NS, timing.keep_ns))


def comes_back(alert: Alert, now_ns: int) -> bool:
    """Tell whether an alert that is over would be the same incident if its condition held now."""
    return alert.state == "resolved" and alert.fired_ns is not None and _since(alert.resolved_ns or 0, now_ns) < REOPEN_NS


def _return(alert: Alert, signal: Signal, now_ns: int) -> Change:
    raised = worse(signal.severity, alert.severity)
    back = msgspec.structs.replace(
        alert,
        state="firing",
        severity=signal.severity if raised else alert.severity,
        observed=signal.observed,
        threshold=signal.threshold,
        sentence=signal.sentence,
        detail=signal.detail,
        active_ns=now_ns,
        changed_ns=now_ns,
        resolved_ns=None,
        flaps=alert.flaps + 1,
        # What comes back no worse than it was is not told of more often than a reminder; what is worse is news.
        notified_ns=None if raised else alert.notified_ns,
    )
    return Change(back, (_event(back, now_ns, "returned", signal.sentence),))


def run_goes_on(ended_ns: int | None, last_seen_ns: int | None, now_ns: int) -> bool:
    """Tell whether a run can still do what it was caught at: not once it ended, or fell silent."""
    return ended_ns is None and last_seen_ns is not None and _since(last_seen_ns, now_ns) < IDLE_NS


def _since(then_ns: int, now_ns: int) -> int:
    """Return how long ago something was; a clock that was put back makes it no shorter than nothing."""
    return max(now_ns - then_ns, 0)


def _event(alert: Alert, now_ns: int, kind: str, words: str = "") -> AlertEvent:
    return AlertEvent(alert.id, now_ns, kind, "", words)


def behind(runs: Sequence[AlertRun], alert_id: int) -> list[AlertRun]:
    """Return runs as those behind an alert, each once and in its worst."""
    found: dict[tuple[bytes, bytes], AlertRun] = {}
    for run in runs:
        known = found.get((run.trace_id, run.run_id))
        if known is None or (run.severity == "critical", run.observed) > (known.severity == "critical", known.observed):
            found[run.trace_id, run.run_id] = msgspec.structs.replace(run, alert_id=alert_id)
    return list(found.values())
