"""Names of providers in one spelling."""

PROVIDER_KEYS = (
    "gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system", "ai.model.provider", "mlflow.llm.provider",
    "langsmith.metadata.ls_provider", "traceloop.association.properties.ls_provider", "llm.vendor",
)  # fmt: skip

_NAMES: dict[str, tuple[str, ...]] = {
    "openai": ("openai",),
    "anthropic": ("anthropic", "claude"),
    "gcp.gemini": ("gcp.gemini", "gemini", "google", "google.generative-ai", "google_genai", "googleai", "google-genai"),
    "gcp.vertex_ai": ("gcp.vertex_ai", "vertex_ai", "vertexai", "google.vertex", "google_vertexai", "vertex"),
    "gcp.gen_ai": ("gcp.gen_ai",),
    "aws.bedrock": ("aws.bedrock", "aws", "amazon", "amazon-bedrock", "bedrock", "bedrock_converse", "amazon_bedrock"),
    "azure.ai.openai": ("azure.ai.openai", "az.ai.openai", "azure", "azure-openai", "azure_openai"),
    "azure.ai.inference": ("azure.ai.inference", "az.ai.inference", "az.ai.agents", "azure_ai", "azure.ai.agents"),
    "mistral_ai": ("mistral_ai", "mistralai", "mistral"),
    "x_ai": ("x_ai", "xai"),
    "ibm.watsonx.ai": ("ibm.watsonx.ai", "watsonx"),
    "moonshot_ai": ("moonshot_ai", "moonshot", "moonshotai"),
    "together_ai": ("together_ai", "together", "togetherai"),
    "hugging_face": ("hugging_face", "huggingface"),
    "fireworks": ("fireworks", "fireworks_ai"),
}  # fmt: skip

_NORMAL = {spelling: name for name, spellings in _NAMES.items() for spelling in spellings}

_FRAMEWORKS = frozenset({
    "langchain", "langgraph", "crewai", "strands-agents", "gcp.vertex.agent", "microsoft.agent_framework", "autogen", "semantic_kernel",
    "llamaindex", "llama_index", "unknown", "none", "litellm", "pydantic-ai", "openai_agents", "smolagents", "agno", "mcp", "haystack",
})  # fmt: skip

_BY_MODEL = (
    ("claude", "anthropic"), ("gpt-", "openai"), ("chatgpt", "openai"), ("o1", "openai"), ("o3", "openai"), ("o4", "openai"),
    ("text-embedding-", "openai"), ("gemini", "gcp.gemini"), ("grok", "x_ai"), ("deepseek", "deepseek"),
    ("mistral", "mistral_ai"), ("command-", "cohere"),
)  # fmt: skip


def provider_of(name: str | None) -> str | None:
    """Return a provider's usual name; None for a framework, which is no provider."""
    if name is None:
        return None
    # Mirascope names the API as well: openai:completions.
    plain = name.strip().lower().partition(":")[0]
    known = _NORMAL.get(plain)
    if known is not None:
        return known
    if plain in _FRAMEWORKS or not plain:
        return None
    # The AI SDK adds the API: anthropic.messages, google.vertex.chat.
    head = plain
    while "." in head:
        head = head.rpartition(".")[0]
        if head in _NORMAL:
            return _NORMAL[head]
    return plain


def provider_of_model(model: str | None) -> str | None:
    """Guess who serves a model from its name, where nothing else tells."""
    if model is None:
        return None
    head, _, rest = model.lower().rpartition("/")
    if head:
        return _NORMAL.get(head.split("/")[0]) or provider_of_model(rest)
    return next((provider for prefix, provider in _BY_MODEL if rest.startswith(prefix)), None)
