"""The parts of a message in the JSON schema of the GenAI conventions, from the blocks and items that the providers make."""

import json
from collections.abc import Callable
from typing import Any

from .plain import Walk, field, sequence

Part = dict[str, Any]
"""One part in the conventions' schema: ``type`` and what belongs to it."""

_MOST_MEDIA_CHARS = 512
"""A picture cut in half is none: what is longer is told by its size."""


def parts_of(content: Any, walk: Walk) -> list[Part]:
    """Return the parts of a message's content: a text, one block or a list of blocks."""
    if content is None:
        return []
    if isinstance(content, str):
        return [_text(content, walk)] if content else []
    blocks = sequence(content) if isinstance(content, (list, tuple)) else [content]
    return [read_item(block, walk) for block in blocks]


def read_item(block: Any, walk: Walk) -> Part:
    """Return one block or item as a part; one of a kind unknown here is kept as it is."""
    if isinstance(block, str):
        return _text(block, walk)
    kind = field(block, "type")
    if isinstance(kind, str):
        read = _READERS.get(kind)
        if read is not None:
            return read(block, walk)
        if kind.endswith("_tool_result"):
            return _server_result(block, walk)
        if kind.endswith("_call") and kind in ITEM_ROLES:
            return _server_item(block, walk)
    elif isinstance(field(block, "text"), str):
        return _text(field(block, "text"), walk)
    plain = walk.of(block)
    return {"type": "unknown", **plain} if isinstance(plain, dict) else _text(str(plain), walk)


def read_message_parts(message: Any, walk: Walk) -> list[Part]:
    """Return all parts of a message: reasoning, what was said, the tools asked for or the answer of one."""
    own = field(message, "parts")
    if isinstance(own, (list, tuple)):
        return [read_item(part, walk) for part in sequence(own)]
    call_id = field(message, "tool_call_id")
    content = field(message, "content")
    if isinstance(call_id, str):
        return [{"type": "tool_call_response", "id": walk.text(call_id), "response": _answer(content, walk)}]
    parts = _reasoning_beside(message, walk) + parts_of(content, walk)
    refusal = field(message, "refusal")
    if isinstance(refusal, str) and refusal:
        parts.append({"type": "refusal", "content": walk.text(refusal)})
    return parts + _calls_beside(message, walk)


def _reasoning_beside(message: Any, walk: Walk) -> list[Part]:
    """Return the reasoning of models that have it beside the content: LiteLLM, DeepSeek, OpenRouter, vLLM."""
    for name in ("reasoning_content", "reasoning"):
        text = field(message, name)
        if isinstance(text, str) and text:
            return [{"type": "reasoning", "content": walk.text(text)}]
    return [read_item(block, walk) for block in sequence(field(message, "thinking_blocks"))]


def _calls_beside(message: Any, walk: Walk) -> list[Part]:
    calls = [_call_beside(call, walk) for call in sequence(field(message, "tool_calls"))]
    single = field(message, "function_call")
    if isinstance(field(single, "name"), str):
        calls.append(_request(None, field(single, "name"), field(single, "arguments"), walk))
    return calls


def _call_beside(call: Any, walk: Walk) -> Part:
    inner = field(call, "function") or field(call, "custom") or call
    arguments = next((found for name in ("arguments", "input", "args") if (found := field(inner, name)) is not None), None)
    return _request(field(call, "id"), field(inner, "name"), arguments, walk)


def _request(call_id: Any, name: Any, arguments: Any, walk: Walk) -> Part:
    found: Part = {"type": "tool_call"}
    if isinstance(call_id, str):
        found["id"] = walk.text(call_id)
    found["name"] = walk.text(name) if isinstance(name, str) else ""
    found["arguments"] = _arguments(arguments, walk)
    return found


def _arguments(value: Any, walk: Walk) -> Any:
    """Return a tool's arguments, an object where they are one written as JSON."""
    if not isinstance(value, str):
        return walk.of(value)
    try:
        opened = json.loads(value)
    except (ValueError, RecursionError):
        return walk.text(value)
    return walk.of(opened) if isinstance(opened, dict) else walk.text(value)


