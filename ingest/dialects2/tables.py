"""Tables that hold across conventions: kinds, providers, sessions, users, costs. Each row is one emitter's word for a thing."""

KIND_OF_OPERATION = {
    **dict.fromkeys(("chat", "generate_content", "text_completion", "completion", "generate", "response", "llm_call", "llm_request"), "llm"),
    **dict.fromkeys(("execute_tool", "tool_call"), "tool"),
    **dict.fromkeys(("invoke_agent", "create_agent", "agent_call"), "agent"),
    **dict.fromkeys(
        ("invoke_workflow", "agent_step", "execute_event_loop_cycle", "execute_task", "unknown", "user_prompt", "system_prompt",
         "schedule_tool_calls"), "chain",
    ),
    **dict.fromkeys(("retrieval", "vector_db_retrieve"), "retrieval"),
    "embeddings": "embedding", "embedding": "embedding", "rerank": "rerank", "guardrail_check": "guardrail", "plan": "plan",
    "handoff": "handoff", "agent_handoff": "handoff",
    **dict.fromkeys(
        ("search_memory", "create_memory", "update_memory", "upsert_memory", "delete_memory", "create_memory_store",
         "delete_memory_store"), "memory",
    ),
}  # fmt: skip
"""Values of ``gen_ai.operation.name``."""

KIND_OF_NAME = (
    ("chat ", "llm"), ("generate_content ", "llm"), ("text_completion ", "llm"), ("embeddings ", "embedding"),
    ("execute_tool ", "tool"), ("invoke_agent", "agent"), ("invoke_workflow", "chain"), ("handoff to ", "handoff"),
)  # fmt: skip
"""How names of spans begin, for those that lost their attributes."""

PROVIDERS = {
    "openai": "openai", "anthropic": "anthropic", "gemini": "gcp.gemini", "google": "gcp.gemini", "gcp.gemini": "gcp.gemini",
    "google.generative-ai": "gcp.gemini", "google_genai": "gcp.gemini", "google-gla": "gcp.gemini", "google-vertex": "gcp.vertex_ai",
    "gcp.vertex_ai": "gcp.vertex_ai", "vertex_ai": "gcp.vertex_ai", "vertexai": "gcp.vertex_ai", "gcp.gen_ai": "gcp.gen_ai",
    "aws.bedrock": "aws.bedrock", "aws": "aws.bedrock", "amazon": "aws.bedrock", "amazon-bedrock": "aws.bedrock",
    "amazon_bedrock": "aws.bedrock", "bedrock": "aws.bedrock", "azure.ai.openai": "azure.ai.openai", "az.ai.openai": "azure.ai.openai",
    "azure": "azure.ai.openai", "azure.ai.inference": "azure.ai.inference", "az.ai.inference": "azure.ai.inference",
    "mistral_ai": "mistral_ai", "mistralai": "mistral_ai", "mistral": "mistral_ai", "x_ai": "x_ai", "xai": "x_ai",
    "cohere": "cohere", "deepseek": "deepseek", "groq": "groq", "perplexity": "perplexity", "ibm.watsonx.ai": "ibm.watsonx.ai",
    "watsonx": "ibm.watsonx.ai", "moonshot": "moonshot_ai", "moonshot_ai": "moonshot_ai", "together": "together", "together_ai": "together",
}  # fmt: skip
_BY_HEAD = {"azure-openai": "azure.ai.openai", "google.vertex": "gcp.vertex_ai"}

FRAMEWORKS = frozenset({
    "langchain", "langgraph", "crewai", "strands-agents", "gcp.vertex.agent", "microsoft.agent_framework", "autogen",
    "semantic_kernel", "pydantic-ai", "llamaindex", "llama_index", "smolagents", "agno", "haystack", "unknown", "_other",
})  # fmt: skip
"""What stands in the provider's place and is none."""

PROVIDER_KEYS = (
    "gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system", "ai.model.provider", "mlflow.llm.provider",
    "langsmith.metadata.ls_provider", "llm.vendor",
)  # fmt: skip

_MODEL_HEADS = (
    ("claude", "anthropic"), ("gpt-", "openai"), ("o1", "openai"), ("o3", "openai"), ("o4", "openai"), ("chatgpt", "openai"),
    ("text-embedding-3", "openai"), ("gemini", "gcp.gemini"), ("mistral", "mistral_ai"), ("codestral", "mistral_ai"),
    ("command-", "cohere"), ("deepseek", "deepseek"), ("grok", "x_ai"),
)  # fmt: skip


