"""The rule editor as a page model: every rule in one sentence with its thresholds, and what it would have done."""

from collections.abc import Mapping
from dataclasses import dataclass

from ingest.store.watchbook import ALL_RULES, RuleSetting, SettingKey, merged
from webui.alerts.days import DAY_NS
from webui.alerts.preview import DAYS, Preview, can_preview
from webui.analysis.detectors.catalogue import CATALOGUE, Rule
from webui.format import clip, clock, plural

from .alerts import tabs_of
from .links import person_href, trace_href
from .runs import Choice

_MOST_SHOWN = 50


@dataclass(frozen=True, slots=True)
class RuleRow:
    """A rule with what holds of it for the chosen agent."""

    id: str
    name: str
    sentence: str
    unit: str
    is_on: bool
    warning: str
    critical: str
    default: str
    stop: str
    is_own: bool
    can_preview: bool
    can_stop: bool


@dataclass(frozen=True, slots=True)
class General:
    """What is about all rules."""

    polling: str
    high_impact: str
    canaries: str
    run_tokens: str
    run_usd: str
    day_usd: str
    month_usd: str


@dataclass(frozen=True, slots=True)
class PreviewBox:
    """What a rule would have done."""

    rule: str
    words: str
    runs: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class RulesPage:
    """Everything on the page of rules."""

    tabs: tuple[Choice, ...]
    agent: str
    rows: tuple[RuleRow, ...]
    general: General
    preview: PreviewBox | None
    form_token: str


def build_rules_page(
    settings: Mapping[SettingKey, RuleSetting], project_id: int, agent: str, preview: Preview | None, form_token: str
) -> RulesPage:
    """Return the rules of an agent; those of the project where it is empty."""
    rows = tuple(_row(rule, merged(settings, project_id, agent, rule.id), (project_id, agent, rule.id) in settings) for rule in CATALOGUE)
    general = _general(merged(settings, project_id, agent, ALL_RULES))
    return RulesPage(tabs_of("Rules"), agent, rows, general, None if preview is None else _box(preview), form_token)


def _row(rule: Rule, said: RuleSetting, is_own: bool) -> RuleRow:
    return RuleRow(
        rule.id,
        rule.name,
        rule.sentence,
        rule.unit,
        said.on is not False,
        _text(said.warning if said.warning is not None else rule.limits.warning),
        _text(said.critical if said.critical is not None else rule.limits.critical),
        f"{_text(rule.limits.warning) or '–'} / {_text(rule.limits.critical) or '–'}",
        said.stop,
        is_own,
        can_preview(rule),
        rule.kind == "run",
    )


def _text(number: float | None) -> str:
    return "" if number is None else f"{number:g}"


def _general(said: RuleSetting) -> General:
    return General(
        ", ".join(said.polling),
        ", ".join(said.high_impact),
        ", ".join(said.canaries),
        "" if said.run_tokens is None else str(said.run_tokens),
        *("" if nanos is None else f"{nanos / 1e9:g}" for nanos in (said.run_nanos, said.day_nanos, said.month_nanos)),
    )


def _box(found: Preview) -> PreviewBox:
    times = len(found.found) + len(found.drifts)
    of = f" of {found.of:,}" if found.of > found.looked else ""
    basis = f"{plural(found.looked, 'run')} looked at{of}" if found.rule != "A3" else "the days on record"
    words = f"would have fired {plural(times, 'time')} in the last {DAYS} days, from {basis}"
    runs = [
        Choice(f"{trace_id.hex()[:8]}: {clip(one.sentence, 120)}", trace_href(trace_id, run=one.run_id.hex()), one.severity == "critical")
        for trace_id, one in found.found[:_MOST_SHOWN]
    ]
    days = [
        Choice(f"{clock((one.day + 1) * DAY_NS)}: {clip(one.found.sentence, 160)}", person_href("agents", one.found.agent), False)
        for one in found.drifts[:_MOST_SHOWN]
    ]
    return PreviewBox(found.rule, words, (*runs, *days))
