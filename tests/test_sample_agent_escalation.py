"""The queue of what a person must settle."""

import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from sample_agent.escalation import Case, EscalationQueue, Queued
from sample_agent.observe import Escalated
from sample_agent.state.store import StateStore
from tracer.testing import capture

from .sample_agent_world import MONDAY, World, world

CASE = Case(
    session_id="s1",
    user_id="u1",
    client_id="10422",
    request="Can all three offices meet me this week?",
    because="no time is free together within two weeks",
    summary="Nadia Brandt wants London, New York and Singapore in one meeting.",
    plan=("look the client up", "find a time", "book"),
    done=("looked up client 10422",),
    trace_url="http://127.0.0.1:7070/traces/abc",
)


@pytest.fixture
def firm(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as built:
        yield built


def test_a_case_arrives_with_everything(firm: World) -> None:
    """What was put in is what the person reads, in another process, and it is told and recorded as a hand-over."""
    with capture() as captured:
        queued = EscalationQueue(firm.state, firm.now, firm.told.append).escalate(CASE)
    assert queued == Queued("C1", CASE, MONDAY, None)
    with closing(StateStore(firm.state.path)) as own:
        assert EscalationQueue(own, firm.now).waiting() == (queued,)
    assert firm.told == [Escalated("C1", CASE.because)]
    (span,) = captured.spans
    assert dict(span.attributes or {})["clew.step.kind"] == "handoff"


def test_a_session_has_one_open_case(firm: World) -> None:
    """What comes later is added: nothing said before is lost and nothing is there twice."""
    queue = EscalationQueue(firm.state, firm.now)
    queue.escalate(CASE)
    queue.escalate(CASE)
    later = replace(CASE, because="the client complains", request="I am angry", done=("looked up client 10422", "offered a call"))
    assert queue.escalate(later).id == "C1"
    (case,) = (queued.case for queued in queue.waiting())
    assert case.because == "no time is free together within two weeks\nthe client complains"
    assert case.request == "Can all three offices meet me this week?\nI am angry"
    assert case.done == ("looked up client 10422", "offered a call")


def test_a_case_that_was_taken_is_nobody_elses(firm: World) -> None:
    """Oldest first, each once, also by many at the same time; what comes from the session later is a new case."""
    queue = EscalationQueue(firm.state, firm.now)
    for number in range(4):
        queue.escalate(replace(CASE, session_id=f"s{number}"))
    taken: list[str | None] = []
    together = threading.Barrier(6)

    def take(who: str) -> None:
        with closing(StateStore(firm.state.path)) as own:
            together.wait()
            queued = EscalationQueue(own, firm.now).take(who)
            taken.append(queued.id if queued else None)

    threads = [threading.Thread(target=take, args=(f"person {number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken, key=str) == ["C1", "C2", "C3", "C4", None, None]
    assert queue.escalate(replace(CASE, session_id="s0")).id == "C5"
