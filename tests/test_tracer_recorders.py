"""What the recorders record, and that the host never notices them."""

import asyncio
import concurrent.futures
import contextvars
import gc
import inspect
import json
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import Any

import pytest
from opentelemetry.context import get_current
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode, get_current_span

from tracer import (
    BudgetExhausted,
    TerminationReason,
    agent_run,
    current_run,
    decision,
    handoff,
    llm_call,
    plan,
    record,
    retrieval,
    step,
    tool,
)
from tracer.recording import active, announce
from tracer.testing import Captured, capture


@pytest.fixture
def captured() -> Iterator[Captured]:
    with capture(base_url="http://clew.test/") as found:
        yield found


def said(span: ReadableSpan, name: str) -> Any:
    """Return an attribute of a span."""
    return (span.attributes or {}).get(name)


def ending(captured: Captured, name: str = "invoke_agent a") -> tuple[Any, Any, bool]:
    """Return why a run ended, the detail, and whether its span failed."""
    span = captured.named(name)
    return said(span, "clew.termination.reason"), said(span, "clew.termination.detail"), span.status.status_code is StatusCode.ERROR


# --- decorating ---------------------------------------------------------------------------------------------------


def test_decorated_functions_stay_what_they_are(captured: Captured) -> None:
    """Name, signature, sort and result of a function are those of the undecorated one."""

    @tool
    def plain(a: int, b: int = 2) -> int:
        """Add."""
        return a + b

    @tool("named")
    async def coroutine(a: int) -> int:
        return a

    @step
    def generator(n: int) -> Iterator[int]:
        yield from range(n)

    @step("numbers", kind="memory")
    async def async_generator(n: int) -> AsyncIterator[int]:
        for i in range(n):
            yield i

    async def listed() -> list[int]:
        return [i async for i in async_generator(3)]

    assert (plain.__name__, plain.__doc__, str(inspect.signature(plain))) == ("plain", "Add.", "(a: int, b: int = 2) -> int")
    assert inspect.iscoroutinefunction(coroutine)
    assert inspect.isgeneratorfunction(generator)
    assert inspect.isasyncgenfunction(async_generator)
    assert (plain(1), asyncio.run(coroutine(7)), list(generator(3)), asyncio.run(listed())) == (3, 7, [0, 1, 2], [0, 1, 2])
    assert captured.names() == ["execute_tool plain", "execute_tool named", "generator", "numbers"]
    assert said(captured.named("numbers"), "clew.step.kind") == "memory"


def test_arguments_go_by_their_names(captured: Captured) -> None:
    """A tool's arguments are those of the call by the function's names, without ``self``, and its result is what it returned."""

    class Desk:
        @tool
        def book(self, day: str, *rest: int, limit: int = 3, **more: Any) -> dict[str, Any]:
            return {"booked": day}

        @tool
        @staticmethod
        def look(day: str) -> None:
            return None

        @classmethod
        @tool
        def count(cls, day: str) -> int:
            return 3

    desk = Desk()
    desk.book("Monday", 1, 2, limit=5, note="é")
    desk.look("Friday")
    Desk.count(day="Sunday")
    found = [(span.name, said(span, "gen_ai.tool.call.arguments"), said(span, "gen_ai.tool.call.result")) for span in captured.spans]
    assert [(name, json.loads(arguments), result) for name, arguments, result in found] == [
        ("execute_tool book", {"day": "Monday", "rest": [1, 2], "limit": 5, "note": "é"}, '{"booked":"Monday"}'),
        ("execute_tool look", {"day": "Friday"}, None),
        ("execute_tool count", {"day": "Sunday"}, "3"),
    ]


def test_one_decorator_serves_many_functions_and_calls(captured: Captured) -> None:
    """Each call is a span of its own, also within itself and at the same time."""
    traced = tool()

    @traced
    def down(n: int) -> int:
        return down(n - 1) + 1 if n else 0

    @traced
    def other() -> None: ...

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert list(pool.map(down, [2] * 4)) == [2] * 4
    other()
    assert captured.names() == ["execute_tool down"] * 12 + ["execute_tool other"]
    assert sum(line.startswith("    ") for line in captured.outline().splitlines()) == 4


