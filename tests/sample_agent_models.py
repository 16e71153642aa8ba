"""A model stack for tests: the real clients, the real offline server, a clock that moves on when something waits."""

import json
import random
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from sample_agent.model_server.faults import Fault
from sample_agent.model_server.server import ModelServer, running_server
from sample_agent.models.budget import CountedHere
from sample_agent.models.settings import Endpoint, ModelSettings
from sample_agent.models.stack import Around, ModelStack, build_stack
from sample_agent.models.types import ModelReply, ModelRequest, ToolDefinition, said
from sample_agent.observe import Event, Told

MONDAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
HEAD = "Role: {role}\nReference: HL-CANARY-1 (internal)\n\nYou schedule.\n"
NOW = "<now>Monday 2026-03-02 09:00 Europe/London</now>"
CLIENT = "<acting_for>client 10422</acting_for>"

LOOK_UP = ToolDefinition("get_client_preferences", "Look a client up.", {"type": "object", "properties": {"client": {"type": "string"}}})
BOOK = ToolDefinition("book_appointment", "Book.", {"type": "object", "properties": {"client_id": {"type": "string"}}})


@dataclass
class Bench:
    """A stack with what it told, how long it waited, and the server behind it."""

    server: ModelServer
    stack: ModelStack
    clock: list[datetime]
    tokens: CountedHere
    told: list[Told] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)

    def ask(self, text: str = "hello", **changes: Any) -> ModelReply:
        return self.stack(replace(request(text), **changes))

    def kinds(self) -> list[str]:
        """Return what happened, shortest: kind, and the reason or the provider."""
        return [_short(event) for event in self.told if isinstance(event, Event)]

    def facts(self, kind: str) -> list[dict[str, Any]]:
        return [dict(event.facts) for event in self.told if isinstance(event, Event) and event.kind == kind]


def _short(event: Event) -> str:
    facts = event.facts
    return f"{event.kind} {facts.get('state') or facts.get('because') or facts.get('error') or facts.get('provider') or event.name}"


def request(text: str, role: str = "react") -> ModelRequest:
    """Return a question of the role, in the blocks that the policy reads."""
    prompt = f"{NOW}\n{CLIENT}\n<user_input>{text}</user_input>"
    return ModelRequest(role=role, system=HEAD.format(role=role), messages=(said(prompt),), session="s1", user="u1")  # type: ignore[arg-type]


@contextmanager
def bench(faults: Sequence[Fault] = (), *, with_fallback: bool = True, **settings: Any) -> Iterator[Bench]:
    """Run a server and a stack on it; waiting moves the clock."""
    clock = [MONDAY]
    with running_server(faults=faults, now=lambda: clock[0]) as server:
        told: list[Told] = []
        waits: list[float] = []

        def sleep(seconds: float) -> None:
            waits.append(seconds)
            clock[0] += timedelta(seconds=seconds)

        options: dict[str, Any] = {"timeout_s": 5.0, "cache": "off", **settings}
        fallback = Endpoint(f"{server.url}/v1") if with_fallback else Endpoint()
        model_settings = ModelSettings(primary=Endpoint(server.url), fallback=fallback, **options)
        tokens = CountedHere()
        around = Around(now=lambda: clock[0], sleep=sleep, jitter=random.Random(1), observe=told.append, tokens=tokens)
        with build_stack(model_settings, around) as stack:
            yield Bench(server, stack, clock, tokens, told, waits)


@contextmanager
def stub_provider(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    """Run a server that answers each call as the test says, and yield its address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            answer(self)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class names it
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def answering(body: object) -> Callable[[BaseHTTPRequestHandler], None]:
    """Return an answer of this JSON."""
    written = json.dumps(body).encode()

    def answer(call: BaseHTTPRequestHandler) -> None:
        call.send_response(200)
        call.send_header("content-type", "application/json")
        call.send_header("content-length", str(len(written)))
        call.end_headers()
        call.wfile.write(written)

    return answer


def breaking_off(call: BaseHTTPRequestHandler) -> None:
    """Begin a stream of events, and end the connection amid it."""
    call.send_response(200)
    call.send_header("content-type", "text/event-stream")
    call.send_header("transfer-encoding", "chunked")
    call.end_headers()
    call.wfile.write(b'20\r\nevent: ping\ndata: {"type": "ping"}')
    call.wfile.flush()
    call.close_connection = True
    call.connection.shutdown(socket.SHUT_RDWR)
