"""What a span is: words of the GenAI conventions and of span names, for those that have no word of their own."""

from .reading import Reading

OPERATIONS: dict[str, str] = {
    **dict.fromkeys(
        (
            "chat", "generate_content", "text_completion", "completion", "generate", "response", "llm_call", "llm_request",
            "chat.completions", "chat.streaming_completions", "text.completions", "responses",
        ),
        "llm",
    ),
    **dict.fromkeys(("execute_tool", "tool_call"), "tool"),
    **dict.fromkeys(("invoke_agent", "create_agent", "agent_call"), "agent"),
    **dict.fromkeys(
        ("invoke_workflow", "agent_step", "execute_event_loop_cycle", "execute_task", "unknown", "chain", "workflow", "task"), "chain"
    ),
    **dict.fromkeys(("retrieval", "retriever", "vector_db_retrieve"), "retrieval"),
    **dict.fromkeys(("embeddings", "embedding"), "embedding"),
    "rerank": "rerank",
    **dict.fromkeys(("guardrail_check", "guardrail"), "guardrail"),
    "plan": "plan",
    **dict.fromkeys(("handoff", "agent_handoff"), "handoff"),
    **dict.fromkeys(
        (
            "search_memory", "create_memory", "update_memory", "upsert_memory", "delete_memory", "create_memory_store",
            "delete_memory_store",
        ),
        "memory",
    ),
    "evaluate": "evaluator",
}  # fmt: skip
"""``gen_ai.operation.name`` -> kind."""

OPERATION_OF = {
    "llm": "chat", "tool": "execute_tool", "agent": "invoke_agent", "embedding": "embeddings", "rerank": "rerank", "retrieval": "retrieval",
    "handoff": "handoff",
}  # fmt: skip
"""The operation that a kind means where no known one is named."""

_BY_NAME = (
    ("chat ", "llm"), ("generate_content ", "llm"), ("text_completion ", "llm"), ("embeddings ", "embedding"), ("execute_tool ", "tool"),
    ("invoke_agent ", "agent"), ("create_agent ", "agent"), ("invoke_workflow ", "chain"),
)  # fmt: skip

_REQUESTS = {"chat": "llm", "completion": "llm", "rerank": "rerank", "embedding": "embedding"}
"""OpenLLMetry's ``llm.request.type``, which others copy."""

_CALL_FIELDS = ("tokens.input", "tokens.output", "finish_reasons", "messages.output")


def kind_of_signs(reading: Reading) -> str | None:
    """Return the kind of a span whose own word was lost or never said: by its name, else by what it holds."""
    name = reading.span.name
    for prefix, kind in _BY_NAME:
        if name.startswith(prefix):
            return kind
    values = reading.values
    if "mcp_method" in values:
        return "tool" if reading.word("mcp_method") == "tools/call" else None
    if "vector_query" in values:
        return "retrieval"
    model = "request_model" in values or "response_model" in values
    request = _REQUESTS.get((reading.word("request_type") or "").lower())
    if request is not None:
        return request
    if "output" in reading.flat or (model and any(field in values for field in _CALL_FIELDS)):
        return "llm"
    if "tool_name" in values and not model and "tokens.input" not in values:
        # Not where there is a model: some put the tool that a call asked for on the call.
        return "tool"
    return None


def hands_over(tool: str) -> bool:
    """Tell by its name a tool by which one agent hands over to another. Handing over to people is a tool like any other."""
    return tool.startswith(("transfer_to_", "handoff_to_agent")) and not tool.startswith("transfer_to_human")
