"""A model's API on a free loopback port: enough of Anthropic's and OpenAI's, in JSON and as a stream, for their real clients.

What it answers follows from the request alone: a tool is asked for where one is offered and none has answered yet, thinking is done
where it was asked for, and some names of models are troubles.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = dict[str, Any]

TROUBLES = {"busy": (429, "rate_limit_error"), "wrong": (400, "invalid_request_error"), "down": (500, "api_error")}
"""Names of models that answer with an error: the status and its type."""
BREAKS, OVERLOADS = "breaks", "overloads"
"""Names of models whose streams end amid a sentence, or with an error event."""


@dataclass
class ModelServer:
    """A running server: where it is, and what it was asked."""

    port: int
    asked: list[Json] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Return the base URL of Anthropic's client; OpenAI's has ``/v1`` after it."""
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def model_server() -> Iterator[ModelServer]:
    """Serve until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    state = ModelServer(server.server_address[1])
    server.state = state  # type: ignore[attr-defined]  # the handler finds it there
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        state: ModelServer = self.server.state  # type: ignore[attr-defined]  # set above
        state.asked.append(body)
        state.headers.append({name.lower(): value for name, value in self.headers.items()})
        path = self.path.partition("?")[0]
        if body["model"] in TROUBLES:
            status, kind = TROUBLES[body["model"]]
            error = {"type": kind, "message": f"the model is {body['model']}"}
            self._answer(status, {"type": "error", "error": error})
        elif path == "/v1/messages":
            self._reply(body, message_of(body), _message_events)
        elif path == "/v1/chat/completions":
            self._reply(body, completion_of(body), lambda whole: _chunks(whole, body))
        elif path == "/v1/responses":
            self._reply(body, response_of(body), _response_events)
        else:
            self._answer(404, {"error": {"type": "not_found_error", "message": path}})

    def _reply(self, body: Json, whole: Json, events: Any) -> None:
        if not body.get("stream"):
            self._answer(200, whole)
            return
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("request-id", "req_1")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        written = list(events(whole))
        if body["model"] in (BREAKS, OVERLOADS):
            written = written[: len(written) // 2]
        # A client may leave amid a stream.
        with suppress(ConnectionError):
            self._send_all(body, whole, written)

    def _send_all(self, body: Json, whole: Json, events: list[Json]) -> None:
        for event in events:
            self._send_event(event)
        if body["model"] == OVERLOADS:
            self._send_event({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})
        elif body["model"] != BREAKS and "choices" in whole:
            self.wfile.write(b"data: [DONE]\n\n")

    def _send_event(self, event: Json) -> None:
        name = f"event: {event['type']}\n" if "type" in event else ""
        self.wfile.write(f"{name}data: {json.dumps(event)}\n\n".encode())
        self.wfile.flush()

    def _answer(self, status: int, body: Json) -> None:
        payload = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(payload)))
        self.send_header("request-id", "req_1")
        self.send_header("x-should-retry", "false")
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name is the base class's
        """Say nothing."""


_EMPTY: dict[str, Json] = {
    "text": {"text": ""},
    "thinking": {"thinking": "", "signature": ""},
    "tool_use": {"input": {}},
    "message": {"content": []},
    "reasoning": {"summary": []},
    "function_call": {"arguments": ""},
}
"""How blocks and items begin when they are streamed."""


_KNOWN = {"city": "Leeds", "order": "12345"}
"""What the model knows to ask tools for."""


def _arguments(schema: Any) -> Json:
    return {name: _KNOWN.get(name, f"some {name}") for name in (schema or {}).get("properties", {})}


# --- Anthropic


def message_of(body: Json) -> Json:
    """Return the whole message that answers a request."""
    content: list[Json] = []
    if body.get("thinking", {}).get("type") == "enabled":
        content.append({"type": "thinking", "thinking": "They want to know. I should look.", "signature": "c2lnbmVk"})
        content.append({"type": "redacted_thinking", "data": "c2VjcmV0"})
    asks = body.get("tools") and '"tool_result"' not in json.dumps(body["messages"])
    content.append({"type": "text", "text": "Let me look that up." if asks else "It is sunny in Leeds."})
    if asks:
        tool = body["tools"][0]
        content.append({"type": "tool_use", "id": "toolu_1", "name": tool["name"], "input": _arguments(tool.get("input_schema"))})
    usage: Json = {"input_tokens": 100, "cache_read_input_tokens": 40, "cache_creation_input_tokens": 20, "output_tokens": 25}
    if body.get("thinking"):
        usage["output_tokens_details"] = {"thinking_tokens": 7}
    reason = "tool_use" if asks else "end_turn"
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": body["model"]}
    return {**head, "content": content, "stop_reason": reason, "stop_sequence": None, "usage": usage}


def _message_events(whole: Json) -> Iterator[Json]:
    begun = {**whole["usage"], "output_tokens": 1}
    begun.pop("output_tokens_details", None)
    yield {"type": "message_start", "message": {**whole, "content": [], "stop_reason": None, "usage": begun}}
    for index, block in enumerate(whole["content"]):
        yield {"type": "content_block_start", "index": index, "content_block": {**block, **_EMPTY.get(block["type"], {})}}
        for delta in _message_deltas(block):
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    counted = {name: whole["usage"][name] for name in ("output_tokens", "output_tokens_details") if name in whole["usage"]}
    yield {"type": "message_delta", "delta": {"stop_reason": whole["stop_reason"], "stop_sequence": None}, "usage": counted}
    yield {"type": "message_stop"}


def _message_deltas(block: Json) -> Iterator[Json]:
    if block["type"] == "text":
        yield from ({"type": "text_delta", "text": piece} for piece in _pieces(block["text"]))
    elif block["type"] == "thinking":
        yield from ({"type": "thinking_delta", "thinking": piece} for piece in _pieces(block["thinking"]))
        yield {"type": "signature_delta", "signature": block["signature"]}
    elif block["type"] == "tool_use":
        yield from ({"type": "input_json_delta", "partial_json": piece} for piece in _pieces(json.dumps(block["input"])))


def _pieces(text: str) -> list[str]:
    return [text[at : at + 7] for at in range(0, len(text), 7)]


# --- OpenAI chat


def completion_of(body: Json) -> Json:
    """Return the whole chat completion that answers a request."""
    asks = body.get("tools") and all(message["role"] != "tool" for message in body["messages"])
    message: Json = {"role": "assistant", "content": "It is sunny in Leeds.", "refusal": None}
    if asks:
        function = body["tools"][0]["function"]
        called = {"name": function["name"], "arguments": json.dumps(_arguments(function.get("parameters")))}
        message |= {"content": None, "tool_calls": [{"id": "call_1", "type": "function", "function": called}]}
    reason = "tool_calls" if asks else "stop"
    choices = [{"index": n, "message": message, "finish_reason": reason, "logprobs": None} for n in range(body.get("n") or 1)]
    usage = {
        "prompt_tokens": 160,
        "completion_tokens": 25,
        "total_tokens": 185,
        "prompt_tokens_details": {"cached_tokens": 40, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 7, "audio_tokens": 0},
    }
    return {"id": "chatcmpl_1", "object": "chat.completion", "created": 1, "model": body["model"], "choices": choices, "usage": usage}


def _chunks(whole: Json, body: Json) -> Iterator[Json]:
    head = {"id": whole["id"], "object": "chat.completion.chunk", "created": 1, "model": whole["model"]}
    for choice in whole["choices"]:
        for delta in _chunk_deltas(choice["message"]):
            yield {**head, "choices": [{"index": choice["index"], "delta": delta, "finish_reason": None}]}
        yield {**head, "choices": [{"index": choice["index"], "delta": {}, "finish_reason": choice["finish_reason"]}]}
    if (body.get("stream_options") or {}).get("include_usage"):
        yield {**head, "choices": [], "usage": whole["usage"]}


def _chunk_deltas(message: Json) -> Iterator[Json]:
    yield {"role": "assistant", "content": ""}
    yield from ({"content": piece} for piece in _pieces(message["content"] or ""))
    for index, call in enumerate(message.get("tool_calls", [])):
        begun = {"name": call["function"]["name"], "arguments": ""}
        yield {"tool_calls": [{"index": index, "id": call["id"], "type": "function", "function": begun}]}
        for piece in _pieces(call["function"]["arguments"]):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


# --- OpenAI responses


def response_of(body: Json) -> Json:
    """Return the whole response that answers a request."""
    said = json.dumps(body.get("input"))
    output: list[Json] = []
    if body.get("reasoning"):
        output.append(
            {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "They want to know. I should look."}]}
        )
    if body.get("tools") and "function_call_output" not in said:
        tool = body["tools"][0]
        arguments = json.dumps(_arguments(tool.get("parameters")))
        call = {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": tool["name"], "arguments": arguments}
        output.append({**call, "status": "completed"})
    else:
        text = {"type": "output_text", "text": "It is sunny in Leeds.", "annotations": []}
        output.append({"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [text]})
    is_short = body.get("max_output_tokens") == 16
    usage = {
        "input_tokens": 160,
        "input_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 20},
        "output_tokens": 25,
        "output_tokens_details": {"reasoning_tokens": 7},
        "total_tokens": 185,
    }
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "model": body["model"],
        "status": "incomplete" if is_short else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if is_short else None,
        "error": None,
        "output": output,
        "usage": usage,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
    }


def _response_events(whole: Json) -> Iterator[Json]:
    for number, event in enumerate(_unnumbered_events(whole)):
        yield {**event, "sequence_number": number}


def _unnumbered_events(whole: Json) -> Iterator[Json]:
    yield {
        "type": "response.created",
        "response": {**whole, "output": [], "usage": None, "status": "in_progress", "incomplete_details": None},
    }
    for index, item in enumerate(whole["output"]):
        at = {"output_index": index, "item_id": item["id"]}
        yield {"type": "response.output_item.added", "output_index": index, "item": {**item, **_EMPTY[item["type"]]}}
        for kind, key, text in _item_deltas(item):
            yield from ({"type": kind, **at, key: 0, "delta": piece, "logprobs": []} for piece in _pieces(text))
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
    yield {"type": f"response.{whole['status']}", "response": whole}


def _item_deltas(item: Json) -> Iterator[tuple[str, str, str]]:
    if item["type"] == "message":
        yield from (("response.output_text.delta", "content_index", part["text"]) for part in item["content"])
    elif item["type"] == "reasoning":
        yield from (("response.reasoning_summary_text.delta", "summary_index", part["text"]) for part in item["summary"])
    else:
        yield "response.function_call_arguments.delta", "output_index", item["arguments"]
