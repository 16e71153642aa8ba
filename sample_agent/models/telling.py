"""What the ledger of truth is told about a real call: plain values, the same that the call's span carries."""

from typing import Any

from ..observe import Event, Observe
from .provider import ModelReply, ModelRequest, ModelUnavailable


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
