"""The providers: what goes out and comes back through the real clients, whole and streamed, and what the trace keeps of it."""

import json
from dataclasses import replace
from typing import Any

import pytest
from pydantic import BaseModel

from sample_agent.model_server.faults import Fault
from sample_agent.model_server.server import running_server
from sample_agent.models import anthropic, openai
from sample_agent.models.prices import usd_of
from sample_agent.models.settings import Endpoint, ModelSettings
from sample_agent.models.types import (
    Message,
    ModelRequest,
    ModelUnavailable,
    Text,
    Thinking,
    Tokens,
    ToolOutcome,
    ToolRequest,
    said,
    turn_of,
)
from sample_agent.observe import Told, ignore
from tracer import agent_run
from tracer.testing import capture

from .sample_agent_models import BOOK, LOOK_UP, answering, bench, breaking_off, request, stub_provider


class Colour(BaseModel):
    name: str


LOOP = (
    said("look 10422 up"),
    Message("assistant", (Thinking("I need the id.", "signed"), ToolRequest("t1", "get_client_preferences", {"client": "10422"}))),
    Message("user", (ToolOutcome("t1", "get_client_preferences", '{"error": "no"}', is_error=True),)),
)


def test_anthropic_body() -> None:
    """Thinking goes back signed and first, tool answers with their error, and the prefix that repeats is marked for the cache."""
    body = anthropic.wire_of(ModelRequest("react", "rules", LOOP, (LOOK_UP,), model="claude-sonnet-5"), 1024)

    assert body["system"] == [{"type": "text", "text": "rules", "cache_control": {"type": "ephemeral"}}]
    assert body["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "I need the id.", "signature": "signed"},
        {"type": "tool_use", "id": "t1", "name": "get_client_preferences", "input": {"client": "10422"}},
    ]
    (outcome,) = body["messages"][2]["content"]
    assert (outcome["tool_use_id"], outcome["is_error"], outcome["cache_control"]) == ("t1", True, {"type": "ephemeral"})
    assert body["thinking"] == {"type": "adaptive", "display": "summarized"}
    assert body["max_tokens"] == 2048


@pytest.mark.parametrize(
    ("role", "messages", "thinks"),
    [
        ("react", LOOP, True),
        ("summariser", LOOP[:1], False),
        ("responder", LOOP[:1], False),
        # In the middle of a loop that another provider began there is no signed thinking to send back.
        ("react", (LOOP[0], Message("assistant", LOOP[1].parts[1:]), LOOP[2]), False),
        ("react", (LOOP[0], Message("assistant", (Text("hi"),)), said("more")), True),
    ],
)
def test_when_thinking_is_switched_on(role: Any, messages: tuple[Message, ...], thinks: bool) -> None:
    """Plain roles do not think, and a tool loop without its signed thinking cannot."""
    assert ("thinking" in anthropic.wire_of(ModelRequest(role, "rules", messages), 1024)) is thinks


def test_unsigned_thinking_and_empty_words_stay_at_home() -> None:
    """Both are refused by the API."""
    message = Message("assistant", (Thinking("mine"), Text("  "), Text("yes")))

    body = anthropic.wire_of(ModelRequest("react", "rules", (said("hi"), message, said("go on"))), 0)

    assert body["messages"][1]["content"] == [{"type": "text", "text": "yes"}]


