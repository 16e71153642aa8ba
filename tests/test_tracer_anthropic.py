"""Anthropic's real client, instrumented, against an API on loopback."""

import asyncio
import gc
import json
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode

from tracer import Budget, BudgetExhausted, agent_run, instrument_anthropic, llm_call, tool
from tracer.testing import Captured, capture

from .model_server import BREAKS, OVERLOADS, ModelServer, model_server

ASK: list[Any] = [{"role": "user", "content": "Is it sunny in Leeds?"}]
TOOL: Any = {"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}
ASKED: Any = {
    "model": "claude-test",
    "max_tokens": 4096,
    "messages": ASK,
    "tools": [TOOL],
    "system": "Be brief.",
    "thinking": {"type": "enabled", "budget_tokens": 1024},
}
SAID = "They want to know. I should look."

REQUEST = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "anthropic",
    "gen_ai.request.model": "claude-test",
    "gen_ai.request.max_tokens": 4096,
    "clew.step.kind": "llm",
}
REPLY = {
    "gen_ai.response.model": "claude-test",
    "gen_ai.response.id": "msg_1",
    "gen_ai.response.finish_reasons": ("tool_use",),
    "gen_ai.usage.input_tokens": 160,
    "gen_ai.usage.output_tokens": 25,
    "gen_ai.usage.cache_read.input_tokens": 40,
    "gen_ai.usage.cache_creation.input_tokens": 20,
    "gen_ai.usage.reasoning.output_tokens": 7,
}
CONTENTS = ("gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions", "gen_ai.tool.definitions")

CHAT = "chat claude-test"


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    with model_server() as running:
        yield running


@pytest.fixture
def client(server: ModelServer) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=server.url, api_key="k", max_retries=0) as made:
        yield instrument_anthropic(made)


def async_client(server: ModelServer) -> anthropic.AsyncAnthropic:
    return instrument_anthropic(anthropic.AsyncAnthropic(base_url=server.url, api_key="k", max_retries=0))


def facts(span: ReadableSpan) -> dict[str, Any]:
    """Return what a span says besides what was said."""
    return {name: value for name, value in (span.attributes or {}).items() if name not in CONTENTS}


def parts(span: ReadableSpan, name: str) -> list[Any]:
    (message,) = json.loads(str((span.attributes or {})[name]))
    found: list[Any] = message["parts"]
    return found


def thoughts(span: ReadableSpan) -> list[str]:
    return [part["content"] for part in parts(span, "gen_ai.output.messages") if part["type"] == "reasoning"]


# --- each way to call


def plain(client: anthropic.Anthropic) -> None:
    assert client.messages.create(**ASKED).stop_reason == "tool_use"


def beta(client: anthropic.Anthropic) -> None:
    assert client.beta.messages.create(**ASKED).stop_reason == "tool_use"


def parsed(client: anthropic.Anthropic) -> None:
    assert client.messages.parse(**ASKED).stop_reason == "tool_use"


def raw(client: anthropic.Anthropic) -> None:
    response = client.messages.with_raw_response.create(**ASKED)
    assert response.headers["request-id"] == "req_1"
    assert response.parse().id == "msg_1"


def copied(client: anthropic.Anthropic) -> None:
    assert client.with_options(timeout=9).messages.create(**ASKED).stop_reason == "tool_use"


def streamed(client: anthropic.Anthropic) -> None:
    stream = client.messages.create(**ASKED, stream=True)
    assert isinstance(stream, anthropic.Stream)
    with stream:
        assert [event.type for event in stream][-1] == "message_stop"


def streamed_beta(client: anthropic.Anthropic) -> None:
    assert list(client.beta.messages.create(**ASKED, stream=True))[-1].type == "message_stop"


def stepped(client: anthropic.Anthropic) -> None:
    stream = client.messages.create(**ASKED, stream=True)
    while next(stream).type != "message_stop":
        pass
    stream.close()


def helped(client: anthropic.Anthropic) -> None:
    manager = client.messages.stream(**ASKED)
    assert isinstance(manager, anthropic.MessageStreamManager)
    with manager as stream:
        assert isinstance(stream, anthropic.MessageStream)
        assert "".join(stream.text_stream) == "Let me look that up."
        assert stream.get_final_message().stop_reason == "tool_use"


