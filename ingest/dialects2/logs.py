"""Log records into facts of their spans: messages, usage, exceptions and users that travel beside the span."""

from typing import Any

from ingest.model import Facts, LogRecord, Usage

from . import tables
from .events import DETAILS, ROLES, message_of, read_details
from .messages import Exchange, read_reply, read_told
from .tokens import read_counts
from .values import dollars, first_word, json_or_text, listing, mapping, number, parse, show, truth, word


def read_log(record: LogRecord) -> Facts:
    """Return what a log record says of its span."""
    facts = Facts()
    attributes = record.attributes
    body = mapping(record.body)
    facts.session_id = first_word(attributes, tables.SESSION_KEYS)
    facts.user_id = first_word(attributes, tables.USER_KEYS)
    if record.event_name in ROLES:
        _read_message(facts, record.event_name, {**attributes, **body})
    elif record.event_name == DETAILS or "gen_ai.output.messages" in attributes or "gen_ai.input.messages" in attributes:
        _read_details(facts, {**body, **attributes})
    elif record.event_name.removeprefix("claude_code.") in _CLAUDE:
        _CLAUDE[record.event_name.removeprefix("claude_code.")](facts, attributes)
    elif "exception.type" in attributes or "exception.message" in attributes:
        facts.error_type = word(attributes.get("exception.type"))
        facts.error_message = show(attributes.get("exception.message"))
    elif isinstance(parse(body.get("events")), list):
        for event in listing(body["events"]):
            if isinstance(event, dict) and event.get("event.name") in ROLES:
                _read_message(facts, str(event["event.name"]), event)
    return facts


def _read_message(facts: Facts, name: str, fields: dict[str, Any]) -> None:
    exchange = Exchange()
    message = message_of(name, fields)
    if name == "gen_ai.choice":
        read_reply(exchange, [message])
        _take(facts, exchange)
    elif name == "gen_ai.assistant.message":
        # An earlier reply: what was told before it is not new to this call.
        facts.truncated = False
        facts.tool_results, facts.input = [], None
        facts.operation = OWN_TURN
    else:
        read_told(exchange, [message])
        _take(facts, exchange)


OWN_TURN = "assistant.message"
"""Marks the facts of a record that repeats an earlier reply of the model, for those who merge the records of a span."""


def _read_details(facts: Facts, attributes: dict[str, Any]) -> None:
    exchange = Exchange()
    facts.tools_offered = read_details(exchange, attributes)
    _take(facts, exchange)
    facts.usage = read_counts(attributes).usage()
    facts.response_model = word(attributes.get("gen_ai.response.model"))
    facts.response_id = word(attributes.get("gen_ai.response.id"))
    reasons = listing(attributes.get("gen_ai.response.finish_reasons"))
    facts.finish_reason = next((found for one in reasons if (found := word(one))), facts.finish_reason)


def _take(facts: Facts, exchange: Exchange) -> None:
    facts.input, facts.output, facts.thought = exchange.asked, exchange.said, exchange.thought
    facts.tool_requests, facts.tool_results = exchange.requests, exchange.results
    facts.finish_reason = exchange.finish_reason


# --- Claude Code's events, whose numbers are texts ---------------------------------------------------------------------


def _read_prompt(facts: Facts, attributes: dict[str, Any]) -> None:
    text = show(attributes.get("prompt"))
    facts.input = None if text == "<REDACTED>" else text


def _read_api_request(facts: Facts, attributes: dict[str, Any]) -> None:
    facts.cost_nanos = dollars(attributes.get("cost_usd"))
    facts.request_model = word(attributes.get("model"))
    uncached, output = number(attributes.get("input_tokens")), number(attributes.get("output_tokens"))
    read, write = number(attributes.get("cache_read_tokens")), number(attributes.get("cache_creation_tokens"))
    if uncached is not None:
        facts.usage = Usage(uncached + (read or 0) + (write or 0), output, read, write)


def _read_reply(facts: Facts, attributes: dict[str, Any]) -> None:
    text = show(attributes.get("response")) or show(attributes.get("content"))
    facts.output = None if text == "<REDACTED>" else text


def _read_api_error(facts: Facts, attributes: dict[str, Any]) -> None:
    facts.error_message = show(attributes.get("error"))
    facts.error_type = word(attributes.get("status_code"))


def _read_tool_result(facts: Facts, attributes: dict[str, Any]) -> None:
    facts.tool_arguments = json_or_text(attributes.get("tool_input") or attributes.get("tool_parameters"))
    if truth(attributes.get("success")) is False:
        facts.tool_error = show(attributes.get("error")) or "failed"


_CLAUDE = {
    "user_prompt": _read_prompt,
    "api_request": _read_api_request,
    "api_error": _read_api_error,
    "assistant_response": _read_reply,
    "tool_result": _read_tool_result,
}
