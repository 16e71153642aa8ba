"""Replies of models, read from the real clients' own objects and streams, and from what only looks like them."""

import asyncio
import copy
import json
import math
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anthropic
import openai
import pytest

from tracer.values.responses import Reply, read_response
from tracer.values.streams import accumulate, accumulate_async

from .model_server import BREAKS, OVERLOADS, ModelServer, completion_of, message_of, model_server, response_of

Json = dict[str, Any]

WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}}
ASK: list[Any] = [{"role": "user", "content": "Is it sunny in Leeds?"}]
THINKS: Any = {"type": "enabled", "budget_tokens": 1024}
TOOL: Any = {"name": "weather", "input_schema": WEATHER}
FUNCTION: Any = {"type": "function", "function": {"name": "weather", "parameters": WEATHER}}
ITEM_TOOL: Any = {"type": "function", "name": "weather", "parameters": WEATHER, "strict": False}

THOUGHT = "They want to know. I should look."
ASKED_TOOL = {"type": "tool_call", "id": "toolu_1", "name": "weather", "arguments": {"city": "Leeds"}}
CALLED = {**ASKED_TOOL, "id": "call_1"}


def text(content: str) -> Json:
    return {"type": "text", "content": content}


def says(*parts: Json, reason: str) -> Json:
    return {"role": "assistant", "parts": list(parts), "finish_reason": reason}


MESSAGE = Reply(
    model="claude-test",
    id="msg_1",
    finish_reasons=("tool_use",),
    input_tokens=160,
    output_tokens=25,
    cache_read_tokens=40,
    cache_write_tokens=20,
    reasoning_tokens=7,
    messages=(
        says(
            {"type": "reasoning", "content": THOUGHT},
            {"type": "redacted_thinking"},
            text("Let me look that up."),
            ASKED_TOOL,
            reason="tool_use",
        ),
    ),
    thoughts=(THOUGHT,),
)
"""What Anthropic's reply comes to: its count of input has the cached tokens added."""

COMPLETION = Reply(
    model="gpt-test",
    id="chatcmpl_1",
    finish_reasons=("tool_calls",),
    input_tokens=160,
    output_tokens=25,
    cache_read_tokens=40,
    reasoning_tokens=7,
    messages=(says(CALLED, reason="tool_calls"),),
)

RESPONSE = Reply(
    model="gpt-test",
    id="resp_1",
    finish_reasons=("completed",),
    input_tokens=160,
    output_tokens=25,
    cache_read_tokens=40,
    cache_write_tokens=20,
    reasoning_tokens=7,
    messages=(says({"type": "reasoning", "content": THOUGHT}, CALLED, reason="completed"),),
    thoughts=(THOUGHT,),
)


def uncounted(reply: Reply) -> Reply:
    return replace(reply, input_tokens=None, output_tokens=None, cache_read_tokens=None, cache_write_tokens=None, reasoning_tokens=None)


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    with model_server() as running:
        yield running


@pytest.fixture
def claude(server: ModelServer) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=server.url, api_key="k", max_retries=0) as client:
        yield client


@pytest.fixture
def gpt(server: ModelServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="k", max_retries=0) as client:
        yield client


CLAUDE: Any = {"model": "claude-test", "max_tokens": 4096, "messages": ASK, "tools": [TOOL], "thinking": THINKS}
GPT: Any = {"model": "gpt-test", "messages": ASK, "tools": [FUNCTION]}
GPT_ITEMS: Any = {"model": "gpt-test", "input": "Is it sunny?", "tools": [ITEM_TOOL], "reasoning": {"effort": "low", "summary": "auto"}}


def gathered(events: Any) -> tuple[list[Any], Reply]:
    """Return a stream's events as they were passed on, and what was read of the whole."""
    replies: list[Reply] = []
    passed = list(accumulate(events, replies.append))
    assert len(replies) == 1
    return passed, replies[0]


# --- replies that are not streamed


def test_anthropic_message(claude: anthropic.Anthropic) -> None:
    """The client's own Message, thinking and tool request included, cached tokens added to the input."""
    assert read_response(claude.messages.create(**CLAUDE)) == MESSAGE