def helped_beta(client: anthropic.Anthropic) -> None:
    with client.beta.messages.stream(**ASKED) as stream:
        assert stream.get_final_message().stop_reason == "tool_use"


STREAMS = (streamed, streamed_beta, stepped, helped, helped_beta)


@pytest.mark.parametrize("call", [plain, beta, parsed, raw, copied, *STREAMS])
def test_each_way_to_call_is_one_whole_model_call(client: anthropic.Anthropic, call: Callable[[anthropic.Anthropic], None]) -> None:
    """Request, reply, usage and thinking are on one span, inside the run, whichever way the client was called."""
    with capture() as captured, agent_run("weather"):
        call(client)
    assert captured.outline() == "invoke_agent weather\n  chat claude-test\n"
    span = captured.named(CHAT)
    said = facts(span)
    assert said.pop("gen_ai.request.stream", False) is (call in (streamed, streamed_beta, stepped, helped, helped_beta))
    stamped = {"clew.run.id": f"{captured.named('invoke_agent weather').context.span_id:016x}", "clew.agent.name": "weather"}
    assert said == {**REQUEST, **REPLY, **stamped}
    assert parts(span, "gen_ai.input.messages") == [{"type": "text", "content": "Is it sunny in Leeds?"}]
    assert thoughts(span) == [SAID]
    assert json.loads(str(span.attributes["gen_ai.system_instructions"])) == [{"type": "text", "content": "Be brief."}]  # type: ignore[index]
    assert [one["name"] for one in json.loads(str(span.attributes["gen_ai.tool.definitions"]))] == ["weather"]  # type: ignore[index]


async def plain_async(client: anthropic.AsyncAnthropic) -> None:
    assert (await client.messages.create(**ASKED)).stop_reason == "tool_use"


async def beta_async(client: anthropic.AsyncAnthropic) -> None:
    assert (await client.beta.messages.create(**ASKED)).stop_reason == "tool_use"


async def raw_async(client: anthropic.AsyncAnthropic) -> None:
    response = await client.messages.with_raw_response.create(**ASKED)
    assert response.headers["request-id"] == "req_1"


async def copied_async(client: anthropic.AsyncAnthropic) -> None:
    assert (await client.with_options(timeout=9).messages.create(**ASKED)).stop_reason == "tool_use"


async def streamed_async(client: anthropic.AsyncAnthropic) -> None:
    stream = await client.messages.create(**ASKED, stream=True)
    assert isinstance(stream, anthropic.AsyncStream)
    async with stream:
        assert [event.type async for event in stream][-1] == "message_stop"


async def helped_async(client: anthropic.AsyncAnthropic) -> None:
    async with client.messages.stream(**ASKED) as stream:
        assert "".join([text async for text in stream.text_stream]) == "Let me look that up."
        assert (await stream.get_final_message()).stop_reason == "tool_use"


async def helped_beta_async(client: anthropic.AsyncAnthropic) -> None:
    async with client.beta.messages.stream(**ASKED) as stream:
        assert (await stream.get_final_message()).stop_reason == "tool_use"


@pytest.mark.parametrize("call", [plain_async, beta_async, raw_async, copied_async, streamed_async, helped_async, helped_beta_async])
def test_each_way_to_call_asynchronously(server: ModelServer, call: Callable[[anthropic.AsyncAnthropic], Any]) -> None:
    async def main() -> None:
        async with async_client(server) as client, agent_run("weather"):
            await call(client)

    with capture() as captured:
        asyncio.run(main())
    assert captured.outline() == "invoke_agent weather\n  chat claude-test\n"
    span = captured.named(CHAT)
    assert facts(span).items() >= {**REQUEST, **REPLY}.items()
    assert thoughts(span) == [SAID]


def test_calls_side_by_side_are_siblings(server: ModelServer) -> None:
    async def main() -> None:
        async with async_client(server) as client, agent_run("weather"):
            await asyncio.gather(*(client.messages.create(**ASKED) for _ in range(3)))

    with capture() as captured:
        asyncio.run(main())
    assert captured.outline() == "invoke_agent weather\n" + "  chat claude-test\n" * 3


