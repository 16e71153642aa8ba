"""The story of a run in one paragraph, written by rules: each clause states a fact and links to its step."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ingest.model import Decision, Run, Step
from webui.format import clip, plural, stop_words, tone

from .folds import Fold
from .steps import Placed, first_failure, is_cause

_MOST_CLAUSES = 8


@dataclass(frozen=True, slots=True)
class Clause:
    """One fact of the story: text, the names in it, and the step that proves it."""

    before: str
    name: str
    after: str
    key: str
    mark: str
    """The number of the step, as a footnote."""
    bad: bool
    run: Run | None = None
    """The run of that step, where it is another than the one told about."""


def tell_story(
    run: Run, placed: Sequence[Placed], folds: Sequence[Fold], inner_failure: tuple[Run, Placed] | None = None
) -> tuple[Clause, ...]:
    """Return the clauses in the order things happened, the outcome last; ``inner_failure`` happened in a sub-agent."""
    found = sorted(_facts(placed, folds), key=lambda pair: pair[0])
    opening = [_opening(placed)] if any(item.step.kind != "agent" for item in placed) else []
    middle = [clause for _, clause in found]
    if inner_failure is not None:
        middle.append(_failure_inside(*inner_failure))
    kept = _most_telling(middle)
    return (*opening, *kept, _ending(run, placed))


def _most_telling(clauses: list[Clause]) -> list[Clause]:
    """Keep what fits, failures before other facts, in the order they happened."""
    if len(clauses) <= _MOST_CLAUSES:
        return clauses
    ranked = sorted(range(len(clauses)), key=lambda n: (not clauses[n].bad, n))[:_MOST_CLAUSES]
    return [clauses[n] for n in sorted(ranked)]


def _opening(placed: Sequence[Placed]) -> Clause:
    plan = next((item for item in placed if item.step.kind == "plan"), None)
    if plan is not None:
        text = clip(plan.step.output or plan.step.thought or plan.step.name, 120)
        return Clause(f"Planned: {text}", "", "", plan.key, str(plan.step.index), bad=False)
    tools = Counter(item.step.tool.name for item in placed if item.step.kind == "tool" and item.step.tool)
    calls = sum(1 for item in placed if item.step.kind == "llm")
    if not tools:
        return Clause(f"Asked a model {_times(calls)}" if calls else plural(len(placed), "step"), "", "", "", "", bad=False)
    named = ", ".join(f"{clip(name, 40)}{f' × {number:,}' if number > 1 else ''}" for name, number in tools.most_common(4))
    more = f" and {plural(len(tools) - 4, 'other tool')}" if len(tools) > 4 else ""
    before = f"{plural(calls, 'model call')}; called " if calls else "Called "
    return Clause(before, named, more, "", "", bad=False)


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number:,} times")


def _facts(placed: Sequence[Placed], folds: Sequence[Fold]) -> Iterator[tuple[int, Clause]]:
    failed = first_failure(placed)
    if failed is not None:
        yield failed.step.index, _failure(failed)
    for fold in folds:
        yield _repeat(placed, fold)
    telling = [item for item in placed if _tells(item.step)]
    often = Counter(key for item in telling if (key := _same_as(item)))
    for item in telling:
        clause = _clause_of(item, often)
        if clause is not None:
            yield item.step.index, clause


def _failure(item: Placed) -> Clause:
    step = item.step
    name = step.tool.name if step.tool else step.model or step.name
    reason = clip(step.error, 100)
    return Clause("First failure: ", clip(name, 60), f" ({reason})" if reason else "", item.key, str(step.index), bad=True)


def _failure_inside(run: Run, item: Placed) -> Clause:
    told = _failure(item)
    return Clause(f"First failure, in {clip(run.agent, 40)}: ", told.name, told.after, told.key, told.mark, bad=True, run=run)


def _repeat(placed: Sequence[Placed], fold: Fold) -> tuple[int, Clause]:
    inside = placed[fold.start : fold.stop]
    first, last = inside[0].step.index, inside[-1].step.index
    shown = next((item for item in inside if item.step.tool), inside[0])
    name = shown.step.tool.name if shown.step.tool else shown.step.name
    after = f" {_times(fold.rounds)} more with nothing new"
    return first, Clause("Repeated ", clip(name, 60), after, inside[0].key, f"{first}–{last}", bad=is_cause(shown.step))


def _tells(step: Step) -> bool:
    """Tell whether a step may be worth a clause: most of a long run's are not."""
    return step.kind in _TELLING or (step.decision is not None and step.decision.source == "declared")


_WORDS = {"fallback": "Fell back: ", "breaker": "Breaker: ", "handoff": "Handed off to "}
_TELLING = frozenset((*_WORDS, "agent", "guardrail"))


def _same_as(item: Placed) -> tuple[str, ...]:
    """Return what a step has in common with others that are told in one clause; nothing for a step told by itself."""
    step = item.step
    if step.kind == "agent":
        return ("agent", step.name)
    if step.decision is not None and step.decision.source == "declared":
        return ("decision", step.decision.chosen, _other(step.decision) or "")
    return ()


def _clause_of(item: Placed, often: Counter[tuple[str, ...]]) -> Clause | None:
    """Return the clause of a step worth one; what happened again and again is told at its first time, with how ``often``."""
    step, same = item.step, _same_as(item)
    number = often.pop(same, 0)
    if same and not number:
        return None
    times = f" × {number:,}" if number > 1 else ""
    if step.kind == "agent":
        return Clause("Called sub-agent ", clip(step.name, 80), times, item.key, str(step.index), bad=False)
    if same:
        return _choice(item, times)
    if step.kind in _WORDS:
        return Clause(_WORDS[step.kind], clip(step.name, 80), "", item.key, str(step.index), bad=False)
    if step.kind == "guardrail" and is_cause(step):
        return Clause("Stopped by guardrail ", clip(step.name, 80), "", item.key, str(step.index), bad=True)
    return None


def _choice(item: Placed, times: str) -> Clause:
    step, decision = item.step, item.step.decision
    assert decision is not None
    over = _other(decision)
    after = f" over {clip(over, 50)}" if over else ""
    return Clause("Chose ", clip(decision.chosen, 60), after + times, item.key, str(step.index), bad=False)


def _other(decision: Decision) -> str | None:
    """Return the first option that was not chosen."""
    return next((option.name for option in decision.alternatives if option.name != decision.chosen), None)


def _ending(run: Run, placed: Sequence[Placed]) -> Clause:
    stop = run.termination
    last = _step_of(run, placed)
    key, mark = (last.key, str(last.step.index)) if last is not None else ("", "")
    if stop.reason == "running":
        return Clause("Still running", "", "", key, mark, bad=False)
    detail = f": {clip(stop.detail, 120)}" if stop.detail else ""
    if stop.reason == "completed":
        answered = " with an answer" if run.output else ", without an answer on record"
        return Clause(f"Completed{answered}", "", "", key, mark, bad=False)
    return Clause(stop_words(stop.reason), "", detail, key, mark, bad=tone(stop.reason) == "bad")


def _step_of(run: Run, placed: Sequence[Placed]) -> Placed | None:
    """Return the step that ended the run."""
    ended = run.termination.span_id
    found = next((item for item in reversed(placed) if item.step.span_id == ended), None) if ended else None
    return found or (placed[-1] if placed else None)
