"""What one step of the chain looks like as a row: a mark, a line, three numbers, and the road signs of a decision."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ingest.model import Decision, Run, Step, Usage
from webui.api_json import dump
from webui.format import clip, cost, duration

_LINE = 220
"""Characters of a row's text: more than fits on a wide screen; the panel has the whole."""
_ROADS = 3
"""Roads not taken that a fork draws; the rest is a number."""

_LOOK = {
    "plan": ("think", "plan"), "thought": ("think", "think"), "decision": ("decision", "decision"), "llm": ("llm", "llm"),
    "tool": ("tool", "tool"), "retrieval": ("tool", "tool"), "memory": ("tool", "tool"), "guardrail": ("recover", "guard"),
    "retry": ("recover", "retry"), "fallback": ("recover", "switch"), "repair": ("recover", "repair"),
    "breaker": ("recover", "breaker"), "cache": ("recover", "cache"), "handoff": ("agent", "handoff"), "agent": ("agent", "agent"),
}  # fmt: skip
"""Step kind -> (colour class, mark)."""


class Placed(NamedTuple):
    """A step with its place on the page: its stable key and how deep it lies under what is shown."""

    step: Step
    key: str
    depth: int


@dataclass(frozen=True, slots=True)
class Road:
    """An option that was not taken."""

    name: str
    because: str


@dataclass(frozen=True, slots=True)
class Fork:
    """A branch point as drawn: the road taken goes down, the others end at the right."""

    question: str
    chosen: str
    because: str
    roads: tuple[Road, ...]
    more: int
    brief: bool
    """True for a derived decision without a word of reason: one line is enough."""
    again: bool = False
    """True where the same was offered at the last branch point: its roads are not drawn again, ``more`` counts them."""


@dataclass(frozen=True, slots=True)
class StepRow:
    """One row of the chain."""

    key: str
    index: str
    look: str
    mark: str
    bad: bool
    depth: int
    word: str
    """What Clew says of it before any name: ``Plan``, ``Retry`` ..."""
    name: str
    args: str
    result: str
    heard: str
    """What a model was told that no row above says: a user's next words, an observation."""
    say: str
    """The model's words."""
    note: str
    error: str
    time: str
    tokens: str
    cost: str
    fork: Fork | None
    open: bool


def place_steps(steps: Sequence[Step]) -> list[Placed]:
    """Lay the steps of a run out in reading order, without the wrappers that only hold others."""
    placed: list[Placed] = []
    seen: dict[bytes, int] = {}
    for step, depth in _shown(steps):
        number = seen[step.span_id] = seen.get(step.span_id, 0) + 1
        key = step.span_id.hex() if number == 1 else f"{step.span_id.hex()}.{number}"
        placed.append(Placed(step, key, depth if depth < 3 else 3))
    return placed


def _shown(steps: Sequence[Step]) -> Iterator[tuple[Step, int]]:
    stack = [(step, 0) for step in reversed(steps)]
    while stack:
        step, depth = stack.pop()
        if not step.children:
            yield step, depth
            continue
        wrapper = is_wrapper(step)
        if not wrapper:
            yield step, depth
        below = depth if wrapper else depth + 1
        inner = step.children if step.kind in _WHAT_IT_IS else ()
        told = [child for child in inner if not _is_silent(child)] if inner else step.children
        stack.extend((child, below) for child in reversed(told))


_WHAT_IT_IS = frozenset(("llm", "tool", "retrieval"))
"""Kinds of steps that say by themselves what the technical spans below them only repeat, such as the request over the network."""


def _is_silent(step: Step) -> bool:
    """Tell whether a step says nothing but its name and its time."""
    said = step.children or step.input or step.output or step.thought or step.usage or step.decision or step.tool or step.is_open
    return step.kind == "other" and step.status == "ok" and not said


def is_wrapper(step: Step) -> bool:
    """Tell whether a step only holds others: nothing of its own would be lost by showing what it holds."""
    if step.kind != "other" or step.is_declared or not step.children:
        return False
    return step.usage is None and step.decision is None and not is_cause(step)


def is_cause(step: Step) -> bool:
    """Tell whether a failure happened here: on what surrounds it, it merely shows again."""
    if step.status != "error" or not step.children:
        return step.status == "error"
    return not any(child.status == "error" for child in step.children)


def first_failure(placed: Iterable[Placed]) -> Placed | None:
    """Return the first step that failed by itself."""
    return next((item for item in placed if is_cause(item.step)), None)


