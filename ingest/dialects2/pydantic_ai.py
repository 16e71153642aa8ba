"""Pydantic AI and Logfire: five formats of messages, placeholders, and streams reported by a second span."""

from typing import Any

from ingest.model import Facts, Span

from .dialect import Dialect
from .events import ROLES, message_of
from .messages import Exchange, read_message, read_messages, read_reply, read_told
from .values import first_word, listing, show, word

_LOGGED = ("streaming response from ",)


def _kind(span: Span) -> str | None:
    attributes = span.attributes
    if attributes.get("logfire.span_type") == "pending_span":
        return "part"
    if span.name == "agent run" or span.name.startswith("invoke_agent"):
        return "agent"
    if span.name == "running tool" or span.name.startswith("running tool: "):
        return "tool"
    if span.name.startswith("running ") and span.name.split(" ")[-1] in ("tools", "tool"):
        return "chain"
    if "request_data" in attributes and ("gen_ai.request.model" in attributes or "response_data" in attributes or span.status_code == 2):
        return "llm"
    return None


def _refine(span: Span, facts: Facts) -> None:
    attributes = span.attributes
    if facts.kind == "agent":
        facts.agent_name = facts.agent_name or first_word(attributes, ("agent_name",)) or "agent"
        facts.request_model = facts.request_model or word(attributes.get("model_name"))
        facts.operation = facts.operation or "invoke_agent"
        _read_spoken(facts, attributes)
    elif facts.kind == "llm":
        facts.operation = facts.operation or "chat"
        facts.streamed_result = attributes.get("logfire.span_type") == "log" and span.name.startswith(_LOGGED)
        if "events" in attributes and facts.output is None:
            _read_format_one(facts, attributes["events"])


def _read_spoken(facts: Facts, attributes: dict[str, Any]) -> None:
    facts.output = facts.output or show(attributes.get("final_result"))
    if facts.input is None:
        whole = attributes.get("pydantic_ai.all_messages") or attributes.get("all_messages_events")
        asked = [message for message in read_messages(whole) if message.role == "user" and message.texts]
        facts.input = "\n\n".join(asked[0].texts) if asked else None


def _read_format_one(facts: Facts, value: Any) -> None:
    """Read the events that the first format puts into one attribute."""
    exchange = Exchange()
    told, said = [], []
    for event in listing(value):
        if not isinstance(event, dict):
            continue
        name = str(event.get("event.name", ""))
        message = message_of(name, event) if name in ROLES else read_message(event)
        (said if name == "gen_ai.choice" else told).append(message)
    read_told(exchange, told)
    read_reply(exchange, said)
    facts.input, facts.output, facts.thought = exchange.asked, exchange.said, facts.thought or exchange.thought
    facts.tool_requests, facts.tool_results = exchange.requests, exchange.results
    facts.finish_reason = facts.finish_reason or exchange.finish_reason


DIALECT = Dialect(
    name="pydantic-ai",
    order=12,
    scopes=("pydantic-ai", "pydantic_ai"),
    scope_prefixes=("logfire",),
    kind_of=_kind,
    request_keys=("request_data",),
    reply_keys=("response_data",),
    usage_keys=("gen_ai.usage.raw",),
    refine=_refine,
)
