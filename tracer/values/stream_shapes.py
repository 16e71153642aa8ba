"""What the events of a streamed reply add up to, in the shape of the reply that was not streamed."""

from typing import Any

from .plain import field, sequence
from .responses import Reply, count, read_response, word

_MOST_CHARS = 4_000_000
"""Of all that a stream says. A stream that never ends must not fill the memory."""
_MOST_BLOCKS = 10_000


class Gatherer:
    """Adds up the events of one stream, whoever's they are: Anthropic's, OpenAI's chunks or responses, LiteLLM's, or plain texts."""

    def __init__(self) -> None:
        self._shape: _Shape | None = None
        self._is_unknown = False

    def add(self, event: Any) -> None:
        """Take one event in; never raises and never changes it."""
        if self._is_unknown:
            return
        try:
            if self._shape is None:
                self._shape = _shape_of(event)
            if self._shape is not None:
                self._shape.add(event)
        except Exception:  # the event is the client's: its fields may run its code
            return

    def reply(self) -> Reply:
        """Return what has been said so far; what no event told stays unknown."""
        return Reply() if self._shape is None else read_response(self._shape.whole())


class _Shape:
    """The events of one maker."""

    def __init__(self) -> None:
        self.chars = 0

    def add(self, event: Any) -> None:
        raise NotImplementedError

    def whole(self) -> Any:
        raise NotImplementedError

    def append(self, texts: list[str], text: Any) -> None:
        """Keep a piece of text while there is room."""
        if isinstance(text, str) and self.chars < _MOST_CHARS:
            self.chars += len(text) + 1
            texts.append(text)


def _shape_of(event: Any) -> _Shape | None:
    if isinstance(event, str):
        return _Texts()
    if _chunk(event) is not None:
        return _Chunks()
    kind = field(event, "type")
    if not isinstance(kind, str):
        return None
    if kind.startswith("response."):
        return _Items()
    return _Blocks() if kind == "message_start" or kind.startswith(("content_block_", "message_")) else None


class _Texts(_Shape):
    """Plain texts, as ``text_stream`` yields them."""

    def __init__(self) -> None:
        super().__init__()
        self._texts: list[str] = []

    def add(self, event: Any) -> None:
        self.append(self._texts, event)

    def whole(self) -> Any:
        return "".join(self._texts)


_USAGE = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens")


class _Blocks(_Shape):
    """Anthropic's events, raw or as the client's helper enriches them."""

    def __init__(self) -> None:
        super().__init__()
        self._message: dict[str, Any] = {"type": "message", "stop_reason": None}
        self._usage: dict[str, Any] = {}
        self._blocks: dict[Any, _Block] = {}

    def add(self, event: Any) -> None:
        kind = field(event, "type")
        if kind == "content_block_delta":
            block = self._blocks.get(field(event, "index"))
            if block is not None:
                block.add(field(event, "delta"), self)
        elif kind == "content_block_start":
            if len(self._blocks) < _MOST_BLOCKS:
                self._blocks[field(event, "index")] = _Block(field(event, "content_block"), self)
        elif kind == "message_start":
            self._begin(field(event, "message"))
        elif kind == "message_delta":
            self._message["stop_reason"] = word(field(event, "delta"), "stop_reason") or self._message["stop_reason"]
            self._count(field(event, "usage"), _USAGE)

    def _begin(self, message: Any) -> None:
        self._message |= {name: word(message, name) for name in ("id", "model")}
        # The output is counted at the end: what stands here is a beginning, not a count.
        self._count(field(message, "usage"), _USAGE[:-1])

    def _count(self, usage: Any, names: tuple[str, ...]) -> None:
        self._usage |= {name: found for name in names if (found := count(usage, name)) is not None}
        details = field(usage, "output_tokens_details")
        if "output_tokens" in names and details is not None:
            self._usage["output_tokens_details"] = {"thinking_tokens": count(details, "thinking_tokens")}

    def whole(self) -> Any:
        return {**self._message, "usage": self._usage, "content": [block.whole() for block in self._blocks.values()]}


_GROWS = {"text": "text", "thinking": "thinking", "input": "partial_json"}
"""Fields of blocks, and the field of a delta that adds to each."""


class _Block:
    """One content block: what it began with, and what was added to its text or input."""

    def __init__(self, start: Any, shape: _Shape) -> None:
        self._start = start
        self._added: dict[str, list[str]] = {name: [] for name in _GROWS}
        for name in ("text", "thinking"):
            shape.append(self._added[name], field(start, name) or None)

    def add(self, delta: Any, shape: _Shape) -> None:
        for name, of_delta in _GROWS.items():
            shape.append(self._added[name], field(delta, of_delta))

    def whole(self) -> Any:
        names = ("type", "id", "name", "tool_use_id", "content", "input", "text", "thinking", "is_error", "server_name")
        block = {name: found for name in names if (found := field(self._start, name)) is not None}
        return block | {name: "".join(texts) for name, texts in self._added.items() if texts}


def _chunk(event: Any) -> Any:
    """Return the chunk in an event of OpenAI's chat, which the client's helper wraps; None where there is none."""
    chunk = field(event, "chunk") if field(event, "type") == "chunk" else event
    return chunk if isinstance(field(chunk, "choices"), (list, tuple)) else None


