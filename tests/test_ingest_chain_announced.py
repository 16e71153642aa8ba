"""Open work: what a run says of itself before its span arrives, and that nothing of it is ever counted."""

from itertools import permutations

from ingest.dialects.normalise import normalise
from ingest.model import Resource, Scope, Span, StoredSpan
from ingest.store.search import documents

from .builders import T0, agent, chain, llm, outline, span, span_id, tool

BEAT_NS = 15_000_000_000


def started(number: int, parent: int, kind: str, name: str, at: float, **facts: object) -> StoredSpan:
    return span(number, parent, at, 0, kind="announcement", announce="started", announced_kind=kind, announced_name=name, **facts)


def heartbeat(number: int, parent: int, at: float, **facts: object) -> StoredSpan:
    return span(number, parent, at, 0, kind="announcement", announce="heartbeat", heartbeat_ns=BEAT_NS, agent_name="scheduler", **facts)


def run_so_far() -> list[StoredSpan]:
    """Build a run of which all but its own span arrived."""
    return [
        started(20, 1, "agent", "invoke_agent scheduler", 0.0, agent_name="scheduler", input="book Thursday", session_id="s-1"),
        llm(2, 1, 0.1),
        tool(3, "check_slots", 1, 2, tool_result="[]"),
        heartbeat(21, 1, 15.0),
    ]


def test_an_open_run_has_a_name_and_a_question() -> None:
    """Before the run's own span arrives, its announcement says whose it is and what was asked; it is no step and costs nothing."""
    trace = chain(*run_so_far(), now=20)
    run = trace.runs[0]

    assert outline(trace) == "scheduler: running\n  1 llm chat gpt-4.1\n  2 tool check_slots -> []\n"
    assert (run.run_id, run.input, run.session_id, run.status, run.ended_ns) == (span_id(1), "book Thursday", "s-1", "running", None)
    assert (trace.span_count, trace.missing_parents, run.totals.llm_calls, run.totals.steps) == (4, 0, 1, 2)


def test_the_run_itself_replaces_what_was_said_of_it() -> None:
    """Once the run's span is there, the trace reads as if nothing had been announced, in any order of arrival."""
    whole = agent(1, "scheduler", lasts=20, input="book Thursday", session_id="s-1")
    quiet = chain(whole, llm(2, 1, 0.1), tool(3, "check_slots", 1, 2, tool_result="[]"))

    for spans in permutations([whole, *run_so_far()]):
        trace = chain(*spans)
        assert trace.runs == quiet.runs
        assert (trace.state, trace.missing_parents) == ("complete", 0)


def test_a_killed_run_is_lost_after_two_heartbeats() -> None:
    """A run that promised to speak every 15 s is lost 35 s after its last word, not five minutes."""
    slow = chain(*run_so_far(), now=15 + 34)
    dead = chain(*run_so_far(), now=15 + 36)

    assert (slow.runs[0].status, slow.runs[0].lost_after_ns) == ("running", T0 + 50 * 10**9)
    assert outline(dead) == "scheduler: lost\n  1 llm chat gpt-4.1\n  2 tool check_slots -> []\n"


def test_a_heartbeat_alone_tells_an_open_run() -> None:
    """Where the first word was lost, the next one does."""
    trace = chain(llm(2, 1, 0.1), heartbeat(21, 1, 15.0), now=20)

    assert outline(trace) == "scheduler: running\n  1 llm chat gpt-4.1\n"


def test_open_steps_and_nested_runs_stand_in_their_place() -> None:
    """A long tool call and a sub-agent that have not ended are shown where they are, open, and not as failed or unpriced."""
    trace = chain(
        started(20, 1, "agent", "invoke_agent scheduler", 0.0, agent_name="scheduler"),
        started(21, 2, "agent", "invoke_agent clerk", 1.0, agent_name="clerk", announced_parent=span_id(1).hex()),
        started(22, 3, "tool", "execute_tool search", 2.0, tool_name="search", announced_parent=span_id(2).hex()),
        started(23, 4, "llm", "chat gpt-4.1", 3.0, request_model="gpt-4.1", announced_parent=span_id(2).hex()),
        now=5,
    )

    assert outline(trace) == (
        "scheduler: running\n"
        "  1 agent clerk\n"
        "clerk in 01: running\n"
        "  1 tool search\n"
        "  2 llm chat gpt-4.1\n"
    )  # fmt: skip
    assert [step.is_open for run in trace.runs for step in run.steps] == [True, True, True]
    assert (trace.runs[0].totals.unpriced_calls, trace.runs[0].totals.llm_calls, trace.runs[0].totals.errors) == (0, 1, 0)


def test_losses_are_told() -> None:
    """What the SDK lost makes the trace incomplete, once per report, however often that is delivered."""
    report = span(30, 1, 11, 0, kind="announcement", announce="loss", lost_spans=3)

    trace = chain(agent(1, "scheduler"), llm(2, 1, 0.1), report, report)

    assert (trace.lost_spans, trace.state, trace.missing_parents) == (3, "incomplete", 0)
    assert outline(trace) == "scheduler: completed\n  1 llm chat gpt-4.1\n"


def test_an_open_run_is_found_by_its_question() -> None:
    """The index knows what an open run was asked, under the id that its span will have."""
    spans = run_so_far()

    docs = documents(spans, chain(*spans, now=20))

    assert docs[span_id(1)][1] == "book Thursday"
    assert span_id(20) not in docs


def test_announcements_are_read() -> None:
    """The words of the SDK on the wire; odd values are nothing."""
    said = {
        "clew.announce": "heartbeat", "clew.announce.name": "invoke_agent scheduler", "clew.announce.parent": "00000000000000AA",
        "clew.heartbeat.interval_s": 15.0, "clew.step.kind": "agent", "gen_ai.operation.name": "invoke_agent",
    }  # fmt: skip
    facts = normalise(_wire(said))

    assert (facts.kind, facts.announce, facts.announced_kind) == ("announcement", "heartbeat", "agent")
    assert (facts.announced_name, facts.announced_parent, facts.heartbeat_ns) == ("invoke_agent scheduler", "00000000000000aa", BEAT_NS)
    odd = normalise(_wire({"clew.announce": "shouting", "clew.announce.parent": "xyz", "clew.heartbeat.interval_s": -1}))
    assert (odd.announce, odd.announced_parent, odd.heartbeat_ns, odd.kind) == (None, None, None, "other")


def _wire(attributes: dict[str, object]) -> Span:
    return Span(bytes(15) + b"\1", span_id(9), span_id(1), "started", 1, T0, T0, 0, "", attributes, [], [], Resource({}), Scope("", ""))
