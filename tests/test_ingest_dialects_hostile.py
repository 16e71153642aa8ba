"""Everything in a span is hostile: whatever it holds, it is understood as far as it goes, written down, and bounded."""

import json
import logging
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.dialects.dialect import Dialect
from ingest.dialects.merge import merge_logs
from ingest.dialects.normalise import normalise, normalise_all, normalise_log, sender_of
from ingest.dialects.reading import gather, key_table
from ingest.dialects.registry import _MOST_SEEN, _SEEN, DIALECTS, TABLES, recognise
from ingest.model import Facts, Span

from .dialect_spans import log, read, span

_KEYS = [
    *sorted({key for table in TABLES.values() for key, fact in table.items() if fact is not None}),
    "gen_ai.prompt.0.content", "gen_ai.completion.0.tool_calls.0.name", "llm.input_messages.7.message.contents.0.message_content.text",
    "llm.output_messages.0.message.tool_calls.1.tool_call.function.arguments", "llm.tools.0.tool.json_schema", "clew.reference.order",
    "gen_ai.prompt.99999999.role", "gen_ai.prompt..", "llm.output_messages.x", "retrieval.documents.0.document.content",
]  # fmt: skip
_SCOPES = [
    "", "opentelemetry.instrumentation.openai",
    *sorted({scope for dialect in DIALECTS for scope in (*dialect.scopes, *(f"{prefix}x" for prefix in dialect.scope_prefixes))}),
]  # fmt: skip
_NAMES = ["", "chat m", "call_llm", "ai.toolCall", "handoff to x", "execute_tool ", "a → b.handoff", "agent_run [", "running tool"]

_WORDS = st.sampled_from([
    "role", "parts", "content", "type", "text", "tool_call", "tool_calls", "id", "name", "arguments", "function", "message", "messages",
    "choices", "output", "candidates", "generations", "kwargs", "lc", "data", "usage", "input_tokens", "finish_reason", "reasoning",
    "assistant", "user", "tool", "toolUse", "toolResult", "args", "inputs", "outputs", "update", "metadata", "thought", "status", "error",
])  # fmt: skip
_LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=8), _WORDS, st.binary(max_size=4),
    st.sampled_from(["", " ", "{", "[", '"', "[[[", "{}", "[]", "null", "NaN", "<REDACTED>", "{'a': 1}", '["\\ud800"]']),
)  # fmt: skip
_TREES = st.recursive(_LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_WORDS, inner, max_size=4), max_leaves=12)


def _as_text(value: Any) -> str:
    return json.dumps(value, default=str)


_VALUES = st.one_of(_TREES, _TREES.map(_as_text), _TREES.map(_as_text).map(_as_text), _TREES.map(repr))
_ATTRIBUTES = st.dictionaries(st.sampled_from(_KEYS), _VALUES, max_size=14)


@pytest.fixture(autouse=True)
def raises_nothing_inside(caplog: pytest.LogCaptureFixture) -> Any:
    """Fail a test in which a reader gave up on a span."""
    yield
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    attributes=_ATTRIBUTES, said=_ATTRIBUTES, scope=st.sampled_from(_SCOPES), name=st.sampled_from(_NAMES), status=st.sampled_from([0, 2])
)
def test_any_span_is_understood_and_written(
    caplog: pytest.LogCaptureFixture, attributes: dict[str, Any], said: dict[str, Any], scope: str, name: str, status: int
) -> None:
    """No value under any key defeats a reader, and what it says can be written down and read back."""
    events = [("gen_ai.choice", said), ("exception", said), ("gen_ai.client.inference.operation.details", said), ("tool.output", said)]
    facts = normalise(span(attributes, name=name, scope=scope, status_code=status, events=events))
    record = normalise_log(log("gen_ai.user.message", said, attributes, scope))
    whole = merge_logs(facts, [record, normalise_log(log("gen_ai.client.inference.operation.details", None, said, scope))])

    assert [entry.getMessage() for entry in caplog.records] == []
    for one in (facts, record, whole):
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(one), type=Facts).kind == one.kind
        assert all(len(text) <= 32_768 for text in (one.input, one.output, one.thought) if text is not None)


