"""Sums over the steps of a run. Each call counts once: only billed steps carry usage, and each is in one run."""

from collections.abc import Iterable, Sequence

from msgspec.structs import astuple

from ingest.model import Step, Totals, Usage

from .steps import in_order


def own_totals(steps: Sequence[Step]) -> Totals:
    """Sum a run's own steps, without the runs nested in it."""
    totals = Totals()
    usages: list[Usage] = []
    for step in in_order(steps):
        totals.steps += 1
        if step.kind == "llm":
            totals.llm_calls += 1
        elif step.kind == "tool":
            totals.tool_calls += 1
        if step.decision is not None:
            totals.decisions += 1
        if step.status == "error" and step.run_id is None and not any(child.status == "error" for child in step.children):
            # A failure shows again on everything around it; the deepest is the cause and counts.
            totals.errors += 1
        if step.usage is not None:
            usages.append(step.usage)
            totals.unpriced_calls += is_unpriced(step)
        if step.cost_nanos is not None:
            totals.cost_nanos = (totals.cost_nanos or 0) + step.cost_nanos
    totals.usage = _sum_usages(usages)
    return totals


def is_unpriced(step: Step) -> bool:
    """Tell whether a call cost something nobody can say: a failed call without usage is taken as not billed."""
    return step.usage is not None and step.cost_nanos is None


def add_totals(parts: Sequence[Totals]) -> Totals:
    """Add up totals of different runs."""
    whole = Totals(_sum_usages([part.usage for part in parts]))
    for part in parts:
        if part.cost_nanos is not None:
            whole.cost_nanos = (whole.cost_nanos or 0) + part.cost_nanos
        for name in ("unpriced_calls", "llm_calls", "tool_calls", "errors", "decisions", "steps"):
            setattr(whole, name, getattr(whole, name) + getattr(part, name))
    return whole


def _sum_usages(usages: Iterable[Usage]) -> Usage:
    """Add counts by class, where None means that nobody stated one."""
    columns = zip(*map(astuple, usages), strict=True)
    return Usage(*(sum(known) if (known := [number for number in column if number is not None]) else None for column in columns))
