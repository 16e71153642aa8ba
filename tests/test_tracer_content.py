"""What was said and passed, as bounded text."""

import copy
import enum
import json
import math
import uuid
from collections import namedtuple
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracer.values.content import messages_text, system_text, text_of, tools_text

MOST = 65_536

Json = dict[str, Any]


def told(value: Any, max_chars: int = MOST) -> Any:
    """Return a value as it is recorded, JSON opened again."""
    return json.loads(text_of(value, max_chars)[0])


def messages(value: Any) -> Any:
    return json.loads(messages_text(value, MOST)[0])


def text(content: str) -> Json:
    return {"type": "text", "content": content}


# --- values


@dataclass
class Point:
    x: int
    y: Any


class Colour(enum.Enum):
    RED = "red"
    BLUE = 2


class Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    city: str
    inner: Any = None


class Struct(msgspec.Struct):
    city: str


Pair = namedtuple("Pair", "left right")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("as it is: {}", "as it is: {}"),
        ("", ""),
        (None, "null"),
        (7, "7"),
        (True, "true"),
        (1.5, "1.5"),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
        ({"q": "Leeds", "n": 2}, '{"q":"Leeds","n":2}'),
        ({"q": "Łódź"}, '{"q":"Łódź"}'),
        ({1: "a", (2, 3): "b"}, '{"1":"a","(2, 3)":"b"}'),
        ([1, (2, 3), {4}], "[1,[2,3],[4]]"),
        (Point(1, Point(2, None)), '{"x":1,"y":{"x":2,"y":null}}'),
        (Pair("l", "r"), '{"left":"l","right":"r"}'),
        (Model.model_validate({"city": "Leeds", "more": [1]}), '{"city":"Leeds","inner":null,"more":[1]}'),
        (Struct("Leeds"), '{"city":"Leeds"}'),
        ([Colour.RED, Colour.BLUE], '["red","BLUE"]'),
        (b"plain", "plain"),
        (b"\xff\x00", "<2 bytes>"),
        (ValueError("no"), "ValueError: no"),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02 00:00:00+00:00"),
        ([Decimal("1.10"), uuid.UUID(int=1), Path("/a")], '["1.10","00000000-0000-0000-0000-000000000001","/a"]'),
    ],
)
def test_values_as_text(value: Any, expected: str) -> None:
    """Texts stand as they are, everything with fields as JSON of them, everything else as it shows itself."""
    assert text_of(value, MOST) == (expected, False)


def test_a_number_too_long_to_write_is_told_by_its_size() -> None:
    assert told([10**5000]) == ["<int of 16610 bits>"]


def test_an_iterator_is_named_and_not_read() -> None:
    """What the host has yet to consume is the host's."""
    numbers = iter([1, 2])
    assert text_of({"rest": numbers}, MOST)[0].startswith('{"rest":"<list_iterator')
    assert list(numbers) == [1, 2]


def test_cycles_end() -> None:
    loop: Json = {"name": "loop"}
    loop["again"] = [loop]
    assert told(loop) == {"name": "loop", "again": ["…[the same value again]"]}


def test_a_value_twice_is_no_cycle() -> None:
    shared = [1]
    assert told([shared, shared]) == [[1], [1]]


def test_depth_ends() -> None:
    deep: Any = "bottom"
    for _ in range(5_000):
        deep = [deep]
    found, was_cut = text_of(deep, MOST)
    assert was_cut and "[cut]" in found


def test_lone_surrogates_are_replaced() -> None:
    """They cannot be sent."""
    lone: list[Any] = ["a\ud800", {"k": "a\ud800"}, {"k": ["a\ud800"]}, {"a\ud800": {}}]
    for value in lone:
        text_of(value, MOST)[0].encode()
        messages_text(value, MOST)[0].encode()


