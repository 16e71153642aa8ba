"""Which attributes and events are content, whoever's: what people and models said, and what tools were given and gave back."""

from functools import lru_cache

_NAMES = frozenset({
    "clew.thought", "clew.because", "clew.decision.question", "clew.decision.because", "clew.decision.alternatives",
    "clew.termination.detail", "clew.plan.steps", "clew.input", "clew.output",
    "gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions", "gen_ai.tool.definitions",
    "gen_ai.tool.call.arguments", "gen_ai.tool.call.result", "gen_ai.tool.args", "gen_ai.tool.result", "gen_ai.retrieval.query.text",
    "gen_ai.retrieval.documents", "gen_ai.memory.query.text", "gen_ai.event.content", "gen_ai.task.input", "gen_ai.task.output",
    "gen_ai.prompt", "gen_ai.completion", "gen_ai.agent.tools", "gen_ai.evaluation.explanation",
    "input.value", "output.value", "llm.prompts", "llm.completions", "llm.function_call", "llm.invocation_parameters", "tool.parameters",
    "tool_call.function.arguments", "message.content", "document.content", "embedding.text", "reranker.query", "metadata",
    "tool.json_schema",
    "traceloop.entity.input", "traceloop.entity.output", "traceloop.prompt.template_variables",
    "langfuse.observation.input", "langfuse.observation.output", "langfuse.trace.input", "langfuse.trace.output",
    "langfuse.observation.status_message",
    "logfire.msg", "request_data", "response_data", "events", "all_messages_events", "pydantic_ai.all_messages", "final_result",
    "tool_arguments", "tool_response", "model_request_parameters", "attributes.input", "body.input", "body.output", "messages.input",
    "messages.output", "lmnr.span.input", "lmnr.span.output", "mlflow.spanInputs", "mlflow.spanOutputs", "mlflow.chat.tools",
    "mlflow.chat.messages", "ai.prompt", "ai.response.text", "ai.response.object", "ai.response.reasoning", "ai.response.toolCalls",
    "ai.toolCall.args", "ai.toolCall.result", "ai.value", "ai.values", "ai.result.text", "ai.result.object",
    "mcp.request.argument", "mcp.response.value", "anthropic.tool_result.content", "gcp.vertex.agent.llm_request",
    "gcp.vertex.agent.llm_response", "gcp.vertex.agent.tool_call_args", "gcp.vertex.agent.tool_response", "gcp.vertex.agent.data",
    "crew_inputs", "crew_tasks", "crew_agents", "formatted_prompt", "task.output", "input", "output", "prompt", "completion",
    "lk.chat_ctx", "lk.function_tool.arguments", "lk.function_tool.output", "lk.response.text", "lk.user_transcript", "lk.input_text",
    "http.request.body", "http.response.body", "http.request.body.content", "http.response.body.content", "messaging.message.body",
})  # fmt: skip

_BEGINNINGS = (
    "gen_ai.prompt.", "gen_ai.completion.", "gen_ai.content.", "gen_ai.input.messages.", "gen_ai.output.messages.",
    "llm.input_messages.", "llm.output_messages.", "llm.prompts.", "llm.completions.", "llm.prompt_template", "llm.tools.",
    "llm.request.functions.", "retrieval.documents.", "reranker.input_documents.", "reranker.output_documents.", "embedding.embeddings.",
    "ai.prompt.", "traceloop.prompt.", "langfuse.observation.input.", "langfuse.observation.output.", "input.value.", "output.value.",
    "mcp.request.argument.", "haystack.component.input", "haystack.component.output", "haystack.pipeline.input_data",
    "haystack.pipeline.output_data",
)  # fmt: skip

_EVENTS = frozenset({
    "gen_ai.content.prompt", "gen_ai.content.completion", "gen_ai.user.message", "gen_ai.system.message", "gen_ai.assistant.message",
    "gen_ai.tool.message", "gen_ai.choice", "gen_ai.client.inference.operation.details", "llm.content.prompt", "llm.content.completion",
})  # fmt: skip


@lru_cache(4_096)
def is_content(name: str) -> bool:
    """Tell whether an attribute of this name holds content."""
    return name in _NAMES or name.startswith(_BEGINNINGS)


def is_content_event(name: str) -> bool:
    """Tell whether an event of this name is content."""
    return name in _EVENTS
