"""Which convention a span follows, and what it is."""

from typing import Any

import pytest

from ingest.dialects.registry import DIALECTS

from .dialect_spans import read


def test_conventions_are_found_by_themselves() -> None:
    """Every module of the folder is a convention, tried in a fixed order; the last one claims whatever is left."""
    names = [dialect.name for dialect in DIALECTS]

    assert len(names) == len(set(names)) >= 20
    assert names[:4] == ["langfuse", "beeai", "openinference", "mlflow"]
    assert names[-1] == ""


@pytest.mark.parametrize(
    ("name", "scope", "attributes", "convention", "kind"),
    [
        ("OpenAI-generation", "langfuse-sdk", {"langfuse.observation.type": "generation"}, "langfuse", "llm"),
        ("x", "langfuse-sdk", {"langfuse.observation.type": "span"}, "langfuse", "chain"),
        ("x", "langfuse-sdk", {"langfuse.observation.type": "span", "langfuse.observation.model.name": "m"}, "langfuse", "llm"),
        ("x", "langfuse-sdk", {"langfuse.observation.type": "retriever"}, "langfuse", "retrieval"),
        ("x", "langfuse-sdk", {"langfuse.observation.type": "guardrail"}, "langfuse", "guardrail"),
        ("x", "my.app", {"openinference.span.kind": "AGENT"}, "openinference", "agent"),
        ("x", "my.app", {"openinference.span.kind": "RERANKER"}, "openinference", "rerank"),
        ("x", "my.app", {"openinference.span.kind": "EVALUATOR"}, "openinference", "evaluator"),
        ("OpenAI._prepare_chat_with_tools", "openinference.instrumentation.llama_index", {"openinference.span.kind": "LLM"},
         "openinference", "other"),
        ("handoff to billing", "openinference.instrumentation.openai_agents", {"openinference.span.kind": "TOOL"},
         "openinference", "handoff"),
        ("x", "mlflow.tracing.provider", {"mlflow.spanType": '"CHAT_MODEL"'}, "mlflow", "llm"),
        ("x", "mlflow.tracing.provider", {"mlflow.spanType": '"MEMORY"'}, "mlflow", "memory"),
        ("x", "mlflow.tracing", {"mlflow.spanType": '"PARSER"'}, "mlflow", "chain"),
        ("x", "langsmith", {"langsmith.span.kind": "retriever", "gen_ai.system": "langchain"}, "langsmith", "retrieval"),
        ("x", "langsmith", {"langsmith.span.kind": "prompt"}, "langsmith", "prompt"),
        ("claude_code.interaction", "com.anthropic.claude_code.tracing", {"span.type": "interaction"}, "claude_code", "agent"),
        ("claude_code.llm_request", "com.anthropic.claude_code.tracing", {"span.type": "claude_code.llm_request"}, "claude_code", "llm"),
        ("claude_code.tool.execution", "elsewhere", {"span.type": "tool.execution"}, "claude_code", "part"),
        ("anthropic.messages.create", "com.anthropic.sdk.python", {"gen_ai.operation.name": "chat"}, "anthropic", "llm"),
        ("anthropic.messages.create", "com.anthropic.sdk.python.bedrock", {}, "anthropic", "llm"),
        ("anthropic.custom_tool_use look", "com.anthropic.sdk.python", {"gen_ai.operation.name": "execute_tool"}, "anthropic", "tool"),
        ("anthropic.messages.tool_runner", "com.anthropic.sdk.python", {"gen_ai.operation.name": "invoke_agent"}, "anthropic", "agent"),
        ("anthropic.messages.count_tokens", "com.anthropic.sdk.python", {"gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 3},
         "anthropic", "other"),
        ("ai.generateText", "ai", {"ai.operationId": "ai.generateText"}, "ai_sdk", "agent"),
        ("ai.streamText.doStream", "ai", {"ai.operationId": "ai.streamText.doStream"}, "ai_sdk", "llm"),
        ("ai.toolCall", "ai", {"ai.operationId": "ai.toolCall"}, "ai_sdk", "tool"),
        ("ai.embedMany", "ai", {"ai.operationId": "ai.embedMany"}, "ai_sdk", "chain"),
        ("ai.embedMany.doEmbed", "ai", {"ai.operationId": "ai.embedMany.doEmbed"}, "ai_sdk", "embedding"),
        ("invocation", "gcp.vertex.agent", {}, "adk", "chain"),
        ("call_llm", "gcp.vertex.agent", {"gen_ai.system": "gcp.vertex.agent"}, "adk", "llm"),
        ("agent_run [desk]", "gcp.vertex.agent", {}, "adk", "agent"),
        ("execute_tool (merged tools)", "gcp.vertex.agent", {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "(merged tools)"},
         "adk", "part"),
        ("execute_event_loop_cycle", "strands.telemetry.tracer", {"gen_ai.operation.name": "execute_event_loop_cycle"}, "strands", "chain"),
        ("chat", "", {"gen_ai.operation.name": "chat", "gen_ai.system": "strands-agents"}, "strands", "llm"),
        ("chat gpt", "openlit.instrumentation.openai",
         {"gen_ai.operation.name": "chat", "gen_ai.tool.name": "look", "gen_ai.tool.args": "{}"}, "openlit", "llm"),
        ("litellm_request", "litellm", {}, "litellm", "llm"),
        ("raw_gen_ai_request", "litellm", {"llm.openai.model": "m"}, "litellm", "part"),
        ("agent run", "pydantic-ai", {"model_name": "m"}, "pydantic_ai", "agent"),
        ("running tool", "pydantic-ai", {"gen_ai.tool.name": "look"}, "pydantic_ai", "tool"),
        ("running tools", "pydantic-ai", {}, "pydantic_ai", "chain"),
        ("Chat Completion with {request_data[model]!r}", "logfire.openai", {"request_data": '{"model": "m"}'}, "pydantic_ai", "llm"),
        ("chat m", "logfire.openai", {"logfire.span_type": "pending_span", "gen_ai.operation.name": "chat"}, "pydantic_ai", "part"),
        ("invoke_agent a", "agent_framework", {"gen_ai.operation.name": "invoke_agent"}, "agent_framework", "agent"),
        ("desk.workflow", "opentelemetry.instrumentation.langchain",
         {"traceloop.span.kind": "workflow", "gen_ai.operation.name": "invoke_agent"}, "openllmetry", "chain"),
        ("desk.agent", "traceloop.tracer", {"traceloop.span.kind": "agent"}, "openllmetry", "agent"),
        ("vector_db_retrieve V", "opentelemetry.instrumentation.langchain",
         {"traceloop.span.kind": "task", "gen_ai.operation.name": "vector_db_retrieve"}, "openllmetry", "retrieval"),
        ("openai.chat", "opentelemetry.instrumentation.openai.v1", {"llm.request.type": "chat"}, "openllmetry", "llm"),
        ("cohere.rerank", "opentelemetry.instrumentation.cohere", {"llm.request.type": "rerank"}, "openllmetry", "rerank"),
        ("a → b.handoff", "opentelemetry.instrumentation.openai_agents", {"traceloop.span.kind": "handoff"}, "openllmetry", "handoff"),
        ("chroma.query", "opentelemetry.instrumentation.chromadb", {"db.system": "chroma", "db.vector.query.top_k": 3}, "", "retrieval"),
        ("chat m", "opentelemetry.instrumentation.openai_v2", {"gen_ai.operation.name": "chat"}, "genai", "llm"),
        ("guardrail_check g", "opentelemetry.instrumentation.openai_agents", {"gen_ai.operation.name": "guardrail_check"}, "genai",
         "guardrail"),
        ("turn", "opentelemetry.instrumentation.openai_agents", {"gen_ai.operation.name": "unknown"}, "genai", "chain"),
        ("step 1", "gen_ai", {"gen_ai.operation.name": "agent_step"}, "genai", "chain"),
        ("plan", "any", {"gen_ai.operation.name": "plan"}, "genai", "plan"),
        ("m", "any", {"gen_ai.operation.name": "search_memory"}, "genai", "memory"),
        ("x", "gemini-cli", {"gen_ai.agent.name": "gemini-cli", "gen_ai.operation.name": "schedule_tool_calls"}, "gemini_cli", "chain"),
        ("x", "gemini-cli", {"gen_ai.agent.name": "gemini-cli", "gen_ai.operation.name": "tool_call"}, "gemini_cli", "tool"),
        ("x", "lmnr", {"lmnr.span.type": "CACHED"}, "laminar", "llm"),
        ("x", "genkit-tracer", {"genkit:metadata:subtype": "tool.v2", "genkit:name": "look"}, "genkit", "tool"),
        ("function_tool", "livekit-agents", {}, "livekit", "tool"),
        ("tools/call look", "mcp", {"mcp.method.name": "tools/call", "gen_ai.tool.name": "look"}, "genai", "tool"),
        ("tools/list", "mcp", {"mcp.method.name": "tools/list"}, "mcp", "other"),
        ("think", "clew", {"clew.step.kind": "thought", "clew.thought": "hm"}, "clew", "thought"),
        ("POST", "opentelemetry.instrumentation.httpx", {"http.method": "POST"}, "", "other"),
        ("chat m", "any", {}, "", "llm"),
        ("text_completion m", "any", {}, "", "llm"),
    ],
)  # fmt: skip
def test_kinds(name: str, scope: str, attributes: dict[str, Any], convention: str, kind: str) -> None:
    """The first convention whose signs are there reads the span, and says what it is."""
    facts = read(attributes, name=name, scope=scope)

    assert (facts.convention, facts.kind) == (convention, kind)


def test_failed_call_with_nothing_but_its_name() -> None:
    """A failed call may have no attributes at all: its name says what it was and which model it asked."""
    facts = read(name="chat claude-haiku-4-5", scope="openlit.instrumentation.anthropic", status_code=2,
                 events=[("exception", {"exception.type": "anthropic.RateLimitError", "exception.message": "429"})])  # fmt: skip

    assert (facts.kind, facts.request_model, facts.provider, facts.operation) == ("llm", "claude-haiku-4-5", "anthropic", "chat")
    assert (facts.failed, facts.error_type, facts.error_message) == (True, "anthropic.RateLimitError", "429")
