"""Pydantic AI in all its formats, and Logfire's own instrumentations."""

from typing import Any

import msgspec

from ingest.dialects.calls import derive_finish
from ingest.dialects.dialect import Dialect
from ingest.dialects.events import hear_events, listed_events
from ingest.dialects.messages import Exchange, first_question, last_words
from ingest.dialects.reading import Reading
from ingest.dialects.tools import plain_text
from ingest.dialects.values import listing, mapping, show, word
from ingest.model import Facts, ToolRequest

_KINDS = {"agent run": "agent", "running tool": "tool", "running tools": "chain"}
_STREAMED = "streaming response"
_CALLS = ("Chat Completion with", "Responses API with", "Message with", "Completion with", _STREAMED)
_ANTHROPIC = "logfire.anthropic"
_CONTROL_FLOW = ("CallDeferred", "ApprovalRequired")


def _kind(reading: Reading) -> str | None:
    kind, name = reading.word("logfire.type"), reading.span.name
    if kind == "pending_span":
        # A placeholder of a span still open; the real one follows.
        return "part"
    if name in _KINDS:
        return _KINDS[name]
    if name.startswith(_CALLS) and reading.span.scope.name.startswith("logfire."):
        return "llm"
    if name.startswith("Embedding Creation with"):
        return "embedding"
    return None


def _refine(reading: Reading, facts: Facts) -> None:
    if facts.kind == "part":
        facts.usage = facts.cost_nanos = None
    elif facts.kind == "agent":
        _read_agent(reading, facts)
    elif facts.kind == "llm":
        read_listed_call(reading, facts)
        if facts.tool_requests:
            _take_answer(reading, facts)
    elif facts.kind == "tool" and facts.tool_name == "running tool":
        facts.tool_name = word(reading.span.attributes.get("logfire.msg", "").removeprefix("running tool: ")) or facts.tool_name
    if facts.kind == "tool" and facts.failed and (facts.tool_error or "").endswith(": "):
        # What the model is told when it has to try again stands in the result alone.
        facts.tool_error = facts.error_message = facts.tool_result or facts.tool_error
    if facts.failed and facts.error_type is not None and facts.error_type.endswith(_CONTROL_FLOW):
        facts.failed, facts.tool_error = False, None


def _read_agent(reading: Reading, facts: Facts) -> None:
    values = reading.values
    whole = values.get("pydantic.all_messages")
    if whole is not None:
        facts.input, facts.output = first_question(whole), last_words(whole, own=True)
    elif "pydantic.events" in values:
        exchange = _exchange(reading)
        facts.input, facts.output = exchange.asked, exchange.said
    result = plain_text(values["pydantic.result"]) if "pydantic.result" in values else None
    facts.output = result or facts.output


_ASSISTANT, _CHOICE, _UNKNOWN = "gen_ai.assistant.message", "gen_ai.choice", "gen_ai.unknown"


def _exchange(reading: Reading) -> Exchange:
    exchange = Exchange()
    hear_events(exchange, listed_events(_with_choices(listing(reading.values["pydantic.events"]))))
    return exchange


def _with_choices(events: list[Any]) -> list[Any]:
    """Mark the reply as one where the list ends with it and calls it what earlier replies are called, as Logfire 4 does."""
    items = [mapping(event) for event in events]
    place = len(items)
    while place and items[place - 1].get("event.name") in (_ASSISTANT, _UNKNOWN):
        place -= 1
    return [*items[:place], *(_choice(item) for item in items[place:])]


def _choice(item: dict[str, Any]) -> dict[str, Any]:
    # What it has no event for, reasoning above all, stands beside a text that says so.
    content = [item.get("data")] if item.get("event.name") == _UNKNOWN else item.get("content")
    return {**item, "event.name": _CHOICE, "content": content}


def _take_answer(reading: Reading, facts: Facts) -> None:
    """Read the call of an output tool as the answer that it is: nothing is run for it."""
    offered = reading.span.attributes.get("model_request_parameters")
    if not isinstance(offered, str) or '"output_tools"' not in offered:
        return
    names = {word(mapping(tool).get("name")) for tool in listing(mapping(offered).get("output_tools"))}
    answers = [request for request in facts.tool_requests if request.name in names]
    if answers:
        facts.tool_requests = [request for request in facts.tool_requests if request.name not in names]
        facts.output = facts.output or show(answers[0].arguments)


def _without_input(request: ToolRequest) -> ToolRequest:
    """Take arguments out of the block that Logfire 4 leaves them in; it leaves the call's id away."""
    arguments = request.arguments
    if request.call_id is None and isinstance(arguments, dict) and arguments.keys() == {"input"}:
        return msgspec.structs.replace(request, arguments=arguments["input"])
    return request


def read_listed_call(reading: Reading, facts: Facts) -> None:
    """Read a call whose conversation is a list of events in one attribute, where its messages are nowhere else."""
    if "pydantic.events" in reading.values and facts.output is None and not facts.tool_requests:
        heard = _exchange(reading)
        facts.input, facts.tool_results = heard.asked, heard.results
        facts.output, facts.thought, facts.tool_requests = heard.said, heard.thought, heard.requests
        facts.finish_reason = facts.finish_reason or heard.finish_reason
        derive_finish(facts)
    if reading.span.scope.name == _ANTHROPIC and "response_data" in reading.span.attributes:
        facts.tool_requests = [_without_input(request) for request in facts.tool_requests]
    if reading.word("logfire.type") == "log" and reading.span.name.startswith(_STREAMED):
        facts.streamed_result = True
        if facts.response_model == facts.request_model:
            facts.response_model = None


DIALECT = Dialect(
    name="pydantic_ai",
    rank=120,
    scopes=("pydantic-ai",),
    scope_prefixes=("logfire",),
    keys={
        "logfire.type": ("logfire.span_type",),
        "pydantic.all_messages": ("pydantic_ai.all_messages",),
        "pydantic.events": ("events", "all_messages_events"),
        "pydantic.result": ("final_result",),
        "tool_arguments": ("tool_arguments",),
        "request_model": ("gen_ai.request.model", "model_name"),
    },
    kind=_kind,
    refine=_refine,
)
