"""A backend on loopback that does what a script says, request by request: answers, is slow, resets, or is not there."""

import gzip
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass(frozen=True)
class Reply:
    """What happens to one request. ``reset`` cuts the connection in the middle of reading it; ``hang_s`` waits before it answers."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    reset: bool = False
    drop: bool = False
    """Closes without an answer once all is read."""
    hang_s: float = 0.0
    endless: bool = False
    """Goes on with the body for ever."""


OK = Reply()

Script = Callable[[int], Reply]
"""Takes the number of a request, from 0, and returns what happens to it."""


@dataclass
class Backend:
    """A running backend, and what it took."""

    port: int
    script: Script
    raw: list[bytes] = field(default_factory=list)
    """Bodies as they came, of taken requests and others."""
    heads: list[str] = field(default_factory=list)
    taken: list[ExportTraceServiceRequest] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)
    stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def spans(self) -> list[Span]:
        """All spans taken, in the order in which they came."""
        scopes = [scope for request in list(self.taken) for entry in request.resource_spans for scope in entry.scope_spans]
        return [span for scope in scopes for span in scope.spans]

    def names(self) -> list[str]:
        """Return the names of the spans taken."""
        return [span.name for span in self.spans]

    def wait_for(self, is_so: Callable[["Backend"], bool], timeout_s: float = 15.0) -> bool:
        """Wait until something holds."""
        with self.changed:
            return self.changed.wait_for(lambda: is_so(self), timeout_s)


def attributes_of(span: Span) -> dict[str, object]:
    """Return a span's attributes as plain values."""
    return {pair.key: plain(pair.value) for pair in span.attributes}


def plain(value: AnyValue) -> object:
    """Return a value as a plain one."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [plain(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: plain(pair.value) for pair in value.kvlist_value.values}
    return getattr(value, kind) if kind else None


def replies(first: Sequence[Reply], then: Reply = OK) -> Script:
    """Make a script of the first replies and the one after them."""
    return lambda number: first[number] if number < len(first) else then


@contextmanager
def backend(script: Script = lambda number: OK, port: int = 0) -> Iterator[Backend]:
    """Run a backend in threads of its own, and stop it at the end."""
    listener = socket.create_server(("127.0.0.1", port), backlog=64)
    running = Backend(listener.getsockname()[1], script)
    threads: list[threading.Thread] = []

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=_serve, args=(connection, running))
            threads.append(thread)
            thread.start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield running
    finally:
        running.stopping.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join(10)
        for thread in threads:
            thread.join(10)


def free_port() -> int:
    """Return a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def _serve(connection: socket.socket, running: Backend) -> None:
    connection.settimeout(0.1)
    with connection:
        left = b""
        while (request := _read(connection, left, running)) is not None:
            head, body, left, reply = request
            if not _answer(connection, head, body, reply, running):
                return


def _read(connection: socket.socket, left: bytes, running: Backend) -> tuple[str, bytes, bytes, Reply] | None:
    data = left
    while b"\r\n\r\n" not in data:
        more = _receive(connection, running)
        if not more:
            return None
        data += more
    head, _, rest = data.partition(b"\r\n\r\n")
    with running.changed:
        reply = running.script(len(running.heads))
        running.heads.append(head.decode("latin-1"))
        running.times.append(time.monotonic())
        running.changed.notify_all()
    if reply.reset:
        # No lingering: the other side sees the connection reset, not closed.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return None
    length = next(int(line.split(":")[1]) for line in head.decode("latin-1").split("\r\n") if line.lower().startswith("content-length:"))
    while len(rest) < length:
        more = _receive(connection, running)
        if not more:
            return None
        rest += more
    return head.decode("latin-1"), rest[:length], rest[length:], reply


def _receive(connection: socket.socket, running: Backend) -> bytes:
    while not running.stopping.is_set():
        try:
            return connection.recv(1 << 16)
        except TimeoutError:
            continue
        except OSError:
            return b""
    return b""


def _answer(connection: socket.socket, head: str, body: bytes, reply: Reply, running: Backend) -> bool:
    running.raw.append(body)
    if reply.hang_s and running.stopping.wait(reply.hang_s):
        return False
    if reply.drop:
        return False
    if 200 <= reply.status < 300:
        content = gzip.decompress(body) if "content-encoding: gzip" in head.lower() else body
        with running.changed:
            running.taken.append(ExportTraceServiceRequest.FromString(content))
            running.changed.notify_all()
    lines = [f"HTTP/1.1 {reply.status} X", *(f"{name}: {value}" for name, value in reply.headers)]
    lines += [] if reply.endless else [f"Content-Length: {len(reply.body)}"]
    try:
        connection.settimeout(5)
        connection.sendall("\r\n".join((*lines, "", "")).encode() + reply.body)
        while reply.endless and not running.stopping.is_set():
            connection.sendall(b"x" * 65_536)
        connection.settimeout(0.1)
    except OSError:
        return False
    return not reply.endless