def test_openai_body() -> None:
    """The same conversation in chat completions: tool answers are messages of their own, a schema is asked for by its name."""
    body = openai.wire_of(ModelRequest("react", "rules", LOOP, (LOOK_UP,), schema=Colour, model="gpt-4o"))

    assert [message["role"] for message in body["messages"]] == ["system", "user", "assistant", "tool"]
    (call,) = body["messages"][2]["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == {"client": "10422"}
    assert body["messages"][3]["tool_call_id"] == "t1"
    assert body["response_format"]["json_schema"]["name"] == "Colour"


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_is_asked_for(stream: bool) -> None:
    """Thinking, tool request and usage come back the same, whole or streamed, and the turn can be sent back as it is."""
    with bench(stream=stream) as it:
        reply = it.ask("what appointments do I have?", tools=(LOOK_UP, BOOK))

        assert [(asked.name, asked.arguments) for asked in reply.tool_requests] == [("get_client_preferences", {"client": "10422"})]
        assert reply.thinking and "changes nothing" in reply.thinking[0]
        assert (reply.provider, reply.model, reply.finish_reason) == ("anthropic", "claude-sonnet-5", "tool_use")
        assert reply.tokens.input > 50 and reply.tokens.output > reply.tokens.reasoning > 0
        turn = turn_of(reply)
        assert isinstance(turn.parts[0], Thinking) and turn.parts[0].signature
        failed = ToolOutcome(reply.tool_requests[0].id, "get_client_preferences", '{"error": "x", "code": "not_found"}', is_error=True)
        outcome = Message("user", (failed,))
        again = it.ask(messages=(*request("what appointments do I have?").messages, turn, outcome), tools=(LOOK_UP,))
        assert "cannot find 10422" in again.text


@pytest.mark.parametrize("stream", [False, True])
def test_the_fallback_asks_for_the_same_tool(stream: bool) -> None:
    """The other API answers alike; what it thinks it says in words."""
    with bench([Fault(kind="invalid_request", provider="anthropic", times=None)], stream=stream) as it:
        reply = it.ask("what appointments do I have?", tools=(LOOK_UP, BOOK))

        assert [(asked.name, asked.arguments) for asked in reply.tool_requests] == [("get_client_preferences", {"client": "10422"})]
        assert (reply.provider, reply.model, reply.finish_reason, reply.thinking) == ("openai", "gpt-4o", "tool_calls", ())
        assert "changes nothing" in reply.text


def test_repeated_prefixes_are_read_from_the_cache() -> None:
    """The second turn of a long prompt reads what the first wrote; input counts both, as the price does."""
    long = "Rules. " * 1000
    with bench() as it:
        first = it.ask("hello", system=f"Role: react\n{long}").tokens
        second = it.ask("hello there", system=f"Role: react\n{long}").tokens

        assert first.cache_read == 0 and first.cache_write > 1024
        assert second.cache_read > 1024
        assert second.input >= second.cache_read + second.cache_write


def test_a_call_is_a_span_with_the_tokens_that_were_told() -> None:
    """What the trace says of a call is what the ledger is told."""
    with bench() as it, capture() as captured:
        it.ask("what appointments do I have?", tools=(LOOK_UP,))

    (span,) = captured.spans
    (told,) = it.facts("llm")
    attributes = dict(span.attributes or {})
    assert attributes["gen_ai.usage.input_tokens"] == told["input_tokens"]
    assert attributes["gen_ai.usage.output_tokens"] == told["output_tokens"]
    assert attributes["gen_ai.response.model"] == told["model"]
    assert attributes["gen_ai.response.id"] == told["response_id"]
    assert told["thinking"][0] in str(attributes["gen_ai.output.messages"])


def test_each_attempt_is_a_span_of_its_own() -> None:
    """A failed call, the retry, and the call that was answered, in this order."""
    with bench([Fault(kind="overloaded")]) as it, capture() as captured:
        it.ask("hello")

    assert [span.name for span in captured.spans] == ["chat claude-sonnet-5", "retry 1 of 3", "chat claude-sonnet-5"]
    assert captured.spans[0].status.is_ok is False


def test_every_model_has_a_price() -> None:
    """The default models are in the maintained list, so that savings and costs are known; an unknown one costs None, not nothing."""
    tiers = (ModelSettings().primary_models, ModelSettings().fallback_models)
    models = [("anthropic", m) for m in (tiers[0].strong, tiers[0].middle, tiers[0].small)]
    models += [("openai", m) for m in (tiers[1].strong, tiers[1].middle, tiers[1].small)]

    assert all(usd_of(Tokens(1000, 100), model, provider) for provider, model in models)
    assert usd_of(Tokens(1000, 100), "nobody-1", "anthropic") is None


def test_an_endpoint_is_usable_with_an_address_or_a_key() -> None:
    """Without either there is nobody to ask."""
    assert [Endpoint().is_usable, Endpoint(url="http://127.0.0.1:1").is_usable, Endpoint(key="k").is_usable] == [False, True, True]


USAGE = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}


@pytest.mark.parametrize(
    "body",
    [
        {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [], "usage": USAGE},
        {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": None, "usage": USAGE},
        {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [{"index": 0}], "usage": USAGE},
        {}, [], "text", None, 7,
    ],
)  # fmt: skip
def test_a_body_that_says_nothing_is_an_outage(body: Any) -> None:
    """Whatever JSON comes back, it is the provider's fault and may pass."""
    with stub_provider(answering(body)) as url, openai.openai_client(ModelSettings(fallback=Endpoint(url))) as client:
        ask = openai.openai_provider(client, ModelSettings(), ignore)
        with pytest.raises(ModelUnavailable, match="unreadable body") as caught:
            ask(replace(request("hello"), model="gpt-4o"))
    assert caught.value.is_transient


def test_a_stream_that_breaks_off_is_an_outage() -> None:
    """Amid an answer, with either client."""
    with stub_provider(breaking_off) as url:
        settings = ModelSettings(primary=Endpoint(url), fallback=Endpoint(url), stream=True)
        with anthropic.anthropic_client(settings) as first, openai.openai_client(settings) as second:
            for ask in (anthropic.anthropic_provider(first, settings, ignore), openai.openai_provider(second, settings, ignore)):
                with pytest.raises(ModelUnavailable, match="the connection failed") as caught:
                    ask(replace(request("hello"), model="m"))
                assert caught.value.is_transient


@pytest.mark.parametrize("mistake", [TypeError("ours"), AttributeError("ours"), ValueError("ours"), KeyError("ours")])
def test_our_own_mistakes_are_no_outage(mistake: Exception) -> None:
    """An exception of our own code around a call goes on as what it is."""

    def observe(told: Told) -> None:
        raise mistake

    with running_server() as server:
        settings = ModelSettings(primary=Endpoint(server.url), fallback=Endpoint(f"{server.url}/v1"))
        with anthropic.anthropic_client(settings) as first, openai.openai_client(settings) as second:
            for ask, model in (
                (anthropic.anthropic_provider(first, settings, observe), "claude-sonnet-5"),
                (openai.openai_provider(second, settings, observe), "gpt-4o"),
            ):
                with pytest.raises(type(mistake), match="ours"):
                    ask(replace(request("hello"), model=model))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("faults", [[], [Fault(kind="error", provider="anthropic", times=None)]])
def test_the_trace_goes_with_each_call(stream: bool, faults: list[Fault]) -> None:
    """A provider is told the trace and the call's span, so that its side can be found; of session and user it is told nothing."""
    with bench(faults, stream=stream) as it, capture() as captured:
        with agent_run("a", session="secret-session", user="secret-user"):
            it.ask("hello")
        seen = list(it.server.headers_seen)
    calls = [span for span in captured.spans if span.name.startswith("chat ")]
    assert [one["traceparent"] for one in seen] == [f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-01" for span in calls]
    assert "secret" not in str(seen)


def test_without_a_run_no_trace_is_told() -> None:
    """Nothing is made up."""
    with bench() as it:
        it.ask("hello")
        assert "traceparent" not in it.server.headers_seen[-1]
