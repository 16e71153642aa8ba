"""The offline model server: a real HTTP server on loopback that answers both APIs by the policy's rules.

What is simulated: the mind. Every answer comes from rules over the conversation (``policy/``), token counts are characters
divided by four, and time passes only where the fault plan says so. What is real: HTTP, JSON, server-sent events, statuses,
headers, timeouts, broken connections, and the clients that meet them.
"""

import hashlib
import json
import socket
import struct
import threading
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from . import anthropic_api, openai_api
from .anthropic_api import Rendered
from .faults import STATUSES, TRANSPORT, Fault, FaultPlan, Seen
from .misbehaviour import spoil
from .policy.decide import decide
from .policy.reading import Conversation, Said
from .tokens import Now, PromptCache, count

LARGEST_BODY = 4_000_000


def wall_clock() -> datetime:
    """Return the machine's time."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Exchange:
    """A question read and answered, before it is written to the wire."""

    provider: str
    body: dict[str, Any]
    rendered: Rendered
    faults: list[Fault]


class ModelServer(ThreadingHTTPServer):
    """Listens on loopback. ``url`` is the base address for both clients: Anthropic's takes it as it is, OpenAI's with ``/v1``."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, seed: int, faults: Sequence[Fault], now: Now) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.faults = FaultPlan(faults)
        self.stopping = threading.Event()
        self.headers_seen: deque[dict[str, str]] = deque(maxlen=100)
        """The headers of the last calls, names in lower case: what a provider would learn of who asks."""
        self._seed = seed
        self._now = now
        self._cache = PromptCache(now)
        self._lock = threading.Lock()
        self._answered: Counter[str] = Counter()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def answered(self) -> int:
        """How many calls were answered, with whatever."""
        return sum(self._answered.values())

    def exchange(self, provider: str, body: dict[str, Any]) -> Exchange:
        """Answer a body. Raises ValueError, KeyError, TypeError or AttributeError for one of another shape."""
        api = anthropic_api if provider == "anthropic" else openai_api
        conversation = api.read_request(body)
        if not conversation.turns:
            raise ValueError("there is nothing to answer")
        answer = (
            _aloud(decide(conversation, self._seed)) if provider == "anthropic" and not thinks(body) else decide(conversation, self._seed)
        )
        faults = self.faults.strike(self._seen(provider, conversation, answer))
        answer, is_cut = spoil(answer, conversation, [fault for fault in faults if fault.kind not in TRANSPORT])
        answer, is_too_long = _fit(answer, conversation.max_tokens)
        # A call that fails has read nothing into the cache.
        fails = any(fault.kind in TRANSPORT and fault.kind != "latency" for fault in faults)
        read = self._cache.count(conversation.model, [] if fails else api.pieces_of(body))
        rendered = Rendered(answer, self._id(body), conversation.model, read, is_cut or is_too_long)
        return Exchange(provider, body, rendered, [fault for fault in faults if fault.kind in TRANSPORT])

    def _seen(self, provider: str, conversation: Conversation, answer: Said) -> Seen:
        told = [turn.text for turn in conversation.turns] + [outcome.content for turn in conversation.turns for outcome in turn.outcomes]
        text = "\n".join([conversation.system, *told])
        calls = tuple(name for name, _ in answer.calls)
        return Seen(provider, conversation.role, conversation.model, text, calls, self._now())

    def _id(self, body: dict[str, Any]) -> str:
        """Return an id that is the same for the same question asked for the same time."""
        digest = hashlib.sha256(json.dumps([self._seed, body], sort_keys=True).encode()).hexdigest()
        with self._lock:
            self._answered[digest] += 1
            return hashlib.sha256(f"{digest}{self._answered[digest]}".encode()).hexdigest()[:22]


def thinks(body: dict[str, Any]) -> bool:
    """Say whether a request to Anthropic switched thinking on."""
    return bool((body.get("thinking") or {}).get("type", "disabled") != "disabled")


def _aloud(answer: Said) -> Said:
    """Without thinking, a model still says in words why it calls a tool."""
    return replace(answer, thinking="", text=answer.text or (answer.thinking if answer.calls else ""))


