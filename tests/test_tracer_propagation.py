"""A run goes where its work goes: into threads, pools, queues, other processes and over the wire."""

import asyncio
import concurrent.futures
import copy
import json
import multiprocessing
import queue
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from opentelemetry import baggage
from opentelemetry.context import get_current
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import get_current_span

from tracer import agent_run, current_run, inject, step, tool
from tracer.recording import active, propagation
from tracer.recording.propagation import RUN_STAMP, attach, extract, stamp_of
from tracer.testing import Captured, capture

REMOTE_TRACE, REMOTE_SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
HEADERS = {
    "traceparent": f"00-{REMOTE_TRACE}-{REMOTE_SPAN}-01",
    "baggage": f"clew.run.id={REMOTE_SPAN},clew.agent.name=planner,gen_ai.conversation.id=s%201,user.id=ada,theirs=kept",
}


@pytest.fixture
def captured() -> Iterator[Captured]:
    with capture() as found:
        yield found


def stamps(captured: Captured, name: str) -> tuple[Any, ...]:
    """Return run, agent, session and user as stamped on a span."""
    attributes = captured.named(name).attributes or {}
    return tuple(attributes.get(one) for one in propagation.STAMPED)


def test_headers_carry_trace_run_session_and_user(captured: Captured) -> None:
    """Into any mapping, beside what is there; what comes out of it on the other side is the same run."""
    headers = {"accept": "*/*"}
    with agent_run("planner", session="s/1 é", user="ada, b=c;d") as run, step("call"):
        assert inject(headers) is headers
        span_id = get_current_span().get_span_context().span_id
    assert headers["traceparent"] == f"00-{run.trace_id}-{span_id:016x}-01"
    assert headers["accept"] == "*/*"
    stamp = stamp_of(extract(headers, get_current()))
    assert stamp == {"clew.run.id": run.id, "clew.agent.name": "planner", "gen_ai.conversation.id": "s/1 é", "user.id": "ada, b=c;d"}


def test_a_run_continues_the_run_its_headers_name(captured: Captured) -> None:
    """It is a child of the remote span and inherits session and user; around it, all is as before."""
    with agent_run("worker", parent=HEADERS) as run, tool("t"):
        inside = run.trace_id
    with step("after"):
        pass
    assert inside == REMOTE_TRACE
    span = captured.named("invoke_agent worker")
    assert span.parent is not None
    assert f"{span.parent.span_id:016x}" == REMOTE_SPAN
    assert stamps(captured, "execute_tool t") == (run.id, "worker", "s 1", "ada")
    assert captured.named("after").parent is None


@pytest.mark.parametrize(
    "headers",
    [
        {name.title(): value for name, value in HEADERS.items()},
        {name.encode(): value.encode() for name, value in HEADERS.items()},
        {name: [value] for name, value in HEADERS.items()},
    ],
    ids=["other case", "bytes", "lists"],
)
def test_headers_come_in_many_shapes(captured: Captured, headers: Mapping[str, Any]) -> None:
    """As frameworks hand them out."""
    with agent_run("worker", parent=headers) as run:
        assert run.trace_id == REMOTE_TRACE


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"traceparent": "nonsense", "baggage": "=;=,,,%%%"},
        {"traceparent": None},
        {"baggage": "clew.run.id=" + "x" * 5_000},
        {"baggage": "clew.run.id=<script>,user.id=eve"},
        {1: 2},
    ],
)
def test_strange_headers_are_no_parent(captured: Captured, headers: Any) -> None:
    """Then the run begins a trace of its own, and nobody's name is taken over."""
    with agent_run("worker", parent=headers) as run:
        pass
    assert run.trace_id != REMOTE_TRACE
    assert captured.spans[0].parent is None
    assert stamps(captured, "invoke_agent worker")[2:] == (None, None)


def test_work_of_a_remote_run_bears_its_name(captured: Captured) -> None:
    """Where a process does a step of another's run without a run of its own: its spans and those of other libraries."""
    before = get_current()
    attach(extract(HEADERS, before))
    try:
        with step("remote step"), step("deeper"):
            assert stamp_of(get_current())["clew.run.id"] == REMOTE_SPAN
    finally:
        attach(before)
    for name in ("remote step", "deeper"):
        assert stamps(captured, name) == (REMOTE_SPAN, "planner", "s 1", "ada")


def test_values_of_baggage_are_bounded() -> None:
    """The sender is not trusted with length."""
    stamp = stamp_of(extract({**HEADERS, "baggage": f"clew.run.id={REMOTE_SPAN},user.id={'x' * 3_000}"}, get_current()))
    assert len(stamp["user.id"]) == 200


