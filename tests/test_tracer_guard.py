"""Ceilings hold, whoever counts at the same time and whether or not anything is recorded; and a run can be stopped from outside."""

import asyncio
import concurrent.futures
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import StatusCode

from tracer import (
    Budget,
    BudgetExhausted,
    RunStopped,
    agent_run,
    configure,
    current_run,
    decision,
    flush,
    llm_call,
    record,
    step,
    tool,
)
from tracer.recording import active, control
from tracer.recording.guard import Meter
from tracer.testing import Captured, capture

from .otlp_backend import attributes_of, backend
from .tracer_play import switch_off


@pytest.fixture(params=["recorded", "nothing configured"])
def captured(request: pytest.FixtureRequest) -> Iterator[Captured | None]:
    """Hold every rule twice: a ceiling must not vanish because telemetry is off."""
    if request.param == "recorded":
        with capture() as found:
            yield found
    else:
        active.activate(None)
        yield None


def call(tokens_in: int = 0, tokens_out: int = 0, usd: float | None = None) -> None:
    """Make a model call that uses so much."""
    with llm_call("m") as made:
        made.usage(input=tokens_in, output=tokens_out)
        if usd is not None:
            made.cost(usd)


@tool
def use_tool() -> None:
    """Use a tool."""


def ended(captured: Captured | None, name: str = "invoke_agent a") -> Any:
    """Return why the run ended, where it was recorded."""
    if captured is None:
        return None
    return (captured.named(name).attributes or {})["clew.termination.reason"]


@pytest.mark.parametrize(
    ("budget", "act", "limit", "reason"),
    [
        (Budget(tokens=100), lambda: call(60, 40), "tokens", "token_budget"),
        (Budget(usd=0.5), lambda: call(1, 1, usd=0.5), "usd", "cost_budget"),
        (Budget(steps=1), lambda: use_tool(), "steps", "max_steps"),
        (Budget(seconds=0), lambda: None, "seconds", "timeout"),
    ],
    ids=["tokens", "usd", "steps", "seconds"],
)
def test_each_ceiling_stops_the_next_step(
    captured: Captured | None, budget: Budget, act: Callable[[], None], limit: str, reason: str
) -> None:
    """The step that would go over it does not begin, and the run ends for that reason with what it had."""
    with pytest.raises(BudgetExhausted) as caught, agent_run("a", budget=budget) as run:
        run.partial("half an answer")
        act()
        with llm_call("m"):
            raise AssertionError("not reached")
    error = caught.value
    assert (error.limit, error.budget, error.partial) == (limit, budget, "half an answer")
    assert error.used.steps == (0 if limit == "seconds" else 1)
    assert str(error).startswith("budget exhausted: ")
    assert ended(captured) in (reason, None)
    if captured is not None:
        span = captured.named("invoke_agent a")
        assert "half an answer" in str((span.attributes or {})["gen_ai.output.messages"])
        assert (span.attributes or {})[f"clew.budget.{limit}"] == getattr(budget, limit)
        assert span.status.status_code is StatusCode.ERROR


def test_a_run_that_catches_the_breach_still_ends_for_it(captured: Captured | None) -> None:
    """An agent may answer with what it has; why it had to is told all the same, and it did not fail."""
    with agent_run("a", budget=Budget(steps=2)) as run:
        done = 0
        try:
            for _ in range(5):
                with step("s"):
                    done += 1
        except BudgetExhausted:
            run.output("what I have")
    assert done == 2
    assert run.used.steps == 2
    assert ended(captured) in ("max_steps", None)
    if captured is not None:
        assert captured.named("invoke_agent a").status.status_code is StatusCode.UNSET


def test_nested_runs_use_up_the_budgets_around_them(captured: Captured | None) -> None:
    """A child's use counts against its parents' budgets, not the other way round."""
    with agent_run("a", budget=Budget(tokens=100)) as outer:
        with agent_run("b", budget=Budget(tokens=1_000)) as inner:
            call(30, 30)
            with agent_run("c"):
                call(30, 10)
        assert (outer.used.tokens, inner.used.tokens) == (100, 100)
        with pytest.raises(BudgetExhausted) as caught, agent_run("d"):
            raise AssertionError("not reached")
        assert caught.value.used.tokens == 100
    with agent_run("e", budget=Budget(tokens=50)):
        call(10, 0)
        with agent_run("f"):
            call(10, 0)
    assert ended(captured) in ("token_budget", None)
    assert ended(captured, "invoke_agent e") in ("completed", None)


