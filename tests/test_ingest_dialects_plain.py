"""Messages read in one go, or told from their head, are those that the reader of all shapes reads."""

import json
from typing import Any

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from ingest.dialects.messages import read_fresh, read_message
from ingest.dialects.plain import has_role, is_plainly_own, read_plain

_texts = st.sampled_from(["", "Refund?", " ", '{"a": 1}', "[1]", '{"reasoningContent": 1}', "ResponseReasoningItem(summary=[])", "\u00e9"])
_any = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 5), _texts),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["type", "result", "content"]), inner, max_size=2),
    max_leaves=4,
)


def _maybe(fields: dict[str, st.SearchStrategy[Any]], required: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(required, optional=fields)


_parts = st.one_of(
    _maybe({"thought": st.booleans()}, {"type": st.just("text"), "content": st.one_of(_texts, st.none())}),
    _maybe({}, {"type": st.just("reasoning"), "content": _texts}),
    _maybe({"id": st.one_of(_texts, st.integers(0, 3)), "arguments": _any}, {"type": st.just("tool_call"), "name": _texts}),
    _maybe({"id": _texts, "response": _any, "result": _any, "is_error": st.booleans()}, {"type": st.just("tool_call_response")}),
)
_messages = _maybe(
    {"name": _texts, "finish_reason": st.one_of(_texts, st.none()), "data": _any, "message": _any, "content": _texts},
    {"role": st.sampled_from(["user", "assistant", "system", "tool", "human", "", None]), "parts": st.lists(_parts, max_size=3)},
)


def _unread(value: Any) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


@given(_messages)
@example({"role": "tool", "parts": [{"type": "text", "content": "42"}]})
@example({"role": "assistant", "parts": [{"type": "tool_call", "id": "c", "name": "f"}, {"type": "tool_call", "id": "c", "name": "f"}]})
def test_a_message_read_in_one_go_is_the_same(message: dict[str, Any]) -> None:
    plain = read_plain(_unread(message))
    if plain is not None:
        assert plain == read_message(message)


@given(_messages, st.sampled_from([None, "", "Refund?"]))
def test_what_is_told_from_the_head_is_what_the_whole_says(message: dict[str, Any], own_name: str | None) -> None:
    unread, whole = _unread(message), read_message(message)
    assert has_role(unread) is (message["role"] is not None)
    if is_plainly_own(unread, own_name):
        assert whole.is_own
        assert whole.name is None or own_name is None


_talk = st.lists(_messages, max_size=6)
_PLAIN_OWN = {"role": "assistant", "content": "I look."}


@given(st.one_of(_talk, _talk.map(lambda talk: [talk]), _talk.map(lambda talk: [{"messages": talk}])), st.sampled_from([None, "Refund?"]))
@example([_PLAIN_OWN, {"role": "user", "content": [{"role": "user", "text": "a"}, {"role": "user", "text": "b"}]}], None)
@example([{"role": "user", "content": '{"role": "user"}'}, _PLAIN_OWN, {"role": "tool", "content": '[{"role":'}], None)
def test_what_is_new_is_the_same_however_it_is_read(messages: list[Any], own_name: str | None) -> None:
    expected = read_fresh(messages, own_name)
    assert read_fresh(msgspec.json.encode(messages).decode(), own_name) == expected
    assert read_fresh(json.dumps(messages), own_name) == expected


def test_the_end_of_a_long_talk_is_read_without_the_rest() -> None:
    """What stands before may be anything, even no JSON: an emitter's history grows with each call, what is new does not."""
    end = json.dumps([_PLAIN_OWN, {"role": "tool", "content": "42"}])
    (fresh,) = read_fresh('[{"role": "user", ' + end[1:])
    assert fresh.role == "tool"


def test_the_conventions_own_messages_are_read_in_one_go() -> None:
    """Otherwise all of the above would say nothing."""
    asked = {"type": "tool_call", "id": "c1", "name": "look", "arguments": {"id": 7}}
    said = {"role": "assistant", "parts": [{"type": "reasoning", "content": "Hm."}, {"type": "text", "content": "One moment."}, asked]}
    told = {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": {"sum": 42}}]}
    assert all(read_plain(_unread(message)) is not None for message in (said, told, {"role": "user", "parts": []}))
    assert is_plainly_own(_unread(said), "clerk")