def test_the_stamp_is_there_for_other_libraries(captured: Captured) -> None:
    """In the OpenTelemetry context, ready-made, for whoever starts a span inside a run."""
    assert stamp_of(get_current()) == {}
    with agent_run("a", session="s") as run:
        stamp = get_current()[RUN_STAMP]
        with step("deeper"):
            assert get_current()[RUN_STAMP] is stamp
    assert stamp == {"clew.run.id": run.id, "clew.agent.name": "a", "gen_ai.conversation.id": "s"}


def test_threads_and_pools_join_the_run_when_wrapped(captured: Captured) -> None:
    """A context does not enter a thread by itself; the wrapped function takes it along, and leaves none behind."""

    def work(number: int) -> bool:
        with tool(f"t {number}"):
            return bool(current_run())

    with agent_run("a") as run:
        with step("fan out"), concurrent.futures.ThreadPoolExecutor(2) as pool:
            assert all(pool.map(run.wrap(work), range(4)))
            assert not pool.submit(lambda: bool(current_run())).result()
        thread = threading.Thread(target=run.wrap(work), args=(9,))
        thread.start()
        thread.join()
    below = "".join(f"    execute_tool t {number}\n" for number in range(4))
    lines = captured.outline().splitlines(keepends=True)
    assert "".join([*lines[:2], *sorted(lines[2:6]), *lines[6:]]) == f"invoke_agent a\n  fan out\n{below}  execute_tool t 9\n"


def test_wrapped_coroutines_run_inside_too(captured: Captured) -> None:
    """However they are scheduled."""

    async def work() -> str:
        await asyncio.sleep(0)
        with step("s"):
            return current_run().id

    with agent_run("a") as run:
        wrapped = run.wrap(work)

    async def main() -> str:
        return await asyncio.get_running_loop().create_task(wrapped())

    assert asyncio.run(main()) == run.id
    assert captured.outline() == "invoke_agent a\n  s\n"


def test_a_queue_carries_headers(captured: Captured) -> None:
    """What lies in a queue belongs to whoever put it there, once its headers lie beside it."""
    waiting: queue.Queue[tuple[str, dict[str, str]]] = queue.Queue()
    with agent_run("producer", session="s"):
        waiting.put(("work", dict(inject({}))))

    def consume() -> None:
        item, headers = waiting.get()
        with agent_run("consumer", parent=headers), step(item):
            pass

    thread = threading.Thread(target=consume)
    thread.start()
    thread.join()
    assert captured.outline() == "invoke_agent producer\n  invoke_agent consumer\n    work\n"
    assert stamps(captured, "work")[1:3] == ("consumer", "s")


def work_elsewhere(name: str) -> tuple[str, str, dict[str, Any]]:
    """Do a step in a process that has nothing of ours but what it was sent."""
    provider = TracerProvider(shutdown_on_exit=False)
    active.activate(active.Active(provider.get_tracer("x"), lambda span, said: None, lambda trace_id: None, heartbeat_s=0))
    with step(name):
        span: Any = get_current_span()
        context = span.get_span_context()
        return f"{context.trace_id:032x}", f"{span.parent.span_id:016x}", dict(span.attributes)


def test_another_process_joins_the_run(captured: Captured) -> None:
    """The wrapped function goes through a pool of processes as the plain one does, and takes the run's headers along."""
    with agent_run("a", session="s") as run, concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        trace_id, parent_id, attributes = pool.submit(run.wrap(work_elsewhere), "far away").result(60)
    assert (trace_id, parent_id) == (run.trace_id, run.id)
    assert (attributes["clew.run.id"], attributes["gen_ai.conversation.id"]) == (run.id, "s")


def test_a_wrapped_function_survives_being_sent_on(captured: Captured) -> None:
    """Taken apart and put together twice, as pickling does, it still says whose it is."""
    with agent_run("a") as run:
        again: Any = copy.copy(copy.copy(run.wrap(work_elsewhere)))
    assert again.__name__ == "work_elsewhere"
    assert stamp_of(again._context)["clew.run.id"] == run.id


def test_nothing_configured_adds_no_headers() -> None:
    """A call without a pipeline leaves the mapping alone."""
    active.activate(None)
    with agent_run("a"):
        assert inject({"accept": "*/*"}) == {"accept": "*/*"}


def test_hosts_own_baggage_is_kept(captured: Captured) -> None:
    """Ours goes beside it, and is in the headers alone: what the host sends by itself does not name our user."""
    before = get_current()
    attach(baggage.set_baggage("theirs", "1", before))
    try:
        with agent_run("a", user="ada"):
            sent = inject({})["baggage"]
            assert dict(baggage.get_all()) == {"theirs": "1"}
    finally:
        attach(before)
    assert {part.split("=")[0] for part in sent.split(",")} == {"theirs", "clew.run.id", "clew.agent.name", "user.id"}
    json.dumps(sent)
