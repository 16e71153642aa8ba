"""What sets two aligned steps apart, and which of it matters by itself.

Some differences are the divergence: another choice, another argument, a failure, another model. Others are only possible
causes of one: what a tool answered, what a model was asked. They matter where what follows shows them.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ingest.model import Decision, Step

from .sequence import Side
from .values import Matching, Mismatch, names_in

What = Literal[
    "extra", "missing", "outcome", "choice", "arguments", "result", "model", "prompt", "options", "answer", "ending"
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not the same in two steps."""

    what: What
    a: str
    b: str
    path: str = ""
    """Where inside arguments or a result."""
    material: bool = False
    """True where it is a divergence by itself."""
    emptied: bool = False
    """True where one run got nothing and the other something."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A step of both runs, or a step that only one of them took."""

    a: Side | None
    b: Side | None
    differences: tuple[Difference, ...] = ()

    @property
    def is_shared(self) -> bool:
        """True where both runs took the step."""
        return self.a is not None and self.b is not None

    def is_of(self, kind: str) -> bool:
        """Tell whether the step is of a kind, whoever took it."""
        side = self.a or self.b
        return side is not None and side.step.kind == kind

    @property
    def is_material(self) -> bool:
        """True where the runs part here, if they have not before."""
        return any(one.material for one in self.differences)


_CUT_SHORT = {
    "length": "cut short", "max_tokens": "cut short", "MAX_TOKENS": "cut short", "content_filter": "refused", "refusal": "refused",
    "SAFETY": "refused", "safety": "refused",
}  # fmt: skip


def differences_of(a: Side, b: Side, matching: Matching) -> tuple[Difference, ...]:
    """Return the differences of two steps that are the same step of two runs, those that matter by themselves first."""
    found = [one for find in _FINDERS for one in find(a.step, b.step, matching)]
    if a.surfaces or b.surfaces:
        # What failed stands further down, and is told there.
        found = [replace(one, material=False) if one.what == "outcome" else one for one in found]
    return tuple(sorted(found, key=lambda one: not one.material))


def _prompts(a: Step, b: Step, matching: Matching) -> Iterator[Difference]:
    """Compare what models were asked; also binds the ids in it before anything else of the step is read."""
    if a.kind != "llm" or a.input is None or b.input is None:
        return
    for one in matching.differences(matching.timeless(without_data(a.input)), matching.timeless(without_data(b.input)), "given"):
        yield Difference("prompt", *around(one.a, one.b), path=one.path)


def without_data(text: str, limit: int = 16_000) -> str:
    """Return a prompt without the JSON in it: what tools answered is compared where they did."""
    kept: list[str] = []
    depth, start = 0, 0
    for n, letter in enumerate(text[:limit]):
        if letter in "{[":
            if not depth:
                kept.append(text[start:n])
            depth += 1
        elif letter in "}]" and depth:
            depth -= 1
            start = n + 1
    return " … ".join((*kept, text[start:limit])) if not depth else text[:limit]


def _outcomes(a: Step, b: Step, matching: Matching) -> Iterator[Difference]:
    bad_a, bad_b = a.status == "error", b.status == "error"
    if bad_a != bad_b:
        yield Difference("outcome", _outcome(a), _outcome(b), material=True)
    elif a.is_open != b.is_open:
        yield Difference("outcome", _openness(a), _openness(b), material=True)
    if _was_run(a) != _was_run(b):
        yield Difference("outcome", _running(a), _running(b), material=True)
    ended_a, ended_b = (_CUT_SHORT.get(step.finish_reason or "", "") for step in (a, b))
    if ended_a != ended_b:
        yield Difference("outcome", ended_a or "answered", ended_b or "answered", material=True)


def _outcome(step: Step) -> str:
    return f"failed: {step.error}" if step.status == "error" and step.error else "failed" if step.status == "error" else "succeeded"


def _openness(step: Step) -> str:
    return "never ended" if step.is_open else "ended"


def _was_run(step: Step) -> bool:
    """Tell whether there is a trace of a tool's having run; a model may have asked in vain."""
    tool = step.tool
    return tool is None or tool.source == "span" or tool.result is not None or tool.error is not None


def _running(step: Step) -> str:
    return "carried out" if _was_run(step) else "asked for, nothing came back"


def _models(a: Step, b: Step, matching: Matching) -> Iterator[Difference]:
    if a.model != b.model and a.model and b.model:
        yield Difference("model", a.model, b.model, material=True)


