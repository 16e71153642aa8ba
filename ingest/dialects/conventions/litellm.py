"""LiteLLM: its call span, and below it the provider's own request and reply, which alone has the ids of tool calls.

Where a span is open already, LiteLLM writes each of its calls over that span: then the raw replies below are all there is of the calls.
"""

from typing import Any

from ingest.dialects.bodies import ReplyBody, hear_request, read_reply_body, tool_names
from ingest.dialects.dialect import Dialect
from ingest.dialects.messages import Exchange
from ingest.dialects.providers import provider_of, provider_of_model
from ingest.dialects.reading import Reading
from ingest.dialects.values import parse, word
from ingest.model import Facts

_RAW = "raw_gen_ai_request"
_PREFIX = "llm."
_PROVIDER = "the provider"
_REPLIES = (".choices", ".usage", ".content", ".candidates", ".usageMetadata")


def _kind(reading: Reading) -> str | None:
    name = reading.span.name
    if name == _RAW:
        replied = any(key.startswith(_PREFIX) and key.endswith(_REPLIES) for key in reading.span.attributes)
        return "llm" if replied else "part"
    return "llm" if name == "litellm_request" else None


def _refine(reading: Reading, facts: Facts) -> None:
    if reading.span.name != _RAW:
        return
    facts.usage = facts.cost_nanos = None
    if facts.kind == "llm":
        _read_raw(_raw(reading), facts)


def _raw(reading: Reading) -> dict[str, Any]:
    """Return request and reply in one, each value of ``llm.<provider>.<name>`` as Python prints it, and the provider."""
    found: dict[str, Any] = {}
    for key, value in reading.span.attributes.items():
        if key.startswith(_PREFIX):
            provider, _, name = key[len(_PREFIX) :].partition(".")
            if name:
                found[name] = parse(value)
                found[_PROVIDER] = provider
    return found


def _read_raw(raw: dict[str, Any], facts: Facts) -> None:
    exchange = Exchange()
    hear_request(exchange, {key: raw[key] for key in ("messages", "contents", "input") if key in raw}, None)
    body: ReplyBody = read_reply_body(exchange, {key: value for key, value in raw.items() if key not in ("messages", "contents", "input")})
    facts.input, facts.tool_results = exchange.asked, exchange.results
    facts.output, facts.thought, facts.tool_requests = exchange.said, exchange.thought, exchange.requests
    facts.finish_reason, facts.usage, facts.response_id = exchange.finish_reason, body.usage, body.response_id
    facts.response_model = body.model or word(raw.get("model"))
    facts.provider = provider_of(raw.get(_PROVIDER)) or provider_of_model(facts.response_model)
    facts.tools_offered = tool_names(raw["tools"]) if "tools" in raw else []


DIALECT = Dialect(name="litellm", rank=110, scopes=("litellm",), kind=_kind, refine=_refine, input_excludes_cache=lambda reading: False)