class _Chunks(_Shape):
    """OpenAI's chat completion chunks, with or without usage, and LiteLLM's."""

    def __init__(self) -> None:
        super().__init__()
        self._head: dict[str, Any] = {}
        self._usage: Any = None
        self._choices: dict[Any, _Choice] = {}

    def add(self, event: Any) -> None:
        chunk = _chunk(event)
        if chunk is None:
            return
        self._head |= {name: found for name in ("id", "model") if (found := word(chunk, name)) is not None}
        usage = field(chunk, "usage")
        self._usage = self._usage if usage is None else usage
        for choice in sequence(field(chunk, "choices")):
            index = field(choice, "index")
            if index not in self._choices and len(self._choices) < _MOST_BLOCKS:
                self._choices[index] = _Choice()
            if index in self._choices:
                self._choices[index].add(choice, self)

    def whole(self) -> Any:
        return {**self._head, "usage": self._usage, "choices": [choice.whole() for choice in self._choices.values()]}


_SAID = {"content": "content", "refusal": "refusal", "reasoning_content": "reasoning_content", "reasoning": "reasoning_content"}
"""Fields of deltas, and the field of a message that each adds to."""


class _Choice:
    """One candidate."""

    def __init__(self) -> None:
        self._reason: str | None = None
        self._texts: dict[str, list[str]] = {name: [] for name in ("content", "refusal", "reasoning_content")}
        self._calls: dict[Any, dict[str, Any]] = {}

    def add(self, choice: Any, shape: _Shape) -> None:
        self._reason = word(choice, "finish_reason") or self._reason
        delta = field(choice, "delta")
        # Where a delta has its reasoning under both names, it is the same twice.
        names = [name for name in _SAID if name != "reasoning" or not field(delta, "reasoning_content")]
        for name in names:
            shape.append(self._texts[_SAID[name]], field(delta, name))
        for call in sequence(field(delta, "tool_calls")):
            self._add_call(field(call, "index"), call, shape)
        if field(delta, "function_call") is not None:
            self._add_call("function_call", {"function": field(delta, "function_call")}, shape)
        text = field(choice, "text")
        shape.append(self._texts["content"], text)

    def _add_call(self, index: Any, call: Any, shape: _Shape) -> None:
        if index not in self._calls and len(self._calls) >= _MOST_BLOCKS:
            return
        kept = self._calls.setdefault(index, {"id": None, "name": None, "arguments": []})
        inner = field(call, "function") or field(call, "custom")
        kept["id"] = word(call, "id") or kept["id"]
        kept["name"] = word(inner, "name") or kept["name"]
        shape.append(kept["arguments"], field(inner, "arguments") or field(inner, "input"))

    def whole(self) -> Any:
        calls = [
            {"id": call["id"], "function": {"name": call["name"], "arguments": "".join(call["arguments"])}}
            for call in self._calls.values()
        ]  # fmt: skip
        texts = {name: "".join(texts) for name, texts in self._texts.items() if texts}
        return {"finish_reason": self._reason, "message": {"role": "assistant", **texts, "tool_calls": calls}}


class _Items(_Shape):
    """Events of OpenAI's Responses: the last one has the whole reply, before it there are items and pieces of them."""

    def __init__(self) -> None:
        super().__init__()
        self._response: Any = None
        self._is_whole = False
        self._items: dict[Any, _Item] = {}

    def add(self, event: Any) -> None:
        kind = str(field(event, "type"))
        response = field(event, "response")
        if response is not None:
            self._response = response
            self._is_whole = kind in ("response.completed", "response.incomplete", "response.failed")
            return
        index = field(event, "output_index")
        if index not in self._items and len(self._items) < _MOST_BLOCKS:
            self._items[index] = _Item()
        if index in self._items:
            self._items[index].add(kind, event, self)

    def whole(self) -> Any:
        if self._is_whole:
            return self._response
        head = {name: word(self._response, name) for name in ("id", "model")}
        return {**head, "output": [item.whole() for item in self._items.values()]}


_ADDS = {
    "response.output_text.delta": "output_text",
    "response.refusal.delta": "refusal",
    "response.reasoning_summary_text.delta": "summary",
    "response.reasoning_text.delta": "summary",
    "response.function_call_arguments.delta": "arguments",
    "response.custom_tool_call_input.delta": "arguments",
}
"""Events that add to an item, and to what of it."""


class _Item:
    """One item of the output."""

    def __init__(self) -> None:
        self._item: Any = None
        self._is_done = False
        self._texts: dict[str, list[str]] = {}

    def add(self, kind: str, event: Any, shape: _Shape) -> None:
        item = field(event, "item")
        if item is not None:
            self._item, self._is_done = item, kind == "response.output_item.done"
        elif kind in _ADDS:
            shape.append(self._texts.setdefault(_ADDS[kind], []), field(event, "delta"))

    def whole(self) -> Any:
        if self._is_done:
            return self._item
        said = {name: "".join(texts) for name, texts in self._texts.items()}
        kind = word(self._item, "type") or "message"
        if kind == "message":
            return {"type": kind, "content": [{"type": name, "text": text, "refusal": text} for name, text in said.items()]}
        if kind == "reasoning":
            return {"type": kind, "summary": [{"text": said.get("summary", "")}]}
        return {
            "type": kind,
            "call_id": word(self._item, "call_id") or word(self._item, "id"),
            "name": word(self._item, "name"),
            "arguments": said.get("arguments"),
        }