def look_of(step: Step) -> str:
    """Return the colour class of a step."""
    return _LOOK.get(step.kind, ("other", "other"))[0]


def kind_mark(step: Step) -> str:
    """Return the mark of a step's kind, however it ended."""
    return _LOOK.get(step.kind, ("other", "other"))[1]


def mark_of(step: Step) -> str:
    """Return the mark of a step: what it is, or that it failed."""
    return "fail" if is_cause(step) and step.kind != "decision" else kind_mark(step)


def row_words(step: Step) -> tuple[str, str]:
    """Return a step's name and, in few words, what sets it apart from others of that name."""
    word = _word(step)
    name = clip(step.tool.name if step.tool else step.model or step.name if step.kind == "llm" else step.name, 60)
    shown = f"{word} {_without_word(name, word)}".strip() if word else name
    if step.kind == "decision" and step.decision is not None:
        return clip(step.decision.chosen, 60), clip(step.decision.question, 80)
    if step.kind == "fallback" and step.decision is not None:
        return f"Fallback {_fell_back(step.decision)}", clip(step.decision.because, 80)
    told = arguments_line(step.tool.arguments, 80) if step.tool else clip(step.thought or step.output, 80)
    return shown, told


@dataclass(frozen=True, slots=True)
class Told:
    """What the rows above have told already."""

    model: str | None = None
    offered: frozenset[str] = frozenset()
    words: tuple[str, ...] = ()
    """The beginnings of what the run was asked, of the last result and of the last answer."""

    def after(self, step: Step) -> "Told":
        """Return what is told once a step's row is."""
        made = step.decision
        offered = frozenset(option.name for option in made.alternatives) if made is not None else self.offered
        fresh = (step.tool.result if step.tool else None, step.output, step.error)
        return Told(step.model or self.model, offered, (*self.words[:1], *(_beginning(text) for text in fresh if text)))


def told_at_start(run: Run) -> Told:
    """Return what is told above the first row."""
    return Told(words=(_beginning(run.input),) if run.input else ())


_BEGINNING = 200


def _beginning(text: str) -> str:
    return text.strip()[:_BEGINNING]


def step_row(item: Placed, told: Told | None = None) -> StepRow:
    """Return the row of a step; a model's name and what it was offered are said where they change."""
    step = item.step
    told = told or Told()
    bad = is_cause(step)
    return StepRow(
        key=item.key,
        index=str(step.index),
        look=look_of(step),
        mark=mark_of(step),
        bad=bad,
        depth=item.depth,
        word=_word(step),
        name=_name(step, told.model),
        args=arguments_line(step.tool.arguments) if step.tool else "",
        result=_result(step),
        heard=_heard(step, told),
        say=_say(step),
        note=_note(step),
        error=clip(step.error, _LINE) if bad else "",
        time=_time(step),
        tokens=tokens_text(step.usage),
        cost=_cost(step),
        fork=fork_of(step.decision, told.offered) if step.decision is not None and step.kind != "fallback" else None,
        open=step.is_open,
    )


def _time(step: Step) -> str:
    length = duration(step.ended_ns - step.started_ns) if step.ended_ns > step.started_ns else ""
    return f"{length} +" if step.is_open and length else length


def _cost(step: Step) -> str:
    if step.cost_nanos is not None:
        return cost(step.cost_nanos, 0)
    return cost(None, 1) if step.usage is not None and tokens_text(step.usage) else ""


_WORDS = {
    "plan": "Plan", "retrieval": "Retrieved", "memory": "Memory", "guardrail": "Guardrail", "retry": "Retry",
    "fallback": "Fallback", "repair": "Repair", "breaker": "Breaker", "cache": "Cache", "handoff": "Hand-off",
}  # fmt: skip


def _word(step: Step) -> str:
    word = _WORDS.get(step.kind, "")
    return f"{word} {step.output.removeprefix(_ATTEMPT)}" if word and step.output and step.output.startswith(_ATTEMPT) else word


_ATTEMPT = "attempt "
"""How the facts of a retry or repair state its number."""


def _name(step: Step, previous_model: str | None) -> str:
    if step.kind in ("tool", "agent") or step.tool is not None:
        return clip(step.tool.name if step.tool else step.name, 80)
    if step.kind == "llm":
        model = step.model or step.name
        return clip(model, 80) if model != previous_model or not _say(step) else ""
    if step.kind == "fallback" and step.decision is not None:
        return _fell_back(step.decision)
    return "" if step.kind in ("plan", "thought", "decision") else _without_word(clip(step.name, 80), _word(step))


