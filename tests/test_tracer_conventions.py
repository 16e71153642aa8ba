"""Every name and type that leaves, against the conventions' own table and our few names beside it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tracer.names
from tracer import Budget, TerminationReason, agent_run, decision, handoff, llm_call, plan, record, retrieval, semconv, step, tool
from tracer.testing import Captured, capture

from .model_server import completion_of, message_of, response_of

_FIXTURE = json.loads((Path(__file__).parent / "fixtures" / "genai_attributes.json").read_text("utf-8"))

CONVENTIONS: dict[str, str] = _FIXTURE["types"]
OPERATIONS: list[str] = _FIXTURE["operations"]

OURS = {
    semconv.RUN_ID: "string",
    semconv.AGENT_NAME: "string",
    semconv.STEP_KIND: "string",
    semconv.THOUGHT: "string",
    semconv.DECISION_QUESTION: "string",
    semconv.DECISION_CHOSEN: "string",
    semconv.DECISION_BECAUSE: "string",
    semconv.DECISION_ALTERNATIVES: "json",
    semconv.TERMINATION_REASON: "string",
    semconv.TERMINATION_DETAIL: "string",
    semconv.BUDGET_TOKENS: "int",
    semconv.BUDGET_USD: "double",
    semconv.BUDGET_STEPS: "int",
    semconv.BUDGET_SECONDS: "double",
    semconv.RETRY_ATTEMPT: "int",
    semconv.RETRY_OF: "int",
    semconv.RETRY_DELAY_S: "double",
    semconv.FALLBACK_FROM: "string",
    semconv.FALLBACK_TO: "string",
    semconv.HANDOFF_TO: "string",
    semconv.BREAKER_STATE: "string",
    semconv.CACHE_HIT: "boolean",
    semconv.CACHE_SAVED_USD: "double",
    semconv.COST_USD: "double",
    semconv.CONTENT_TRUNCATED: "boolean",
    semconv.TAGS: "string[]",
    semconv.ANNOUNCE: "string",
    semconv.ANNOUNCE_NAME: "string",
    semconv.ANNOUNCE_PARENT: "string",
}
"""Ours, only where the conventions have no name."""

ASK = [{"role": "user", "content": "Is it sunny in Leeds?"}]
TOOLS = [{"name": "weather", "description": "Looks it up.", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}]
PARAMETERS: dict[str, Any] = {
    "temperature": 1, "top_p": 1, "top_k": 40, "max_tokens": 99.0, "frequency_penalty": 0, "presence_penalty": 0, "seed": 7, "n": 2,
    "stop": "END", "stream": True,
}  # fmt: skip
"""Given in other types than the conventions': people write ``temperature=1``."""


def runs() -> None:
    about: Any = {"session": "s-1", "user": 7, "tags": ("vip", 3), "references": {"order": 12345}, "environment": "test", "version": "1"}
    with agent_run("scheduler", input="hi", budget=Budget(tokens=1, usd=1, steps=9, seconds=60), **about) as run:
        run.thought("hm")
        run.reference(ticket=9)
        run.output({"a": 1})
        run.terminate(TerminationReason.ESCALATED, "to a person")


def failed_run() -> None:
    with pytest.raises(KeyError), agent_run("scheduler"):
        raise KeyError("k")


def plans() -> None:
    with plan(["a", "b"], because="it is so") as made:
        made.revise(["a"], because="b is done")


def steps() -> None:
    with step("remember", kind="memory") as made:
        made.input(ASK)
        made.thought("x" * 1_000)
        made.output("y" * 1_000)
        made.fail("no")


def decisions() -> None:
    with decision("which?", {"a": 1, "b": None}) as made:
        made.option("c", score=1, because="cheap")
        made.choose("c", because="it is cheap")


def anthropic_call() -> None:
    asked: Any = {"messages": ASK, "system": "Be brief.", "tools": TOOLS}
    with llm_call("claude-test", provider="anthropic", **asked, **PARAMETERS) as call:
        call.record(message_of({"model": "claude-test", "thinking": {"type": "enabled"}, **asked}))
        call.cost(1)


def openai_calls() -> None:
    with llm_call("gpt-test", provider="openai", messages="Sunny?", stop_sequences=("a", "b")) as call:
        call.record(completion_of({"model": "gpt-test", "messages": ASK, "n": 2}))
    with llm_call("gpt-test", provider="openai", messages=ASK) as call:
        call.record(response_of({"model": "gpt-test", "input": "Sunny?", "reasoning": {}}))
    with llm_call("gpt-test", operation="text_completion") as call:
        call.usage(input=3, output=4, cache_read=1, cache_write=1, reasoning=2)
        call.thought("hm")
        call.output("Yes.")


def tools() -> None:
    with tool("search", arguments={"q": 1}, call_id="c1", description="Searches.") as call:
        call.result([1, 2])
    with pytest.raises(ValueError), tool("search", arguments="plain"):
        raise ValueError


def retrievals() -> None:
    with retrieval("opening hours", source="handbook") as found:
        found.documents([{"id": "d1", "score": 1, "content": "9 to 5"}, "10 to 4"])


def handoffs() -> None:
    with handoff("billing", because="it is about money", input="the bill"):
        pass