_PLAIN_VALUES = st.one_of(st.integers(0, 9), st.sampled_from(["a", "", "null", None, 0.0, [], ["b"], "7"]))
_PLAIN_KEYS = [
    "input.value", "output.value", "gen_ai.system", "gen_ai.provider.name", "gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens",
    "llm.token_count.prompt", "gen_ai.usage.output_tokens", "clew.thought", "clew.run", "user.id", "no.fact",
]  # fmt: skip
_PLAIN = st.dictionaries(st.sampled_from(_PLAIN_KEYS), _PLAIN_VALUES, min_size=2)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(attributes=st.one_of(_ATTRIBUTES, _PLAIN), dialect=st.sampled_from(DIALECTS))
def test_spans_with_the_keys_of_one_before_are_read_the_same(attributes: dict[str, Any], dialect: Dialect) -> None:
    """What is remembered of a span's keys changes nothing of what its values say."""
    here, one_by_one = span(attributes), key_table(dialect.keys)
    one_by_one.layouts[tuple(attributes)] = None
    first, again = (gather(here, attributes, TABLES[dialect.name]) for _ in range(2))
    expected = gather(here, attributes, one_by_one)

    assert first == again
    assert (first.values, first.flat, first.own) == (expected.values, expected.flat, expected.own)


_NAMED = ["gen_ai.operation.name", "gen_ai.agent.name", "session.id", "user.id", "gen_ai.request.model", "gen_ai.provider.name", "clew.run"]
_NAME = st.sampled_from(["chat", "1", "openai:x", "models/m", "resp_1", '"q"', " ", "0123456789abcdeF", 1, True, 1.0, ["1"]])


def _read_anew(attributes: dict[str, Any]) -> Facts:
    for table in TABLES.values():
        table.layouts.clear()
    return normalise(span(attributes))


@settings(max_examples=300, deadline=None)
@given(names=st.lists(_NAME, min_size=2, max_size=len(_NAMED)), place=st.integers(0), other=_NAME)
def test_names_of_the_span_before_are_not_those_of_another(names: list[Any], place: int, other: Any) -> None:
    """Equal names are read once; a number, a yes and a text that look alike are no equal names."""
    here = dict(zip(_NAMED, names, strict=False))
    there = {**here, _NAMED[place % len(names)]: other}
    alone = [_read_anew(attributes) for attributes in (here, there)]

    assert [normalise(span(attributes)) for attributes in (here, there, here, here, there)] == [alone[place] for place in (0, 1, 0, 0, 1)]


_TELLING: dict[str, list[Any]] = {
    "gen_ai.system": ["strands-agents", "openai", 1], "gen_ai.agent.name": ["gemini-cli", "x", ["gemini-cli"]], "span.type": ["llm"],
    "gen_ai.operation.name": ["chat"], "openinference.span.kind": ["LLM"], "mcp.method.name": ["tools/call"], "no.key": [1],
}  # fmt: skip
_TOLD = st.fixed_dictionaries({}, optional={key: st.sampled_from(values) for key, values in _TELLING.items()})


@settings(max_examples=300, deadline=None)
@given(one=_TOLD, other=_TOLD, name=st.sampled_from(["claude_code.llm_request", "chat"]), sdk=st.sampled_from(["openlit", "opentelemetry"]))
def test_keys_that_were_seen_tell_the_same_convention(one: dict[str, Any], other: dict[str, Any], name: str, sdk: str) -> None:
    """What is remembered of a span's keys leaves open what only its values, its name and its sender tell."""
    again = {key: other.get(key, value) for key, value in one.items()}
    spans = [
        span(attributes, name=said, resource={"telemetry.sdk.name": by})
        for attributes in (one, again)
        for said, by in ((name, sdk), ("chat", "opentelemetry"))
    ]

    assert [recognise(each).name for each in spans] == [_recognised_anew(each) for each in spans]


def _recognised_anew(each: Span) -> str:
    """Try one convention after the other, as they are ranked."""
    for dialect in DIALECTS:
        said = any(each.attributes.get(key) == value for key, value in dialect.says)
        has = not dialect.claims_with or dialect.claims_with in each.attributes
        claimed = dialect.claims is not None and has and each.scope.name.startswith(dialect.claims_in) and dialect.claims(each)
        if said or claimed or any(key in each.attributes for key in dialect.markers):
            return dialect.name
    raise AssertionError("the last convention claims every span")