def _text(text: str, walk: Walk) -> Part:
    return {"type": "text", "content": walk.text(text)}


def _read_text(block: Any, walk: Walk) -> Part:
    said = next((found for name in ("text", "content", "value") if (found := field(block, name)) is not None), "")
    return {"type": "text", "content": walk.text(said) if isinstance(said, str) else walk.of(said)}


def _read_refusal(block: Any, walk: Walk) -> Part:
    said = field(block, "refusal") or field(block, "content")
    return {"type": "refusal", "content": walk.text(said) if isinstance(said, str) else ""}


def _read_thinking(block: Any, walk: Walk) -> Part:
    thought = field(block, "thinking")
    return {"type": "reasoning", "content": walk.text(thought) if isinstance(thought, str) else ""}


def _read_redacted(block: Any, walk: Walk) -> Part:
    """Name thinking that was withheld; its cipher text is of no use to a reader."""
    return {"type": "redacted_thinking"}


def _read_reasoning(block: Any, walk: Walk) -> Part:
    said = field(block, "content")
    if isinstance(said, str):
        return {"type": "reasoning", "content": walk.text(said)}
    texts = [field(one, "text") for name in ("summary", "content") for one in sequence(field(block, name))]
    return {"type": "reasoning", "content": walk.text("\n\n".join(text for text in texts if isinstance(text, str)))}


def _read_tool_use(block: Any, walk: Walk) -> Part:
    return _request(field(block, "id"), field(block, "name"), field(block, "input"), walk)


def _read_function_call(item: Any, walk: Walk) -> Part:
    arguments = field(item, "arguments") if field(item, "arguments") is not None else field(item, "input")
    return _request(field(item, "call_id") or field(item, "id"), field(item, "name"), arguments, walk)


def _read_client_item(item: Any, walk: Walk) -> Part:
    """Read a call of a tool that the provider defines and the caller runs: a computer, a shell."""
    name = str(field(item, "type")).removesuffix("_call")
    return _request(field(item, "call_id") or field(item, "id"), name, field(item, "action"), walk)


def _read_result(block: Any, walk: Walk) -> Part:
    found: Part = {"type": "tool_call_response"}
    call_id = field(block, "tool_use_id") or field(block, "call_id")
    if isinstance(call_id, str):
        found["id"] = walk.text(call_id)
    content = field(block, "content") if field(block, "content") is not None else field(block, "output")
    found["response"] = _answer(content, walk)
    if field(block, "is_error") is True:
        found["is_error"] = True
    return found


def _answer(content: Any, walk: Walk) -> Any:
    """Return what a tool answered, blocks of text joined."""
    if not isinstance(content, (list, tuple)):
        return walk.of(content)
    parts = parts_of(content, walk)
    if parts and all(part["type"] == "text" and isinstance(part["content"], str) for part in parts):
        return "\n".join(part["content"] for part in parts)
    return parts


def _read_server_use(block: Any, walk: Walk) -> Part:
    body = walk.of(field(block, "input"))
    return _server_call(field(block, "id"), field(block, "name"), body if isinstance(body, dict) else {"input": body}, walk)


def _server_call(call_id: Any, name: Any, body: dict[str, Any], walk: Walk) -> Part:
    named = walk.text(name) if isinstance(name, str) else ""
    found: Part = {"type": "server_tool_call", "name": named, "server_tool_call": {"type": named, **body}}
    if isinstance(call_id, str):
        found["id"] = walk.text(call_id)
    return found


def _server_result(block: Any, walk: Walk) -> Part:
    body = {"type": str(field(block, "type")).removesuffix("_tool_result"), "content": walk.of(field(block, "content"))}
    found: Part = {"type": "server_tool_call_response", "server_tool_call_response": body}
    if isinstance(field(block, "tool_use_id"), str):
        found["id"] = walk.text(field(block, "tool_use_id"))
    return found


def _server_item(item: Any, walk: Walk) -> Part:
    """Read a call that the provider made and answered itself; what came of it stands in the same item."""
    name = field(item, "name")
    plain = walk.of(item)
    body = {key: value for key, value in plain.items() if key not in ("type", "id", "name") and value is not None}
    return _server_call(field(item, "id"), name if isinstance(name, str) else str(field(item, "type")).removesuffix("_call"), body, walk)


