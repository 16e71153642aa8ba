"""The proof: whatever the agent did, Clew shows. Every scenario, on every architecture, over the wire into a real Clew."""

import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import tracer
from sample_agent.clock import SimulatedClock
from sample_agent.housekeeping import tidy
from sample_agent.models.prices import usd_by_class
from sample_agent.models.settings import ModelSettings
from sample_agent.scenarios.format import MONDAY, Scenario, load_scenarios
from sample_agent.scenarios.runner import Stage, play
from sample_agent.settings import ARCHITECTURES, AgentSettings, Architecture, RunLimits

from .sample_agent_clew import Clew, running_clew
from .sample_agent_facts import Comparison, compare
from .sample_agent_office import office
from .tracer_play import switch_off

SCENARIOS = [*load_scenarios("golden"), *load_scenarios("adversarial")]
SHARE = int(os.environ.get("TEST_SCENARIO_SHARE", "3"))
"""Each architecture plays one of so many scenarios, and the architectures different ones; with 1, each plays all."""


class Recorded:
    """A Clew, and a tracer that records into it on a clock of the scenario's own."""

    def __init__(self, clew: Clew) -> None:
        self.clew = clew
        self._clock = SimulatedClock(MONDAY)

    def now_ns(self) -> int:
        return self._clock.now_ns()

    def begin(self, now: datetime) -> SimulatedClock:
        """Set the clock."""
        self._clock = SimulatedClock(now)
        return self._clock

    def trace(self, trace_id: str) -> tuple[Any, Any]:
        """Return what the API shows of a trace, and of its spans."""
        return self.clew.get(f"/api/v1/traces/{trace_id}"), self.clew.get(f"/api/v1/traces/{trace_id}/spans")["items"]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    """Record into a Clew of this module's."""
    with running_clew(Path(tmp_path_factory.mktemp("clew"))) as clew:
        found = Recorded(clew)
        tracer.configure(
            endpoint=clew.endpoint, service="sample-agent", redact="off", heartbeat_s=0.0, clock_ns=found.now_ns, prices=usd_by_class
        )
        yield found
        switch_off()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_clew_shows_what_the_agent_did(recorded: Recorded, architecture: Architecture, capsys: pytest.CaptureFixture[str]) -> None:
    """Steps in order, thoughts, options and choices, arguments, results, errors, tokens, cost, ends: 100 % of what the ledger holds."""
    whole, traces = Comparison(), 0
    kinds: Counter[str] = Counter()
    for scenario in SCENARIOS[ARCHITECTURES.index(architecture) % SHARE :: SHARE]:
        if architecture not in scenario.architectures:
            continue
        played = play(scenario, architecture, Stage(clock=recorded.begin(scenario.now)))
        assert tracer.flush(30.0)
        for answer in played.answers:
            found = compare(*recorded.trace(answer.trace_id), answer.ledger.runs)
            whole.differences += [f"{scenario.id}: {one}" for one in found.differences]
            whole.facts += found.facts
            kinds.update(found.by_kind)
            traces += 1
    with capsys.disabled():
        print(f"\n  {architecture}: {whole.facts} facts of {traces} traces compared, of {len(kinds)} kinds")
    assert not whole.differences, "\n".join(whole.differences[:20])
    assert whole.facts > 10_000 / SHARE


def test_housekeeping_is_shown_too(recorded: Recorded) -> None:
    """What is done between requests is a run like any other."""
    clock = recorded.begin(MONDAY)
    with office(clock) as firm, firm.agent() as agent:
        firm.ask(agent, "Book a meeting with Ana Hartwell on Thursday at 14:00 for 30 minutes.")
        clock.sleep(31 * 60)
        done = tidy(firm.settings, firm.world, firm.hear)
    assert tracer.flush(30.0)
    found = compare(*recorded.trace(done.trace_id), done.ledger.runs)
    assert not found.differences, "\n".join(found.differences)
    assert found.facts > 20


def test_routing_saves_about_half(recorded: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    """Measured by Clew's own bill over the golden suite: what routing saves against asking the strongest model for everything."""
    for routing, environment in ((True, "routed"), (False, "strongest")):
        settings = AgentSettings(environment=environment, models=ModelSettings(routing=routing))
        for scenario in load_scenarios("golden"):
            if "plan_execute" in scenario.architectures:
                play(scenario, "plan_execute", Stage(settings, recorded.begin(scenario.now)))
    assert tracer.flush(30.0)
    recorded.clew.link(time.time_ns())
    rows = recorded.clew.get("/api/v1/costs?by=environment&from=2026-01-01T00:00:00Z&to=2027-01-01T00:00:00Z")["rows"]
    cost = {row["environment"]: row["cost_usd"] for row in rows}
    saved = 1 - cost["routed"] / cost["strongest"]
    with capsys.disabled():
        print(f"\n  routing: ${cost['routed']:.4f} against ${cost['strongest']:.4f}, {saved:.0%} saved")
    assert 0.4 <= saved <= 0.6


def test_a_cost_ceiling_ends_the_run(recorded: Recorded) -> None:
    """The tracer's guard lets no run cost more than it may; Clew shows the end and the budget."""
    scenario = next(one for one in SCENARIOS if one.id == "book-thursday-afternoon")
    settings = replace(AgentSettings(), limits=RunLimits(usd=0.02))
    played = play(scenario, "plan_execute", Stage(settings, recorded.begin(scenario.now)))
    assert tracer.flush(30.0)
    trace, spans = recorded.trace(played.answers[0].trace_id)
    assert trace["runs"][0]["termination"]["reason"] == "cost_budget"
    assert trace["runs"][0]["budget"]["usd"] == 0.02
    assert not compare(trace, spans, played.answers[0].ledger.runs).differences


def test_a_difference_is_found(recorded: Recorded) -> None:
    """A ledger with one word, one number, one step or one choice changed is not what Clew shows: the comparison can fail."""
    played = _play_one(recorded, "book-thursday-afternoon")
    answer = played.answers[0]
    shown = recorded.trace(answer.trace_id)
    assert not compare(*shown, answer.ledger.runs).differences
    run = answer.ledger.runs[0]
    plan = next(one for one in run["steps"] if one["kind"] == "plan")
    call = next(one for one in plan["steps"] if one["kind"] == "llm")
    choice = next(one for one in plan["steps"] if one["kind"] == "decision")["decision"]
    for entry, name, value in (
        (run, "output", "something else"),
        (call, "input_tokens", call["input_tokens"] + 1),
        (call, "thinking", ["another thought"]),
        (choice, "chosen", "another way"),
        (choice, "alternatives", choice["alternatives"][1:]),
        (plan, "steps", plan["steps"][1:]),
        (run, "termination", {"reason": "refused", "detail": None}),
    ):
        before, entry[name] = entry[name], value
        assert compare(*shown, answer.ledger.runs).differences, name
        entry[name] = before


def _play_one(recorded: Recorded, scenario_id: str) -> Any:
    scenario: Scenario = next(one for one in SCENARIOS if one.id == scenario_id)
    played = play(scenario, "plan_execute", Stage(clock=recorded.begin(datetime(2026, 3, 2, 9, tzinfo=UTC))))
    assert tracer.flush(30.0)
    return played
