"""The steps of a trace in one sequence, sub-agents where they were called, so that two traces can be laid side by side."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import orjson

from ingest.model import Run, Step, Trace

MOST_STEPS = 20_000
"""So many steps of a trace are compared."""

_BY_NAME = frozenset(("retrieval", "memory", "guardrail", "cache", "fallback", "breaker"))


@dataclass(frozen=True)
class Side:
    """A step of one of two traces, and the run it belongs to."""

    step: Step
    run: Run
    place: int
    """Its place in the sequence, from 0."""
    within: str = ""
    """The kind of step it was done for: a plan, or nothing in particular."""
    surfaces: bool = False
    """True where a failure inside it merely shows again."""

    @cached_property
    def key(self) -> tuple[str, ...]:
        """What two steps share that can be the same step: what was done and with what, not how it went."""
        step = self.step
        if step.tool is not None:
            return ("tool", step.tool.name)
        if step.kind in ("agent", "handoff"):
            return (step.kind, step.name)
        if step.kind in _BY_NAME:
            return (step.kind, "".join(letter for letter in step.name.casefold() if not letter.isdigit()))
        return (step.kind, self.run.agent, self.within)

    @property
    def name(self) -> str:
        """What a reader calls it."""
        step = self.step
        return step.tool.name if step.tool is not None else step.model or step.name if step.kind == "llm" else step.name


def sequence_of(trace: Trace) -> list[Side]:
    """Return a trace's steps in order. Wrappers, thoughts and technical spans are left out: they say nothing of the path taken."""
    runs = {run.run_id: run for run in trace.runs}
    taken: set[bytes] = set()
    sides: list[Side] = []
    for run in trace.runs:
        if run.parent_run_id is None or run.parent_run_id not in runs:
            for at in _steps(run, runs, taken):
                if len(sides) >= MOST_STEPS:
                    return sides
                if _is_told(at.step):
                    sides.append(Side(at.step, at.run, len(sides), at.within, _surfaces(at.step, runs)))
    return sides


class _At(NamedTuple):
    step: Step
    run: Run
    within: str


def _steps(run: Run, runs: dict[bytes, Run], taken: set[bytes]) -> Iterator[_At]:
    if run.run_id in taken:
        return
    taken.add(run.run_id)
    stack = [_At(step, run, "") for step in reversed(_settled(run.steps))]
    while stack:
        at = stack.pop()
        yield at
        step = at.step
        nested = runs.get(step.run_id) if step.run_id is not None else None
        if nested is not None and nested.run_id not in taken:
            taken.add(nested.run_id)
            stack.extend(_At(below, nested, "") for below in reversed(_settled(nested.steps)))
        within = step.kind if step.kind == "plan" else at.within
        stack.extend(_At(child, at.run, within) for child in reversed(_settled(step.children)))


def _surfaces(step: Step, runs: dict[bytes, Run]) -> bool:
    if any(child.status == "error" for child in step.children):
        return True
    nested = runs.get(step.run_id) if step.run_id is not None else None
    return nested is not None and nested.totals.errors > 0


def _is_told(step: Step) -> bool:
    if step.kind == "thought":
        return False
    if step.kind != "other" or step.usage is not None or step.decision is not None or step.tool is not None:
        return True
    return step.status == "error" and not step.children


def _settled(steps: Sequence[Step]) -> list[Step]:
    """Put tools that ran at the same time into an order that does not depend on which won the race."""
    ordered: list[Step] = []
    together: list[Step] = []
    until = 0
    for step in steps:
        if step.tool is not None and together and step.started_ns < until:
            together.append(step)
        else:
            ordered.extend(sorted(together, key=_rank) if len(together) > 1 else together)
            together, until = [step], 0
            if step.tool is None:
                ordered.extend(together)
                together = []
                continue
        # Tools read out of the messages of a call have no length: those of one call count as asked for at once.
        until = max(until, step.ended_ns, step.started_ns + 1)
    ordered.extend(sorted(together, key=_rank) if len(together) > 1 else together)
    return ordered


def _rank(step: Step) -> tuple[str, bytes]:
    assert step.tool is not None
    try:
        return step.tool.name, orjson.dumps(step.tool.arguments, default=str, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return step.tool.name, b""
