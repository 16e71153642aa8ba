"""A firm with one agent for tests: real stores, the real offline server, and a clock that moves when something happens."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

from sample_agent.agent import SchedulingAgent
from sample_agent.clock import SimulatedClock
from sample_agent.domain.appointments import Booking, book
from sample_agent.domain.seed_data import Season, plant
from sample_agent.domain.store import DomainStore
from sample_agent.model_server.server import ModelServer, running_server
from sample_agent.models.settings import Endpoint, ModelSettings
from sample_agent.observe import Told
from sample_agent.settings import AgentSettings
from sample_agent.state.store import StateStore
from sample_agent.visit import Answer, Request, World

from .sample_agent_world import MONDAY

CLIENT = frozenset({"10422"})


class Office:
    """A firm with one agent, and the model server it asks."""

    def __init__(self, world: World, clock: SimulatedClock, server: ModelServer) -> None:
        self.world = world
        self.clock = clock
        self.server = server
        self.told: list[Told] = []
        models = ModelSettings(primary=Endpoint(server.url), fallback=Endpoint(f"{server.url}/v1"))
        self.settings = AgentSettings(models=models)

    def hear(self, told: Told) -> None:
        """Keep what happened, and let it take its time."""
        self.told.append(told)
        self.clock.hear(told)

    def ask(self, agent: SchedulingAgent, says: str, session: str = "s", user: str = "u", **more: object) -> Answer:
        return agent.handle(replace(Request(says, session, user, CLIENT), **more))  # type: ignore[arg-type]  # fields of the test

    def agent(self, owner: str = "agent", **changes: object) -> SchedulingAgent:
        return SchedulingAgent(replace(self.settings, **changes), self.world, also=self.hear, owner=owner)  # type: ignore[arg-type]

    def book(self, professional_id: str, day: int, hour: int) -> str:
        """Book half an hour for the client so many days from now and return the id."""
        starts_at = MONDAY.replace(hour=hour, minute=0) + timedelta(days=day)
        booking = Booking("10422", (professional_id,), starts_at, 30)
        return book(self.world.domain, booking, key=f"{professional_id} {day} {hour}", now=MONDAY).id


@contextmanager
def office(clock: SimulatedClock | None = None) -> Iterator[Office]:
    """Open a firm without any appointment, on Monday morning or on a clock that is given."""
    clock = clock or SimulatedClock(MONDAY)
    with (
        DomainStore(":memory:", durable=False) as domain,
        StateStore(":memory:", durable=False) as state,
        running_server(now=clock.now) as server,
    ):
        plant(domain, Season(MONDAY.date(), days=0))
        yield Office(World(domain, state, clock.now, clock.sleep), clock, server)