def test_all_kinds_of_steps_count_and_records_do_not(captured: Captured | None) -> None:
    """What an agent does is a step; what is told of it is none."""
    with agent_run("a", budget=Budget(steps=100)) as run:
        with step("s"), tool("t"), llm_call("m"), decision("q", ["x"]) as made:
            made.choose("x")
        decision("q", ["x"]).choose("x")
        record("retry", attempt=1)
        run.thought("hm")
    assert run.used.steps == 5


def test_a_ceiling_of_steps_is_exact_between_threads(captured: Captured | None) -> None:
    """However many try at once, so many begin and no more."""
    begun: list[int] = []

    def work(number: int) -> bool:
        try:
            with step(f"s {number}"):
                begun.append(number)
        except BudgetExhausted:
            return False
        return True

    with agent_run("a", budget=Budget(steps=20)) as run, concurrent.futures.ThreadPoolExecutor(8) as pool:
        results = list(pool.map(run.wrap(work), range(200)))
    assert (sum(results), len(begun), run.used.steps) == (20, 20, 20)


def test_tokens_are_not_lost_between_threads(captured: Captured | None) -> None:
    """Every token of every thread is counted once."""
    with agent_run("a", budget=Budget(tokens=10**9)) as run, concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(run.wrap(lambda number: call(number, 1)), range(200)))
    assert run.used.tokens == sum(range(200)) + 200


def test_a_breach_in_one_of_several_tasks_ends_them_all(captured: Captured | None) -> None:
    """In a task group the others are cancelled, and the run ends for the budget."""

    async def work(tokens: int) -> None:
        async with step("s"):
            await asyncio.sleep(0)
            call(tokens, 0)
        await asyncio.sleep(0)
        async with step("again"):
            await asyncio.sleep(3600)

    async def main() -> None:
        async with agent_run("a", budget=Budget(tokens=10)), asyncio.TaskGroup() as group:
            group.create_task(work(9))
            group.create_task(work(9))

    with pytest.raises(ExceptionGroup) as caught:
        asyncio.run(main())
    assert all(isinstance(error, BudgetExhausted) for error in caught.value.exceptions)
    assert ended(captured) in ("token_budget", None)


def test_usage_told_twice_is_counted_once(captured: Captured | None) -> None:
    """What a stream tells as it goes replaces what it told before."""
    with agent_run("a", budget=Budget(tokens=1_000)) as run, llm_call("m") as made:
        made.usage(input=10, output=1)
        made.usage(output=5)
        made.cost(0.1)
        made.cost(0.2)
        assert run.used.tokens == 15
        made.record({"object": "chat.completion", "model": "m", "choices": [], "usage": {"prompt_tokens": 20, "completion_tokens": 6}})
    assert (run.used.tokens, run.used.usd, run.used.unpriced_calls) == (26, 0.2, 0)


def test_costs_come_from_prices_or_are_told_to_be_unknown() -> None:
    """What has no price counts for nothing, and is counted as such; a price list that fails has none."""

    def price(model: str, provider: str | None, tokens: Any) -> float | None:
        if model == "broken":
            raise RuntimeError
        return tokens["input"] * 0.01 if model == "known" else None

    with capture(price=price), agent_run("a") as run:
        for model in ("known", "unknown", "broken"):
            with llm_call(model, provider="p") as made:
                made.usage(input=10, output=1)
        assert run.used.usd == pytest.approx(0.1)
        assert run.used.unpriced_calls == 2
        with pytest.raises(ValueError), llm_call("unknown"):
            raise ValueError
        assert run.used.unpriced_calls == 2


def test_a_generator_is_refused_where_it_begins(captured: Captured | None) -> None:
    """The first item is asked for, not the generator made."""

    @tool
    def stream() -> Iterator[int]:
        yield 1

    with agent_run("a", budget=Budget(steps=0)):
        begun = stream()
        with pytest.raises(BudgetExhausted):
            next(begun)