def records() -> None:
    record("retry", attempt=1, of=3, because="busy", delay_s=1)
    record("fallback", source="big", to="small", because="busy")
    record("repair", attempt=1, of=2, errors=["no JSON"])
    record("breaker", state="open", because="five errors")
    record("cache", hit=True, name="answers", saved_usd=1)


def decorated() -> None:
    @tool
    def search(q: int) -> list[int]:
        return [q]

    @agent_run
    def agent(question: str) -> str:
        search(3)
        return question

    agent("hi")


PROGRAMS = (
    runs, failed_run, plans, steps, decisions, anthropic_call, openai_calls, tools, retrievals, handoffs, records, decorated,
)  # fmt: skip


@pytest.fixture(scope="module")
def captured() -> Iterator[Captured]:
    """Record everything there is to record."""
    with capture(max_value_chars=400) as found:
        for program in PROGRAMS:
            with agent_run("around", session="s-1", user="ada"):
                program()
    yield found


def attributes(found: Captured) -> Iterator[tuple[str, Any]]:
    """Return each attribute that left, of spans and of what open ones announced."""
    for span in found.spans:
        yield from (span.attributes or {}).items()
    for _, said in found.announced:
        yield from said.items()


def has_type(value: Any, kind: str) -> bool:
    """Tell whether a value is of a type of the conventions."""
    if kind.endswith("[]"):
        return isinstance(value, tuple | list) and all(has_type(one, kind[:-2]) for one in value)
    if kind == "json":
        return isinstance(value, str) and isinstance(json.loads(value), list)
    # On spans, what is "any" goes as a text.
    plain: dict[str, type] = {"string": str, "any": str, "int": int, "double": float, "boolean": bool}
    return type(value) is plain[kind]


def test_every_name_is_the_conventions_or_ours(captured: Captured) -> None:
    """Nothing is invented beside ``gen_ai.*``, and ours are the few in ``semconv``."""
    known = {*CONVENTIONS, *OURS}
    strange = {name for name, _ in attributes(captured) if name not in known and not name.startswith(semconv.REFERENCE_PREFIX)}
    assert strange == set()


def test_every_value_has_the_type_of_its_name(captured: Captured) -> None:
    wrong = {
        (name, type(value).__name__)
        for name, value in attributes(captured)
        if not has_type(value, {**CONVENTIONS, **OURS}.get(name, "string"))
    }  # fmt: skip
    assert wrong == set()


def test_the_programs_say_all_that_can_be_said(captured: Captured) -> None:
    """The table is of use only if what is checked is everything: each name of the code appears."""
    emitted = {name for name, _ in attributes(captured)}
    ours = {
        value for name, value in vars(tracer.names).items() if name.isupper() and value.startswith("gen_ai.") and not value.endswith(".")
    }
    assert ours - emitted == set()
    parameters = {name for name in CONVENTIONS if name.startswith("gen_ai.request.")} - {"gen_ai.request.encoding_formats"}
    assert parameters - emitted == set()
    assert OURS.keys() - emitted == set()


def test_operations_are_the_conventions(captured: Captured) -> None:
    assert {value for name, value in attributes(captured) if name == "gen_ai.operation.name"} <= set(OPERATIONS)


def test_every_step_says_its_kind(captured: Captured) -> None:
    assert all(semconv.STEP_KIND in (span.attributes or {}) for span in captured.spans)


_PARTS: dict[str, tuple[str, ...]] = {
    "text": ("content",),
    "reasoning": ("content",),
    "redacted_thinking": (),
    "tool_call": ("name", "arguments"),
    "tool_call_response": ("response",),
}
"""Kinds of parts, and what the schema requires of each."""


def follows_schema(name: str, value: str) -> bool:
    """Tell whether messages or instructions are as the conventions' JSON schema has them."""
    opened = json.loads(value)
    if name == "gen_ai.system_instructions":
        return all(_is_part(part) for part in opened)
    if name == "gen_ai.tool.definitions":
        return all(isinstance(tool.get("name"), str) and isinstance(tool.get("type"), str) for tool in opened)
    roles = all(message["role"] in ("system", "user", "assistant", "tool") for message in opened)
    ends = name != "gen_ai.output.messages" or all(isinstance(message["finish_reason"], str) for message in opened)
    return roles and ends and all(_is_part(part) for message in opened for part in message["parts"])


def _is_part(part: dict[str, Any]) -> bool:
    return all(name in part for name in _PARTS[part["type"]])


_SHAPED = ("gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions", "gen_ai.tool.definitions")


def test_messages_follow_the_conventions_schema(captured: Captured) -> None:
    wrong = [value for name, value in attributes(captured) if name in _SHAPED and not follows_schema(name, value)]
    assert wrong == []


@pytest.mark.parametrize("program", PROGRAMS)
def test_without_content_nothing_said_leaves(program: Callable[[], None]) -> None:
    """Counts, names and ends remain."""
    with capture(content=False) as found:
        program()
    contents = {*_SHAPED, semconv.THOUGHT, semconv.DECISION_BECAUSE, "gen_ai.tool.call.arguments", "gen_ai.tool.call.result"}
    contents |= {"gen_ai.retrieval.query.text", "gen_ai.retrieval.documents"}
    assert {name for name, _ in attributes(found)} & contents == set()
