"""A few days of runs as they come over the wire, with choices, failures and waste that tests can count by hand."""

import json
import time
from typing import Any

from ingest.model import Span

from .builders import SECOND, T0
from .webui_app import later
from .wire import agent_span, in_trace, llm_span, tool_span, wire_span

DAY = 86_400 * SECOND
TOOLS = ("book_slot", "cancel_slot", "find_slot")


def asking(number: int, tool: str, at: float, tools: tuple[str, ...] = TOOLS) -> Span:
    """Build a model call that was offered tools and asked for one."""
    call = {"type": "tool_call", "id": f"call_{number}", "name": tool, "arguments": {"day": "Monday"}}
    attributes = {
        "gen_ai.tool.definitions": json.dumps([{"type": "function", "name": name} for name in tools]),
        "gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": [call]}]),
        "gen_ai.response.finish_reasons": ["tool_calls"],
    }
    return llm_span(number, 1, at=at, attributes=attributes)


def called(number: int, tool: str, asker: int, at: float, **fields: Any) -> Span:
    """Build the execution of what a model call asked for."""
    attributes = {
        "gen_ai.tool.call.id": f"call_{asker}",
        "gen_ai.tool.call.arguments": json.dumps({"day": "Monday"}),
        "gen_ai.tool.call.result": "ok",
    } | fields.pop("attributes", {})
    return tool_span(number, tool, 1, at=at, attributes=attributes, **fields)


def run(number: int, tool: str, *more: Span, agent: str = "scheduler", **fields: Any) -> list[Span]:
    """Build a run that chooses one tool and calls it; trace ids are made of its number."""
    spans = [agent_span(1, agent, **fields), asking(2, tool, 1), called(3, tool, 2, 2), *more, llm_span(9, 1, at=8)]
    return in_trace(spans, bytes([number]) * 16)


def failing() -> dict[str, Any]:
    """Return what makes a span fail."""
    return {"status_code": 2, "status_message": "TimeoutError: no answer"}


def a_week() -> list[Span]:
    """Build ten runs of today: seven book, of which one fails and two are escalated; two cancel; one finds the same thing twice."""
    runs: list[Span] = []
    for number in range(1, 5):
        runs += run(number, "book_slot", attributes={"gen_ai.agent.version": "1.1", "user.id": "ada"})
    for number in (5, 6):
        runs += run(number, "book_slot", attributes={"clew.termination.reason": "escalated"})
    runs += in_trace(
        [agent_span(1, **failing()), asking(2, "book_slot", 1), called(3, "book_slot", 2, 2, **failing())], bytes([7]) * 16
    )
    for number in (8, 9):
        runs += run(number, "cancel_slot")
    again = (asking(4, "find_slot", 4), called(5, "find_slot", 4, 5))
    runs += run(10, "find_slot", *again)
    return [later(span, today_ns() - T0) for span in runs]


def today_ns() -> int:
    """Return the first minute of the present UTC day, so that runs of today are in the past."""
    return time.time_ns() // DAY * DAY


def guard(number: int, name: str, verdict: str) -> Span:
    """Build a guardrail's span."""
    attributes = {"openinference.span.kind": "GUARDRAIL", "output.value": verdict}
    return wire_span(number, 1, at=0.5, lasts=0.01, name=name, attributes=attributes)