def test_one_object_can_be_entered_again_and_again(captured: Captured) -> None:
    """One after another, one within another, and from several threads."""
    again = step("again")
    with again as first, again as second:
        second.thought("inner")
        first.thought("outer")
    with again:
        again.thought("later")
    threads = [threading.Thread(target=enter, args=(again,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [said(span, "clew.thought") for span in captured.spans] == ["inner", "outer", "later", *["threaded"] * 4]
    assert captured.spans[0].parent == captured.spans[1].context
    assert [span.parent for span in captured.spans[1:]] == [None] * 6


def enter(scope: Any) -> None:
    with scope as handle:
        handle.thought("threaded")


def test_only_functions_can_be_decorated() -> None:
    """A class is refused where it is decorated, not where it is used."""
    with pytest.raises(TypeError, match="only functions"):
        step("x")(int)


# --- generators ---------------------------------------------------------------------------------------------------


def current_id() -> int:
    return get_current_span().get_span_context().span_id


def test_a_generator_is_current_only_while_it_runs(captured: Captured) -> None:
    """Between two items the consumer is where it was; what the body leaves open is open in the body alone."""

    @step("stream")
    def stream() -> Iterator[int]:
        yield current_id()
        with step("inner"):
            yield current_id()
        yield current_id()

    with step("consumer"):
        outside = current_id()
        inside = []
        for item in stream():
            inside.append(item)
            assert current_id() == outside
    ids = {span.name: span.context.span_id for span in captured.spans}
    assert inside == [ids["stream"], ids["inner"], ids["stream"]]
    assert captured.outline() == "consumer\n  stream\n    inner\n"


def test_generators_take_what_is_sent_and_thrown(captured: Captured) -> None:
    """``send``, ``throw``, ``close`` and the value returned pass unchanged."""

    @step("talk")
    def talk() -> Generator[Any, Any, str]:
        got = yield 1
        try:
            yield got
        except KeyError as error:
            yield repr(error)
        return "done"

    def outer() -> Iterator[Any]:
        result = yield from talk()
        yield result

    talking: Any = outer()
    assert [next(talking), talking.send("x"), talking.throw(KeyError("k")), next(talking)] == [1, "x", "KeyError('k')", "done"]
    (span,) = captured.spans
    assert span.status.status_code is StatusCode.UNSET
    assert "done" in said(span, "gen_ai.output.messages")


def test_a_generator_left_early_is_cancelled_and_no_error(captured: Captured) -> None:
    """Whoever breaks out of a loop has what he wanted."""

    @agent_run("a")
    def stream() -> Iterator[str]:
        yield from ("to", "be", "or")

    for word in stream():
        if word == "be":
            break
    gc.collect()
    assert ending(captured) == ("cancelled", "closed by its consumer before its end", False)
    assert '"tobe"' in said(captured.spans[0], "gen_ai.output.messages")


def test_a_generator_dropped_and_collected_elsewhere_ends(captured: Captured) -> None:
    """Collected by another thread, its scope ends there, and that thread's context stays its own."""

    @step("stream")
    def stream() -> Iterator[int]:
        with tool("inner"):
            yield 1

    holder = [stream()]
    next(holder[0])
    contexts: list[Any] = []

    def drop() -> None:
        with step("elsewhere"):
            before = get_current()
            holder.clear()
            gc.collect()
            contexts.extend([before, get_current()])

    thread = threading.Thread(target=drop)
    thread.start()
    thread.join()
    assert captured.names() == ["execute_tool inner", "stream", "elsewhere"]
    assert contexts[0] is contexts[1]


@pytest.mark.parametrize("how", ["same task", "another task", "left to the loop"])
def test_async_generators_close_wherever_they_are_closed(captured: Captured, how: str) -> None:
    """An async generator begun in one task may be closed in another, and nobody's context suffers."""

    @step("stream")
    async def stream() -> AsyncIterator[int]:
        with step("inner"):
            yield current_id()
            yield current_id()

    async def main() -> None:
        with step("consumer"):
            outside = current_id()
            body: Any = stream()
            assert await anext(body) not in (0, outside)
            assert current_id() == outside
            if how == "same task":
                await body.aclose()
            elif how == "another task":
                await asyncio.create_task(body.aclose())
            else:
                del body
                gc.collect()
                await asyncio.sleep(0)
            assert current_id() == outside
        assert current_id() == 0

    asyncio.run(main())
    assert captured.outline() == "consumer\n  stream\n    inner\n"
    assert {span.status.status_code for span in captured.spans} == {StatusCode.UNSET}


def test_an_undecorated_generator_with_a_scope_in_it_ends_well(captured: Captured) -> None:
    """A scope around a ``yield`` is current in the consumer too, as contexts are; closing it late or elsewhere does no harm."""

    async def stream() -> AsyncIterator[int]:
        with step("inner"):
            yield 1

    async def main() -> None:
        body: Any = stream()
        await anext(body)
        await asyncio.create_task(body.aclose())

    asyncio.run(main())
    assert captured.names() == ["inner"]


# --- contexts -----------------------------------------------------------------------------------------------------


def test_scopes_closed_out_of_turn_leave_nothing_behind(captured: Captured) -> None:
    """Callbacks of frameworks open and close as they come: once all are closed, the context is what it was."""
    before = get_current()
    first, second, third = step("first"), step("second"), step("third")
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    third.__enter__()
    second.__exit__(None, None, None)
    third.__exit__(None, None, None)
    assert get_current().get("current-span") == before.get("current-span")
    assert current_id() == 0
    assert captured.outline() == "first\n  second\n    third\n"


def test_tasks_and_groups_inherit_and_keep_apart(captured: Captured) -> None:
    """``gather`` and task groups: each task's steps are below the run, none below another's."""

    async def work(number: int) -> None:
        async with step(f"work {number}"):
            await asyncio.sleep(0)
            with tool(f"tool {number}"):
                await asyncio.sleep(0)

    async def main() -> None:
        async with agent_run("a"):
            await asyncio.gather(work(1), work(2))
            async with asyncio.TaskGroup() as group:
                group.create_task(work(3))
                group.create_task(work(4))

    asyncio.run(main())
    expected = "".join(f"  work {number}\n    execute_tool tool {number}\n" for number in (1, 2, 3, 4))
    assert captured.outline() == f"invoke_agent a\n{expected}"


def test_a_task_that_outlives_its_step_still_belongs_to_it(captured: Captured) -> None:
    """What was started in a step is below it, ended or not."""

    async def late(gate: asyncio.Event) -> None:
        await gate.wait()
        with step("late"):
            pass
        with step("later"):
            pass

    async def main() -> None:
        gate = asyncio.Event()
        with step("short"):
            task = asyncio.create_task(late(gate))
            await asyncio.sleep(0)
        gate.set()
        await task

    asyncio.run(main())
    assert captured.outline() == "short\n  late\n  later\n"


def test_recursion_to_the_limit_raises_what_it_raises(captured: Captured) -> None:
    """A stack that is used up is the host's error alone, and the context is what it was."""

    @step
    def down(n: int) -> None:
        down(n + 1)

    before = get_current()
    with pytest.raises(RecursionError):
        down(0)
    announce.end_open()
    assert get_current() is before or current_id() == 0
    assert captured.names().count("down") > 50


# --- errors and ends ----------------------------------------------------------------------------------------------


def test_an_exception_is_told_in_full_where_it_came_from(captured: Captured) -> None:
    """Every scope it goes through failed of it; the deepest holds its trace, and is what the run ended of."""
    error = KeyError("no such day")
    with pytest.raises(KeyError) as caught, agent_run("a"), step("outer"), tool("lookup"):
        raise error
    assert caught.value is error
    tool_span, step_span, run_span = captured.spans
    assert [said(span, "error.type") for span in captured.spans] == ["KeyError"] * 3
    assert [len(span.events) for span in captured.spans] == [1, 0, 0]
    assert tool_span.status.description == "KeyError: 'no such day'"
    assert ending(captured) == ("tool_failure", "KeyError: 'no such day'", True)
    assert (step_span.name, run_span.name) == ("outer", "invoke_agent a")


def test_a_handled_failure_is_the_tools_alone(captured: Captured) -> None:
    """A run whose tool failed and that went on has not failed."""
    with agent_run("a"):
        with pytest.raises(ValueError), tool("flaky"):
            raise ValueError("once")
        with tool("soft") as call:
            call.fail("no such order", result={"found": 0})
    assert [span.status.description for span in captured.spans] == ["ValueError: once", "no such order", None]
    assert said(captured.spans[1], "gen_ai.tool.call.result") == '{"found":0}'
    assert ending(captured) == ("completed", None, False)


class RateLimitError(Exception):
    status_code = 429


class BadRequestError(Exception):
    status_code = 400


class InputGuardrailTripwireTriggered(Exception): ...


class GraphRecursionError(RecursionError): ...


class CircuitBreakerError(Exception): ...


class ValidationError(ValueError): ...


def caused_by(cause: BaseException) -> BaseException:
    error = RuntimeError("outer")
    error.__cause__ = cause
    return error


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("never")


ENDS: list[tuple[BaseException, str, str]] = [
    (TimeoutError(), "other", "timeout"),
    (TimeoutError(), "tool", "timeout"),
    (ValueError("x"), "other", "error"),
    (ValueError("x"), "tool", "tool_failure"),
    (ConnectionResetError(), "tool", "tool_failure"),
    (ConnectionResetError(), "llm", "llm_unavailable"),
    (RateLimitError(), "llm", "llm_unavailable"),
    (RateLimitError(), "tool", "tool_failure"),
    (BadRequestError(), "llm", "error"),
    (InputGuardrailTripwireTriggered(), "other", "guardrail"),
    (GraphRecursionError(), "other", "max_steps"),
    (CircuitBreakerError(), "tool", "circuit_breaker"),
    (ValidationError("x"), "other", "validation_failed"),
    (json.JSONDecodeError("x", "", 0), "other", "validation_failed"),
    (caused_by(TimeoutError()), "other", "timeout"),
    (ExceptionGroup("several", [ValueError("x"), RateLimitError()]), "llm", "llm_unavailable"),
    (asyncio.CancelledError(), "tool", "cancelled"),
    (concurrent.futures.CancelledError(), "tool", "cancelled"),
    (KeyboardInterrupt(), "llm", "cancelled"),
    (SystemExit(0), "other", "completed"),
    (SystemExit(1), "other", "error"),
    (Unprintable(), "other", "error"),
]


@pytest.mark.parametrize(("error", "kind", "reason"), ENDS, ids=lambda value: value if isinstance(value, str) else type(value).__name__)
def test_the_exception_that_ends_a_run_says_why(captured: Captured, error: BaseException, kind: str, reason: str) -> None:
    """By its type, its status, its causes, and by what it came from; who is cancelled has not failed."""
    scope = {"tool": tool("x"), "llm": llm_call("x"), "other": step("x")}[kind]
    with pytest.raises(type(error)) as caught, agent_run("a"), scope:
        raise error
    assert caught.value is error
    found, _, is_failed = ending(captured)
    assert (found, is_failed) == (reason, reason not in ("cancelled", "completed"))


def test_what_is_declared_goes_first(captured: Captured) -> None:
    """The last declaration counts, over how the block ends; a word that is no reason is an error that says so."""
    with pytest.raises(ValueError), agent_run("a") as run:
        run.terminate("loop")
        run.terminate(TerminationReason.ESCALATED, "to a person")
        raise ValueError("x")
    with agent_run("b") as run:
        run.terminate("bored", "nothing to do")
    assert ending(captured) == ("escalated", "to a person", True)
    assert ending(captured, "invoke_agent b") == ("error", "bored: nothing to do", False)


@pytest.mark.parametrize(("finish", "reason"), [("length", "max_tokens"), ("refusal", "refused"), ("stop", "completed")])
def test_a_run_that_returns_ended_as_its_last_call_did(captured: Captured, finish: str, reason: str) -> None:
    """A model that was cut off or refused, and after which nothing was done."""
    with agent_run("a"), llm_call("m") as call:
        call.record(reply(finish))
    with agent_run("b"):
        with llm_call("m") as call:
            call.record(reply(finish))
        with tool("then"):
            pass
    assert ending(captured)[0] == reason
    assert ending(captured, "invoke_agent b")[0] == "completed"


def reply(finish: str = "stop", **usage: int) -> dict[str, Any]:
    """Return a chat completion as a dict."""
    tokens = {"prompt_tokens": 10, "completion_tokens": 5, **usage}
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": "yes"}}
    return {"id": "c-1", "object": "chat.completion", "model": "m-1", "choices": [choice], "usage": tokens}


def test_asyncio_cancellation_closes_everything(captured: Captured) -> None:
    """A cancelled task's scopes end as cancelled, and the cancellation goes on."""

    async def work(started: asyncio.Event) -> None:
        async with agent_run("a"), tool("slow"):
            started.set()
            await asyncio.sleep(3600)

    async def main() -> None:
        started = asyncio.Event()
        task = asyncio.create_task(work(started))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert captured.outline() == "invoke_agent a\n  execute_tool slow\n"
    assert ending(captured) == ("cancelled", "CancelledError", False)


_AT_EXIT = """
import sys
from opentelemetry.sdk.trace import TracerProvider, SpanProcessor
from tracer.recording import active
from tracer import agent_run, step
class Tell(SpanProcessor):
    def on_end(self, span):
        print(span.name, span.attributes.get("clew.termination.reason"), flush=True)
provider = TracerProvider(shutdown_on_exit=False)
provider.add_span_processor(Tell())
active.activate(active.Active(provider.get_tracer("x"), lambda span, said: None, lambda trace_id: None))
run = agent_run("a")
run.__enter__()
inner = step("open")
inner.__enter__()
"""


@pytest.mark.parametrize("way", ["", "sys.exit(3)", "raise ValueError"])
def test_the_end_of_the_interpreter_ends_what_is_open(way: str) -> None:
    """However it ends, short of being killed."""
    done = subprocess.run([sys.executable, "-c", _AT_EXIT + way], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "open None\ninvoke_agent a cancelled\n"


def test_a_forked_child_does_not_end_what_is_its_parents(captured: Captured) -> None:
    """The span is sent once, by the process that opened it; what the child opens itself is a child of it."""
    reader, writer = os.pipe()
    with agent_run("a") as run:
        child = os.fork()
        if child == 0:
            with os.fdopen(writer, "w") as pipe:
                try:
                    with step("in the child"):
                        pass
                    run.__exit__(None, None, None)
                    pipe.write("|".join(captured.names()) + f"|{len(announce.open_scopes)}")
                finally:
                    pipe.flush()
                    os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as pipe:
            told = pipe.read()
        os.waitpid(child, 0)
    assert told == "in the child|0"
    assert captured.names() == ["invoke_agent a"]


# --- never hurting the host ---------------------------------------------------------------------------------------


class Broken:
    """A tracer, or span, of which everything named fails."""

    def __init__(self, broken: str, span: Any) -> None:
        self._broken = broken
        self._span = span

    def __getattr__(self, name: str) -> Any:
        if name == self._broken:
            raise RuntimeError("telemetry is broken")
        return getattr(self._span, name)


@pytest.mark.parametrize(
    "broken", ["start_span", "set_attributes", "set_attribute", "set_status", "end", "get_span_context", "record_exception"]
)
def test_broken_telemetry_is_not_the_hosts_problem(broken: str) -> None:
    """Whatever of it raises: results, exceptions and contexts of the host are as without it."""
    with capture():
        whole = active.current()
    assert whole is not None
    inner = whole.tracer

    class Tracer:
        def start_span(self, *args: Any, **kwargs: Any) -> Any:
            if broken == "start_span":
                raise RuntimeError("telemetry is broken")
            return Broken(broken, inner.start_span(*args, **kwargs))

    active.activate(active.Active(Tracer(), bad_announce, lambda trace_id: None, heartbeat_s=0))  # type: ignore[arg-type]  # as broken as can be
    try:
        use_everything()
    finally:
        active.activate(None)
    assert current_id() == 0


def bad_announce(span: Any, attributes: Any) -> None:
    raise RuntimeError("telemetry is broken")


def use_everything() -> None:
    """Go through all recorders, with an exception through some, and check what the host sees of it."""

    @tool
    def double(n: int) -> int:
        return 2 * n

    @agent_run("stream")
    def stream() -> Iterator[int]:
        yield from (1, 2)

    error = ValueError("the host's")
    with pytest.raises(ValueError) as caught, agent_run("a", session="s", references={"order": 1}) as run:
        run.thought("hm")
        run.reference(ticket=2)
        run.tag("vip")
        with plan(["x"]) as made, step("s") as inner, retrieval("q") as found, handoff("b"):
            made.revise(["y"])
            inner.output(object())
            found.documents(["d"])
        assert decision("q", ["a", "b"]).choose("a") == "a"
        with llm_call("m", temperature=1) as call:
            assert list(call.stream(iter([1, 2]))) == [1, 2]
            call.record({"id": 1})
        record("cache", hit=True)
        assert double(2) == 4
        assert list(stream()) == [1, 2]
        assert isinstance(run.url + run.id + run.trace_id, str)
        raise error
    assert caught.value is error
    assert not current_run()


def test_nothing_configured_is_nothing_done() -> None:
    """Every name works, and does nothing."""
    active.activate(None)
    use_everything()
    assert current_run().used.tokens == 0
    with agent_run("a") as run:
        assert (run.id, run.trace_id, run.url, run.stop_reason) == ("", "", "", None)
    with current_run() as nothing:
        nothing.thought("into the void")
    assert announce.open_scopes == {}


class Hostile:
    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__

    def __iter__(self) -> Iterator[int]:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    "value", [Hostile(), float("nan"), 1 << 70, "\ud800", b"\xff", {1: {2: [Hostile()]}}, [[[]]], "x" * 100_000, {"a": "\x00"}]
)
def test_hostile_values_are_recorded_somehow(captured: Captured, value: Any) -> None:
    """Whatever the host has: the call succeeds, the span is there, and its attributes can be sent."""
    ways: list[Callable[[], Any]] = [
        lambda: tool("t", arguments=value, call_id=value, description=value),
        lambda: step("s"),
        lambda: llm_call("m", messages=value, system=value, tools=value, temperature=value),
        lambda: agent_run("a", input=value, session=value, references={"x": value}, tags=[value]),
        lambda: plan(value if not callable(value) else None),
        lambda: retrieval(value),
    ]
    for way in ways:
        with way() as scope:
            for method in ("output", "result", "thought", "documents", "arguments", "input", "partial"):
                getattr(scope, method, lambda given: None)(value)
    assert len(announce.open_scopes) == 0
    for span in captured.spans:
        json.dumps(dict(span.attributes or {})).encode()


# --- what is recorded ---------------------------------------------------------------------------------------------


def test_a_run_says_who_it_is(captured: Captured) -> None:
    """Identity, the customer's words and the address are known before it ends; its name is on all that happens in it."""
    about: Any = {"session": "s-1", "user": "u-1", "tags": ["vip"], "references": {"order": 7}, "environment": "test", "version": "2"}
    with agent_run("a", input="hi", **about) as run:
        with step("inner"), agent_run("b", session="s-2"), tool("deep"):
            pass
        run.reference(ticket="t-1", nothing=None)
        run.tag("late", "vip")
        run.output({"ok": True})
        address = run.url
    assert address == f"http://clew.test/traces/{run.trace_id}?run={run.id}"
    names = ("clew.run.id", "clew.agent.name", "gen_ai.conversation.id", "user.id")
    outer, inner = run.id, captured.spans[1].context.span_id
    assert [tuple(said(span, name) for name in names) for span in captured.spans] == [
        (f"{inner:016x}", "b", "s-2", "u-1"),
        (f"{inner:016x}", "b", "s-2", "u-1"),
        (outer, "a", "s-1", "u-1"),
        (outer, "a", "s-1", "u-1"),
    ]
    attributes: dict[str, Any] = dict(captured.named("invoke_agent a").attributes or {})
    assert {name: attributes[name] for name in attributes if name.startswith(("clew.ref", "clew.tags", "deployment", "gen_ai.agent"))} == {
        "clew.reference.order": "7",
        "clew.reference.ticket": "t-1",
        "clew.tags": ("vip", "late"),
        "deployment.environment.name": "test",
        "gen_ai.agent.version": "2",
        "gen_ai.agent.name": "a",
    }
    assert json.loads(attributes["gen_ai.input.messages"]) == [{"role": "user", "parts": [{"type": "text", "content": "hi"}]}]
    answer = {"role": "assistant", "parts": [{"type": "text", "content": '{"ok":true}'}], "finish_reason": "stop"}
    assert json.loads(attributes["gen_ai.output.messages"]) == [answer]


def test_decisions_keep_every_alternative(captured: Captured) -> None:
    """In the order offered, with scores and reasons, the chosen one among them; one never taken is recorded as such."""
    decision("which?", {"a": 0.2, "b": None}).choose("b", because="cheap")
    with decision("which?", ["a", {"name": "b", "score": 1, "because": "near"}, ("c", 3)]) as made:
        made.option("a", because="slow")
        made.option("d", score=0.5)
        assert made.choose("e") == "e"
    with decision("which?", ["a"]):
        pass

    @decision("route?", ["x", "y"])
    def route() -> str:
        return "y"

    route()
    found = [(said(span, "clew.decision.chosen"), outlined(said(span, "clew.decision.alternatives"))) for span in captured.spans]
    assert found == [
        ("b", ["a 0.2 None", "b None None"]),
        ("e", ["a None slow", "b 1.0 near", "c 3.0 None", "d 0.5 None", "e None None"]),
        (None, ["a None None"]),
        ("y", ["x None None", "y None None"]),
    ]


def outlined(alternatives: str) -> list[str]:
    return [f"{one['name']} {one['score']} {one['because']}" for one in json.loads(alternatives)]


def test_thoughts_stand_where_they_were_thought(captured: Captured) -> None:
    """A run's thought is a step of its own, where the run is; a step's are one text."""
    with agent_run("a") as run:
        run.thought("first")
        with step("s") as inner:
            inner.thought("one")
            run.thought("second")
            inner.thought("two")
    run.thought("too late")
    assert captured.outline() == "invoke_agent a\n  thought\n  s\n    thought\n"
    assert said(captured.named("s"), "clew.thought") == "one\n\ntwo"


def test_records_are_one_step_each(captured: Captured) -> None:
    """Each with what it needs, without length; a kind or field there is not is a mistake that shows at once, configured or not."""
    record("retry", attempt=1, of=3, because="timeout", delay_s=2)
    record("fallback", source="big", to="small", because="busy")
    record("repair", attempt=1, of=2, errors=["no date", "no name"])
    record("breaker", state="open", because="5 failures")
    record("cache", hit=True, name="answers", saved_usd=0.1)
    assert captured.names() == ["retry 1 of 3", "fallback to small", "repair 1 of 2", "breaker open", "cache answers"]
    assert {(span.end_time or 0) - (span.start_time or 0) for span in captured.spans} == {0}
    with pytest.raises(TypeError):
        record("retries", attempt=1)  # type: ignore[call-overload]  # the mistake
    with pytest.raises(TypeError):
        record("retry", attempts=1)  # type: ignore[call-overload]  # likewise


def test_model_calls_record_what_came_back(captured: Captured) -> None:
    """Parameters by the conventions' names and types; usage by hand or from the reply."""
    parameters: dict[str, Any] = {"temperature": 1, "n": 2, "stop": "x", "seed": None, "made_up": 1}
    with llm_call("m", provider="openai", messages=[{"role": "user", "content": "hi"}], **parameters) as call:
        call.record(reply(prompt_tokens=7))
    attributes = dict(captured.spans[0].attributes or {})
    assert [attributes.get(f"gen_ai.request.{name}") for name in ("temperature", "choice.count", "stop_sequences", "seed", "made_up")] == [
        1.0, 2, ("x",), None, None,
    ]  # fmt: skip
    assert [attributes[f"gen_ai.{name}"] for name in ("usage.input_tokens", "usage.output_tokens", "response.model", "response.id")] == [
        7, 5, "m-1", "c-1",
    ]  # fmt: skip

    @llm_call("m", operation="text_completion")
    def ask(prompt: str) -> Any:
        return reply()

    assert ask("hello")["id"] == "c-1"
    assert "hello" in said(captured.named("text_completion m"), "gen_ai.input.messages")
    assert said(captured.named("text_completion m"), "gen_ai.usage.input_tokens") == 10


def test_content_can_be_off(captured: Captured) -> None:
    """Then nothing that anybody wrote, asked, answered or thought is recorded; names and numbers are."""
    with capture(content=False) as silent:
        use_everything()
        tool("t", arguments={"secret": 1})(lambda: "secret")()
        with pytest.raises(ValueError), tool("t") as call:
            call.fail("secret")
            raise ValueError("secret")
    text = json.dumps([[dict(span.attributes or {}), span.status.description, str(span.events)] for span in silent.spans])
    assert not any(word in text for word in ("secret", "messages", "arguments\"", "hm"))
    assert "clew.decision.chosen" in text


def test_long_values_are_cut_and_marked() -> None:
    """At the length configured, and never without the mark."""
    with capture(max_value_chars=100) as captured, tool("t", arguments="x" * 101) as call:
        call.result("y" * 100)
    attributes: dict[str, Any] = dict(captured.spans[0].attributes or {})
    assert len(attributes["gen_ai.tool.call.arguments"]) <= 100
    assert attributes["gen_ai.tool.call.result"] == "y" * 100
    assert attributes["clew.content.truncated"] is True


# --- open work ----------------------------------------------------------------------------------------------------


def test_open_work_speaks_for_itself(captured: Captured) -> None:
    """A run at once, and then at its pace; a step once it lasts; nothing after its end."""
    current = active.current()
    assert current is not None
    pipeline = replace(current, heartbeat_s=15.0)
    with agent_run("a", input="hi") as run:
        with llm_call("m") as call:
            call.usage(input=3, output=4)
        with step("long"):
            start_s = max(scope.opened_s for scope in announce.open_scopes.values())
            announce.announce_due(start_s + 1, pipeline)
            announce.announce_due(start_s + 2.5, pipeline)
            announce.announce_due(start_s + 14, pipeline)
            announce.announce_due(start_s + 16, pipeline)
            announce.announce_due(start_s + 18, pipeline)
    announce.announce_due(start_s + 200, pipeline)
    told = [(words["clew.announce"], words["clew.announce.name"], words.get("clew.used.tokens")) for _, words in captured.announced]
    assert told == [("started", "invoke_agent a", None), ("started", "long", None), ("heartbeat", "invoke_agent a", 7)]
    first, second = captured.announced[0][1], captured.announced[1][1]
    assert "hi" in first["gen_ai.input.messages"]
    assert (first["clew.run.id"], second["clew.run.id"]) == (run.id, run.id)
    assert second["clew.announce.parent"] == run.id
    assert "clew.announce.parent" not in first


def test_exit_stacks_and_contexts_work(captured: Captured) -> None:
    """Scopes are context managers like any other."""
    with ExitStack() as stack:
        stack.enter_context(agent_run("a"))
        stack.enter_context(step("b"))
    contextvars.copy_context().run(use_everything)
    assert captured.outline().startswith("invoke_agent a\n  b\n")


def test_budget_errors_can_be_made_by_hand() -> None:
    """Nothing about them needs a run: an agent's own tests raise them."""
    assert issubclass(BudgetExhausted, RuntimeError)


def test_a_new_exception_is_never_taken_for_an_old_one(captured: Captured) -> None:
    """One that was handled is gone, and the next may lie at its very address: it is told in full all the same."""

    def act() -> None:
        with tool("t"):
            raise ValueError("handled")

    for number in range(20):
        with pytest.raises(ValueError), agent_run(f"a{number}"):
            with suppress(ValueError):
                act()
            raise ValueError("not handled")
    runs = [span for span in captured.spans if span.name.startswith("invoke_agent")]
    assert [said(span, "clew.termination.reason") for span in runs] == ["error"] * 20
    assert [len(span.events) for span in captured.spans] == [1] * 40


def test_of_several_failures_at_once_each_is_known(captured: Captured) -> None:
    """Whichever of them goes on."""

    async def act(error: Exception) -> None:
        with tool("t"):
            raise error

    async def main() -> None:
        with agent_run("a"):
            results = await asyncio.gather(*(act(ValueError(str(number))) for number in range(3)), return_exceptions=True)
            assert isinstance(results[0], ValueError)
            raise results[0]

    with pytest.raises(ValueError):
        asyncio.run(main())
    assert ending(captured) == ("tool_failure", "ValueError: 0", True)
    assert [len(span.events) for span in captured.spans] == [1, 1, 1, 0]


def test_an_agent_that_calls_itself_fails_for_itself(captured: Captured) -> None:
    """The inner failure, handled, came through the very same lines as the outer one."""

    @tool
    def down(n: int) -> None:
        if n:
            with suppress(ValueError):
                down(n - 1)
        raise ValueError("again")

    for _ in range(20):
        with pytest.raises(ValueError):
            down(2)
    assert [len(span.events) for span in captured.spans] == [1] * 60


def test_the_watcher_lets_open_work_speak() -> None:
    """By a thread of its own, at the pace configured, until the work ends."""
    with capture():
        before = active.current()
        assert before is not None
        beat = threading.Event()

        def hear(span: Any, words: Any) -> None:
            if words["clew.announce"] == "heartbeat":
                beat.set()

        active.activate(replace(before, announce=hear, heartbeat_s=0.01, announce_after_s=0.01))
        with agent_run("a"):
            assert beat.wait(10)
            beat.clear()
            assert beat.wait(10)
