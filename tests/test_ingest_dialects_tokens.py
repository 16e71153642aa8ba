"""Tokens of every emitter in one meaning: input includes cached tokens, output includes reasoning, nothing is added twice."""

from typing import Any

import pytest

from ingest.dialects.tokens import Count, fill_usage, usage_of, usage_of_object
from ingest.model import Usage

from .dialect_spans import as_json, counted, read

GENAI = "gen_ai.usage."
CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
ANTHROPIC = {**CHAT, "gen_ai.provider.name": "anthropic"}
CACHED = {f"{GENAI}input_tokens": 500, f"{GENAI}output_tokens": 90, f"{GENAI}cache_read.input_tokens": 400}


@pytest.mark.parametrize(
    ("count", "wanted"),
    [
        (Count(), None),
        (Count(input=10, output=5), Usage(10, 5)),
        (Count(input=10, output=5, cache_read=8), Usage(10, 5, 8)),
        (Count(input=10, output=5, cache_read=8, cache_write=4), Usage(22, 5, 8, 4)),
        (Count(input=10, output=5, cache_read=8, total=23), Usage(18, 5, 8)),
        (Count(input=10, output=5, cache_read=8, uncached=10), Usage(18, 5, 8)),
        (Count(input=18, output=5, cache_read=8, uncached=10), Usage(18, 5, 8)),
        (Count(output=5, cache_read=8, uncached=10), Usage(18, 5, 8)),
        (Count(input=10, output=5, cache_read=8, excludes_cache=True), Usage(18, 5, 8)),
        (Count(input=10, output=5, cache_read=80, excludes_cache=False), Usage(10, 5, 80)),
        (Count(input=10, output=5, reasoning=3), Usage(10, 5, None, None, 3)),
        (Count(input=10, output=5, reasoning=3, total=18), Usage(10, 8, None, None, 3)),
        (Count(input=10, output=5, reasoning=9), Usage(10, 14, None, None, 9)),
        (Count(input=0, output=0), Usage(0, 0)),
        (Count(total=7), Usage(7)),
    ],
)
def test_numbers_decide_what_they_mean(count: Count, wanted: Usage | None) -> None:
    """The emitter, an explicit uncached number, and arithmetic decide, in this order; otherwise parts are parts."""
    assert usage_of(count) == wanted


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        (
            {"prompt_tokens": 100, "completion_tokens": 20, "prompt_tokens_details": {"cached_tokens": 60},
             "completion_tokens_details": {"reasoning_tokens": 7}},
            Usage(100, 20, 60, None, 7),
        ),
        (
            {"input_tokens": 100, "output_tokens": 20, "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 5},
             "output_tokens_details": {"reasoning_tokens": 7}},
            Usage(100, 20, 60, 5, 7),
        ),
        (
            {"input_tokens": 10, "cache_read_input_tokens": 60, "cache_creation_input_tokens": 30, "output_tokens": 20,
             "output_tokens_details": {"thinking_tokens": 4}},
            Usage(100, 20, 60, 30, 4),
        ),
        (
            {"promptTokenCount": 100, "candidatesTokenCount": 20, "thoughtsTokenCount": 7, "cachedContentTokenCount": 60,
             "totalTokenCount": 127},
            Usage(100, 27, 60, None, 7),
        ),
        ({"inputTokens": 10, "outputTokens": 20, "cacheReadInputTokens": 60, "cacheWriteInputTokens": 30}, Usage(100, 20, 60, 30)),
        ({"input": 10, "input_cached_tokens": 60, "input_cache_creation": 30, "output": 13, "output_reasoning_tokens": 7, "total": 120},
         Usage(100, 20, 60, 30, 7)),
        ("{'prompt_tokens': 100, 'completion_tokens': 20, 'prompt_tokens_details': {'cached_tokens': 60}}", Usage(100, 20, 60)),
        ("Usage(completion_tokens=20, prompt_tokens=100, reasoning_tokens=7, cached_tokens=60)", Usage(100, 20, 60, None, 7)),
        ("nonsense", None),
        ({"prompt_tokens": -4, "completion_tokens": True}, None),
    ],
)  # fmt: skip
def test_usage_objects_of_all_makers(raw: Any, wanted: Usage | None) -> None:
    """Each provider's own object is read by its own rules, as JSON or as Python prints it."""
    assert usage_of_object(raw) == wanted
    assert usage_of_object(as_json(raw) if isinstance(raw, dict) else raw) == wanted


