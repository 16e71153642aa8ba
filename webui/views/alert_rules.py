"""The rule editor: thresholds, switches and automatic stops of a project and its agents, with what they would have done."""

import math
from dataclasses import dataclass

from flask import Response, render_template, request

from ingest.store.watchbook import ALL_RULES, RuleSetting, merged
from webui import reads_alerts
from webui.alerts.preview import Preview, Question, can_preview, preview
from webui.alerts.rules import rules_of
from webui.analysis.detectors.catalogue import BY_ID, Rule
from webui.errors import ApiError
from webui.format import now_ns
from webui.pages.alert_rules import build_rules_page
from webui.pages.links import quoted
from webui.reads import library

from .alerts import alerts_views, new_form, project

__all__ = ("alerts_views",)

_NANOS = 1_000_000_000
_MOST_NAMES = 100


@alerts_views.get("/alerts/rules")
def rules() -> str:
    """Show every rule; with ``preview`` also what one would have done."""
    agent = request.args.get("agent", "")[:120]
    settings = reads_alerts.rule_settings()
    asked = BY_ID.get(request.args.get("preview", ""))
    found = _preview(asked, agent) if asked is not None and can_preview(asked) else None
    page = build_rules_page(settings, project(), agent, found, new_form())
    return render_template("alert_rules.html", nav="alerts", page=page)


def _preview(rule: Rule, agent: str) -> Preview:
    """Judge the runs of the last days under the thresholds that the form holds, saved or not."""
    settings = dict(reads_alerts.rule_settings())
    key = (project(), agent, rule.id)
    settings[key] = RuleSetting(on=True, warning=_number(request.args, "warning"), critical=_number(request.args, "critical"))
    question = Question(project(), rule.id, agent, rules_of(settings, project(), agent))
    return preview(library().store, question, library().prices.price, now_ns())


@alerts_views.post("/alerts/rules")
def set_rule() -> Response:
    """Set a rule, or what is about all rules. A running worker takes it up within seconds."""
    agent, name = request.form.get("agent", "").strip()[:120], request.form.get("rule", "")
    if name == ALL_RULES:
        reads_alerts.save_rule(agent, name, _general())
    elif name in BY_ID:
        reads_alerts.save_rule(agent, name, _setting(BY_ID[name], agent))
    else:
        raise ApiError(400, "bad_parameter", "There is no such rule.")
    where = f"?agent={quoted(agent)}" if agent else ""
    return Response(status=303, headers={"Location": f"/alerts/rules{where}#{name if name in BY_ID else 'all'}"})


def _setting(rule: Rule, agent: str) -> RuleSetting:
    """Return what a form says of a rule: only what differs from what would hold without it."""
    if request.form.get("forget"):
        return RuleSetting()
    settings = reads_alerts.rule_settings()
    below = merged(settings, project(), "", rule.id) if agent else RuleSetting()
    usual = _Usual(below, rule)
    is_on = request.form.get("on") == "on"
    warning, critical = _number(request.form, "warning"), _number(request.form, "critical")
    stop = request.form.get("stop", "")
    return RuleSetting(
        on=is_on if is_on != usual.on else None,
        warning=warning if warning != usual.warning else None,
        critical=critical if critical != usual.critical else None,
        stop=stop if stop in ("warning", "critical") and rule.kind == "run" else "",
    )


@dataclass(frozen=True, slots=True)
class _Usual:
    """What would hold of a rule if nothing were set here."""

    said: RuleSetting
    rule: Rule

    @property
    def on(self) -> bool:
        return self.said.on is not False

    @property
    def warning(self) -> float | None:
        return self.said.warning if self.said.warning is not None else self.rule.limits.warning

    @property
    def critical(self) -> float | None:
        return self.said.critical if self.said.critical is not None else self.rule.limits.critical


def _general() -> RuleSetting:
    def names(field: str) -> tuple[str, ...]:
        return tuple(part.strip()[:120] for part in request.form.get(field, "").split(",") if part.strip())[:_MOST_NAMES]

    tokens = _number(request.form, "run_tokens")
    return RuleSetting(
        polling=names("polling"),
        high_impact=names("high_impact"),
        canaries=names("canaries"),
        run_tokens=None if tokens is None else int(tokens),
        run_nanos=_nanos("run_usd"),
        day_nanos=_nanos("day_usd"),
        month_nanos=_nanos("month_usd"),
    )


def _nanos(field: str) -> int | None:
    dollars = _number(request.form, field)
    return None if dollars is None else round(dollars * _NANOS)


def _number(values: object, field: str) -> float | None:
    """Return a number from a form or an address; nothing where it is empty. Raises ``ApiError`` 400 for what is none."""
    text: str = values.get(field, "").strip()  # type: ignore[attr-defined]  # werkzeug's mappings of texts
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < 1e12:
        raise ApiError(400, "bad_parameter", f"{field} is a number that is not negative.")
    return number