def test_a_finished_run_refuses_nothing(captured: Captured | None) -> None:
    """What was started in a run and outlives it is not stopped by its clock."""
    with agent_run("a", budget=Budget(seconds=0)) as run:
        later = run.wrap(call)
    later()
    assert run.used.steps == 1


# --- calls that others report -------------------------------------------------------------------------------------


OPENINFERENCE = {"openinference.span.kind": "LLM", "llm.token_count.prompt": 60, "llm.token_count.completion": 40, "llm.model_name": "m"}
GENAI = {
    "gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 60, "gen_ai.usage.output_tokens": 40,
    "gen_ai.response.finish_reasons": ["length"],
}  # fmt: skip


@pytest.mark.parametrize("attributes", [OPENINFERENCE, GENAI], ids=["OpenInference", "GenAI"])
def test_calls_of_other_instrumentations_count(attributes: dict[str, Any]) -> None:
    """Their spans are the run's; a framework's span around a client's is the same call; what is no model call is none."""
    provider = TracerProvider(shutdown_on_exit=False)
    with backend() as server:
        configure(endpoint=server.url, provider=provider)
        theirs = provider.get_tracer("theirs")
        try:
            with pytest.raises(BudgetExhausted), agent_run("a", budget=Budget(tokens=150)) as run:
                with theirs.start_as_current_span("chain", attributes={**attributes, "gen_ai.operation.name": "invoke_agent"} | NO_KIND):
                    pass
                assert run.used.tokens == 0
                outer = theirs.start_as_current_span("framework", attributes=attributes)
                with outer, theirs.start_as_current_span("client", attributes=attributes):
                    pass
                assert (run.used.tokens, run.used.unpriced_calls) == (100, 1)
                with step("goes on"), theirs.start_as_current_span("again", attributes=attributes):
                    pass
                assert run.used.tokens == 200
                with step("one too many"):
                    raise AssertionError("not reached")
            with theirs.start_as_current_span("outside", attributes=attributes):
                pass
            assert run.used.tokens == 200
            with agent_run("b"), theirs.start_as_current_span("last", attributes=attributes):
                pass
            assert flush()
        finally:
            switch_off()
        ends = {span.name: attributes_of(span).get("clew.termination.reason") for span in server.spans}
    assert ends["invoke_agent b"] == ("max_tokens" if attributes is GENAI else "completed")


NO_KIND: dict[str, Any] = {"openinference.span.kind": "CHAIN"}


# --- stopped from outside -----------------------------------------------------------------------------------------


@dataclass
class Server:
    """A server that is asked whether to stop, and what it was asked."""

    url: str = ""
    answer: bytes = b'{"stop": false}'
    status: int = 200
    location: str | None = None
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    was_asked: threading.Event = field(default_factory=threading.Event)


@contextmanager
def serving() -> Iterator[Server]:
    """Answer on a free loopback port until the block ends."""
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append((self.path, self.headers["Authorization"]))
            self.send_response(state.status)
            if state.location is not None:
                self.send_header("Location", state.location)
            self.send_header("Content-Length", str(len(state.answer)))
            self.end_headers()
            self.wfile.write(state.answer)
            state.was_asked.set()

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_address[1]}/clew/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def controlled(url: str, **settings: Any) -> Iterator[active.Active]:
    """Record into a list, with a server to ask."""
    with capture():
        before = active.current()
        assert before is not None
        pipeline = replace(before, control_url=url.rstrip("/"), api_key="clew_key", **settings)
        active.activate(pipeline)
        yield pipeline


def watched(pipeline: active.Active) -> control.Watched:
    return control.Watched("ab" * 16, "cd" * 8, Meter(None, None), pipeline)


