"""Messages of a model's conversation, in whatever shape they were recorded, read into what a step needs of them.

One reader serves all shapes, because emitters mix them: GenAI parts, OpenAI's messages and items, Anthropic's and Bedrock's
blocks, Gemini's contents, LangChain's serialised objects, the AI SDK's parts, and flattened attributes unflattened before.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from ingest.model import ToolRequest, ToolResult

from .parts import Message, is_parts, read_calls, read_part, read_result
from .plain import has_role, is_plainly_own, read_plain
from .printed import is_printed, printed_object, printed_role, printed_words
from .values import MASK, MOST_ITEMS, last_items, numbered, open_item, parse, parse_items, unwrap, word

_MOST_PARTS = 2_000

_ROLES = {
    "human": "user", "humanmessage": "user", "humanmessagechunk": "user", "usermessage": "user",
    "ai": "assistant", "aimessage": "assistant", "aimessagechunk": "assistant", "model": "assistant", "bot": "assistant",
    "assistantmessage": "assistant", "tool-call": "assistant", "tool_call": "assistant", "function_call": "assistant",
    "reasoning": "assistant", "mcp_call": "assistant", "web_search_call": "assistant",
    "toolmessage": "tool", "function": "tool", "functionmessage": "tool", "tool-response": "tool", "tool_response": "tool",
    "function_call_output": "tool", "ipython": "tool", "environment": "tool",
    "developer": "system", "systemmessage": "system",
}  # fmt: skip

_KNOWN_ROLES = frozenset({"user", "assistant", "tool", "system", "thinking", *_ROLES})


def read_message(raw: Any) -> Message:
    """Return one message."""
    plain = read_plain(raw)
    if plain is not None:
        return plain
    raw = open_item(raw)
    message = Message()
    if isinstance(raw, str):
        found = parse(raw) if raw[:1] in "{[" else raw
        raw = found if isinstance(found, dict) or is_parts(found) else raw
    if isinstance(raw, str) and is_printed(raw):
        found = printed_object(raw)
        if found is not None and "role" in found:
            raw = found
        else:
            message.role = _role(printed_role(raw))
            raw = printed_words(raw) or raw
    if isinstance(raw, str):
        if raw:
            message.texts.append(raw)
    elif isinstance(raw, list):
        if len(raw) == 2 and isinstance(raw[0], str) and raw[0].lower() in _KNOWN_ROLES:
            # LangChain's pairs of role and content.
            message.role = _role(raw[0])
            _read_content(message, raw[1])
        else:
            _read_content(message, raw)
    elif isinstance(raw, dict):
        _read_map(message, _without_wrapper(raw))
    return message


def read_messages(value: Any) -> list[Message]:
    """Return the messages of a list, of JSON of one, of one message, or of a plain text."""
    return list(map(read_message, _items(value)[:_MOST_PARTS]))


def read_fresh(value: Any, own_name: str | None = None) -> list[Message]:
    """Return the messages after the last one that the model itself said. Only these are read, from the end backwards."""
    last = last_items(value)
    if last is not None:
        fresh, found_own = _after_own(last, own_name)
        if found_own:
            return fresh
    return _after_own(_items(value), own_name)[0]


def _after_own(items: Sequence[Any], own_name: str | None) -> tuple[list[Message], bool]:
    """Return the messages after the model's own last one, and whether there is one."""
    fresh: list[Message] = []
    found_own = False
    for item in reversed(items):
        # The last one is hardly ever its own, and would only be read twice.
        found_own = bool(fresh) and is_plainly_own(item, own_name)
        if found_own:
            break
        message = read_message(item)
        # Told from its own words by their name, where several agents talk.
        found_own = message.is_own and (message.name is None or own_name is None or message.name == own_name)
        if found_own:
            break
        fresh.append(message)
        if len(fresh) >= _MOST_PARTS:
            break
    fresh.reverse()
    return fresh, found_own


def _items(value: Any) -> list[Any]:
    if isinstance(value, str) and value[:1] not in ("{", "[", '"'):
        return [value] if value.strip() else []
    items = parse_items(value)
    if len(items) == 1 and not has_role(items[0]):
        only = open_item(items[0])
        if isinstance(only, list) and not (len(only) == 2 and isinstance(only[0], str)):
            # LangChain nests one list a prompt.
            return only
        if isinstance(only, dict) and "role" not in only:
            inner = next((only[key] for key in ("messages", "items") if isinstance(only.get(key), list)), None)
            if inner is not None:
                return list(inner)
    return items


def _without_wrapper(raw: dict[str, Any]) -> dict[str, Any]:
    """Take a message out of what frameworks put around it."""
    if "lc" in raw and isinstance(raw.get("kwargs"), dict):
        kind = raw.get("id")
        return {"type": str(kind[-1]) if isinstance(kind, list) and kind else "", **raw["kwargs"]}
    inner = raw.get("message")
    if isinstance(inner, dict) and "parts" not in raw:
        return {**inner, **{key: raw[key] for key in ("finish_reason", "role") if key in raw and key not in inner}}
    if isinstance(inner, str) and "content" not in raw and "parts" not in raw:
        return {**raw, "content": inner}
    if isinstance(raw.get("data"), dict) and str(raw.get("type")).lower() in _KNOWN_ROLES:
        return {**raw["data"], "type": raw["type"]}
    return raw


def _role(value: object) -> str:
    role = str(value)[:64].lower().rsplit(".", 1)[-1] if value else ""
    return _ROLES.get(role, role)