def provider_of(stated: str | None) -> str | None:
    """Return OpenTelemetry's name of a provider, whatever the emitter calls it; None for the name of a framework."""
    if stated is None:
        return None
    low = stated.strip().lower()
    if low in FRAMEWORKS or not low:
        return None
    known = PROVIDERS.get(low)
    if known is not None:
        return known
    head = low.split(".", 1)[0]
    two = ".".join(low.split(".")[:2])
    return _BY_HEAD.get(head) or _BY_HEAD.get(two) or PROVIDERS.get(head) or stated


def provider_of_model(model: str | None) -> str | None:
    """Guess the provider from a model's name, where nothing states it."""
    low = (model or "").lower().rsplit("/", 1)[-1]
    return next((provider for start, provider in _MODEL_HEADS if low.startswith(start)), None)


REQUEST_MODEL_KEYS = (
    "gen_ai.request.model", "llm.request.model_name", "llm.request.model", "ai.model.id", "langsmith.metadata.ls_model_name",
)  # fmt: skip
RESPONSE_MODEL_KEYS = (
    "gen_ai.response.model", "llm.response.model_name", "llm.response.model", "llm.model_name", "embedding.model_name",
    "reranker.model_name", "ai.response.model", "langfuse.observation.model.name", "mlflow.llm.model",
)  # fmt: skip
RESPONSE_ID_KEYS = ("gen_ai.response.id", "ai.response.id")
FINISH_KEYS = (
    "gen_ai.response.finish_reasons", "gen_ai.response.finish_reason", "gen_ai.response.stop_reason", "llm.finish_reason",
    "ai.response.finishReason", "anthropic.message.stop_reason", "langfuse.observation.metadata.finish_reason",
)  # fmt: skip

SESSION_KEYS = (
    "langfuse.session.id", "session.id", "gen_ai.conversation.id", "traceloop.association.properties.session_id",
    "traceloop.association.properties.thread_id", "traceloop.association.properties.conversation_id",
    "traceloop.association.properties.chat_id", "ai.telemetry.metadata.sessionId", "ai.settings.context.sessionId",
    "langsmith.metadata.session_id", "langsmith.metadata.thread_id", "langsmith.metadata.conversation_id",
    "gcp.vertex.agent.session_id", "mlflow.trace.session", "anthropic.session.id", "gen_ai.thread.id",
)  # fmt: skip
USER_KEYS = (
    "langfuse.user.id", "user.id", "enduser.id", "traceloop.association.properties.user_id", "ai.telemetry.metadata.userId",
    "ai.settings.context.userId", "langsmith.metadata.user_id", "mlflow.trace.user", "gen_ai.user", "llm.user", "gen_ai.request.user",
)  # fmt: skip
AGENT_KEYS = ("clew.agent.name", "gen_ai.agent.name", "agent.name", "agent_name", "lmnr.agent.name")

COST_KEYS = ("clew.cost.usd", "llm.cost.total", "gen_ai.usage.cost", "operation.cost", "gen_ai.cost.total_cost")
COST_OBJECTS = (("langfuse.observation.cost_details", "total"), ("mlflow.llm.cost", "total_cost"))

TOOL_NAME_KEYS = ("gen_ai.tool.name", "tool.name", "ai.toolCall.name", "tool_call.function.name")
TOOL_ID_KEYS = ("gen_ai.tool.call.id", "tool_call.id", "tool.id", "ai.toolCall.id", "tool_use_id")
TOOL_ARGUMENT_KEYS = (
    "gen_ai.tool.call.arguments", "ai.toolCall.args", "gcp.vertex.agent.tool_call_args", "tool_arguments", "gen_ai.tool.args",
    "tool_call.function.arguments", "mcp.request.argument",
)  # fmt: skip
TOOL_RESULT_KEYS = (
    "gen_ai.tool.call.result", "ai.toolCall.result", "gcp.vertex.agent.tool_response", "tool_response",
    "anthropic.tool_result.content", "mcp.response.value",
)  # fmt: skip
TOOL_NAME_PREFIXES = (
    "execute_tool ", "anthropic.custom_tool_use ", "anthropic.mcp_tool_use ", "anthropic.tool_use ", "running tool: ", "tools/call ",
)  # fmt: skip
TOOL_NAME_SUFFIXES = (".tool", ".run")
OFFERED_KEYS = ("gen_ai.tool.definitions", "ai.prompt.tools", "mlflow.chat.tools", "gen_ai.agent.tools", "gen_ai.request.tools")