# --- streams that end otherwise


def test_what_is_done_with_a_streams_events_is_not_part_of_the_call(client: anthropic.Anthropic) -> None:
    """A step between two events belongs to the run, and the call ends with its stream."""
    with capture() as captured, agent_run("weather"):
        for event in client.messages.create(**ASKED, stream=True):
            if event.type == "message_start":
                with tool("show"):
                    pass
    assert captured.outline() == "invoke_agent weather\n  chat claude-test\n  execute_tool show\n"


def left_early(client: anthropic.Anthropic) -> None:
    for event in client.messages.create(**ASKED, stream=True):
        if event.type == "content_block_stop":
            break


def closed_early(client: anthropic.Anthropic) -> None:
    with client.messages.create(**ASKED, stream=True) as stream:
        for event in stream:
            if event.type == "content_block_stop":
                break


def helper_left_early(client: anthropic.Anthropic) -> None:
    with client.messages.stream(**ASKED) as stream:
        for event in stream:
            if event.type == "content_block_stop":
                break


def consumer_raised(client: anthropic.Anthropic) -> None:
    with pytest.raises(KeyError), client.messages.stream(**ASKED) as stream:
        for event in stream:
            if event.type == "content_block_stop":
                raise KeyError


@pytest.mark.parametrize("call", [left_early, closed_early, helper_left_early, consumer_raised])
def test_a_stream_left_early_is_a_call_with_what_is_known(client: anthropic.Anthropic, call: Callable[[anthropic.Anthropic], None]) -> None:
    """The input was counted, the output was not, and it is no error of the call's."""
    with capture() as captured, agent_run("weather"):
        call(client)
    span = captured.named(CHAT)
    said = facts(span)
    assert said["gen_ai.usage.input_tokens"] == 160
    assert "gen_ai.usage.output_tokens" not in said and "gen_ai.response.finish_reasons" not in said
    assert thoughts(span) == [SAID]
    assert span.status.status_code is StatusCode.UNSET


def test_a_stream_nobody_read_ends_when_it_is_thrown_away(client: anthropic.Anthropic) -> None:
    with capture() as captured, agent_run("weather"):
        client.messages.create(**ASKED, stream=True).close()
        stream = client.messages.create(**ASKED, stream=True)
        response = stream.response
        del stream
        gc.collect()
        response.close()
    assert captured.outline() == "invoke_agent weather\n" + "  chat claude-test\n" * 2


def test_a_manager_nobody_entered_is_no_call(client: anthropic.Anthropic) -> None:
    with capture() as captured:
        client.messages.stream(**ASKED)
    assert captured.names() == []


def test_an_error_amid_a_stream_is_the_clients_and_on_the_span(client: anthropic.Anthropic) -> None:
    with capture() as captured, agent_run("weather"), pytest.raises(anthropic.APIStatusError) as raised:
        list(client.messages.create(**{**ASKED, "model": OVERLOADS}, stream=True))
    span = captured.named(f"chat {OVERLOADS}")
    assert span.status.status_code is StatusCode.ERROR
    assert facts(span)["error.type"] == f"anthropic.{type(raised.value).__name__}"
    assert thoughts(span) == [SAID]


def test_a_stream_that_just_stops(client: anthropic.Anthropic) -> None:
    with capture() as captured:
        list(client.messages.create(**{**ASKED, "model": BREAKS}, stream=True))
    assert "gen_ai.usage.output_tokens" not in facts(captured.named(f"chat {BREAKS}"))


# --- errors, budgets, blocks around


def failing(client: anthropic.Anthropic) -> None:
    client.messages.create(**{**ASKED, "model": "busy"})


def failing_stream(client: anthropic.Anthropic) -> None:
    client.messages.create(**{**ASKED, "model": "busy"}, stream=True)


def failing_helper(client: anthropic.Anthropic) -> None:
    with client.messages.stream(**{**ASKED, "model": "busy"}):
        pass