def _choices(a: Step, b: Step, matching: Matching) -> Iterator[Difference]:
    if a.decision is None or b.decision is None:
        if a.kind == "llm" and _chosen(a) != _chosen(b) and _chosen(a) and _chosen(b):
            yield Difference("choice", _chosen(a), _chosen(b), material=True)
        return
    offered_a, offered_b = _offered(a.decision), _offered(b.decision)
    if offered_a != offered_b and a.decision.source == "derived":
        yield Difference("options", ", ".join(sorted(offered_a - offered_b)) or "–", ", ".join(sorted(offered_b - offered_a)) or "–")
    if chosen_of(a.decision) != chosen_of(b.decision) and matching.differences(a.decision.chosen, b.decision.chosen, "made"):
        yield Difference("choice", a.decision.chosen, b.decision.chosen, material=True)


def _chosen(step: Step) -> str:
    """Return what a model call chose to do, nothing where it failed or said nothing."""
    if step.decision is not None:
        return step.decision.chosen
    return "to answer" if step.output and step.status != "error" else ""


def _offered(decision: Decision) -> set[str]:
    return {option.name for option in decision.alternatives}


def chosen_of(decision: Decision) -> tuple[str, ...]:
    """Return what was chosen, several tools asked for at once in the order of their names."""
    offered = _offered(decision)
    several = decision.chosen.split(", ")
    return tuple(sorted(several)) if len(several) > 1 and all(name in offered for name in several) else (decision.chosen,)


def _arguments(a: Step, b: Step, matching: Matching) -> Iterator[Difference]:
    if a.tool is None or b.tool is None or a.tool.arguments is None or b.tool.arguments is None:
        return
    for one in matching.differences(a.tool.arguments, b.tool.arguments, "made"):
        yield Difference("arguments", *around(one.a, one.b), path=one.path, material=True)


def _results(a: Step, b: Step, matching: Matching) -> Iterator[Difference]:
    """Compare what the world answered. Nothing instead of something matters by itself, other values where they are used."""
    if a.status == "error" or b.status == "error" or a.kind in ("llm", "agent", "decision", "plan"):
        return
    ours, theirs = (step.tool.result if step.tool is not None else step.output for step in (a, b))
    if ours is None or theirs is None:
        return
    for one in matching.differences(ours, theirs, "given"):
        material = one.emptied or _is_verdict(a, one) or _is_about_another(a, b, one)
        yield Difference("result", *around(one.a, one.b), path=one.path, material=material, emptied=one.emptied)


def _is_about_another(a: Step, b: Step, mismatch: Mismatch) -> bool:
    """Tell whether one tool answered about what it was asked for, and the other about something else: ids at the top of a result."""
    if not re.fullmatch(r"\w*id", mismatch.path, re.IGNORECASE):
        return False
    return (mismatch.a in _asked_for(a)) != (mismatch.b in _asked_for(b))


def _asked_for(step: Step) -> list[str]:
    arguments = step.tool.arguments if step.tool is not None else None
    return [str(value) for value in arguments.values()] if isinstance(arguments, dict) else []


def _is_verdict(step: Step, mismatch: Mismatch) -> bool:
    """Tell whether a difference is that of one word in what a guard or breaker says: allow, block, open."""
    return step.kind in ("guardrail", "breaker", "cache") and len(mismatch.a.split()) <= 2 and len(mismatch.b.split()) <= 2


_FINDERS: Sequence[Callable[[Step, Step, Matching], Iterator[Difference]]] = (
    _prompts, _models, _choices, _arguments, _outcomes, _results,
)  # fmt: skip
"""In the order in which a step reads: what it was given, what it did with it, what came of it."""


def around(a: str, b: str, limit: int = 300) -> tuple[str, str]:
    """Cut two texts to what is around their first difference."""
    if max(len(a), len(b)) <= limit:
        return a, b
    at = next((n for n, (one, other) in enumerate(zip(a, b, strict=False)) if one != other), min(len(a), len(b)))
    start = max(at - limit // 3, 0)
    lead = "…" if start else ""
    return lead + a[start : start + limit], lead + b[start : start + limit]


def own_values(difference: Difference) -> tuple[set[str], set[str]]:
    """Return what each side of a difference says that the other does not."""
    a, b = ({name for name in names_in(text) if len(name) > 1} for text in (difference.a, difference.b))
    return a - b, b - a
