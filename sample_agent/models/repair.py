"""Checks every answer against the schema asked for, and sends what is wrong with it back, at most twice."""

import json
import re
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ValidationError

from tracer import record

from ..observe import Event, Observe
from .types import Complete, Message, ModelReply, ModelRequest, OutputInvalid, Text, json_schema_of, said, turn_of

MOST_ERROR_CHARS = 1_000
FENCE = re.compile(r"^\s*```(?:json)?\s*\n(.*?)\n?\s*```\s*$", re.DOTALL)


def repairing(ask: Complete, repairs: int, observe: Observe) -> Complete:
    """Return ``ask`` with validation: ``data`` is set where a schema was asked for. Raises OutputInvalid after the last repair."""

    def complete(request: ModelRequest) -> ModelReply:
        asked = replace(request, system=request.system + instruction(request.schema)) if request.schema else request
        ceiling = request.call_token_ceiling
        for attempt in range(repairs + 1):
            reply = ask(replace(asked, call_token_ceiling=ceiling))
            data, errors = check(reply, request.schema)
            if errors is None:
                return replace(reply, data=data)
            if attempt < repairs:
                facts: dict[str, Any] = {"attempt": attempt + 1, "of": repairs, "errors": errors}
                record("repair", **facts)
                observe(Event("repair", reply.model, facts))
                asked = _sent_back(asked, reply, errors)
                # A call's ceiling holds for its repairs too.
                ceiling = None if ceiling is None else ceiling - reply.tokens.total
        raise OutputInvalid(errors or "")

    return complete


def instruction(schema: type[BaseModel]) -> str:
    """Return the sentence that asks for JSON of a schema, to stand at the end of the instructions."""
    return f"\n\nAnswer with one JSON object and nothing else. It must match this JSON schema:\n{json.dumps(json_schema_of(schema))}"


def check(reply: ModelReply, schema: type[BaseModel] | None) -> tuple[BaseModel | None, str | None]:
    """Return the validated value, or what is wrong in words that a model can act on."""
    if reply.tool_requests:
        return None, None
    if schema is None:
        return None, None if reply.text.strip() else "the answer is empty: answer in words or ask for a tool"
    fenced = FENCE.match(reply.text)
    try:
        return schema.model_validate_json(fenced[1] if fenced else reply.text), None
    except ValidationError as invalid:
        return None, _told(invalid)


def _told(invalid: ValidationError) -> str:
    found: list[Any] = invalid.errors(include_url=False, include_context=False, include_input=False)
    lines = [f"{'.'.join(str(place) for place in error['loc']) or 'the whole'}: {error['msg']}" for error in found]
    return "\n".join(lines)[:MOST_ERROR_CHARS]


def _sent_back(asked: ModelRequest, reply: ModelReply, errors: str) -> ModelRequest:
    # Thinking is not sent back: it belongs to a turn that was wrong, and other models do not take it.
    wrong = turn_of(replace(reply, parts=(Text(reply.text.strip() or "(nothing)"),)))
    complaint = said(f"Your response had validation errors:\n{errors}\n\nPlease fix and respond again with the JSON alone.")
    messages: tuple[Message, ...] = (*asked.messages, wrong, complaint)
    return replace(asked, messages=messages)
