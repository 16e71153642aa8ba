"""Where a run's money went: by model, by sub-agent, and what of it brought nothing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ingest.chain.steps import in_order
from ingest.model import Run, Step
from webui.format import clip, cost, count, percent, plural

from .focus import Chain
from .links import trace_href
from .steps import is_cause


@dataclass(frozen=True, slots=True)
class SpentRow:
    """One share of the bill."""

    name: str
    href: str
    calls: str
    tokens: str
    cost: str
    x: str
    width: str
    look: str


@dataclass(frozen=True, slots=True)
class SpentView:
    """The bill of a run, split."""

    models: tuple[SpentRow, ...]
    agents: tuple[SpentRow, ...]
    wasted: tuple[str, ...]
    """What part of it brought nothing, in sentences."""


def split_cost(chain: Chain) -> SpentView | None:
    """Return how a run's cost divides, the runs inside it included; None for a run without a model call."""
    runs = _runs_inside(chain.run, chain.trace.runs)
    calls = [(run, step) for run in runs for step in in_order(run.steps) if step.usage is not None]
    if not calls:
        return None
    models: dict[str, list[Step]] = {}
    agents: dict[bytes, list[Step]] = {}
    for run, step in calls:
        models.setdefault(step.model or "unnamed model", []).append(step)
        agents.setdefault(run.run_id, []).append(step)
    named = {run.run_id: run for run in runs}
    by_agent = [(named[run_id].agent, trace_href(chain.trace.trace_id, run=run_id.hex()), steps) for run_id, steps in agents.items()]
    return SpentView(
        tuple(_rows([(model, "", steps) for model, steps in models.items()])),
        tuple(_rows(by_agent)) if len(by_agent) > 1 else (),
        tuple(_wasted(chain, [step for _, step in calls])),
    )


def _runs_inside(run: Run, runs: Sequence[Run]) -> list[Run]:
    inside, ids = [run], {run.run_id}
    for other in runs:
        if other is not run and other.parent_run_id in ids:
            ids.add(other.run_id)
            inside.append(other)
    return inside


_LOOKS = ("c1", "c2", "c3", "c4", "c5", "c6")


def _rows(groups: list[tuple[str, str, list[Step]]]) -> Iterable[SpentRow]:
    groups = sorted(groups, key=lambda group: -_cost(group[2]))[:20]
    total = sum(_cost(steps) for _, _, steps in groups)
    x = 0.0
    for n, (name, href, steps) in enumerate(groups):
        share = percent(_cost(steps), total)
        priced = [step for step in steps if step.cost_nanos is not None]
        tokens = sum((step.usage.input_tokens or 0) + (step.usage.output_tokens or 0) for step in steps if step.usage)
        yield SpentRow(
            clip(name, 60), href, plural(len(steps), "call"), f"{count(tokens)} tokens" if tokens else "tokens unknown",
            cost(_cost(steps) if priced else None, len(steps) - len(priced)), f"{x:.2f}%", f"{share:.2f}%", _LOOKS[min(n, 5)],
        )  # fmt: skip
        x += share


def _cost(steps: Iterable[Step]) -> int:
    return sum(step.cost_nanos or 0 for step in steps)


def _wasted(chain: Chain, calls: Sequence[Step]) -> Iterable[str]:
    total = _cost(calls)
    failed = [step for step in calls if is_cause(step)]
    if failed:
        yield f"{plural(len(failed), 'failed model call')}: {_share(_cost(failed), total)}"
    repeated = loop_cost(chain)
    if repeated:
        yield f"Repeats that brought nothing new: {_share(repeated, total)}"
    cut = [step for step in calls if step.finish_reason in ("length", "max_tokens", "MAX_TOKENS")]
    if cut:
        yield f"{plural(len(cut), 'reply' if len(cut) == 1 else 'replie')} cut at the output limit: {_share(_cost(cut), total)}"


def loop_cost(chain: Chain) -> int:
    """Return what the folded repeats of a run cost."""
    return sum(_cost(item.step for item in chain.placed[fold.start : fold.stop]) for fold in chain.folds)


def _share(nanos: int, total: int) -> str:
    return f"{cost(nanos, 0)}, {percent(nanos, total):.0f} % of the cost" if total and nanos else "cost unknown"
