"""Why a step was chosen: the options with their descriptions as the model saw them, and what the agent usually does there."""

from collections.abc import Sequence
from dataclasses import dataclass

from ingest.model import Decision
from ingest.store.lore import Choice, Habit
from webui.format import clip, percent, plural, short_id

from .conversation import conversation_of
from .focus import Focus
from .links import filter_text, runs_href, trace_href
from .lore import Lore
from .steps import Placed, taken_of

_LOOKED_BACK = 40
_MOST_OPTIONS = 100
_DESCRIPTION = 600
_MOST_HABITS = 6


@dataclass(frozen=True, slots=True)
class OptionView:
    """An option as the panel shows it."""

    name: str
    description: str
    because: str
    score: str
    taken: bool


@dataclass(frozen=True, slots=True)
class HabitRow:
    """How often an option was taken in like states."""

    name: str
    times: str
    share: str
    width: str
    href: str
    example: str
    example_href: str
    mine: bool


@dataclass(frozen=True, slots=True)
class Why:
    """The branch point behind a step."""

    index: str
    key: str
    is_own: bool
    """True where the step itself is the branch point."""
    source: str
    question: str
    because: str
    options: tuple[OptionView, ...]
    more: int
    described: bool
    habit_words: str
    habits: tuple[HabitRow, ...]


def explain_choice(focus: Focus, lore: Lore) -> Why | None:
    """Return the branch point that led to a step; None where none is on record."""
    at = deciding_place(focus.placed, focus.at)
    if at is None:
        return None
    item = focus.placed[at]
    made = item.step.decision
    assert made is not None
    described = _descriptions(focus.placed, at, lore)
    before = next((one.step.decision for one in reversed(focus.placed[:at]) if one.step.decision is not None), None)
    habit = lore.habit(focus.run, made, before.chosen if before else None)
    options = _options(made, described)
    return Why(
        index=str(item.step.index),
        key=item.key,
        is_own=at == focus.at,
        source=made.source,
        question=clip(made.question, 300),
        because=clip(made.because, 600),
        options=options[:_MOST_OPTIONS],
        more=max(len(options) - _MOST_OPTIONS, 0),
        described=any(option.description for option in options),
        habit_words=_habit_words(habit),
        habits=_habits(focus.run.agent, made, habit) if habit is not None else (),
    )


def deciding_place(placed: Sequence[Placed], at: int) -> int | None:
    """Return the place of the branch point that led to a step: the step itself, or the last one before it that chose it."""
    step = placed[at].step
    if step.decision is not None:
        return at
    name = step.tool.name if step.tool is not None else step.name if step.kind in ("agent", "handoff") else None
    if name is None:
        return None
    for n in range(at - 1, max(at - _LOOKED_BACK, -1), -1):
        made = placed[n].step.decision
        if made is not None and name in taken_of(made):
            return n
    return None


def _descriptions(placed: Sequence[Placed], at: int, lore: Lore) -> dict[str, str]:
    """Return how options were described to the model, from the call that decided or the last one before it."""
    for item in reversed(placed[max(at - 12, 0) : at + 1]):
        if item.step.kind == "llm":
            return {tool.name: tool.description or "" for tool in conversation_of(item, lore).tools}
    return {}


def _options(made: Decision, described: dict[str, str]) -> tuple[OptionView, ...]:
    taken = taken_of(made)
    options = [
        OptionView(
            clip(option.name, 120),
            clip(described.get(option.name), _DESCRIPTION),
            clip(option.because, 400),
            "" if option.score is None else f"{option.score:g}",
            option.name in taken,
        )
        for option in made.alternatives
    ]
    return tuple(sorted(options, key=lambda option: (not option.taken, not option.because)))


def _habit_words(habit: Habit | None) -> str:
    if habit is None or habit.states < 2:
        return ""
    after = f" after {clip(habit.after, 60)}" if habit.after else ""
    return f"{plural(habit.states, 'like state')} in its latest runs{after}"


def _habits(agent: str, made: Decision, habit: Habit) -> tuple[HabitRow, ...]:
    if habit.states < 2:
        return ()
    return tuple(_habit_row(agent, made, habit, choice) for choice in habit.choices[:_MOST_HABITS])


def _habit_row(agent: str, made: Decision, habit: Habit, choice: Choice) -> HabitRow:
    share = percent(choice.times, habit.states)
    chose = f"{filter_text('agent', agent)} and decision chose {filter_text('', choice.chosen).removeprefix(' = ')}"
    return HabitRow(
        name=clip(choice.chosen, 60),
        times=f"{choice.times:,}",
        share=f"{share:.0f} %",
        width=f"{max(share, 1):.1f}%",
        href=runs_href(filter=chose),
        example=short_id(choice.trace_id),
        example_href=trace_href(choice.trace_id, step=choice.span_id.hex()),
        mine=choice.chosen == made.chosen,
    )
