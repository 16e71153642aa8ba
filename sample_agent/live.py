"""A handful of requests handled now, by the machine's clock: what somebody sees who has never seen the agent before."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

from .agent import SchedulingAgent
from .domain.seed_data import Season, plant
from .domain.store import DomainStore
from .model_server.faults import Fault
from .model_server.server import running_server
from .models.settings import Endpoint, ModelSettings
from .settings import AgentSettings, Architecture
from .state.store import StateStore
from .visit import Answer, Request, World


@dataclass(frozen=True, slots=True)
class Story:
    """A request that shows something."""

    about: str
    client_id: str
    says: str
    architecture: Architecture = "plan_execute"
    faults: tuple[Fault, ...] = ()


STORIES = (
    Story("a booking, by a plan", "10422", "Please book 30 minutes on Thursday afternoon."),
    Story("three agents and a confirmation", "10453", "Book an hour on Friday and send a confirmation by email.", "multi_agent"),
    Story("a rate limit and an answer to repair", "10417", "When is Tom Lowe free on Friday?", "plan_execute", (
        Fault(kind="rate_limit", retry_after_s=0.5), Fault(kind="truncated_json", role="planner"),
    )),
    Story("a cancellation that has to be confirmed", "10422", "Cancel the appointment that I just booked."),
    Story("the answer to that", "10422", "Yes, go ahead."),
    Story("an id that the model made up", "10405", "Book 45 minutes on Wednesday morning.", "react", (
        Fault(kind="hallucinate", calls="book_appointment", arguments={"client_id": "10999"}),
    )),
    Story("a canary that the model gives away", "10440", "What are my preferences?", "plan_execute", (
        Fault(kind="leak_canary", role="responder", times=None),
    )),
    Story("the providers are down", "10482", "Please book 30 minutes tomorrow.", "plan_execute", (
        Fault(kind="reset", times=None),
    )),
)  # fmt: skip
"""Shown in this order, and from the beginning again where more are asked for."""

_LATENCY = Fault(kind="latency", seconds=0.08, times=None)
"""The offline server answers at once, which no model does."""

_WAIT_S = 0.25
"""The longest that a retry waits here; elsewhere it is seconds."""


def run_live(count: int, seed: int, done: Callable[[Story, Answer], None]) -> None:
    """Handle so many requests and tell of each."""
    with (
        DomainStore(":memory:", durable=False) as domain,
        StateStore(":memory:", durable=False) as state,
        running_server(seed=seed) as server,
        ExitStack() as opened,
    ):
        plant(domain, Season(_now().date(), seed=seed))
        world = World(domain, state, _now, lambda seconds: time.sleep(min(seconds, _WAIT_S)))
        models = ModelSettings(primary=Endpoint(server.url), fallback=Endpoint(f"{server.url}/v1"))
        agents: dict[Architecture, SchedulingAgent] = {}
        first = int(_now().timestamp())
        for number in range(count):
            story = STORIES[number % len(STORIES)]
            server.faults.replace((_LATENCY, *story.faults))
            if story.architecture not in agents:
                agent = SchedulingAgent(AgentSettings(architecture=story.architecture, models=models), world)
                agents[story.architecture] = opened.enter_context(agent)
            session = f"live-{first + number // len(STORIES)}-{story.client_id}"
            request = Request(story.says, session, f"client-{story.client_id}", frozenset({story.client_id}))
            done(story, agents[story.architecture].handle(request))


def _now() -> datetime:
    return datetime.now(UTC)
