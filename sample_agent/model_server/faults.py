"""The fault plan: what goes wrong, for which calls, from which one on and how often.

A plan is a JSON list of faults; each counts the calls that match it by itself. Faults of transport come instead of an answer;
faults of behaviour change the answer that the policy gave. Example: the second planner call is rate limited for two seconds, and
until noon everything at Anthropic is overloaded::

    [{"kind": "rate_limit", "role": "planner", "first": 2, "retry_after_s": 2},
     {"kind": "overloaded", "provider": "anthropic", "times": null, "until": "2026-03-02T12:00:00+00:00"}]
"""

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, TypeAdapter

Transport = Literal["latency", "rate_limit", "error", "overloaded", "hang", "reset", "truncated_body", "invalid_request"]
Behaviour = Literal["truncated_json", "wrong_schema", "empty", "hallucinate", "loop", "obey_injection", "leak_canary"]

TRANSPORT: frozenset[str] = frozenset(Transport.__args__)  # type: ignore[attr-defined]  # what a Literal holds
STATUSES = {"rate_limit": 429, "error": 500, "overloaded": 529, "invalid_request": 400}


class Fault(BaseModel):
    """One thing that goes wrong. All conditions given must hold; of the calls that fit them, ``times`` are hit from the ``first`` on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Transport | Behaviour
    provider: Literal["anthropic", "openai"] | None = None
    role: str | None = None
    model: str | None = None
    """Part of the model's name."""
    contains: str | None = None
    """Part of what the model is told, its instructions and tool results included; upper and lower case are the same."""
    calls: str | None = None
    """The tool that the model would call now."""
    first: int = 1
    times: int | None = 1
    """None: for ever."""
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    seconds: float = 0.0
    """latency, hang: how long."""
    status: int | None = None
    """error: another status than 500."""
    retry_after_s: float | None = None
    arguments: dict[str, Any] = {}
    """hallucinate: arguments put in place of those that the policy chose."""
    vary: bool = False
    """loop: ask for another page each time instead of exactly the same."""


@dataclass(frozen=True)
class Seen:
    """What a fault is matched with."""

    provider: str
    role: str
    model: str
    text: str
    calls: tuple[str, ...]
    at: datetime


class FaultPlan:
    """Faults with their counts; may be replaced while the server runs."""

    def __init__(self, faults: Sequence[Fault] = ()) -> None:
        self._lock = threading.Lock()
        self.replace(faults)

    def replace(self, faults: Sequence[Fault]) -> None:
        """Forget the old faults and their counts."""
        with self._lock:
            self._faults = list(faults)
            self._counts = [0] * len(self._faults)

    def strike(self, seen: Seen) -> list[Fault]:
        """Count a call and return the faults that hit it, in the plan's order."""
        with self._lock:
            return [fault for number, fault in enumerate(self._faults) if matches(fault, seen) and self._is_due(number, fault)]

    def _is_due(self, number: int, fault: Fault) -> bool:
        self._counts[number] += 1
        count = self._counts[number]
        return count >= fault.first and (fault.times is None or count < fault.first + fault.times)


def matches(fault: Fault, seen: Seen) -> bool:
    """Say whether a call fits a fault's conditions."""
    return (
        fault.provider in (None, seen.provider)
        and fault.role in (None, seen.role)
        and (fault.model is None or fault.model in seen.model)
        and (fault.contains is None or fault.contains.casefold() in seen.text.casefold())
        and (fault.calls is None or fault.calls in seen.calls)
        and (fault.since is None or seen.at >= fault.since)
        and (fault.until is None or seen.at < fault.until)
    )


def load_faults(path: Path) -> list[Fault]:
    """Read a plan. Raises ValueError that says what is wrong with it."""
    return TypeAdapter(list[Fault]).validate_python(json.loads(path.read_text("utf-8")))