def test_anthropic_beta_message(claude: anthropic.Anthropic) -> None:
    assert read_response(claude.beta.messages.create(**CLAUDE)) == MESSAGE


def test_openai_chat_completion(gpt: openai.OpenAI) -> None:
    assert read_response(gpt.chat.completions.create(**GPT)) == COMPLETION


def test_several_candidates(gpt: openai.OpenAI) -> None:
    """Each candidate is a message of its own, with its own reason."""
    reply = read_response(gpt.chat.completions.create(model="gpt-test", messages=ASK, n=2))
    assert reply.finish_reasons == ("stop", "stop")
    assert list(reply.messages) == [says(text("It is sunny in Leeds."), reason="stop")] * 2


def test_openai_response(gpt: openai.OpenAI) -> None:
    """A Response's items are one message: reasoning, and what was asked of a tool."""
    assert read_response(gpt.responses.create(**GPT_ITEMS)) == RESPONSE


def test_openai_response_cut_short(gpt: openai.OpenAI) -> None:
    """The reason of an incomplete response is what it says it is incomplete for."""
    reply = read_response(gpt.responses.create(model="gpt-test", input="Is it sunny?", max_output_tokens=16))
    assert reply.finish_reasons == ("max_output_tokens",)


@pytest.mark.parametrize(("whole", "expected"), [("message", MESSAGE), ("completion", COMPLETION), ("response", RESPONSE)])
def test_dicts_are_read_like_objects(whole: str, expected: Reply) -> None:
    """What came as JSON means the same, and reading leaves it as it was."""
    made = {"message": lambda: message_of(CLAUDE), "completion": lambda: completion_of(GPT), "response": lambda: response_of(GPT_ITEMS)}
    given = made[whole]()
    before = copy.deepcopy(given)
    assert read_response(given) == expected
    assert given == before


def test_refusal_is_kept_as_one() -> None:
    reply = read_response({"choices": [{"finish_reason": "stop", "message": {"content": None, "refusal": "I cannot."}}]})
    assert reply.messages == (says({"type": "refusal", "content": "I cannot."}, reason="stop"),)


def test_reasoning_beside_the_content_is_thought() -> None:
    """LiteLLM, DeepSeek and others put it there."""
    message = {"role": "assistant", "content": "Yes.", "reasoning_content": "Hm."}
    usage = {"prompt_tokens": 9, "completion_tokens": 2, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 3}
    reply = read_response({"choices": [{"message": message, "finish_reason": "stop"}], "usage": usage})
    assert (reply.thoughts, reply.input_tokens, reply.cache_read_tokens, reply.cache_write_tokens) == (("Hm.",), 9, 4, 3)


LITELLM = json.loads((Path(__file__).parent / "fixtures" / "litellm.json").read_text("utf-8"))
"""Recorded from LiteLLM's client, which brings too much along to be installed for the tests."""


def as_object(value: Any) -> Any:
    """Return recorded JSON as objects with attributes, as LiteLLM's are."""
    if isinstance(value, dict):
        return SimpleNamespace(**{name: as_object(item) for name, item in value.items()})
    return [as_object(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize(("provider", "written", "thought"), [("openai", None, ()), ("anthropic", 20, (THOUGHT,))])
def test_litellm_replies_and_chunks(provider: str, written: int | None, thought: tuple[str, ...]) -> None:
    """Whichever provider is behind it, whole or streamed, input has the cached tokens in it."""
    for reply in (read_response(as_object(LITELLM[provider]["whole"])), gathered(as_object(LITELLM[provider]["chunks"]))[1]):
        counts = (reply.input_tokens, reply.output_tokens, reply.cache_read_tokens, reply.cache_write_tokens, reply.reasoning_tokens)
        assert counts == (160, 25, 40, written, 7)
        assert (reply.finish_reasons, reply.thoughts) == (("tool_calls",), thought)
        assert reply.messages[0]["parts"][-1]["arguments"] == {"city": "Leeds"}


def test_server_tools_are_told_from_the_callers() -> None:
    use = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "leeds"}}
    result = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{"type": "web_search_result", "url": "http://a"}]}
    reply = read_response({"type": "message", "content": [use, result], "stop_reason": "end_turn"})
    assert [part["type"] for part in reply.messages[0]["parts"]] == ["server_tool_call", "server_tool_call_response"]
    assert reply.messages[0]["parts"][0]["server_tool_call"] == {"type": "web_search", "query": "leeds"}


