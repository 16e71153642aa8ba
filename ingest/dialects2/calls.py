"""A model call into facts: what it was told and replied, its tokens, models, tools and cost."""

from typing import Any

from ingest.model import Facts, Span

from . import tables
from .dialect import Dialect
from .events import read_events
from .messages import Exchange, Message, joined, read_message, read_messages, read_reply, read_told
from .replies import Reply, read_raw_reply, read_request, tool_names
from .tokens import Counts, raw_counts, read_counts
from .values import TEXT_CHARS, dollars, first, first_word, listing, mapping, number, parse, show, unflatten, word


def read_call(facts: Facts, span: Span, dialect: Dialect, *, usage: bool = True) -> None:
    """Fill in the facts of a model call."""
    attributes = span.attributes
    exchange = Exchange()
    offered = _read_messages(exchange, span, dialect)
    reply = Reply()
    raw_reply = first(attributes, dialect.reply_keys)
    if raw_reply is not None:
        reply = read_raw_reply(exchange, raw_reply)
    raw_request = first(attributes, dialect.request_keys)
    if raw_request is not None and (exchange.asked is None or not offered):
        offered = offered or read_request(exchange, raw_request)
    _read_exchange(facts, exchange)
    facts.tools_offered = _offered(attributes) or offered
    if not usage:
        return
    _read_models(facts, attributes, reply)
    facts.finish_reason = _finish_reason(attributes) or exchange.finish_reason
    _read_usage(facts, span, dialect, reply)
    facts.cost_nanos = read_cost(attributes)
    if facts.kind == "embedding" and facts.input is None:
        facts.input = show(attributes.get("embedding.text"))


def _read_messages(exchange: Exchange, span: Span, dialect: Dialect) -> list[str]:
    """Read messages wherever they are; returns the tools named in them."""
    attributes = span.attributes
    told, said = attributes.get("gen_ai.input.messages"), attributes.get("gen_ai.output.messages")
    if told is not None:
        read_told(exchange, read_messages(told))
    if said is not None:
        read_reply(exchange, read_messages(said))
    if dialect.flattened is not None:
        _read_flattened(exchange, attributes, dialect.flattened)
    if "ai.prompt.messages" in attributes or "ai.operationId" in attributes:
        _read_ai_sdk(exchange, attributes)
    return read_events(exchange, span) if span.events else []


def _read_flattened(exchange: Exchange, attributes: dict[str, Any], prefixes: tuple[str, str]) -> None:
    if exchange.asked is None and not exchange.results:
        read_told(exchange, [read_message(_calls_listed(entry)) for entry in unflatten(attributes, prefixes[0])])
    if exchange.said is None and not exchange.requests:
        read_reply(exchange, [read_message(_calls_listed(entry)) for entry in unflatten(attributes, prefixes[1])])


def _calls_listed(entry: dict[str, Any]) -> dict[str, Any]:
    inner = entry.get("message")
    return {**inner, "finish_reason": entry.get("finish_reason")} if isinstance(inner, dict) else entry


def _read_ai_sdk(exchange: Exchange, attributes: dict[str, Any]) -> None:
    told = first(attributes, ("ai.prompt.messages", "ai.prompt", "ai.value", "ai.values"))
    if told is not None and exchange.asked is None:
        raw = parse(told)
        read_told(exchange, read_messages(raw.get("messages") or raw.get("prompt") if isinstance(raw, dict) else raw))
    message = Message("assistant")
    text = show(first(attributes, ("ai.response.text", "ai.result.text", "ai.response.object", "ai.result.object")))
    if text:
        message.texts = [text]
    thought = show(attributes.get("ai.response.reasoning"))
    if thought:
        message.thoughts = [thought]
    calls = listing(first(attributes, ("ai.response.toolCalls", "ai.result.toolCalls")))
    message.requests = read_message({"role": "assistant", "tool_calls": calls}).requests
    read_reply(exchange, [message])


def _read_exchange(facts: Facts, exchange: Exchange) -> None:
    facts.input = facts.input or exchange.asked
    facts.output = facts.output or exchange.said
    facts.thought = facts.thought or exchange.thought
    facts.tool_requests = exchange.requests
    facts.tool_results = exchange.results
    longest = max((len(text) for text in (facts.input, facts.output, facts.thought) if text), default=0)
    facts.truncated = facts.truncated or longest >= TEXT_CHARS


def _offered(attributes: dict[str, Any]) -> list[str]:
    for key in tables.OFFERED_KEYS:
        if attributes.get(key):
            found = tool_names(attributes[key])
            if found:
                return found
    for key in ("llm.invocation_parameters", "model_request_parameters"):
        if attributes.get(key):
            about = mapping(attributes[key])
            found = tool_names(about.get("tools")) or [*tool_names(about.get("function_tools")), *tool_names(about.get("output_tools"))]
            if found:
                return found
    return []


def _read_models(facts: Facts, attributes: dict[str, Any], reply: Reply) -> None:
    facts.request_model = first_word(attributes, tables.REQUEST_MODEL_KEYS)
    facts.response_model = first_word(attributes, tables.RESPONSE_MODEL_KEYS) or reply.model
    if facts.request_model is None and facts.response_model is None:
        facts.request_model = word(mapping(attributes.get("llm.invocation_parameters")).get("model"))
    stated = tables.provider_of(first_word(attributes, tables.PROVIDER_KEYS))
    facts.provider = stated or tables.provider_of_model(facts.response_model or facts.request_model)
    facts.response_id = first_word(attributes, tables.RESPONSE_ID_KEYS) or reply.response_id


def _finish_reason(attributes: dict[str, Any]) -> str | None:
    for key in tables.FINISH_KEYS:
        value = attributes.get(key)
        if value is None:
            continue
        value = parse(value)
        if isinstance(value, list):
            value = next((one for one in value if word(one)), None)
        found = word(value)
        if found is not None:
            return found
    return None


def _read_usage(facts: Facts, span: Span, dialect: Dialect, reply: Reply) -> None:
    attributes = span.attributes
    counts = read_counts(attributes)
    excludes = dialect.excludes_cache(span, facts) if dialect.excludes_cache is not None else None
    if counts.input is None and counts.output is None:
        counts, excludes = Counts(), False
    for key in dialect.usage_keys:
        if attributes.get(key) is not None:
            _fill_counts(counts, raw_counts(attributes[key]))
    if reply.counts is not None:
        _fill_counts(counts, reply.counts)
    facts.usage = counts.usage(excludes)


def _fill_counts(counts: Counts, other: Counts) -> None:
    """Take from a provider's own object what the span's plain keys leave out, where both speak of the same call."""
    if counts.input is None and counts.output is None:
        counts.fill(other)
        return
    for name in ("read", "write", "reasoning"):
        value = getattr(other, name)
        whole = counts.output if name == "reasoning" else counts.input
        if getattr(counts, name) is None and value is not None and whole is not None and value <= whole:
            setattr(counts, name, value)


def read_cost(attributes: dict[str, Any]) -> int | None:
    """Return the cost that the emitter states, in nano-dollars."""
    for key in tables.COST_KEYS:
        if attributes.get(key) is not None:
            found = dollars(attributes[key])
            if found is not None:
                return found
    for key, inside in tables.COST_OBJECTS:
        if attributes.get(key) is not None:
            found = dollars(mapping(attributes[key]).get(inside))
            if found is not None:
                return found
    return None
