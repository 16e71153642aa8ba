"""From what detectors found in runs to signals: only what is new, and nothing that was filled in from long ago. Pure."""

from collections.abc import Iterable, Mapping

import msgspec

from ingest.store.alert_model import AlertRun, SeenFinding, StopRequest, worse
from ingest.store.watchbook import RuleSetting, SettingKey, merged

from .engine import Signal, fingerprint, run_goes_on

BACKFILL_NS = 24 * 3_600 * 10**9
"""What happened so long ago alarms nobody: it was filled in."""

RunKey = tuple[int, str, bytes, bytes]
"""project, fingerprint, trace, run"""


def signals_of(findings: Iterable[SeenFinding], known: Mapping[RunKey, AlertRun], now_ns: int) -> list[Signal]:
    """Return a signal for each finding that says more than what is known."""
    return [_signal(one, now_ns) for one in findings if now_ns - one.last_ns <= BACKFILL_NS and _is_news(one, known)]


def _is_news(one: SeenFinding, known: Mapping[RunKey, AlertRun]) -> bool:
    before = known.get((one.project_id, _fingerprint(one), one.trace_id, one.run_id))
    if before is None:
        return True
    is_later = one.seen_ns > before.seen_ns and (one.observed, one.last_ns) > (before.observed, before.last_ns)
    return worse(one.severity, before.severity) or is_later


def _fingerprint(one: SeenFinding) -> str:
    return fingerprint(one.project_id, one.rule, one.agent, one.subject)


def _signal(one: SeenFinding, now_ns: int) -> Signal:
    run = AlertRun(
        project_id=one.project_id,
        fingerprint=_fingerprint(one),
        trace_id=one.trace_id,
        run_id=one.run_id,
        alert_id=0,
        severity=one.severity,
        observed=one.observed,
        since_ns=one.since_ns,
        last_ns=one.last_ns,
        seen_ns=one.seen_ns,
        spans=one.spans,
        sentence=one.sentence,
        detail=one.detail,
        wasted_nanos=one.wasted_nanos,
        is_open=int(run_goes_on(one.ended_ns, one.seen_ns, now_ns)),
    )
    return Signal(
        project_id=one.project_id,
        rule=one.rule,
        agent=one.agent,
        subject=one.subject,
        severity=one.severity,
        observed=one.observed,
        threshold=one.threshold,
        sentence=one.sentence,
        detail=one.detail,
        runs=(run,),
        wasted_nanos=one.wasted_nanos,
    )


def with_all_runs(signal: Signal, before: int, wasted_before: int | None, known: Mapping[RunKey, AlertRun]) -> tuple[Signal, int]:
    """Return a signal whose waste is that of all runs behind its alert, and how many these are; ``before`` were before it."""
    wasted = wasted_before or 0
    fresh = 0
    for run in {(one.trace_id, one.run_id): one for one in signal.runs}.values():
        old = known.get((run.project_id, run.fingerprint, run.trace_id, run.run_id))
        wasted += (run.wasted_nanos or 0) - ((old.wasted_nanos or 0) if old is not None and before else 0)
        fresh += not (old is not None and before)
    return msgspec.structs.replace(signal, wasted_nanos=wasted or None), before + fresh


def stops_of(signal: Signal, settings: Mapping[SettingKey, RuleSetting], now_ns: int) -> list[StopRequest]:
    """Return which runs a rule stops: none, unless somebody allowed it to."""
    wanted = merged(settings, signal.project_id, signal.agent, signal.rule).stop
    if not wanted:
        return []
    going = [run for run in signal.runs if run.is_open and (run.severity == wanted or worse(run.severity, wanted))]
    return [StopRequest(run.project_id, run.trace_id, run.run_id, f"rule {signal.rule}", signal.sentence[:300], now_ns) for run in going]
