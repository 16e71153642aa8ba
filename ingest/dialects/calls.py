"""A model call: what it was told, what it answered, what it cost."""

from collections.abc import Sequence

from ingest.model import Facts

from .bodies import ReplyBody, hear_request, opened_request, read_reply_body, tool_names, tools_in_request
from .dialect import Dialect
from .events import hear_events, span_events
from .messages import Exchange, read_fresh, read_message, read_messages
from .parts import Message
from .providers import provider_of_model
from .reading import Reading
from .streams import are_joined, separate
from .tokens import RAW_USAGE_KEYS, Count, count_of, fill_usage, usage_of, usage_of_object
from .tools import plain_arguments
from .values import dollars, mapping, number, parse, show, unwrap, word

Understood = tuple[Reading, Facts, Dialect]
"""What a span's attributes hold, what was made of it so far, and by which convention."""

_INCLUSIVE_OBJECTS = dict(RAW_USAGE_KEYS)


def read_models(reading: Reading, facts: Facts) -> None:
    """Fill in the model and the provider where no attribute names them."""
    values = reading.values
    if facts.request_model is None and "parameters" in values:
        facts.request_model = word(mapping(values["parameters"]).get("model"))
    if facts.request_model is None and facts.response_model is None and facts.kind in _NAMED_AFTER_MODELS:
        facts.request_model = model_in_name(reading.span.name)
    if facts.provider is None and facts.kind in ("llm", "embedding", "rerank"):
        facts.provider = provider_of_model(facts.response_model or facts.request_model)


_NAMED_AFTER_MODELS = frozenset({"llm", "embedding"})
_NAMES = ("chat ", "generate_content ", "text_completion ", "embeddings ")


def model_in_name(name: str) -> str | None:
    """Return the model that a GenAI span is named after: a failed call may have no more than its name."""
    model = next((name[len(prefix) :].strip() for prefix in _NAMES if name.startswith(prefix)), "")
    return model if model and " " not in model and len(model) <= 200 else None


def read_usage(reading: Reading, facts: Facts, dialect: Dialect) -> None:
    """Fill in tokens and stated cost."""
    values = reading.values
    if "tokens.input" in values or "tokens.output" in values or "tokens.total" in values or "tokens.uncached" in values:
        facts.usage = usage_of(stated_count(reading, dialect))
    if "tokens.object" in values and (facts.usage is None or facts.usage.cache_read_tokens is None or facts.usage.reasoning_tokens is None):
        attributes = reading.span.attributes
        for key, includes in _INCLUSIVE_OBJECTS.items():
            if key in attributes:
                facts.usage = fill_usage(facts.usage, usage_of_object(attributes[key], includes))
    if "cost" in values:
        facts.cost_nanos = dollars(values["cost"])
    if facts.cost_nanos is None and "cost.object" in values:
        stated = mapping(values["cost.object"])
        facts.cost_nanos = dollars(stated.get("total", stated.get("total_cost")))


def stated_count(reading: Reading, dialect: Dialect) -> Count:
    """Return a call's numbers with what is known of their meaning."""
    count = count_of(reading.values)
    if count.cache_read or count.cache_write:
        count.excludes_cache = dialect.input_excludes_cache(reading)
    return count


def read_calls(calls: Sequence[Understood]) -> None:
    """Fill in the conversations of model calls, one part of all of them after the other."""
    exchanges = [Exchange() for _ in calls]
    for exchange, (reading, facts, _) in zip(exchanges, calls, strict=True):
        _hear(exchange, reading, facts)
    bodies = [
        _reply(exchange, reading) if dialect.body_is_conversation else ReplyBody()
        for exchange, (reading, _, dialect) in zip(exchanges, calls, strict=True)
    ]
    for reading, facts, _ in calls:
        facts.tools_offered = _offered(reading)
    for exchange, body, (reading, facts, _) in zip(exchanges, bodies, calls, strict=True):
        _fill_in(reading, facts, exchange, body)


def _fill_in(reading: Reading, facts: Facts, exchange: Exchange, body: ReplyBody) -> None:
    values = reading.values
    facts.input, facts.tool_results = exchange.asked, exchange.results
    facts.output, facts.thought, facts.tool_requests = exchange.said, exchange.thought, exchange.requests
    facts.response_id = reading.word("response_id") or body.response_id
    facts.response_model = facts.response_model or body.model
    facts.usage = fill_usage(facts.usage, body.usage)
    facts.finish_reason = finish_reason(values.get("finish_reasons")) or exchange.finish_reason or body.finish_reason
    if facts.finish_reason == "error":
        # The AI SDK's word, and that of what is built on it: the span around such a call may say that all is well.
        facts.failed = True
    if facts.tool_requests and are_joined(facts.tool_requests):
        facts.tool_requests = separate(facts.tool_requests, facts.tools_offered)
    if facts.request_model is None and facts.response_model is None and "body.input" in values:
        facts.request_model = word(mapping(values["body.input"]).get("model"))
        facts.provider = facts.provider or provider_of_model(facts.request_model)
    if facts.finish_reason is None:
        derive_finish(facts, _most_tokens(reading))


_BOUNDS = ("max_tokens", "max_completion_tokens", "max_output_tokens")


