"""Sums over the steps of a run. Each call counts once: only billed steps carry usage, and each is in one run."""

from collections.abc import Iterable, Sequence

from ingest.model import Step, Totals, Usage

from .steps import in_order


def own_totals(steps: Sequence[Step]) -> Totals:
    """Sum a run's own steps, without the runs nested in it."""
    totals = Totals()
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
        if step.usage is not None or step.cost_nanos is not None:
            _add_call(totals, step)
    return totals


def is_unpriced(step: Step) -> bool:
    """Tell whether a call cost something nobody can say: a failed call without usage is taken as not billed."""
    return step.usage is not None and step.cost_nanos is None


def _add_call(totals: Totals, step: Step) -> None:
    if step.usage is not None:
        totals.usage = _add_usage(totals.usage, step.usage)
    if step.cost_nanos is not None:
        totals.cost_nanos = (totals.cost_nanos or 0) + step.cost_nanos
    totals.unpriced_calls += is_unpriced(step)


def add_totals(parts: Iterable[Totals]) -> Totals:
    """Add up totals of different runs."""
    whole = Totals()
    for part in parts:
        whole.usage = _add_usage(whole.usage, part.usage)
        if part.cost_nanos is not None:
            whole.cost_nanos = (whole.cost_nanos or 0) + part.cost_nanos
        for name in ("unpriced_calls", "llm_calls", "tool_calls", "errors", "decisions", "steps"):
            setattr(whole, name, getattr(whole, name) + getattr(part, name))
    return whole


def _add_usage(a: Usage, b: Usage) -> Usage:
    return Usage(
        _add(a.input_tokens, b.input_tokens),
        _add(a.output_tokens, b.output_tokens),
        _add(a.cache_read_tokens, b.cache_read_tokens),
        _add(a.cache_write_tokens, b.cache_write_tokens),
        _add(a.reasoning_tokens, b.reasoning_tokens),
    )


def _add(a: int | None, b: int | None) -> int | None:
    """Add counts where None means that nobody stated one."""
    if a is None:
        return b
    return a if b is None else a + b
