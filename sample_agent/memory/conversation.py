"""Memory in the context window: the last turns as they were, and all before them as a summary."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tracer import step

from ..observe import Observe, Remembered, ignore

Summarise = Callable[[str], str]
"""Condenses a conversation written out as text; must not raise (``summarise_plainly`` is what to fall back on)."""

KEPT_TURNS = 4
"""So many of the last turns are never condensed: what was just said must be there word for word."""

_CHARS_PER_TOKEN = 4
_PLAIN_LINE_CHARS, _PLAIN_LINES = 160, 12


@dataclass(frozen=True, slots=True)
class Turn:
    """What a person or the assistant said."""

    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation as a model is shown it. ``summary`` is empty as long as nothing had to be condensed."""

    summary: str = ""
    turns: tuple[Turn, ...] = ()


def estimate_tokens(conversation: Conversation) -> int:
    """Return about how many tokens a conversation takes."""
    chars = len(conversation.summary) + sum(len(turn.text) for turn in conversation.turns)
    return -(-chars // _CHARS_PER_TOKEN)


def condense(conversation: Conversation, most_tokens: int, summarise: Summarise, observe: Observe = ignore) -> Conversation:
    """Return the conversation with its older turns in the summary, where it is larger than ``most_tokens``; else as it is."""
    older = conversation.turns[:-KEPT_TURNS]
    if not older or estimate_tokens(conversation) <= most_tokens:
        return conversation
    summary = summarise_recorded("condense conversation", write_out(Conversation(conversation.summary, older)), summarise, observe)
    return Conversation(summary, conversation.turns[-KEPT_TURNS:])


def summarise_recorded(name: str, text: str, summarise: Summarise, observe: Observe = ignore) -> str:
    """Summarise as a step of its own, in which the model's call stands."""
    with step(name, kind="memory") as condensing:
        summary = summarise(text)
        condensing.output(summary)
        observe(Remembered(name, summary))
    return summary


def write_out(conversation: Conversation) -> str:
    """Return a conversation as text, for a summary."""
    before = [f"Summary so far: {conversation.summary}"] if conversation.summary else []
    return "\n".join([*before, *(f"{turn.role}: {turn.text}" for turn in conversation.turns)])


def summarise_plainly(text: str) -> str:
    """Summarise without a model: the beginning of each of the last lines. For when no model answers."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return "\n".join(line[:_PLAIN_LINE_CHARS] for line in lines[-_PLAIN_LINES:])