@pytest.mark.parametrize(
    ("attributes", "scope", "wanted"),
    [
        pytest.param({**ANTHROPIC, **CACHED}, "", (500, 90, 400, None, None), id="genai"),
        pytest.param({**ANTHROPIC, **CACHED}, "openlit.instrumentation.anthropic", (900, 90, 400, None, None), id="openlit-anthropic"),
        pytest.param({**CHAT, **CACHED, "gen_ai.provider.name": "openai"}, "openlit.instrumentation.openai", (500, 90, 400, None, None),
                     id="openlit-openai"),
        pytest.param({**ANTHROPIC, **CACHED, "gen_ai.usage.total_tokens": 590}, "opentelemetry.instrumentation.anthropic",
                     (500, 90, 400, None, None), id="openllmetry"),
        pytest.param({"openinference.span.kind": "LLM", "llm.token_count.prompt": 500, "llm.token_count.completion": 90,
                      "llm.token_count.prompt_details.cache_read": 400, "llm.token_count.completion_details.reasoning": 9},
                     "openinference.instrumentation.anthropic", (500, 90, 400, None, 9), id="openinference"),
        pytest.param({"openinference.span.kind": "LLM", "llm.token_count.prompt": 50, "llm.token_count.completion": 90,
                      "llm.token_count.prompt_details.cache_read": 400, "llm.token_count.prompt_details.cache_write": 30},
                     "openinference.instrumentation.anthropic", (480, 90, 400, 30, None), id="openinference-old-anthropic"),
        pytest.param({"ai.operationId": "ai.generateText.doGenerate", "ai.model.provider": "anthropic.messages",
                      "ai.usage.inputTokens": 50, "ai.usage.outputTokens": 90, "ai.usage.cachedInputTokens": 400,
                      "ai.response.providerMetadata": '{"anthropic": {"cacheCreationInputTokens": 30}}'}, "ai",
                     (480, 90, 400, 30, None), id="ai-sdk-5-anthropic"),
        pytest.param({"ai.operationId": "ai.generateText.doGenerate", "ai.model.provider": "anthropic",
                      "ai.usage.promptTokens": 50, "ai.usage.completionTokens": 90, "gen_ai.usage.input_tokens": 50,
                      "ai.response.providerMetadata": '{"anthropic": {"cacheCreationInputTokens": 30, "cacheReadInputTokens": 400}}'},
                     "ai", (480, 90, 400, 30, None), id="ai-sdk-4-anthropic"),
        pytest.param({"ai.operationId": "ai.generateText.doGenerate", "ai.model.provider": "openai.chat",
                      "ai.usage.promptTokens": 500, "ai.usage.completionTokens": 90,
                      "ai.response.providerMetadata": '{"openai": {"cachedPromptTokens": 400, "reasoningTokens": 9}}'},
                     "ai", (500, 90, 400, None, 9), id="ai-sdk-4-openai"),
        pytest.param({"ai.operationId": "ai.generateText.doGenerate", "ai.model.provider": "anthropic.messages",
                      "ai.usage.inputTokens": 480, "ai.usage.outputTokens": 90, "ai.usage.inputTokenDetails.noCacheTokens": 50,
                      "ai.usage.inputTokenDetails.cacheReadTokens": 400, "ai.usage.inputTokenDetails.cacheWriteTokens": 30,
                      "ai.usage.outputTokenDetails.reasoningTokens": 9}, "ai", (480, 90, 400, 30, 9), id="ai-sdk-6"),
        pytest.param({"gen_ai.operation.name": "chat", f"{GENAI}input_tokens": 480, f"{GENAI}output_tokens": 90,
                      f"{GENAI}details.input_tokens": 50, f"{GENAI}details.cache_read_input_tokens": 400,
                      f"{GENAI}details.cache_creation_input_tokens": 30, f"{GENAI}details.thinking_tokens": 9},
                     "pydantic-ai", (480, 90, 400, 30, 9), id="pydantic-ai-old"),
        pytest.param({"gen_ai.operation.name": "chat", "gen_ai.system": "strands-agents", f"{GENAI}prompt_tokens": 500,
                      f"{GENAI}input_tokens": 500, f"{GENAI}completion_tokens": 90, f"{GENAI}output_tokens": 90,
                      f"{GENAI}cache_read_input_tokens": 400, f"{GENAI}cache_read.input_tokens": 400}, "",
                     (500, 90, 400, None, None), id="strands"),
        pytest.param({"span.type": "llm_request", "input_tokens": 50, "output_tokens": 90, "cache_read_tokens": 400,
                      "cache_creation_tokens": 30}, "com.anthropic.claude_code.tracing", (480, 90, 400, 30, None), id="claude-code"),
        pytest.param({"langfuse.observation.type": "generation", "langfuse.observation.usage_details":
                      '{"input": 70, "input_cached_tokens": 400, "input_cache_creation": 30, "output": 81, "output_reasoning_tokens": 9}'},
                     "langfuse-sdk", (500, 90, 400, 30, 9), id="langfuse-buckets"),
        pytest.param({"langfuse.observation.type": "generation", "langfuse.observation.usage_details":
                      '{"prompt_tokens": 500, "completion_tokens": 90, "prompt_tokens_details": {"cached_tokens": 400}}'},
                     "langfuse-sdk", (500, 90, 400, None, None), id="langfuse-provider-shape"),
        pytest.param({"mlflow.spanType": '"CHAT_MODEL"', "mlflow.chat.tokenUsage":
                      '{"input_tokens": 500, "output_tokens": 90, "cache_read_input_tokens": 400, "cache_creation_input_tokens": 30}'},
                     "mlflow.tracing.provider", (500, 90, 400, 30, None), id="mlflow"),
        pytest.param({"langsmith.span.kind": "llm", f"{GENAI}input_tokens": 500, f"{GENAI}output_tokens": 90,
                      f"{GENAI}input_token_details": "{'audio': 0, 'cache_read': 400, 'cache_creation': 30}",
                      f"{GENAI}output_token_details": "{'reasoning': 9}"}, "langsmith", (500, 90, 400, 30, 9), id="langsmith"),
        pytest.param({"gen_ai.operation.name": "chat", f"{GENAI}input_tokens": 500, f"{GENAI}output_tokens": 90, "metadata.usage_object":
                      "{'prompt_tokens': 500, 'completion_tokens': 90, 'prompt_tokens_details': {'cached_tokens': 400}, "
                      "'cache_creation_input_tokens': 30, 'completion_tokens_details': {'reasoning_tokens': 9}}"},
                     "litellm", (500, 90, 400, 30, 9), id="litellm"),
        pytest.param({"gen_ai.operation.name": "chat", f"{GENAI}input_tokens": 500, f"{GENAI}output_tokens": 90, f"{GENAI}raw":
                      '{"input_tokens": 500, "input_tokens_details": {"cached_tokens": 400}, "output_tokens": 90}'},
                     "logfire.openai", (500, 90, 400, None, None), id="logfire-raw"),
        pytest.param({"llm.request.type": "chat", "llm.usage.total_tokens": 590, f"{GENAI}prompt_tokens": 500,
                      f"{GENAI}completion_tokens": 90, f"{GENAI}cache_read_input_tokens": 400, "llm.usage.reasoning_tokens": 9},
                     "opentelemetry.instrumentation.openai.v1", (500, 90, 400, None, 9), id="openllmetry-0.47"),
        pytest.param({"llm.request.type": "chat", "llm.usage.prompt_tokens": 500, "llm.usage.completion_tokens": 90},
                     "opentelemetry.instrumentation.openai", (500, 90, None, None, None), id="openllmetry-2023"),
        pytest.param({"gen_ai.operation.name": "chat", f"{GENAI}input_tokens": 500, f"{GENAI}output_tokens": 90,
                      f"{GENAI}cache_write.input_tokens": 30, f"{GENAI}cache_read.input_tokens": 0,
                      f"{GENAI}reasoning.output_tokens": 9}, "com.anthropic.sdk.python", (500, 90, 0, 30, 9), id="anthropic-sdk"),
        pytest.param({"ai.operationId": "ai.embed.doEmbed", "ai.usage.tokens": 12}, "ai", (12, None, None, None, None), id="embedding"),
        pytest.param({"genkit:metadata:subtype": "model", "genkit:output": '{"message": {"role": "model", "content": [{"text": "hi"}]},'
                      '"usage": {"inputTokens": 500, "outputTokens": 81, "thoughtsTokens": 9, "totalTokens": 590}}'}, "genkit-tracer",
                     (500, 90, None, None, 9), id="genkit"),
    ],
)  # fmt: skip
def test_each_emitter_means_the_same(attributes: dict[str, Any], scope: str, wanted: tuple[int | None, ...]) -> None:
    """What an emitter sends under its keys is told in the one meaning."""
    assert counted(read(attributes, name="call", scope=scope)) == wanted