def _read_map(message: Message, raw: dict[str, Any]) -> None:
    role, kind = raw.get("role"), raw.get("type")
    kind = kind if isinstance(kind, str) else ""
    message.role = _role(role) if role else _role(kind)
    if message.role not in _KNOWN_ROLES and not role:
        message.role = ""
    elif message.role == "user" and raw.get("tool_call_id"):
        # Anthropic's users hand over what tools answered; flattened, only the id tells.
        message.role = "tool"
    message.finish_reason = word(raw.get("finish_reason"))
    message.name = word(raw.get("name")) if message.role == "assistant" and role else None
    if not role and "parts" not in raw and is_parts([raw]) and kind.lower() not in ("tool", "function"):
        # One of the items of the Responses API, or a bare part.
        read_part(message, raw)
    elif message.role == "tool":
        _read_tool_message(message, raw)
    elif message.role == "thinking":
        message.role = "assistant"
        message.think(raw.get("content"))
    else:
        _read_spoken(message, raw)


def _read_spoken(message: Message, raw: dict[str, Any]) -> None:
    for key in ("reasoning_content", "reasoning", "thinking"):
        if key in raw:
            message.think(raw[key])
    for key in ("parts", "contents", "content", "blocks", "text"):
        if raw.get(key):
            # Some say the same both as a list of contents and as one text.
            _read_content(message, raw[key])
            break
    read_calls(message, raw)
    inner = raw.get("additional_kwargs")
    if isinstance(inner, dict):
        if not message.requests:
            read_calls(message, inner)
        if not message.thoughts:
            message.think(inner.get("reasoning_content"))


def _read_tool_message(message: Message, raw: dict[str, Any]) -> None:
    before = len(message.results)
    for key in ("parts", "content", "contents"):
        value = unwrap(raw[key]) if key in raw else None
        for part in numbered(value)[:_MOST_PARTS]:
            if isinstance(part, dict) and is_parts([part]) and part.get("type") not in ("text", "input_text", "output_text"):
                read_part(message, part)
    if len(message.results) == before:
        read_result(message, {**raw, "content": _first(raw, ("content", "parts", "contents", "response", "result", "output"))})


def _first(raw: dict[str, Any], keys: tuple[str, ...]) -> Any:
    return next((raw[key] for key in keys if raw.get(key) is not None), None)


def _read_content(message: Message, value: Any) -> None:
    if isinstance(value, str) and value[:1] in "[{":
        decoded = parse(value)
        if is_parts(decoded):
            value = decoded
    if isinstance(value, str):
        if value and value != MASK:
            message.texts.append(value)
        return
    if isinstance(value, dict) and isinstance(value.get("parts"), list):
        # Gemini's contents, where an event holds one as its content.
        value = value["parts"]
    parts = value if isinstance(value, list) else numbered(value) or [value]
    for part in parts[:_MOST_PARTS]:
        read_part(message, part)


class Exchange(msgspec.Struct, gc=False):
    """What is new in one model call: what it was told since its own last words, and its reply."""

    asked: str | None = None
    results: list[ToolResult] = []
    said: str | None = None
    thought: str | None = None
    requests: list[ToolRequest] = []
    finish_reason: str | None = None

    def hear(self, fresh: list[Message]) -> None:
        """Take in what the model was told; what is known already stays."""
        texts: list[str] = []
        told: list[ToolResult] = []
        for message in fresh:
            if message.role != "system":
                texts += message.texts
            for result in message.results:
                # Some tell that a tool answered and leave out what: there may be more of it elsewhere.
                if result.call_id or result.result or result.is_error:
                    told.append(result)
        self.asked = self.asked or joined(texts)
        self.results = self.results or told[:MOST_ITEMS]

    def reply(self, replies: list[Message]) -> None:
        """Take in what the model replied; what is known already stays."""
        texts: list[str] = []
        thoughts: list[str] = []
        requests: list[ToolRequest] = []
        for message in replies:
            texts += message.texts
            thoughts += message.thoughts
            requests += message.requests
            self.finish_reason = self.finish_reason or message.finish_reason or None
        self.said = self.said or joined(texts)
        self.thought = self.thought or joined(thoughts)
        if not self.requests:
            self.requests = requests[:MOST_ITEMS]
        elif all(request.call_id is None for request in self.requests):
            asked = requests[:MOST_ITEMS]
            if [one.name for one in asked] == [one.name for one in self.requests]:
                self.requests = asked


def joined(texts: list[str]) -> str | None:
    """Return texts as one, None for none."""
    if len(texts) == 1:
        return texts[0]
    return "\n\n".join(texts) or None


def last_words(value: Any, own: bool = False) -> str | None:
    """Return the text of the last message that has one, or of the last ``own`` one of the model, in a whole conversation."""
    for item in reversed(_items(value)):
        message = read_message(item)
        if message.texts and (message.is_own if own else message.role != "system"):
            return joined(message.texts)
    return None


def last_answer(value: Any) -> str | None:
    """Return the text of the last message that is not a user's: some end with the words that ended the conversation."""
    for item in reversed(_items(value)):
        message = read_message(item)
        if message.texts and message.role not in ("system", "user"):
            return joined(message.texts)
    return None


def last_deed(value: Any) -> str | None:
    """Return the last answer in a whole conversation; where nobody answered yet, what a tool gave last or what was said last."""
    said = last_answer(value)
    if said is not None:
        return said
    results = (result.result for item in reversed(_items(value)) for result in reversed(read_message(item).results))
    return next((result for result in results if result), None) or last_words(value)


def first_question(value: Any) -> str | None:
    """Return the first text of a user in a whole conversation."""
    for item in _items(value)[:_MOST_PARTS]:
        message = read_message(item)
        if message.role in ("user", "") and message.texts:
            return joined(message.texts)
    return None
