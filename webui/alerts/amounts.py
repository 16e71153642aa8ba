"""What was observed and allowed, in words: the unit of a figure is that of its rule, and of what the alert is about."""

from ingest.store.alert_model import Alert
from webui.analysis.detectors.catalogue import rule_of
from webui.format import money


def amount(alert: Alert, value: float) -> str:
    """Return a figure of an alert with its unit."""
    if alert.rule == "B1":
        return money(round(value)) if alert.subject == "cost" else f"{_figure(value)} {alert.subject}"
    if alert.rule == "L6":
        return f"{value:.0%} different calls" if alert.subject == "progress" else f"{_figure(value)} steps"
    unit = rule_of(alert.rule).unit
    return f"{value:.0%}" if unit == "share" else f"{_figure(value)} {unit}"


def expected(alert: Alert) -> str:
    """Return what would have been right, and by which limit, as the rule said it or in its figures."""
    if alert.expected:
        return alert.expected
    bound = "at least" if alert.rule == "L6" and alert.subject == "progress" else "less than" if alert.rule == "B1" else "fewer than"
    where = " in a run" if rule_of(alert.rule).kind == "run" else ""
    word = "critical" if alert.severity == "critical" else "a warning"
    return f"{bound} {amount(alert, alert.threshold)}{where}, the limit for {word}; {_seen(alert)} seen."


def _seen(alert: Alert) -> str:
    return amount(alert, alert.observed) if alert.rule in ("B1", "L6") else _figure(alert.observed)


def _figure(number: float) -> str:
    return f"{number:,.0f}" if number == int(number) or number >= 100 else f"{number:,.2f}"