# --- streams


def test_anthropic_raw_events(claude: anthropic.Anthropic) -> None:
    """A stream adds up to the reply that was not streamed, and each event is passed on as the very object it was."""
    seen: list[Any] = []

    def watched() -> Iterator[Any]:
        with claude.messages.create(**CLAUDE, stream=True) as stream:
            for event in stream:
                seen.append(event)
                yield event

    passed, reply = gathered(watched())
    assert reply == MESSAGE
    assert len(passed) == len(seen) and all(one is other for one, other in zip(passed, seen, strict=True))


def test_anthropic_helper_events(claude: anthropic.Anthropic) -> None:
    """The helper's richer events add up to the same."""
    with claude.messages.stream(**CLAUDE) as stream:
        assert gathered(stream)[1] == MESSAGE


def test_anthropic_text_stream(claude: anthropic.Anthropic) -> None:
    """Plain texts are joined; they tell nothing else."""
    with claude.messages.stream(model="claude-test", max_tokens=99, messages=ASK) as stream:
        assert gathered(stream.text_stream)[1] == Reply(messages=({"role": "assistant", "parts": [text("It is sunny in Leeds.")]},))


def test_openai_chunks(gpt: openai.OpenAI) -> None:
    with gpt.chat.completions.create(**GPT, stream=True, stream_options={"include_usage": True}) as stream:
        assert gathered(stream)[1] == COMPLETION


def test_openai_chunks_without_usage(gpt: openai.OpenAI) -> None:
    """Counts that nobody sent are unknown, not zero."""
    with gpt.chat.completions.create(**GPT, stream=True) as stream:
        assert gathered(stream)[1] == uncounted(COMPLETION)


def test_openai_helper_events(gpt: openai.OpenAI) -> None:
    """The helper's events wrap the chunks."""
    strict: Any = {"type": "function", "function": {**FUNCTION["function"], "strict": True}}
    with gpt.chat.completions.stream(model="gpt-test", messages=ASK, tools=[strict]) as stream:
        assert gathered(stream)[1] == uncounted(COMPLETION)


def test_openai_response_events(gpt: openai.OpenAI) -> None:
    with gpt.responses.create(**GPT_ITEMS, stream=True) as stream:
        assert gathered(stream)[1] == RESPONSE


def test_async_streams(server: ModelServer) -> None:
    """Asynchronous streams add up alike."""

    async def main() -> list[Reply]:
        replies: list[Reply] = []
        async with (
            anthropic.AsyncAnthropic(base_url=server.url, api_key="k") as claude,
            openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="k") as gpt,
        ):
            streams: list[Any] = [
                await claude.messages.create(**CLAUDE, stream=True),
                await gpt.chat.completions.create(**GPT, stream=True, stream_options={"include_usage": True}),
                await gpt.responses.create(**GPT_ITEMS, stream=True),
            ]
            for stream in streams:
                assert [event async for event in accumulate_async(stream, replies.append)]
        return replies

    assert asyncio.run(main()) == [MESSAGE, COMPLETION, RESPONSE]


def test_a_stream_left_early_tells_what_was_said(claude: anthropic.Anthropic) -> None:
    """What had not been counted by then is unknown; the input had."""
    replies: list[Reply] = []
    with claude.messages.create(**CLAUDE, stream=True) as stream:
        events = accumulate(stream, replies.append)
        for event in events:
            if event.type == "content_block_stop":
                break
        events.close()  # type: ignore[attr-defined]  # a generator's
    (reply,) = replies
    assert (reply.input_tokens, reply.output_tokens, reply.finish_reasons, reply.thoughts) == (160, None, (), (THOUGHT,))


