"""The sample agent's last fortnight in a store, as it came over the wire: a real history to look things up in."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import tracer
from sample_agent.clock import SimulatedClock
from sample_agent.history import Happening, History, live_through
from sample_agent.models.prices import usd_by_class
from sample_agent.visit import Answer

from .sample_agent_clew import Clew, running_clew
from .tracer_play import switch_off


@dataclass
class Lived:
    """A history, and the Clew that has it."""

    clew: Clew
    said: list[tuple[Happening, Answer]] = field(default_factory=list)

    @property
    def store_url(self) -> str:
        """Return where it is stored."""
        return self.clew.store.engine.url.render_as_string(hide_password=False)

    def traces(self, story: str) -> list[str]:
        """Return the trace ids of an incident's runs."""
        return [answer.trace_id for one, answer in self.said if one.story == story]


@contextmanager
def lived_through(directory: Path, runs: int) -> Iterator[Lived]:
    """Let the agent live through fourteen days that end now, with so many requests beside the incidents, and link what it recorded."""
    history = History(datetime.now(UTC), runs=runs)
    clock = SimulatedClock(history.starts_at)
    with running_clew(directory) as clew:
        lived = Lived(clew)
        tracer.configure(endpoint=clew.endpoint, service="sample-agent", prices=usd_by_class, heartbeat_s=0.0, clock_ns=clock.now_ns)
        try:
            live_through(history, clock, lambda one, answer: lived.said.append((one, answer)))
            assert tracer.flush(60.0)
        finally:
            switch_off()
        clew.link(time.time_ns())
        yield lived