def _fit(answer: Said, max_tokens: int) -> tuple[Said, bool]:
    room = max_tokens - count(answer.thinking) if answer.thinking else max_tokens
    if count(answer.text) <= room:
        return answer, False
    return Said(answer.thinking, answer.text[: max(0, room) * 4]), True


class Handler(BaseHTTPRequestHandler):
    """One connection of a client, kept open between calls."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: ModelServer

    def do_POST(self) -> None:
        """Answer a model call."""
        length = int(self.headers.get("content-length") or 0)
        raw = self.rfile.read(length) if length <= LARGEST_BODY else b""
        self.server.headers_seen.append({name.lower(): value for name, value in self.headers.items()})
        provider = {"/v1/messages": "anthropic", "/v1/chat/completions": "openai"}.get(self.path.partition("?")[0])
        if provider is None:
            return self._error("anthropic", 404, "there is nothing here")
        try:
            exchange = self.server.exchange(provider, json.loads(raw))
        except (ValueError, KeyError, TypeError, AttributeError):
            return self._error(provider, 400, "the body is not a request of this API")
        except Exception:  # a gap in the rules, which asking again does not close: as a 500 it would count as an outage for everybody
            return self._error(provider, 400, "the rules have no answer to this")
        if all(self._suffer(fault, exchange) for fault in exchange.faults):
            self._answer(exchange)
        return None

    def _suffer(self, fault: Fault, exchange: Exchange) -> bool:
        """Let a fault happen; return whether an answer still follows."""
        if fault.kind in ("latency", "hang"):
            self.server.stopping.wait(fault.seconds or (3600.0 if fault.kind == "hang" else 0.0))
            if fault.kind == "latency":
                return True
        if fault.kind in STATUSES:
            self._error(exchange.provider, fault.status or STATUSES[fault.kind], fault.kind.replace("_", " "), fault.retry_after_s)
        elif fault.kind == "truncated_body":
            self._break_off(exchange)
        else:
            self._hang_up()
        return False

    def _break_off(self, exchange: Exchange) -> None:
        """Answer with the first part only, well formed as HTTP: what a proxy that gives up in the middle does."""
        if exchange.body.get("stream"):
            events = list(self._events(exchange))
            self._stream(iter(events[: len(events) * 6 // 10]))
        else:
            whole = self._whole(exchange)
            self._send(200, whole[: len(whole) * 6 // 10])

    def _answer(self, exchange: Exchange) -> None:
        if exchange.body.get("stream"):
            self._stream(self._events(exchange))
        else:
            self._send(200, self._whole(exchange))

    def _whole(self, exchange: Exchange) -> bytes:
        write = anthropic_api.message_of if exchange.provider == "anthropic" else openai_api.completion_of
        return _json(write(exchange.rendered))

    def _events(self, exchange: Exchange) -> Iterator[bytes]:
        if exchange.provider == "anthropic":
            for name, event in anthropic_api.stream_of(exchange.rendered):
                yield b"event: %s\ndata: %s\n\n" % (name.encode(), _json(event))
            return
        with_usage = bool((exchange.body.get("stream_options") or {}).get("include_usage"))
        for chunk in openai_api.stream_of(exchange.rendered, with_usage):
            yield b"data: %s\n\n" % _json(chunk)
        yield b"data: [DONE]\n\n"

    def _stream(self, events: Iterator[bytes]) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for event in events:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def _error(self, provider: str, status: int, message: str, retry_after_s: float | None = None) -> None:
        write = anthropic_api.error_of if provider == "anthropic" else openai_api.error_of
        headers = {} if retry_after_s is None else {"retry-after": f"{retry_after_s:g}"}
        self._send(status, _json(write(status, message)), headers)

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"content-type": "application/json", "content-length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def _hang_up(self) -> None:
        """Break the connection off, so that the client sees a reset and no end of a message."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class names it
        """Say nothing: a request's line tells nobody anything."""


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")


@contextmanager
def running_server(*, port: int = 0, seed: int = 7, faults: Sequence[Fault] = (), now: Now = wall_clock) -> Iterator[ModelServer]:
    """Run a server in a thread until the block ends; calls that hang are let go then."""
    server = ModelServer(port, seed, faults, now)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, name="model-server", daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stopping.set()
        server.shutdown()
        server.server_close()
        thread.join()