def test_a_stopped_run_stops_before_its_next_step() -> None:
    """Through the thread that asks in the background, with by whom and why."""
    run = agent_run("a", control=True)
    with serving() as server, controlled(server.url, control_interval_s=0.01), pytest.raises(RunStopped) as caught, run:
        trace_id, run_id = run.trace_id, run.id
        assert server.was_asked.wait(10)
        with step("goes on"):
            server.answer = json.dumps({"stop": True, "by": "ops@clew.test", "reason": "wrong customer"}).encode()
        deadline_s = time.monotonic() + 10
        while time.monotonic() < deadline_s:
            server.was_asked.clear()
            server.was_asked.wait(1)
            with step("polls"):
                assert run.stop_reason in (None, "wrong customer")
    assert (caught.value.by, caught.value.reason) == ("ops@clew.test", "wrong customer")
    assert server.asked[0] == (f"/clew/api/v1/traces/{trace_id}/control?run={run_id}", "Bearer clew_key")
    assert control._watched == {}


def test_a_stopped_run_is_recorded_as_stopped() -> None:
    """By whom as well; one that catches it and returns was stopped all the same; so is a run inside it."""
    with capture() as captured:
        for catches in (False, True):
            try:
                with agent_run("a") as run, agent_run("b"):
                    assert run._meter is not None
                    run._meter.stopped = ("rule: loops", "three times the same call")
                    try:
                        with step("s"):
                            raise AssertionError("not reached")
                    except RunStopped:
                        if not catches:
                            raise
            except RunStopped:
                assert not catches
        found = [dict(span.attributes or {}) for span in captured.spans]
    assert [(one["clew.agent.name"], one["clew.termination.reason"], one.get("clew.stopped.by")) for one in found] == [
        ("b", "stopped", None),
        ("a", "stopped", "rule: loops"),
        ("b", "completed", None),
        ("a", "stopped", "rule: loops"),
    ]


@pytest.mark.parametrize("answer", [b"", b"[]", b"{", b'{"stop": "yes"}', b'{"stop": 1}', b"x" * 200_000, b'{"stop": true, "by"'])
def test_strange_answers_stop_nothing(answer: bytes) -> None:
    """Only ``"stop": true`` stops; what is no such answer is none."""
    with serving() as server, controlled(server.url) as pipeline:
        server.answer = answer
        run = watched(pipeline)
        control.ask(run)
        assert run.meter.stopped is None


@pytest.mark.parametrize(("fail_closed", "stopped"), [(False, None), (True, (None, "control unreachable"))])
def test_a_server_that_is_away_stops_as_configured(fail_closed: bool, stopped: Any) -> None:
    """Open: never. Closed: after three failures in a row."""
    with serving() as server, controlled(server.url, fail_closed=fail_closed) as pipeline:
        run = watched(pipeline)
        server.status = 503
        control.ask(run)
        control.ask(run)
        server.status = 200
        control.ask(run)
        server.status = 503
        control.ask(run)
        control.ask(run)
        assert run.meter.stopped is None
        control.ask(run)
        assert run.meter.stopped == stopped
    away = watched(replace(pipeline, fail_closed=True))
    for _ in range(3):
        control.ask(away)
    assert away.meter.stopped is not None


def test_the_key_goes_nowhere_else() -> None:
    """A redirect is an answer that stops nothing, not a way."""
    with serving() as other, serving() as server, controlled(server.url) as pipeline:
        server.status, server.location = 302, other.url
        control.ask(watched(pipeline))
        assert other.asked == []


def test_without_an_address_a_closed_guard_refuses() -> None:
    """Where nobody can be asked, failing closed means not to begin."""
    with capture():
        before = active.current()
        assert before is not None
        active.activate(replace(before, fail_closed=True))
        with pytest.raises(RunStopped, match="control unreachable"), agent_run("a", control=True), step("s"):
            raise AssertionError("not reached")
        with agent_run("b"), step("s"):
            assert current_run()


def test_what_is_no_budget_is_refused_at_once() -> None:
    """Where it is written, not in the middle of a run."""
    mistakes: list[dict[str, Any]] = [{"tokens": "many"}, {"usd": True}]
    for wrong in mistakes:
        with pytest.raises(TypeError):
            Budget(**wrong)
    for negative in (-1, float("nan")):
        with pytest.raises(ValueError):
            Budget(usd=negative)
    with pytest.raises(TypeError):
        agent_run("a", budget={"tokens": 1})  # type: ignore[call-overload]  # likewise
    with pytest.raises(TypeError):
        agent_run("a", budgets=Budget())  # type: ignore[call-overload]  # likewise