def test_what_is_remembered_of_keys_is_bounded() -> None:
    """Neither ever new keys nor long ones fill the memory."""
    table = key_table({})
    known = {"gen_ai.system": "x", "gen_ai.operation.name": "chat"}
    for number in range(1_000):
        attributes = {**known, f"made.up.{number}": number}
        assert gather(span(attributes), attributes, table).values.keys() == {"provider", "operation"}
    long = {**known, "x" * 5_000: 1}
    gather(span(long), long, table)
    for number in range(_MOST_SEEN + 10):
        recognise(span({**known, f"made.up.{number}": number}))
    recognise(span(long))

    assert 0 < len(table.layouts) <= 300
    assert tuple(long) not in table.layouts
    assert 0 < len(_SEEN) <= _MOST_SEEN
    assert ("", tuple(long)) not in _SEEN


@pytest.mark.parametrize(
    "value",
    [
        "[" * 100_000 + "]" * 100_000,
        '{"a":' * 100_000,
        "[{'a': " * 1_000 + "}]" * 1_000,
        "{'a': " + "-" * 19_000 + "1}",
        '[{"role": "user", "content": ' * 3_000,
        '"' * 9,
        '{"tool":' * 400 + "1" + "}" * 400,
        '{"message": {"content": ' * 200 + '"x"' + "}}" * 200,
        '{"inputs":' * 400 + '"x"' + "}" * 400,
        '{"output":' * 400 + '"x"' + "}" * 400,
        "['\\ud800']",
        '["\\ud800"]',
        '[{"role": "assistant", "parts": [{"type": "tool_call", "name": "x", "arguments": {"n": 1e400}}]}]',
        '[{"role": "assistant", "parts": [{"type": "tool_call", "name": "x", "arguments": {"n": ' + "9" * 400 + "}}]}]",
        json.dumps([{"role": "user", "parts": [{"type": "text", "content": "x"}] * 50_000}]),
        json.dumps([{"role": "assistant", "tool_calls": [{"id": str(n), "name": "x"} for n in range(3_000)]}]),
    ],
    ids=range(16),
)
def test_deep_and_large_texts(value: str) -> None:
    """Nesting and size of a text are bounded on the way, wherever it stands."""
    for key in ("gen_ai.input.messages", "gen_ai.output.messages", "input.value", "output.value", "gen_ai.tool.definitions"):
        for kind in ("chat", "execute_tool", "invoke_agent"):
            facts = read({"gen_ai.operation.name": kind, key: value})
            assert len(facts.tool_requests) <= 200
            assert len(msgspec.msgpack.encode(facts)) < 400_000


def test_deep_values() -> None:
    """Structured values may nest as deeply as the decoder lets them."""
    deep: Any = "x"
    for _ in range(900):
        deep = {"content": [deep]}

    facts = read({"gen_ai.operation.name": "chat", "gen_ai.output.messages": [deep], "gen_ai.input.messages": deep})

    assert facts.kind == "llm"


def test_many_flattened_messages() -> None:
    """A thousand flattened messages are read from the end to the last own one."""
    attributes = {f"gen_ai.prompt.{n}.content": f"message {n}" for n in range(1_000)}
    attributes |= {f"gen_ai.prompt.{n}.role": "assistant" if n == 997 else "user" for n in range(1_000)}

    assert read({"gen_ai.operation.name": "chat", **attributes}).input == "message 998\n\nmessage 999"


def test_a_span_that_defeats_a_reader(caplog: pytest.LogCaptureFixture) -> None:
    """Even then the span is kept, as failed as it says it is, and the log names the place without the content."""
    broken = span({}, status_code=2)
    broken.attributes = None  # type: ignore[assignment]  # the point of the test

    assert normalise(broken) == Facts(convention="unreadable", failed=True)
    assert [record.getMessage() for record in caplog.records] == ["a span of scope '' could not be understood: TypeError in recognise"]
    caplog.clear()


def test_a_span_that_defeats_a_reader_among_others() -> None:
    """Spans are read together; one that cannot be read takes nothing from the others, and each keeps its place."""
    broken = span({}, status_code=2)
    broken.attributes = None  # type: ignore[assignment]  # the point of the test
    call, tool = span({"gen_ai.operation.name": "chat"}), span({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"})
    spans = [call, broken, tool]

    found = normalise_all(spans, [sender_of(one.resource) for one in spans])

    assert found == list(map(normalise, spans))
    assert [facts.kind for facts in found] == ["llm", Facts().kind, "tool"]