class Hostile:
    """Raises whatever is asked of it."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __repr__(self) -> str:
        raise RuntimeError("repr")


class HostileDict(dict[str, Any]):
    def items(self) -> Any:
        raise RuntimeError("items")

    def get(self, *args: Any) -> Any:
        raise RuntimeError("get")


class HostileText(str):
    def __str__(self) -> str:
        raise RuntimeError("str")

    def __len__(self) -> int:
        return -5


HOSTILE: list[Callable[[], Any]] = [
    lambda: Hostile(),
    lambda: {"a": Hostile(), "b": [Hostile()]},
    lambda: {Hostile(): 1},
    lambda: HostileDict(role="user", content="x"),
    lambda: [HostileDict(role="user", content="x"), 3, None, Hostile()],
    lambda: HostileText("x" * 100),
    lambda: {"role": HostileText("user"), "content": HostileText("x")},
    lambda: type("Odd", (), {"__class__": property(lambda self: 1 / 0)})(),
    lambda: {"role": "user", "content": [{"type": "image", "source": Hostile()}, {"type": "tool_result", "content": Hostile()}]},
    lambda: [{"role": "assistant", "tool_calls": [{"function": {"name": 3, "arguments": "[" * 100_000}}]}],
]  # fmt: skip


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("write", [text_of, messages_text, system_text, tools_text])
def test_hostile_values_never_raise(hostile: Callable[[], Any], write: Callable[[Any, int], tuple[str, bool]]) -> None:
    found, was_cut = write(hostile(), 200)
    assert type(found) is str and len(found) <= 200 and type(was_cut) is bool
    found.encode()


# --- bounds


def test_long_text_has_a_visible_mark() -> None:
    found, was_cut = text_of("x" * 1_000, 100)
    assert was_cut and len(found) <= 100
    assert found.startswith("xxx") and found.endswith("x…[cut: 964 of 1,000 characters]")


def test_what_is_cut_stays_json_and_the_longest_gives_way() -> None:
    value = {"id": 7, "short": "kept", "long": "x" * 10_000, "longer": ["y" * 20_000]}
    found, was_cut = text_of(value, 2_000)
    opened = json.loads(found)
    assert was_cut and 1_500 < len(found) <= 2_000
    assert (opened["id"], opened["short"]) == (7, "kept")
    assert opened["long"].endswith(" of 10,000 characters]")
    assert opened["longer"][0].endswith(" of 20,000 characters]")


def test_quotes_count_as_they_are_written() -> None:
    found, was_cut = text_of({"a": '"\n' * 5_000}, 1_000)
    assert was_cut and len(found) <= 1_000
    assert json.loads(found)["a"].endswith(" of 10,000 characters]")


def test_too_many_items_lose_the_middle() -> None:
    """First and last are what is looked for."""
    found, was_cut = text_of([{"n": n, "word": f"word {n}"} for n in range(900)], 1_000)
    opened = json.loads(found)
    assert was_cut and len(found) <= 1_000
    assert (opened[0]["n"], opened[-1]["n"]) == (0, 899)
    assert any(isinstance(item, str) and "items]" in item for item in opened)


def test_a_conversation_keeps_its_end() -> None:
    turns = [{"role": "user", "content": f"question {n} " + "x" * 500} for n in range(400)]
    found, was_cut = messages_text(turns, 10_000)
    opened = json.loads(found)
    assert was_cut and len(found) <= 10_000
    assert opened[0]["parts"][0]["content"].startswith("question 0 ")
    assert opened[-1]["parts"][0]["content"].startswith("question 399 ")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=8), inner, max_size=6),
    max_leaves=30,
)


@given(value=json_values, max_chars=st.integers(min_value=150, max_value=2_000))
def test_any_value_fits_and_is_left_as_it_was(value: Any, max_chars: int) -> None:
    """Bounded, encodable, JSON unless it is a text, and the value untouched."""
    before = repr(copy.deepcopy(value))
    for write in (text_of, messages_text, system_text, tools_text):
        found, _ = write(value, max_chars)
        assert len(found) <= max_chars
        found.encode()
        if not isinstance(value, (str, float)):
            json.loads(found)
    assert repr(value) == before


# --- conversations


def test_plain_text_is_the_users() -> None:
    assert messages("Hello") == [{"role": "user", "parts": [text("Hello")]}]
    assert messages(["Hello", "again"]) == [{"role": "user", "parts": [text(word)]} for word in ("Hello", "again")]
    assert messages(None) == []


def test_anthropic_messages() -> None:
    """Blocks become parts; an answer given for a tool has the role of one."""
    found = messages(
        [
            {"role": "user", "content": "Weather in Leeds?"},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "Look.", "signature": "abc"},
                    {"type": "redacted_thinking", "data": "secret"},
                    {"type": "text", "text": "Looking."},
                    {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Leeds"}},
                ],
            },
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "sun"}]}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_2", "content": "no", "is_error": True}]},
        ]
    )
    assert found == [
        {"role": "user", "parts": [text("Weather in Leeds?")]},
        {
            "role": "assistant",
            "parts": [
                {"type": "reasoning", "content": "Look."},
                {"type": "redacted_thinking"},
                text("Looking."),
                {"type": "tool_call", "id": "toolu_1", "name": "weather", "arguments": {"city": "Leeds"}},
            ],
        },
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "toolu_1", "response": "sun"}]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "toolu_2", "response": "no", "is_error": True}]},
    ]


def test_openai_chat_messages() -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Leeds"}'}}
    broken = {"id": "call_2", "type": "function", "function": {"name": "weather", "arguments": '{"city": '}}
    found = messages(
        [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "name": "ada", "content": [{"type": "text", "text": "This?"}, {"type": "image_url", "image_url": {"url": "http://a/b"}}]},
            {"role": "assistant", "content": None, "tool_calls": [call, broken]},
            {"role": "tool", "tool_call_id": "call_1", "content": "sun"},
        ]
    )  # fmt: skip
    asked = {"type": "tool_call", "name": "weather"}
    assert found == [
        {"role": "system", "parts": [text("Be brief.")]},
        {"role": "user", "parts": [text("This?"), {"type": "uri", "modality": "image", "uri": "http://a/b"}], "name": "ada"},
        {
            "role": "assistant",
            "parts": [{**asked, "id": "call_1", "arguments": {"city": "Leeds"}}, {**asked, "id": "call_2", "arguments": '{"city": '}],
        },
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "call_1", "response": "sun"}]},
    ]


def test_openai_response_items() -> None:
    found = messages(
        [
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Look."}]},
            {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "weather", "arguments": '{"city": "Leeds"}'},
            {"type": "function_call_output", "call_id": "call_1", "output": "sun"},
            {"type": "web_search_call", "id": "ws_1", "action": {"type": "search", "query": "leeds"}, "status": "completed"},
        ]
    )
    body = {"type": "web_search", "action": {"type": "search", "query": "leeds"}, "status": "completed"}
    assert found == [
        {"role": "user", "parts": [text("Hi")]},
        {"role": "assistant", "parts": [{"type": "reasoning", "content": "Look."}]},
        {"role": "assistant", "parts": [{"type": "tool_call", "id": "call_1", "name": "weather", "arguments": {"city": "Leeds"}}]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "call_1", "response": "sun"}]},
        {"role": "assistant", "parts": [{"type": "server_tool_call", "name": "web_search", "server_tool_call": body, "id": "ws_1"}]},
    ]


def test_messages_of_the_conventions_stay_as_they_are() -> None:
    given = [
        {"role": "user", "parts": [text("Hi"), {"type": "blob", "mime_type": "image/png", "modality": "image", "content": "aGk="}]},
        {
            "role": "assistant",
            "parts": [{"type": "reasoning", "content": "Hm."}, {"type": "tool_call", "id": "1", "name": "t", "arguments": {"a": 1}}],
            "finish_reason": "tool_call",
        },
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "1", "response": {"ok": True}}]},
    ]
    assert messages(given) == given


def test_objects_are_read_like_dicts() -> None:
    """As when a reply's message is put back into the conversation."""

    @dataclass
    class Block:
        type: str
        text: str

    @dataclass
    class Said:
        role: str
        content: list[Block]

    assert messages([Said("assistant", [Block("text", "Yes.")])]) == [{"role": "assistant", "parts": [text("Yes.")]}]


