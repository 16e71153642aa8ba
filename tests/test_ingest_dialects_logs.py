"""Log records fill the gaps of their span, whatever comes first, and add nothing to it."""

import itertools

from ingest.dialects.merge import merge_logs
from ingest.dialects.normalise import normalise, normalise_log
from ingest.model import Facts, LogRecord, ToolRequest, ToolResult, Usage

from .dialect_spans import as_json, log, read, span

DETAILS = "gen_ai.client.inference.operation.details"
CALL = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 9, "gen_ai.usage.output_tokens": 3}


def merged(facts: Facts, *records: LogRecord) -> Facts:
    """Return a span's facts with records merged in the order of their times."""
    return merge_logs(facts, [normalise_log(record) for record in sorted(records, key=lambda record: record.time_ns)])


def test_one_message_a_record() -> None:
    """Only what follows the last own message is new; the choice is the reply, its finish reason included."""
    facts = merged(
        read(CALL),
        log("gen_ai.system.message", {"content": "Be kind."}, at=1),
        log("gen_ai.user.message", {"content": "Refund?"}, at=2),
        log("gen_ai.assistant.message", {"tool_calls": [{"id": "c1", "function": {"name": "look", "arguments": "{}"}}]}, at=3),
        log("gen_ai.tool.message", {"content": "ok", "id": "c1"}, at=4),
        log("gen_ai.choice", {"index": 0, "finish_reason": "tool_calls", "message": {
            "tool_calls": [{"id": "c2", "type": "function", "function": {"name": "refund", "arguments": '{"order": "A-1"}'}}]}}, at=5),
    )  # fmt: skip

    assert (facts.input, facts.output, facts.finish_reason) == (None, None, "tool_calls")
    assert facts.tool_results == [ToolResult("c1", "ok")]
    assert facts.tool_requests == [ToolRequest("c2", "refund", {"order": "A-1"})]
    assert facts.usage == Usage(9, 3)


def test_messages_in_json_bodies_and_under_event_names() -> None:
    """A body may be JSON, Gemini's content, or a plain text."""
    facts = merged(
        read(CALL),
        log("gen_ai.user.message", {"content": {"role": "user", "parts": [{"text": "Refund?"}]}}, at=1),
        log("gen_ai.choice", '{"message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}', at=2),
    )

    assert (facts.input, facts.output, facts.finish_reason) == ("Refund?", "Yes.", "stop")


def test_details_with_structured_messages() -> None:
    """One record with a span's keys; its usage repeats the span's and fills only what is not there."""
    said = {
        "gen_ai.input.messages": [{"role": "user", "parts": [{"type": "text", "content": "Refund?"}]}],
        "gen_ai.output.messages": [
            {"role": "assistant", "parts": [{"type": "reasoning", "content": "Hm."}, {"type": "text", "content": "Yes."}]}
        ],
        "gen_ai.usage.input_tokens": 900, "gen_ai.usage.reasoning.output_tokens": 2, "user.id": "u", "gen_ai.conversation.id": "s",
        "gen_ai.tool.definitions": [{"name": "look"}], "gen_ai.agent.name": "desk",
    }  # fmt: skip
    facts = merged(read(CALL), log(DETAILS, None, said, scope="gcp.vertex.agent"))

    assert (facts.input, facts.thought, facts.output) == ("Refund?", "Hm.", "Yes.")
    assert (facts.session_id, facts.user_id, facts.agent_name, facts.tools_offered) == ("s", "u", "desk", ["look"])
    assert facts.usage == Usage(9, 3, None, None, 2)


def test_the_span_keeps_its_word() -> None:
    """What the span says itself is never replaced, and a record twice says it once."""
    own = read({**CALL, "gen_ai.output.messages": as_json([{"role": "assistant", "content": "Mine."}]), "user.id": "me"})
    record = log(DETAILS, None, {"gen_ai.output.messages": [{"role": "assistant", "content": "Theirs."}], "user.id": "u"})
    facts = merged(own, record, record)

    assert (facts.output, facts.user_id, facts.usage) == ("Mine.", "me", Usage(9, 3))


def test_the_order_of_details_does_not_matter_for_sums() -> None:
    """Any order of records with usage leaves the span's own numbers."""
    records = [normalise_log(log(DETAILS, None, {"gen_ai.usage.input_tokens": count})) for count in (1, 2, 3)]

    for order in itertools.permutations(records):
        assert merge_logs(read(CALL), order).usage == Usage(9, 3)


def test_calls_told_on_the_agents_span() -> None:
    """Claude Code hangs its calls' log records on the interaction: they are no usage of it, but the last answer is its output."""
    scope = "com.anthropic.claude_code.events"
    agent = normalise(span({"span.type": "interaction"}, name="claude_code.interaction", scope="com.anthropic.claude_code.tracing"))
    facts = merged(
        agent,
        log("api_request", "claude_code.api_request", {"model": "m", "input_tokens": "9", "output_tokens": "3", "cost_usd": "0.5",
                                                       "session.id": "s"}, scope, 1),
        log("assistant_response", None, {"response": "First."}, scope, 2),
        log("assistant_response", None, {"response": "Last."}, scope, 3),
    )  # fmt: skip

    assert (facts.usage, facts.cost_nanos, facts.session_id, facts.output) == (None, None, "s", "Last.")


def test_a_calls_own_api_request() -> None:
    """On the call itself the record fills in what the span leaves out: the cost."""
    call = normalise(span({"span.type": "llm_request", "input_tokens": 9, "output_tokens": 3}, scope="com.anthropic.claude_code.tracing"))
    record = log("api_request", None, {"input_tokens": "900", "cost_usd": 0.5}, "com.anthropic.claude_code.events")
    facts = merged(call, record)

    assert (facts.usage, facts.cost_nanos) == (Usage(9, 3), 500_000_000)


def test_exceptions_and_strangers() -> None:
    """An exception names the failure without deciding it; other records say nothing."""
    failed = normalise(span(CALL, status_code=2))
    facts = merged(failed, log("exception", None, {"exception.type": "ValueError", "exception.message": "no"}))
    stranger = normalise_log(log("", "hello", {"code.function": "f"}))

    assert (facts.failed, facts.error_type, facts.error_message) == (True, "ValueError", "no")
    assert not merged(read(CALL), log("exception", None, {"exception.type": "ValueError"})).failed
    assert stranger == Facts()
    assert merge_logs(failed, []) is failed