@pytest.mark.parametrize("value", [-1, True, "abc", float("nan"), 1.5, 10**30, None, [], {}])
def test_nonsense_is_no_count(value: Any) -> None:
    """A value that is no count leaves the next key of the row to speak."""
    facts = read({**CHAT, f"{GENAI}input_tokens": value, f"{GENAI}prompt_tokens": 7})

    assert counted(facts)[0] == 7


@pytest.mark.parametrize(("value", "wanted"), [(12.0, 12), ("12", 12), ("12.0", 12), ('"12"', 12), (0, 0)])
def test_counts_in_other_types(value: Any, wanted: int) -> None:
    """A whole float is a count, digits in a text are one, and 0 is one."""
    assert counted(read({**CHAT, f"{GENAI}input_tokens": value}))[0] == wanted


def test_aggregated_usage_is_no_calls() -> None:
    """Pydantic AI's sum over a run stands under keys of its own and is never read as usage."""
    attributes = {"gen_ai.operation.name": "invoke_agent", "gen_ai.aggregated_usage.input_tokens": 900, "gen_ai.agent.name": "a"}

    assert read(attributes, name="invoke_agent a", scope="pydantic-ai").usage is None


def test_costs() -> None:
    """A stated cost is nano-dollars; 0 means unknown; OpenLIT's figure is dropped where it left cached tokens out."""
    assert read({**CHAT, "operation.cost": 0.00336}).cost_nanos == 3_360_000
    assert read({**CHAT, "gen_ai.usage.cost": 0}).cost_nanos is None
    assert read({**CHAT, "llm.cost.total": "0.5"}).cost_nanos == 500_000_000
    stated = {"langfuse.observation.type": "generation", "langfuse.observation.cost_details": '{"total": 0.25}'}
    assert read(stated).cost_nanos == 250_000_000
    assert read({"mlflow.spanType": '"LLM"', "mlflow.llm.cost": '{"total_cost": 0.25}'}).cost_nanos == 250_000_000
    cached = {**ANTHROPIC, **CACHED, "gen_ai.usage.cost": 0.004}
    assert read(cached, scope="openlit.instrumentation.anthropic").cost_nanos is None
    assert read(cached, scope="other").cost_nanos == 4_000_000