def _read_media(block: Any, walk: Walk) -> Part:
    kind = str(field(block, "type"))
    modality = next((word for word in ("image", "audio", "video") if word in kind), "document")
    source = next((found for name in ("source", "image_url", "file", "input_audio") if (found := field(block, name)) is not None), block)
    if isinstance(source, str):
        return _at_uri(source, modality, None, walk)
    mime_type = field(source, "media_type") or field(source, "mime_type") or field(source, "format")
    for name in ("url", "file_url", "uri", "image_url"):
        if isinstance(field(source, name), str):
            return _at_uri(field(source, name), modality, mime_type, walk)
    file_id = field(source, "file_id")
    if isinstance(file_id, str):
        return _media("file", modality, mime_type, walk) | {"file_id": walk.text(file_id)}
    data = next((found for name in ("data", "file_data", "content") if isinstance(found := field(source, name), str)), "")
    if field(source, "type") == "text":
        return _text(data, walk)
    return _media("blob", modality, mime_type, walk) | {"content": _told(data, walk)}


def _media(kind: str, modality: str, mime_type: Any, walk: Walk) -> Part:
    found: Part = {"type": kind, "modality": modality}
    if isinstance(mime_type, str):
        found["mime_type"] = walk.text(mime_type)
    return found


def _at_uri(uri: str, modality: str, mime_type: Any, walk: Walk) -> Part:
    if uri.startswith("data:"):
        head, _, data = uri.partition(",")
        return _media("blob", modality, head[5:].partition(";")[0] or None, walk) | {"content": _told(data, walk)}
    return _media("uri", modality, mime_type, walk) | {"uri": walk.text(uri)}


def _told(data: str, walk: Walk) -> str:
    if len(data) <= _MOST_MEDIA_CHARS:
        return walk.text(data)
    walk.was_cut = True
    return f"…[cut: {len(data):,} of {len(data):,} characters]"


def _keep(part: Any, walk: Walk) -> Part:
    """Return what is in the conventions' schema already."""
    plain = walk.of(part)
    return plain if isinstance(plain, dict) else {"type": "text", "content": str(plain)}


_READERS: dict[str, Callable[[Any, Walk], Part]] = {
    **dict.fromkeys(("text", "input_text", "output_text"), _read_text),
    "refusal": _read_refusal,
    "thinking": _read_thinking,
    "redacted_thinking": _read_redacted,
    "reasoning": _read_reasoning,
    "tool_use": _read_tool_use,
    **dict.fromkeys(("function_call", "custom_tool_call"), _read_function_call),
    **dict.fromkeys(("computer_call", "local_shell_call", "shell_call", "apply_patch_call"), _read_client_item),
    **dict.fromkeys(("server_tool_use", "mcp_tool_use"), _read_server_use),
    **dict.fromkeys(
        (
            "tool_result", "function_call_output", "custom_tool_call_output", "computer_call_output", "local_shell_call_output",
            "shell_call_output", "apply_patch_call_output",
        ),
        _read_result,
    ),
    **dict.fromkeys(("image", "image_url", "input_image", "document", "input_file", "audio", "input_audio", "video"), _read_media),
    **dict.fromkeys(
        ("tool_call", "tool_call_response", "server_tool_call", "server_tool_call_response", "blob", "uri"),
        _keep,
    ),
}  # fmt: skip

ITEM_ROLES = {
    **dict.fromkeys(
        (
            "function_call", "custom_tool_call", "computer_call", "local_shell_call", "shell_call", "apply_patch_call", "reasoning",
            "web_search_call", "file_search_call", "code_interpreter_call", "image_generation_call", "mcp_call",
        ),
        "assistant",
    ),
    **dict.fromkeys(
        (
            "function_call_output", "custom_tool_call_output", "computer_call_output", "local_shell_call_output", "shell_call_output",
            "apply_patch_call_output",
        ),
        "tool",
    ),
}  # fmt: skip
"""Items of the Responses API that are no messages, and who they come from."""
