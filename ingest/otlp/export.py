"""What passes between the receivers and what takes in their requests."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

Signal = Literal["traces", "logs"]


@dataclass(frozen=True, slots=True)
class Export:
    """A request as it came, its body still encoded."""

    signal: Signal
    project_id: int
    body: bytes
    gzipped: bool = False
    is_json: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a request: how much of it can never be stored, and what its sender should know."""

    rejected: int = 0
    message: str = ""


Take = Callable[[Export], Awaitable[Outcome]]
"""Takes a request in; returns when it is durable. Raises ``Undecodable``, ``TooLarge``, ``StoreBusy``, ``Overloaded``."""

Authenticate = Callable[[str], Awaitable[int | None]]
"""Returns the project that a key (empty for none) may send to, None where it may not. Raises ``StoreBusy``."""