@pytest.mark.parametrize(
    ("known", "other", "wanted"),
    [
        (Usage(100, 53), Usage(100, 63, 40, None, 10), Usage(100, 63, 40, None, 10)),
        (Usage(60, 63), Usage(100, 63, 40), Usage(100, 63, 40)),
        (Usage(100, 53, None, None, 10), Usage(100, 63, None, None, 10), Usage(100, 53, None, None, 10)),
        (Usage(100, 54), Usage(100, 63, None, None, 10), Usage(100, 54, None, None, 10)),
        (Usage(100, 63), Usage(100, 63, 40, None, 10), Usage(100, 63, 40, None, 10)),
    ],
)
def test_a_class_that_one_report_leaves_out(known: Usage, other: Usage, wanted: Usage) -> None:
    """Of two reports of a call one may leave thoughts or cached tokens out of its sum: the difference is exactly these."""
    assert fill_usage(known, other) == wanted


def test_a_count_that_leaves_a_class_out_is_made_whole() -> None:
    """An emitter that knows no cached tokens or thoughts tells less; the reply beside it tells the whole, if just that is missing."""
    reply = Usage(1131, 63, 256, 64, 10)
    assert fill_usage(Usage(811, 53), reply) == reply
    assert fill_usage(Usage(1131, 63), reply) == reply
    assert fill_usage(Usage(900, 60), reply) == Usage(900, 60, 256, 64, 10)
    assert fill_usage(Usage(811, 53, 0, None, 0), reply) == Usage(811, 53, 0, 64, 0)
