"""What layers, tools, memory and guards tell of themselves, independently of the tracer: one value for each thing that really happened."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class ToolCalled:
    """A tool was asked for and answered. ``error`` is None where it did what was asked; ``code`` names the error for programs."""

    name: str
    arguments: Mapping[str, Any]
    content: Mapping[str, Any]
    error: str | None
    code: str | None
    call_id: str | None = None


@dataclass(frozen=True, slots=True)
class Guarded:
    """A guard looked at something (``subject``) and let it pass, changed it, or refused it, and why."""

    name: str
    subject: str
    verdict: Literal["allowed", "changed", "refused"]
    because: str


@dataclass(frozen=True, slots=True)
class Recalled:
    """A store of knowledge or memory was searched; ``documents`` are the ids found, best first."""

    source: str
    query: str
    documents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Remembered:
    """Something was written to memory: a note, an episode, or a summary in place of older turns."""

    name: str
    text: str


FRONT_DESK = "front desk"
"""The people who take over what the agent cannot settle."""


@dataclass(frozen=True, slots=True)
class Escalated:
    """A person was asked to take over; ``id`` is the case's number in the queue."""

    id: str
    because: str


@dataclass(frozen=True, slots=True)
class Event:
    """What a layer of the model stack did: kind llm, retry, fallback, repair, breaker or cache, and the facts that its span carries."""

    kind: Literal["llm", "retry", "fallback", "repair", "breaker", "cache"]
    name: str
    facts: Mapping[str, Any]


Told = Event | ToolCalled | Guarded | Recalled | Remembered | Escalated
Observe = Callable[[Told], None]
"""Is told each event once, before its span ends, so that a simulated clock may move on within it; must not raise."""


def ignore(event: Told) -> None:
    """Observe nothing."""
