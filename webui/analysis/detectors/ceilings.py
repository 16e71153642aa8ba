"""Ceilings: what one run may use, by its own budget or the project's."""

from collections.abc import Sequence
from typing import NamedTuple

from ingest.findings import Finding, Severity
from ingest.model import Step, Usage

from .model import Limits, Seen

DEFAULT = Limits(0.8, 1.0)
"""Shares of the ceiling."""


class _Ceiling(NamedTuple):
    what: str
    used: int
    allowed: int
    words: str
    stated: bool


def ceilings(seen: Seen) -> list[Finding]:
    """B1: a run near or beyond its budget of tokens, money or steps; that of the project where it states none."""
    limits = seen.rules.limits.get("B1", DEFAULT)
    found = []
    for ceiling in _ceilings(seen):
        share = ceiling.used / ceiling.allowed if ceiling.allowed > 0 else 0.0
        severity: Severity = "critical" if limits.critical is not None and share >= limits.critical else "warning"
        limit = limits.critical if severity == "critical" else limits.warning
        if limit is None or share < limit or not seen.steps:
            continue
        crossed = _crossed(seen.steps, ceiling, limit)
        last = seen.steps[-1]
        whose = "its budget" if ceiling.stated else "the project's ceiling"
        found.append(
            Finding(
                rule="B1",
                severity=severity,
                run_id=seen.run.run_id,
                agent=seen.run.agent,
                subject=ceiling.what,
                observed=ceiling.used,
                limit=limit * ceiling.allowed,
                since_ns=crossed.started_ns,
                last_ns=last.ended_ns,
                spans=tuple(dict.fromkeys((crossed.span_id, last.span_id))),
                sentence=f"{seen.run.agent} used {ceiling.words}, {share:.0%} of {whose}",
            )
        )
    return found


def _ceilings(seen: Seen) -> list[_Ceiling]:
    run, rules = seen.run, seen.rules
    tokens, nanos = _tokens(run.totals.usage), run.totals.cost_nanos or 0
    found = [
        _Ceiling("tokens", tokens, run.budget_tokens or rules.run_tokens, f"{tokens:,} tokens", run.budget_tokens is not None),
        _Ceiling("cost", nanos, run.budget_nanos or rules.run_nanos, f"${nanos / 1e9:,.2f}", run.budget_nanos is not None),
    ]
    if run.budget_steps:
        found.append(_Ceiling("steps", run.totals.steps, run.budget_steps, f"{run.totals.steps:,} steps", True))
    return found


def _tokens(usage: Usage) -> int:
    return (usage.input_tokens or 0) + (usage.output_tokens or 0)


def _crossed(steps: Sequence[Step], ceiling: _Ceiling, share: float) -> Step:
    """Return the step with which the ceiling's share was crossed: the last one, where nested runs did it."""
    so_far = 0
    for step in steps:
        so_far += _part(step, ceiling.what)
        if so_far >= share * ceiling.allowed:
            return step
    return steps[-1]


def _part(step: Step, what: str) -> int:
    if what == "cost":
        return step.cost_nanos or 0
    if what == "tokens":
        return _tokens(step.usage) if step.usage is not None else 0
    return 1