@pytest.mark.parametrize("model", [BREAKS, OVERLOADS])
def test_a_stream_that_breaks_raises_as_it_would(claude: anthropic.Anthropic, model: str) -> None:
    """The error is the client's own, and what was said before it is told."""
    expected: type[BaseException] | None = None
    try:
        with claude.messages.create(**{**CLAUDE, "model": model}, stream=True) as stream:
            list(stream)
    except Exception as raised:
        expected = type(raised)
    replies: list[Reply] = []
    found: type[BaseException] | None = None
    try:
        with claude.messages.create(**{**CLAUDE, "model": model}, stream=True) as stream:
            list(accumulate(stream, replies.append))
    except Exception as raised:
        found = type(raised)
    assert found is expected
    assert (expected is not None) == (model == OVERLOADS)
    assert [reply.thoughts for reply in replies] == [(THOUGHT,)]


def test_a_response_left_early_is_read_from_its_pieces(gpt: openai.OpenAI) -> None:
    """Without its last event, a Response is what its items said until then."""
    replies: list[Reply] = []
    with gpt.responses.create(model="gpt-test", input="Is it sunny?", stream=True) as stream:
        events = accumulate(stream, replies.append)
        for event in events:
            if event.type == "response.output_text.delta" and event.delta.endswith("in"):
                break
        events.close()  # type: ignore[attr-defined]  # a generator's
    (reply,) = replies
    assert reply.messages[0]["parts"][0]["content"].startswith("It is s")
    assert reply.input_tokens is None


def test_done_that_raises_does_not_reach_the_host() -> None:
    def fails(reply: Reply) -> None:
        raise RuntimeError(reply.id)

    assert list(accumulate(["a", "b"], fails)) == ["a", "b"]

    async def letters() -> AsyncIterator[str]:
        yield "a"

    async def main() -> list[str]:
        return [event async for event in accumulate_async(letters(), fails)]

    assert asyncio.run(main()) == ["a"]


# --- what only looks like a reply


class Explosive:
    """Every field of it raises."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


class Endless:
    """Every field of it is another of it."""

    def __getattr__(self, name: str) -> Any:
        return Endless()


@dataclass
class Shaped:
    """An object with the fields of a chat completion, and odd values in them."""

    choices: Any
    usage: Any = None
    model: Any = None


def cyclic() -> Json:
    found: Json = {"type": "message"}
    found["content"] = [found, {"type": "text", "text": "still read"}, {"type": "tool_use", "name": "t", "input": found}]
    return found


ODD: list[Callable[[], Any]] = [
    lambda: None,
    lambda: 7,
    lambda: b"bytes",
    list,
    lambda: object(),
    lambda: Explosive(),
    lambda: Endless(),
    lambda: cyclic(),
    lambda: {"content": [Explosive(), None, 3, b"\xff", math.nan, {"type": 9}, {"type": "text", "text": "\ud800"}]},
    lambda: {"choices": [None, Explosive(), {"message": {"content": object(), "tool_calls": [None, {"function": {"name": 9}}]}}]},
    lambda: {"output": [{"type": "function_call", "arguments": "{" * 100_000}, {"type": "reasoning", "summary": [1, None]}]},
    lambda: Shaped([{"message": {"content": {"a": {1, 2}}}}], usage=Explosive(), model=["m"]),
    lambda: {"type": "message", "content": [{"type": "tool_use", "input": "[" * 100_000}]},
    lambda: {"type": "message", "content": "text" * 10, "usage": [], "stop_reason": 4},
]  # fmt: skip


@pytest.mark.parametrize("odd", ODD)
def test_odd_objects_never_raise(odd: Callable[[], Any]) -> None:
    """Whatever it is, reading it gives a reply, as a whole and as an event."""
    assert isinstance(read_response(odd()), Reply)
    thing = odd()
    passed, reply = gathered([thing, thing])
    assert passed[0] is thing and isinstance(reply, Reply)


@pytest.mark.parametrize("value", [None, -1, 1.5, math.nan, math.inf, "12", True, 1 << 80, [], object()])
def test_what_is_not_a_count_is_unknown(value: Any) -> None:
    reply = read_response({"choices": [], "usage": {"prompt_tokens": value, "completion_tokens": 0}})
    assert (reply.input_tokens, reply.output_tokens) == (None, 0)


def test_unknown_input_stays_unknown_with_known_cache() -> None:
    """A sum with an unknown part is no sum."""
    reply = read_response({"type": "message", "content": [], "usage": {"cache_read_input_tokens": 40}})
    assert (reply.input_tokens, reply.cache_read_tokens) == (None, 40)
