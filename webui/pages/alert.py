"""One alert as a page model: what is wrong, what it costs, what is behind it, and what happened."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC

from ingest.store.alert_model import Alert, AlertEvent, AlertRun, Attempt, Parcel
from ingest.store.casebook import Case, RunFact
from webui.alerts.amounts import amount, expected
from webui.alerts.money import money_of
from webui.analysis.detectors.catalogue import rule_of
from webui.format import clip, clock, cost, count, duration, money, plural

from .alerts import AlertRow, ParcelRow, alert_row, parcel_row
from .links import person_href, trace_href
from .runs import Figure

_MINUTE_NS = 60_000_000_000


@dataclass(frozen=True, slots=True)
class EvidenceRow:
    """A run behind the alert: where it began to go wrong, where it did last, what it cost."""

    title: str
    run_href: str
    run: str
    first_href: str
    last_href: str
    sentence: str
    state: str
    calls: str
    amount: str
    wasted: str
    detail: str


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened to the alert."""

    at: str
    what: str
    who: str
    words: str


@dataclass(frozen=True, slots=True)
class Spark:
    """What the agent spent per minute, and what it usually does: points of a line in percent, and a height."""

    points: str
    usual: str
    """The height of the baseline from the top, in percent; empty where none is known."""
    note: str


@dataclass(frozen=True, slots=True)
class AlertPage:
    """Everything on the page of an alert."""

    row: AlertRow
    agent_href: str
    figures: tuple[Figure, ...]
    rule_id: str
    rule_name: str
    rule_sentence: str
    expected: str
    detail: str
    runs_title: str
    evidence: tuple[EvidenceRow, ...]
    more_runs: str
    moments: tuple[Moment, ...]
    parcels: tuple[ParcelRow, ...]
    spark: Spark | None
    change: str
    compare_href: str
    going: int
    can_ack: bool
    is_open: bool
    form_token: str
    silenced_until: str


@dataclass(frozen=True, slots=True)
class Told:
    """What was told of an alert and happened to it."""

    events: Sequence[AlertEvent]
    parcels: Sequence[Parcel]
    attempts: dict[int, list[Attempt]]


def build_alert_page(case: Case, told: Told, going: int, form: tuple[str, str], now_ns: int) -> AlertPage:
    """Return the page of a case; ``form`` is the token of its forms and until when it is silenced."""
    alert, rule = case.alert, rule_of(case.alert.rule)
    shown = (case.runs or case.contributors)[:20]
    return AlertPage(
        row=alert_row(alert, now_ns),
        agent_href=person_href("agents", alert.agent) if alert.agent else "",
        figures=_figures(case, now_ns),
        rule_id=alert.rule,
        rule_name=rule.name,
        rule_sentence=rule.sentence,
        expected=expected(alert),
        detail=clip(alert.detail, 300),
        runs_title="Runs behind it" if case.runs else "Runs that contribute most",
        evidence=tuple(_evidence(run, fact) for run, fact in shown),
        more_runs=f"and {plural(alert.runs - len(shown), 'run')} more" if alert.runs > len(shown) else "",
        moments=tuple(Moment(clock(one.at_ns, now_ns), one.kind, clip(one.actor, 80), clip(one.words, 300)) for one in told.events),
        parcels=tuple(parcel_row(one, told.attempts.get(one.id, ()), now_ns) for one in told.parcels),
        spark=_spark(case, now_ns),
        change=_change(case, now_ns),
        compare_href=_compare_href(case),
        going=going,
        can_ack=alert.acked_ns is None and alert.state != "resolved",
        is_open=alert.state != "resolved",
        form_token=form[0],
        silenced_until=form[1],
    )


def _figures(case: Case, now_ns: int) -> tuple[Figure, ...]:
    alert, sums = case.alert, money_of(case, now_ns, UTC)
    wasted = f"{money(alert.wasted_nanos)} after it should have stopped" if alert.wasted_nanos else ""
    back = f"came back {plural(alert.flaps, 'time')}" if alert.flaps else ""
    ahead = f"about {money(sums.by_morning)} by 08:00 UTC" if sums.by_morning else "nothing of it goes on"
    return (
        Figure("State", alert.state.capitalize(), f"{alert.severity}, incident {alert.id}", "bad" if alert.state == "firing" else ""),
        Figure("Observed", amount(alert, alert.observed), f"limit {amount(alert, alert.threshold)}"),
        Figure("Spent so far", money(sums.so_far), wasted),
        Figure("An hour, now", money(sums.rate), ahead),
        Figure("Runs behind it", count(alert.runs) if alert.runs else "–", back),
    )


def _evidence(run: AlertRun, fact: RunFact | None) -> EvidenceRow:
    where = {"run": run.run_id.hex()}
    run_href = trace_href(run.trace_id, **where)
    # The run's own span is no step of it.
    spans = [run.spans[at : at + 8] for at in range(0, len(run.spans), 8)]
    steps = [trace_href(run.trace_id, **where, step=one.hex()) for one in spans if one != run.run_id] or [run_href]
    return EvidenceRow(
        title=clip(fact.input, 120) if fact is not None else "",
        run_href=run_href,
        run=run.trace_id.hex()[:8],
        first_href=steps[0],
        last_href=steps[-1],
        sentence=clip(run.sentence, 200),
        state=fact.termination.replace("_", " ") if fact is not None else "unknown",
        calls=count(fact.llm_calls + fact.tool_calls) if fact is not None else "–",
        amount=cost(fact.cost_nanos, fact.unpriced_calls) if fact is not None else "–",
        wasted=money(run.wasted_nanos),
        detail=clip(run.detail, 200),
    )


def _spark(case: Case, now_ns: int) -> Spark | None:
    """Draw the last hour; nothing where nothing was spent in it."""
    spent = dict(case.minutes)
    now = now_ns // _MINUTE_NS
    values = [max(spent.get(minute, 0), 0) for minute in range(now - 59, now + 1)]
    usual = (case.usual_nanos or 0) / 60
    top = max(*values, usual)
    if top <= 0 or not any(values):
        return None
    points = " ".join(f"{place * 100 / 59:.1f},{100 - 100 * value / top:.1f}" for place, value in enumerate(values))
    note = f"spend per minute in the last hour, at most {money(max(values))}"
    known = case.usual_nanos is not None
    told = f"; the line is the usual {money(case.usual_nanos)} an hour ({plural(case.usual_weeks, 'week')})" if known else ""
    return Spark(points, f"{100 - 100 * usual / top:.1f}" if known else "", note + told)


def _change(case: Case, now_ns: int) -> str:
    if case.change is None:
        return ""
    return f"{clip(case.change.version, 60)}, first run {clock(case.change.since_ns, now_ns)}; before it {clip(case.change.before, 60)}"


def _compare_href(case: Case) -> str:
    if case.good_trace is None or not case.runs:
        return ""
    return f"/compare?a={case.runs[0][0].trace_id.hex()}&b={case.good_trace.hex()}"


def lasted(alert: Alert, now_ns: int) -> str:
    """Return how long an alert has been there."""
    return duration((alert.resolved_ns or now_ns) - alert.opened_ns)
