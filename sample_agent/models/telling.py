"""What is told about a real call: to the ledger of truth plain values, the same that its span carries; to the provider the trace's id."""

from typing import Any

from tracer import inject

from ..observe import Event, Observe
from .types import ModelReply, ModelRequest, ModelUnavailable


def tell_answer(observe: Observe, request: ModelRequest, reply: ModelReply) -> None:
    """Tell of an answer. Called while the call's span is open, so that a simulated clock may move on within it."""
    tokens = reply.tokens
    facts: dict[str, Any] = {
        "role": request.role,
        "provider": reply.provider,
        "model": reply.model,
        "response_id": reply.response_id,
        "finish_reason": reply.finish_reason,
        "text": reply.text,
        "thinking": list(reply.thinking),
        "tools_offered": [tool.name for tool in request.tools],
        "tool_requests": [{"id": asked.id, "name": asked.name, "arguments": asked.arguments} for asked in reply.tool_requests],
        "input_tokens": tokens.input,
        "output_tokens": tokens.output,
        "cache_read_tokens": tokens.cache_read,
        "cache_write_tokens": tokens.cache_write,
        "reasoning_tokens": tokens.reasoning,
        "error": None,
    }
    observe(Event("llm", reply.model, facts))


def tell_failure(observe: Observe, request: ModelRequest, failure: ModelUnavailable) -> None:
    """Tell of a call that ended without an answer, within its span too."""
    facts = {"role": request.role, "provider": failure.provider, "model": request.model, "error": failure.reason}
    observe(Event("llm", request.model, facts))


def trace_headers() -> dict[str, str]:
    """Return the header by which the provider's side can be found in our trace; none where nothing is recorded.

    Baggage stays here: it names the session and the user, who are nobody's business outside.
    """
    return {name: value for name, value in inject({}).items() if name == "traceparent"}