@pytest.mark.parametrize("call", [failing, failing_stream, failing_helper])
def test_errors_reach_the_caller_and_the_span(client: anthropic.Anthropic, call: Callable[[anthropic.Anthropic], None]) -> None:
    with capture() as captured, pytest.raises(anthropic.RateLimitError) as raised:
        call(client)
    assert raised.value.status_code == 429
    span = captured.named("chat busy")
    assert facts(span)["error.type"] == "anthropic.RateLimitError"
    assert span.status.status_code is StatusCode.ERROR


def test_wrong_arguments_raise_as_they_would(client: anthropic.Anthropic, server: ModelServer) -> None:
    with anthropic.Anthropic(base_url=server.url, api_key="k") as bare, pytest.raises(TypeError) as expected:
        bare.messages.create(model="m")  # type: ignore[call-overload]  # wrong on purpose
    with capture(), pytest.raises(TypeError) as found:
        client.messages.create(model="m")  # type: ignore[call-overload]  # as above
    assert str(found.value) == str(expected.value)


def test_a_budget_holds_before_the_call(client: anthropic.Anthropic, server: ModelServer) -> None:
    """Two calls of 185 tokens go, the third is not made."""
    asked = len(server.asked)
    with capture() as captured, pytest.raises(BudgetExhausted) as raised, agent_run("weather", budget=Budget(tokens=300)):
        for _ in range(5):
            client.messages.create(**ASKED)
    assert (raised.value.limit, raised.value.used.tokens, len(server.asked) - asked) == ("tokens", 370, 2)
    assert captured.named("invoke_agent weather").attributes["clew.termination.reason"] == "token_budget"  # type: ignore[index]


def test_a_block_around_the_call_is_filled_in(client: anthropic.Anthropic) -> None:
    """One span, the block's; what the block said itself stands."""
    with capture() as captured, agent_run("weather"):
        with llm_call("my-model", provider="anthropic", temperature=0.5):
            client.messages.create(**ASKED)
        with llm_call():
            list(client.messages.create(**ASKED, stream=True))
        with llm_call(), client.messages.stream(**ASKED) as stream:
            stream.until_done()
    assert captured.outline() == "invoke_agent weather\n  chat my-model\n  chat\n  chat\n"
    for span in captured.spans[:3]:
        assert facts(span).items() >= REPLY.items()
        assert thoughts(span) == [SAID]
        assert parts(span, "gen_ai.input.messages") == [{"type": "text", "content": "Is it sunny in Leeds?"}]
    assert facts(captured.named("chat my-model"))["gen_ai.request.model"] == "my-model"
    assert [facts(span)["gen_ai.request.model"] for span in captured.spans[1:3]] == ["claude-test"] * 2


def test_a_tool_within_a_block_makes_calls_of_its_own(client: anthropic.Anthropic) -> None:
    with capture() as captured, llm_call("outer"), tool("ask another"):
        client.messages.create(**ASKED)
    assert captured.outline() == "chat outer\n  execute_tool ask another\n    chat claude-test\n"


# --- doing it, twice, and not


def test_instrumenting_twice_changes_nothing(client: anthropic.Anthropic) -> None:
    assert instrument_anthropic(instrument_anthropic(client)) is client
    with capture() as captured:
        plain(client)
        copied(client)
    assert captured.names() == [CHAT, CHAT]


def test_with_nothing_configured_the_client_is_as_it_was(client: anthropic.Anthropic) -> None:
    plain(client)
    streamed(client)
    helped(client)


def test_content_off_leaves_counts(client: anthropic.Anthropic) -> None:
    with capture(content=False) as captured:
        helped(client)
    (span,) = captured.spans
    assert not set(span.attributes or {}) & set(CONTENTS)
    assert facts(span).items() >= REPLY.items()


@pytest.mark.parametrize("thing", [None, object(), 3, {}, anthropic])
def test_what_is_no_client_is_returned_as_it_is(thing: Any) -> None:
    assert instrument_anthropic(thing) is thing


def test_spans_carry_no_key(client: anthropic.Anthropic, server: ModelServer) -> None:
    with capture() as captured:
        client.messages.create(**ASKED, extra_headers={"authorization": "Bearer sk-secret"})
    assert "sk-secret" not in repr(_said(captured))


def _said(captured: Captured) -> list[Any]:
    return [dict(span.attributes or {}) for span in captured.spans]