def test_pictures_are_told_by_their_size() -> None:
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A" * 100_000}}
    found, was_cut = messages_text([{"role": "user", "content": [picture]}], MOST)
    blob = {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "…[cut: 100,000 of 100,000 characters]"}
    assert json.loads(found) == [{"role": "user", "parts": [blob]}] and was_cut


def test_unknown_blocks_are_kept() -> None:
    assert messages([{"role": "user", "content": [{"type": "hologram", "size": 3}]}])[0]["parts"] == [{"type": "hologram", "size": 3}]


def test_system_instructions_are_parts() -> None:
    assert json.loads(system_text("Be brief.", MOST)[0]) == [text("Be brief.")]
    cached = [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]
    assert json.loads(system_text(cached, MOST)[0]) == [text("Be brief.")]


SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}


def weather(city: str) -> str:
    """Look the weather up."""
    return city


@pytest.mark.parametrize(
    "tool",
    [
        {"name": "weather", "description": "Look the weather up.", "input_schema": SCHEMA},
        {"type": "custom", "name": "weather", "description": "Look the weather up.", "input_schema": SCHEMA},
        {"type": "function", "function": {"name": "weather", "description": "Look the weather up.", "parameters": SCHEMA}},
        {"type": "function", "name": "weather", "description": "Look the weather up.", "parameters": SCHEMA, "strict": True},
    ],
)
def test_tool_definitions_of_all_makers_are_one(tool: Json) -> None:
    expected = {"type": "function", "name": "weather", "description": "Look the weather up.", "parameters": SCHEMA}
    assert json.loads(tools_text([tool], MOST)[0]) == [expected]


def test_functions_and_names_are_tools_too() -> None:
    found = json.loads(tools_text([weather, "search"], MOST)[0])
    assert found == [
        {"type": "function", "name": "weather", "description": "Look the weather up."},
        {"type": "function", "name": "search"},
    ]


def test_tools_of_the_provider_keep_their_type() -> None:
    assert json.loads(tools_text([{"type": "web_search_20250305", "name": "web_search"}], MOST)[0]) == [
        {"type": "web_search_20250305", "name": "web_search"}
    ]


def test_a_generator_of_messages_is_left_alone() -> None:
    def lines() -> Iterator[str]:
        yield "a"

    given = lines()
    messages_text(given, MOST)
    assert list(given) == ["a"]
