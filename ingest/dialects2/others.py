"""Small conventions: Laminar, Genkit, LiveKit and Gemini CLI."""

from ingest.model import Facts, Span

from .dialect import Dialect
from .values import show

_LAMINAR = {
    "LLM": "llm", "CACHED": "llm", "TOOL": "tool", "DEFAULT": "chain", "PIPELINE": "chain", "EXECUTOR": "chain",
    "EVALUATOR": "evaluator", "HUMAN_EVALUATOR": "evaluator", "EVALUATION": "evaluator",
}  # fmt: skip
_GENKIT = {
    "model": "llm", "tool": "tool", "tool.v2": "tool", "retriever": "retrieval", "embedder": "embedding", "evaluator": "evaluator",
    "flow": "chain",
}  # fmt: skip
_LIVEKIT = {"agent_turn": "agent", "start_agent_activity": "chain", "function_tool": "tool", "llm_node": "llm", "llm_request": "llm"}


def _livekit_kind(span: Span) -> str | None:
    return _LIVEKIT.get(span.name)


def _is_gemini_cli(span: Span) -> bool:
    return span.attributes.get("gen_ai.agent.name") == "gemini-cli"


def _refine_livekit(span: Span, facts: Facts) -> None:
    facts.input = facts.input or show(span.attributes.get("lk.user_input")) or show(span.attributes.get("lk.input_text"))
    facts.output = facts.output or show(span.attributes.get("lk.response.text"))


DIALECTS = (
    Dialect(
        "laminar", 15, marks=("lmnr.span.type",), kind_key="lmnr.span.type", kinds=_LAMINAR,
        request_keys=("lmnr.span.input",), reply_keys=("lmnr.span.output",),
        tool_argument_keys=("lmnr.span.input",), tool_result_keys=("lmnr.span.output",), flattened=("gen_ai.prompt.", "gen_ai.completion."),
    ),
    Dialect(
        "genkit", 16, marks=("genkit:metadata:subtype", "genkit:type"), kind_key="genkit:metadata:subtype", kinds=_GENKIT,
        request_keys=("genkit:input",), reply_keys=("genkit:output",),
        tool_argument_keys=("genkit:input",), tool_result_keys=("genkit:output",),
    ),
    Dialect(
        "livekit", 17, scopes=("livekit-agents",), kind_of=_livekit_kind,
        tool_result_keys=("lk.function_tool.output",), tool_argument_keys=("lk.function_tool.arguments",), refine=_refine_livekit,
    ),
    Dialect("gemini-cli", 18, recognises=_is_gemini_cli),
)  # fmt: skip
