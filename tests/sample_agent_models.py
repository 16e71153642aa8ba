"""A model stack for tests: the real clients, the real offline server, a clock that moves on when something waits."""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sample_agent.model_server.faults import Fault
from sample_agent.model_server.server import ModelServer, running_server
from sample_agent.models.provider import ModelReply, ModelRequest, ToolDefinition, said
from sample_agent.models.settings import Endpoint, ModelSettings
from sample_agent.models.stack import ModelStack, build_stack
from sample_agent.observe import Event, Told

MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
HEAD = "Role: {role}\nReference: HL-CANARY-1 (internal)\n\nYou schedule.\n"
NOW = "<now>Monday 2026-03-02 09:00 Europe/London</now>"
CLIENT = "<acting_for>client 10422</acting_for>"

LOOK_UP = ToolDefinition("get_client_preferences", "Look a client up.", {"type": "object", "properties": {"client": {"type": "string"}}})
BOOK = ToolDefinition("book_appointment", "Book.", {"type": "object", "properties": {"client_id": {"type": "string"}}})


@dataclass
class Bench:
    """A stack with what it told, how long it waited, and the server behind it."""

    server: ModelServer
    stack: ModelStack
    clock: list[datetime]
    told: list[Told] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)

    def ask(self, text: str = "hello", **changes: Any) -> ModelReply:
        return self.stack(replace(request(text), **changes))

    def kinds(self) -> list[str]:
        """Return what happened, shortest: kind, and the reason or the provider."""
        return [_short(event) for event in self.told if isinstance(event, Event)]

    def facts(self, kind: str) -> list[dict[str, Any]]:
        return [dict(event.facts) for event in self.told if isinstance(event, Event) and event.kind == kind]


def _short(event: Event) -> str:
    facts = event.facts
    return f"{event.kind} {facts.get('state') or facts.get('because') or facts.get('error') or facts.get('provider') or event.name}"


def request(text: str, role: str = "react") -> ModelRequest:
    """Return a question of the role, in the blocks that the policy reads."""
    prompt = f"{NOW}\n{CLIENT}\n<user_input>{text}</user_input>"
    return ModelRequest(role=role, system=HEAD.format(role=role), messages=(said(prompt),), session="s1", user="u1")  # type: ignore[arg-type]


@contextmanager
def bench(faults: Sequence[Fault] = (), *, with_fallback: bool = True, **settings: Any) -> Iterator[Bench]:
    """Run a server and a stack on it; waiting moves the clock."""
    clock = [MONDAY]
    with running_server(faults=faults, now=lambda: clock[0]) as server:
        told: list[Told] = []
        waits: list[float] = []

        def sleep(seconds: float) -> None:
            waits.append(seconds)
            clock[0] += timedelta(seconds=seconds)

        options: dict[str, Any] = {"timeout_s": 5.0, "cache": "off", **settings}
        fallback = Endpoint(f"{server.url}/v1") if with_fallback else Endpoint()
        model_settings = ModelSettings(primary=Endpoint(server.url), fallback=fallback, **options)
        stack = build_stack(model_settings, now=lambda: clock[0], sleep=sleep, jitter=random.Random(1), observe=told.append)
        with stack:
            yield Bench(server, stack, clock, told, waits)