def _most_tokens(reading: Reading) -> int | None:
    """Return how long the reply was allowed to become, from where the request is told."""
    values = reading.values
    if "max_tokens" in values:
        return number(values["max_tokens"])
    for field in ("parameters", "body.input"):
        said = mapping(values[field]) if field in values else {}
        found = next((bound for key in _BOUNDS if (bound := number(said.get(key))) is not None), None)
        if found is not None:
            return found
    return None


def _hear(exchange: Exchange, reading: Reading, facts: Facts) -> None:
    values = reading.values
    if "messages.input" in values:
        exchange.hear(read_fresh(values["messages.input"], facts.agent_name))
    if "input" in reading.flat:
        fresh, own = _fresh_entries(reading)
        exchange.hear(fresh)
        if exchange.results and own is not None and all(result.call_id is None for result in exchange.results):
            facts.asked_before = own.requests
    if reading.span.events:
        hear_events(exchange, span_events(reading.span.events))
    if exchange.asked is None and not exchange.results and "body.input" in values:
        hear_request(exchange, values["body.input"], facts.agent_name)
    if exchange.asked is not None and exchange.asked[:2] == "[{" and (request := opened_request(exchange.asked)) is not None:
        exchange.asked = None
        hear_request(exchange, request, facts.agent_name)


def _fresh_entries(reading: Reading) -> tuple[list[Message], Message | None]:
    """Return what is new, and the model's own last message before it."""
    fresh: list[Message] = []
    for entry in reading.entries_backwards("input"):
        message = read_message(entry.get("prompt") or entry)
        if message.is_own:
            return fresh[::-1], message
        fresh.append(message)
    return fresh[::-1], None


def _reply(exchange: Exchange, reading: Reading) -> ReplyBody:
    values = reading.values
    if "messages.output" in values:
        exchange.reply(read_messages(values["messages.output"]))
    if "output" in reading.flat:
        entries = [entry.get("completion") or entry for entry in reading.entries("output")]
        exchange.reply([_own(read_message(entry)) for entry in entries])
    if "body.output" in values:
        # A raw reply tells what the attributes beside it leave out: thoughts, its id, finish reason, parts of the usage.
        known = bool(exchange.said or exchange.requests) and "finish_reasons" in values
        return read_reply_body(exchange, values["body.output"], known)
    return ReplyBody()


def _own(message: Message) -> Message:
    message.role = message.role or "assistant"
    return message


def finish_reason(value: object) -> str | None:
    """Return the provider's word from a list, JSON of one, or a text; the first where there are several candidates."""
    found = unwrap(value)
    for item in found if isinstance(found, list) else [found]:
        name = word(item)
        if name:
            return name.removeprefix("FinishReason.")
    return None


def thought_in_reply(value: object) -> str | None:
    """Return the thought inside a recorded reply, for the glue around a call whose own span leaves it out."""
    if not isinstance(value, str) or ('"thinking"' not in value and '"reasoning' not in value):
        return None
    exchange = Exchange()
    read_reply_body(exchange, value)
    return exchange.thought


def derive_finish(facts: Facts, most_tokens: int | None = None) -> None:
    """Say why a reply ended where nobody does and the reply itself shows it: it asked for tools, ran to its bound, or spoke its last."""
    if facts.kind != "llm" or facts.finish_reason is not None or facts.failed:
        return
    said = facts.usage.output_tokens if facts.usage is not None else None
    if facts.tool_requests:
        facts.finish_reason = "tool_calls"
    elif most_tokens and said is not None and said >= most_tokens:
        facts.finish_reason = "length"
    elif facts.output and said is not None:
        facts.finish_reason = "stop"


def _offered(reading: Reading) -> list[str]:
    values = reading.values
    if "tools" in values:
        names = tool_names(values["tools"])
        if names:
            return names
    if "tools" in reading.flat:
        return tool_names([parse(entry.get("tool")) if "tool" in entry else entry for entry in reading.entries("tools")])
    if "parameters" in values:
        names = tools_in_request(values["parameters"])
        if names:
            return names
    return tools_in_request(values["body.input"]) if "body.input" in values else []


_SOUGHT = ("input", "query", "question", "text", "texts", "inputs", "contents", "content")


def _looked_for(value: object) -> str | None:
    """Return what was embedded or looked for, without the request or the call's arguments around it."""
    found = plain_arguments(unwrap(value))
    if isinstance(found, dict):
        said = next((found[key] for key in _SOUGHT if found.get(key)), None)
        # A request whose model alone is told says nothing of what was sought.
        found = said if said is not None or found.keys() == {"model"} else found
    if isinstance(found, list) and len(found) == 1 and isinstance(found[0], str):
        return found[0]
    return show(found)


def read_embedding(reading: Reading, facts: Facts) -> None:
    """Fill in what an embedding, a rerank or a retrieval was asked and gave."""
    facts.response_id = reading.word("response_id")
    value = reading.values.get("body.input")
    facts.input = _looked_for(value) if value is not None else None
    documents = [show(mapping(entry.get("document")).get("content")) for entry in reading.entries("documents")]
    found = [text for text in documents if text]
    output = reading.values.get("body.output")
    facts.output = "\n\n".join(found) or (show(unwrap(output)) if output is not None and facts.kind != "embedding" else None)
