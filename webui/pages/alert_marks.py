"""Marks of alerts on the page of a run that is behind them."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from ingest.store.alert_model import Alert, AlertRun
from webui.format import clip

_MOST = 6


@dataclass(frozen=True, slots=True)
class AlertMark:
    """An alert that names a run: its page, what was found in the run, how it stands, and the step with which it began."""

    href: str
    name: str
    sentence: str
    state: str
    tone: str
    step_href: str


def alert_marks(found: Sequence[tuple[Alert, AlertRun]]) -> tuple[AlertMark, ...]:
    """Return the marks of a trace's alerts: those that still hold first, then the gravest; at most six."""
    ordered = sorted(found, key=lambda pair: (pair[0].state == "resolved", pair[1].severity != "critical", -pair[0].id))
    return tuple(_mark(alert, run) for alert, run in ordered[:_MOST])


def _mark(alert: Alert, run: AlertRun) -> AlertMark:
    where = {"run": run.run_id.hex()} | ({"step": run.spans[:8].hex()} if run.spans else {})
    return AlertMark(
        href=f"/alerts/{alert.id}",
        name=f"Incident {alert.id}",
        sentence=clip(run.sentence, 200),
        state=f"{run.severity}, {alert.state}",
        tone="bad" if alert.state != "resolved" and run.severity == "critical" else "",
        step_href=f"/traces/{run.trace_id.hex()}?{urlencode(where)}",
    )
