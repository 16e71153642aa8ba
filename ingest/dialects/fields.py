"""Under which keys a fact is found, in order of precedence: the first present counts. Conventions may put their own before these."""

from tracer import semconv

from .providers import PROVIDER_KEYS
from .tokens import RAW_USAGE_KEYS, TOKEN_KEYS

FIELD_KEYS: dict[str, tuple[str, ...]] = {
    **TOKEN_KEYS,
    "tokens.object": tuple(key for key, _ in RAW_USAGE_KEYS),
    "operation": ("gen_ai.operation.name",),
    "request_type": ("llm.request.type",),
    "agent_name": (
        "gen_ai.agent.name", "agent.name", semconv.AGENT_NAME, "agent_name", "ai.telemetry.functionId",
        "traceloop.association.properties.lc_agent_name", "graph.node.name", "graph.node.id",
    ),
    "agent_id": ("gen_ai.agent.id",),
    "session": (
        "langfuse.session.id", "session.id", "gen_ai.conversation.id", "traceloop.association.properties.session_id",
        "traceloop.association.properties.thread_id", "traceloop.association.properties.conversation_id",
        "traceloop.association.properties.chat_id", "ai.telemetry.metadata.sessionId", "ai.settings.context.sessionId",
        "langsmith.metadata.session_id", "langsmith.metadata.thread_id", "langsmith.metadata.conversation_id",
        "gcp.vertex.agent.session_id", "mlflow.trace.session", "anthropic.session.id", "gen_ai.thread.id",
    ),
    "user": (
        "langfuse.user.id", "user.id", "enduser.id", "traceloop.association.properties.user_id", "ai.telemetry.metadata.userId",
        "ai.settings.context.userId", "langsmith.metadata.user_id", "mlflow.trace.user", "gen_ai.user", "llm.user", "gen_ai.request.user",
    ),
    "metadata": ("metadata",),
    "request_model": (
        "gen_ai.request.model", "llm.request.model_name", "llm.request.model", "ai.model.id", "embedding.model_name",
        "reranker.model_name", "langsmith.metadata.ls_model_name",
    ),
    "response_model": (
        "gen_ai.response.model", "llm.response.model_name", "llm.response.model", "llm.model_name", "ai.response.model",
        "langfuse.observation.model.name", "mlflow.llm.model",
    ),
    "parameters": ("llm.invocation_parameters",),
    "provider": PROVIDER_KEYS,
    "response_id": ("gen_ai.response.id", "ai.response.id", "llm.response.id"),
    "finish_reasons": (
        "gen_ai.response.finish_reasons", "gen_ai.response.finish_reason", "gen_ai.response.stop_reason", "llm.finish_reason",
        "ai.response.finishReason", "anthropic.message.stop_reason", "langfuse.observation.metadata.finish_reason",
    ),
    "max_tokens": ("gen_ai.request.max_tokens",),
    "cost": ("llm.cost.total", "gen_ai.usage.cost", "operation.cost", "gen_ai.cost.total_cost", semconv.COST_USD),
    "cost.object": ("langfuse.observation.cost_details", "mlflow.llm.cost"),
    "error_type": ("error.type",),
    "http_status": ("http.response.status_code", "http.status_code"),
    "status_text": ("langfuse.observation.status_message",),
    "level": ("langfuse.observation.level",),
    "tool_status": ("gen_ai.tool.status", "gen_ai.task.status"),
    "guardrail": ("gen_ai.guardrail.triggered",),
    "guardrail_name": ("gen_ai.guardrail.name",),
    "messages.input": ("gen_ai.input.messages", "ai.prompt.messages"),
    "messages.output": ("gen_ai.output.messages",),
    "tools": ("gen_ai.tool.definitions", "ai.prompt.tools", "mlflow.chat.tools", "model_request_parameters", "gen_ai.agent.tools"),
    "body.input": (
        "input.value", "langfuse.observation.input", "mlflow.spanInputs", "traceloop.entity.input", "gen_ai.task.input",
        "lmnr.span.input", "genkit:input", "ai.prompt", "gen_ai.prompt", "gcp.vertex.agent.llm_request", "request_data",
        "gen_ai.retrieval.query.text", "gen_ai.memory.query.text", "reranker.query",
    ),
    "body.output": (
        "output.value", "langfuse.observation.output", "mlflow.spanOutputs", "traceloop.entity.output", "gen_ai.task.output",
        "lmnr.span.output", "genkit:output", "gen_ai.completion", "gcp.vertex.agent.llm_response", "response_data",
        "gen_ai.retrieval.documents", "gen_ai.memory.records",
    ),
    "tool_name": ("gen_ai.tool.name", "tool.name", "ai.toolCall.name", "tool_call.function.name"),
    "tool_call_id": ("gen_ai.tool.call.id", "tool_call.id", "tool.id", "ai.toolCall.id", "tool_use_id"),
    "tool_arguments": (
        "gen_ai.tool.call.arguments", "ai.toolCall.args", "gcp.vertex.agent.tool_call_args", "gen_ai.tool.args",
        "mcp.request.argument",
    ),
    "tool_arguments_late": ("tool_call.function.arguments",),
    "tool_result": (
        "gen_ai.tool.call.result", "ai.toolCall.result", "gcp.vertex.agent.tool_response", "tool_response",
        "anthropic.tool_result.content", "mcp.response.value",
    ),
    "handoff_to": ("gen_ai.handoff.to_agent",),
    "vector_query": ("db.vector.query.top_k",),
    "mcp_method": ("mcp.method.name",),
    "clew.kind": (semconv.STEP_KIND,),
    "clew.run": (semconv.RUN_ID,),
    "clew.thought": (semconv.THOUGHT,),
    "clew.question": (semconv.DECISION_QUESTION,),
    "clew.chosen": (semconv.DECISION_CHOSEN,),
    "clew.because": (semconv.DECISION_BECAUSE,),
    "clew.alternatives": (semconv.DECISION_ALTERNATIVES,),
    "clew.termination": (semconv.TERMINATION_REASON,),
    "clew.termination_detail": (semconv.TERMINATION_DETAIL,),
    "clew.budget_tokens": (semconv.BUDGET_TOKENS,),
    "clew.budget_usd": (semconv.BUDGET_USD,),
    "clew.budget_steps": (semconv.BUDGET_STEPS,),
    "clew.retry": (semconv.RETRY_ATTEMPT,),
    "clew.fallback_from": (semconv.FALLBACK_FROM,),
    "clew.fallback_to": (semconv.FALLBACK_TO,),
    "clew.breaker": (semconv.BREAKER_STATE,),
    "clew.cache": (semconv.CACHE_HIT,),
    "clew.truncated": (semconv.CONTENT_TRUNCATED,),
}  # fmt: skip

FLAT_PREFIXES: dict[str, str] = {
    "llm.input_messages.": "input",
    "gen_ai.prompt.": "input",
    "llm.prompts.": "input",
    "llm.output_messages.": "output",
    "gen_ai.completion.": "output",
    "llm.completions.": "output",
    "llm.choices.": "output",
    "llm.tools.": "tools",
    "llm.request.functions.": "tools",
    "retrieval.documents.": "documents",
    "reranker.output_documents.": "documents",
    semconv.REFERENCE_PREFIX: "references",
}
"""Prefixes of keys that go on with a number or a name, and what they flatten."""
