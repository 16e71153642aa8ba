"""A firm with one agent for tests: real stores, the real offline server, and a clock that moves when something happens."""

from collections.abc import Iterator, Mapping
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
from sample_agent.tools.catalogue import TOOLS
from sample_agent.tools.contract import ToolSpec
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

    def agent(self, owner: str = "agent", tools: Mapping[str, ToolSpec] = TOOLS, **changes: object) -> SchedulingAgent:
        settings = replace(self.settings, **changes)  # type: ignore[arg-type]  # fields of the test
        return SchedulingAgent(settings, self.world, tools=tools, also=self.hear, owner=owner)

    def book(self, professional_id: str, day: int, hour: int) -> str:
        """Book half an hour for the client so many days from now and return the id."""
        starts_at = MONDAY.replace(hour=hour, minute=0) + timedelta(days=day)
        booking = Booking("10422", (professional_id,), starts_at, 30)
        return book(self.world.domain, booking, key=f"{professional_id} {day} {hour}", now=MONDAY).id


@contextmanager
def office(clock: SimulatedClock | None = None, season: Season | None = None) -> Iterator[Office]:
    """Open a firm on Monday morning or on a clock that is given, without any appointment or with those of a season."""
    clock, season = clock or SimulatedClock(MONDAY), season or Season(MONDAY.date(), days=0)
    with (
        DomainStore(":memory:", durable=False) as domain,
        StateStore(":memory:", durable=False) as state,
        running_server(seed=season.seed, now=clock.now) as server,
    ):
        plant(domain, season)
        yield Office(World(domain, state, clock.now, clock.sleep), clock, server)