def _fell_back(made: Decision) -> str:
    origin = next((option.name for option in made.alternatives if option.name != made.chosen), "")
    return f"{clip(origin, 60)} → {clip(made.chosen, 60)}" if origin else f"to {clip(made.chosen, 60)}"


def _without_word(name: str, word: str) -> str:
    """Drop the kind's own word from the start of a name, which the row says already."""
    plain = word.lower()
    return name[len(plain) :].lstrip(" :_-") if plain and name.lower().startswith(plain) else name


def _say(step: Step) -> str:
    if step.kind in ("llm", "thought", "plan", "decision"):
        return clip(step.thought or step.output, _LINE)
    return clip(step.decision.because, _LINE) if step.kind == "fallback" and step.decision is not None else ""


def _heard(step: Step, told: Told) -> str:
    if step.kind != "llm" or not step.input or not told.words:
        return ""
    start = step.input.strip()[: 10 * _BEGINNING]
    is_known = any(start.startswith(words) or (len(words) >= _TELLING and words in start) for words in told.words)
    return "" if is_known or any(words.startswith(start) for words in told.words) else clip(step.input, _LINE)


_TELLING = 12
"""Characters of a text that is not met by chance within another."""


def _result(step: Step) -> str:
    if is_cause(step) or (step.output or "").startswith(_ATTEMPT):
        return ""
    if step.tool is not None:
        return clip(step.tool.result, _LINE)
    return clip(step.output, _LINE) if step.kind not in ("llm", "thought", "plan", "decision", "agent") else ""


def _note(step: Step) -> str:
    if step.is_open:
        return "under way"
    if step.tool is not None and step.tool.source == "derived":
        return "from the messages"
    if step.finish_reason in ("length", "max_tokens", "MAX_TOKENS", "content_filter", "refusal"):
        return f"ended by {step.finish_reason}"
    return ""


def tokens_text(usage: Usage | None) -> str:
    """Return the tokens of a call as one number, empty where none is known."""
    if usage is None or (usage.input_tokens is None and usage.output_tokens is None):
        return ""
    return f"{(usage.input_tokens or 0) + (usage.output_tokens or 0):,}"


def arguments_line(arguments: Any, limit: int = 160) -> str:
    """Write a call's arguments on one line, ``name=value`` where they are named."""
    if arguments is None:
        return ""
    if isinstance(arguments, dict):
        named = (f"{str(key)[:40]}={_scalar(value)}" for key, value in list(arguments.items())[:12])
        return clip(", ".join(named), limit)
    return clip(_scalar(arguments), limit)


def _scalar(value: Any) -> str:
    return compact_json(value)[:400] if not isinstance(value, str) else f'"{value[:300]}"'


def compact_json(value: Any) -> str:
    """Write a value as JSON on one line; what JSON cannot say, as text."""
    return dump(value).decode("utf-8", "replace")


def taken_of(made: Decision) -> set[str]:
    """Return what a decision took: several where it chose several at once."""
    return {made.chosen, *made.chosen.split(", ")}


def fork_of(decision: Decision, offered_before: frozenset[str] = frozenset()) -> Fork:
    """Return a branch point as drawn; without a reason for any, the options offered just before are not drawn again."""
    taken = taken_of(decision)
    left = [option for option in decision.alternatives if option.name not in taken]
    reason = decision.because or next((o.because for o in decision.alternatives if o.name == decision.chosen), None)
    brief = decision.source == "derived" and not (reason or decision.question or any(o.because for o in left))
    again = brief and offered_before == {option.name for option in decision.alternatives}
    shown = [] if again else sorted(left, key=lambda option: option.because is None)[:_ROADS]
    return Fork(
        question=clip(decision.question, _LINE),
        chosen=clip(decision.chosen, 120),
        because=clip(reason, 400),
        roads=tuple(Road(clip(option.name, 80), clip(option.because, 160)) for option in shown),
        more=len(left) - len(shown),
        brief=brief,
        again=again and bool(left),
    )


def nested_runs(run: Run, runs: Sequence[Run]) -> dict[bytes, Run]:
    """Return the runs directly inside a run, by id."""
    return {other.run_id: other for other in runs if other.parent_run_id == run.run_id and other is not run}
