"""The night of the seed: an agent that calls the same again and again for $1,200 an hour, recorded from the sample agent and replayed."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

import tracer
from ingest.model import Span
from ingest.store.alertbook import Actor, read_stop
from ingest.store.engine import Store
from ingest.store.reader import read_spans
from ingest.store.watchbook import RuleSetting, save_setting
from sample_agent.clock import SimulatedClock
from sample_agent.models.prices import usd_by_class
from sample_agent.scenarios.format import MONDAY, load_scenarios
from sample_agent.scenarios.runner import Stage, play
from sample_agent.settings import AgentSettings, RunLimits

from .alert_stage import MONDAY_NS, make_stage
from .alert_stage import Stage as Night
from .builders import SECOND
from .sample_agent_clew import running_clew
from .tracer_play import switch_off

USD_AN_HOUR = 1_200.0
MOST_USD = 250.0
_UNLIMITED = RunLimits(usd=1e6, steps=10**6, seconds=1e6, turns=60, repeats=10**6)


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Span]]:
    """Let the sample agent go round without its own ceilings, and yield what it sent, in the order it ended."""
    scenario = next(one for one in load_scenarios("adversarial") if one.id == "loop-same-call")
    with running_clew(Path(tmp_path_factory.mktemp("night"))) as clew:
        clock = SimulatedClock(MONDAY)
        tracer.configure(endpoint=clew.endpoint, service="sample-agent", heartbeat_s=0.0, clock_ns=clock.now_ns, prices=usd_by_class)
        played = play(scenario, "react", Stage(AgentSettings(limits=_UNLIMITED), clock))
        assert tracer.flush()
        switch_off()
        with clew.store.engine.connect() as conn:
            spans = read_spans(conn, 1, bytes.fromhex(played.answers[-1].trace_id))
    yield sorted(spans, key=lambda span: span.end_ns)


@dataclass
class Tape:
    """The recorded run, played on and on: its loop never ends, and costs what the seed's did."""

    spans: list[Span]
    night: Night
    usd: float | None = None
    """The run's own budget."""
    spent_usd: float = 0.0

    def play(self, done: Any) -> None:
        """Send step after step until ``done`` says so, or $2,000 are spent."""
        announced = next(span for span in self.spans if span.attributes.get("clew.announce") == "started")
        root = announced.parent_span_id
        steps = [span for span in self.spans if span.span_id != root and span is not announced]
        loop = [span for span in steps if span.parent_span_id == root and span.name.startswith(("chat", "execute_tool get_client"))]
        self._send(announced)
        for span in self._forever(steps[: steps.index(loop[-3])], loop[2:-2]):
            self._send(span)
            if done() or self.spent_usd > 2_000:
                return

    def _forever(self, first: list[Span], again: list[Span]) -> Iterator[Span]:
        yield from first
        while True:
            yield from again

    def _send(self, span: Span) -> None:
        """Send a span as if it ended now; a model call costs what its time costs at the seed's rate."""
        length_ns = span.end_ns - span.start_ns
        self.night.wait(length_ns / SECOND, 2 * SECOND)
        attributes = dict(span.attributes)
        if "gen_ai.usage.input_tokens" in attributes:
            usd = USD_AN_HOUR * max(length_ns / SECOND, 0.5) / 3_600
            self.spent_usd += usd
            attributes["clew.cost.usd"] = usd
        budgets = {name for name in attributes if name.startswith("clew.budget.")}
        attributes = {name: value for name, value in attributes.items() if name not in budgets}
        if budgets and self.usd is not None:
            attributes["clew.budget.usd"] = self.usd
        now_ns = self.night.now_ns
        fresh = {"span_id": self.night.rng.randbytes(8), "start_ns": now_ns - length_ns, "end_ns": now_ns, "attributes": attributes}
        self.night.send(msgspec.structs.replace(span, **fresh))


def mails(night: Night) -> list[str]:
    return [one.subject for one in night.night.parcels() if one.state == "sent"]


@pytest.fixture
def night(sqlite_store: Store) -> Night:
    """Return a night in which everybody sleeps: Monday, three o'clock."""
    found = make_stage(sqlite_store, "night", MONDAY_NS + 3 * 3_600 * SECOND)
    found.night.tick()
    return found


def test_the_first_mail_comes_in_time(night: Night, loop: list[Span]) -> None:
    """Twelve thousand dollars were spent overnight: here somebody hears of it, and in words that say what to do."""
    tape = Tape(loop, night)
    tape.play(lambda: mails(night))
    print(f"\nfirst mail after ${tape.spent_usd:.2f} and {(night.now_ns - MONDAY_NS) / SECOND - 3 * 3_600:.0f} s: {mails(night)[0]}")
    assert mails(night)
    assert tape.spent_usd < MOST_USD
    mail = next(one for one in night.night.parcels() if one.state == "sent")
    assert "get_client_preferences" in mail.body
    assert "STOP THIS RUN" in mail.body


def test_a_rule_that_may_stops_the_run_in_time(night: Night, sqlite_store: Store, loop: list[Span]) -> None:
    """Allowed to, the loop rule asks the run to stop; the SDK's guard obeys before its next step."""
    save_setting(sqlite_store, (1, "", "L1"), RuleSetting(stop="warning"), Actor("ada"), night.now_ns)
    tape = Tape(loop, night)
    trace_id = loop[0].trace_id
    run_id = next(span.parent_span_id for span in loop if span.attributes.get("clew.announce") == "started")

    def stopped() -> bool:
        with sqlite_store.engine.connect() as conn:
            return read_stop(conn, 1, trace_id, run_id) is not None

    tape.play(stopped)
    print(f"\nasked to stop after ${tape.spent_usd:.2f}")
    assert stopped()
    assert tape.spent_usd < MOST_USD


@pytest.mark.parametrize("usd", [5.0, 50.0])
def test_a_budget_of_its_own_is_told_before_it_is_spent(night: Night, loop: list[Span], usd: float) -> None:
    """A run that may spend so much is told of while there is something left of it."""
    tape = Tape(loop, night, usd)
    tape.play(lambda: mails(night))
    print(f"\nof ${usd:.0f}, first mail after ${tape.spent_usd:.2f}")
    assert mails(night)
    assert tape.spent_usd < usd


def test_the_sdk_ends_it_at_its_budget(tmp_path: Path) -> None:
    """The same loop under the sample agent's own ceiling: ended by the guard, with the call that reaches it."""
    scenario = next(one for one in load_scenarios("adversarial") if one.id == "loop-same-call")
    with running_clew(tmp_path) as clew:
        clock = SimulatedClock(MONDAY)
        tracer.configure(endpoint=clew.endpoint, service="sample-agent", heartbeat_s=0.0, clock_ns=clock.now_ns, prices=usd_by_class)
        limits = replace(_UNLIMITED, usd=0.04)
        played = play(scenario, "react", Stage(AgentSettings(limits=limits), clock))
        assert tracer.flush()
        switch_off()
        clew.link(clock.now_ns())
        run = clew.get(f"/api/v1/traces/{played.answers[-1].trace_id}")["runs"][0]
    print(f"\nof $0.04 the guard let ${run['cost_usd']:.4f} be spent: {run['termination']['reason']}")
    assert run["termination"]["reason"] == "cost_budget"
    assert 0.04 <= run["cost_usd"] <= 0.04 * 1.2
