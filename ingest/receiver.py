"""OTLP over HTTP: an ASGI application that bounds what it reads and answers as the protocol wants.

It checks in the order of what costs least: path, method, key, type, declared size; only then it reads the body.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from .budget import Budget, Hold
from .otlp.answers import Refusal, encode_refusal, encode_success, key_in, refusal_of, too_large, unauthenticated, unavailable
from .otlp.export import Authenticate, Export, Signal, Take

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = dict[str, str]

_LEAST_BYTES_PER_S = 16_384
"""A body has ``Limits.body_s``, and as much longer as it would take at this rate."""

_LAST_READ_S = 2.0
"""How long bodies may still come once the server stops."""

_PROTOBUF = "application/x-protobuf"
_JSON = "application/json"
_TYPES = {_PROTOBUF: False, "application/protobuf": False, "application/vnd.google.protobuf": False, _JSON: True}
"""Content types that are read, and whether they are JSON."""

_GZIPPED = {"": False, "identity": False, "none": False, "gzip": True, "x-gzip": True}

_ALLOWED = "content-type, content-encoding, authorization, x-clew-key"


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the receivers."""

    body_bytes: int
    body_s: float = 30.0
    """For a body to come, and more where it is large."""
    head_s: float = 10.0
    """From connecting, or from a request's first byte, to the end of its headers."""
    drain_s: float = 10.0
    """How long the rest of a body may come after its answer."""


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    content_type: str
    body: bytes
    headers: Sequence[tuple[str, str]] = ()


class _Gone(Exception):
    """The client left before its request was whole."""


class Receiver:
    """The application. ``authenticate`` is None where no key is needed and all belongs to the first project."""

    def __init__(self, take: Take, authenticate: Authenticate | None, budget: Budget, limits: Limits) -> None:
        self._take = take
        self._authenticate = authenticate
        self._budget = budget
        self.limits = limits
        self._deadlines: set[asyncio.Timeout] = set()
        self._last_read: float | None = None

    def stop(self) -> None:
        """Answer 503 from now on; bodies that are still coming have a moment."""
        self._last_read = asyncio.get_running_loop().time() + _LAST_READ_S
        for deadline in self._deadlines:
            deadline.reschedule(min(deadline.when() or self._last_read, self._last_read))

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            answer = await self._answer(scope, headers, receive)
        except _Gone:
            return
        except asyncio.CancelledError:
            # The server ends sooner than the store: the sender keeps what it has.
            answer = _refuse(unavailable("The server is shutting down; send this again in a moment."), headers)
        except Exception as error:
            answer = _refuse(refusal_of(error), headers)
        await _send(send, answer, [*answer.headers, *self._cors(headers), *_close(headers, answer.status)])

    async def _answer(self, scope: MutableMapping[str, Any], headers: Headers, receive: Receive) -> _Answer:
        method, path = scope["method"], scope["path"].rstrip("/")
        if path == "/healthz":
            return _Answer(200 if self._last_read is None else 503, "text/plain", b"ok\n" if self._last_read is None else b"stopping\n")
        signal = _signal(path)
        if method == "OPTIONS":
            return _Answer(204, "", b"")
        if method != "POST":
            raise Refusal(405, 12, "Send telemetry with POST.", {"allow": "POST, OPTIONS"})
        self._check_origin(headers)
        if self._last_read is not None:
            raise unavailable("The server is shutting down; send this again in a moment.")
        project_id = await self._project(headers)
        is_json, gzipped = _content(headers)
        with self._budget.hold() as held:
            body = await self._read(receive, headers, held)
            outcome = await self._take(Export(signal, project_id, body, gzipped, is_json))
        return _Answer(200, _JSON if is_json else _PROTOBUF, encode_success(signal, outcome, is_json))

    async def _project(self, headers: Headers) -> int:
        if self._authenticate is None:
            return 1
        project_id = await self._authenticate(key_in(headers))
        if project_id is None:
            raise unauthenticated()
        return project_id

    async def _read(self, receive: Receive, headers: Headers, held: Hold) -> bytes:
        """Return the body. Raises ``Refusal``, ``Overloaded``; never holds more than the limit."""
        limit = self.limits.body_bytes
        declared = headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > limit:
            raise too_large(f"The body is larger than {limit} bytes.")
        parts: list[bytes] = []
        try:
            async with asyncio.timeout(self.limits.body_s) as deadline:
                self._deadlines.add(deadline)
                try:
                    await self._read_parts(receive, parts, held, deadline)
                finally:
                    self._deadlines.discard(deadline)
        except TimeoutError as error:
            raise Refusal(503, 14, "The body came too slowly.", {"retry-after": "2", "connection": "close"}) from error
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def _read_parts(self, receive: Receive, parts: list[bytes], held: Hold, deadline: asyncio.Timeout) -> None:
        limit = self.limits.body_bytes
        begun = asyncio.get_running_loop().time()
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise _Gone
            part: bytes = message["body"]
            if held.size_bytes + len(part) > limit:
                raise too_large(f"The body is larger than {limit} bytes.")
            held.grow(len(part))
            parts.append(part)
            if not message["more_body"]:
                return
            until = begun + self.limits.body_s + held.size_bytes / _LEAST_BYTES_PER_S
            deadline.reschedule(until if self._last_read is None else min(until, self._last_read))

    # --- browsers -------------------------------------------------------------------------------------------------

    def _check_origin(self, headers: Headers) -> None:
        """Refuse pages of other sites where no key is needed."""
        if "origin" in headers and not self._is_allowed(headers["origin"]):
            raise Refusal(403, 7, "Pages of other sites may send only where authentication is on.", {})

    def _is_allowed(self, origin: str) -> bool:
        return self._authenticate is not None or _is_loopback(origin)

    def _cors(self, headers: Headers) -> list[tuple[str, str]]:
        origin = headers.get("origin")
        if origin is None or not self._is_allowed(origin):
            return []
        return [
            ("access-control-allow-origin", origin),
            ("access-control-allow-methods", "POST"),
            ("access-control-allow-headers", _ALLOWED),
            ("access-control-max-age", "600"),
            ("vary", "origin"),
        ]


def _is_loopback(origin: str) -> bool:
    try:
        host = urlsplit(origin).hostname or ""
    except ValueError:
        return False
    return host in ("localhost", "127.0.0.1", "::1") or host.endswith(".localhost")


def _signal(path: str) -> Signal:
    """Return what a path takes. An exporter that is given an address without a path posts its traces to ``/``."""
    if path == "" or path.endswith("/v1/traces"):
        return "traces"
    if path.endswith("/v1/logs"):
        return "logs"
    raise Refusal(404, 12, "There is nothing here: traces go to /v1/traces, logs to /v1/logs.", {})


def _media_type(headers: Headers) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _content(headers: Headers) -> tuple[bool, bool]:
    """Return whether a body is JSON and whether it is gzipped."""
    is_json = _TYPES.get(_media_type(headers))
    if is_json is None:
        raise Refusal(415, 3, f"The content type must be {_PROTOBUF} or {_JSON}.", {})
    gzipped = _GZIPPED.get(headers.get("content-encoding", "").strip().lower())
    if gzipped is None:
        raise Refusal(415, 3, "The content encoding must be gzip or none.", {"accept-encoding": "gzip"})
    return is_json, gzipped


def _refuse(refusal: Refusal, headers: Headers) -> _Answer:
    # Who sends neither format is most likely a person: JSON can be read.
    is_json = _TYPES.get(_media_type(headers), True)
    body = encode_refusal(refusal, is_json)
    return _Answer(refusal.http_status, _JSON if is_json else _PROTOBUF, body, list(refusal.headers.items()))


def _close(headers: Headers, status: int) -> list[tuple[str, str]]:
    """End the connection after refusing a client that waits for ``100 Continue``: it may leave the body out, or not."""
    return [("connection", "close")] if status >= 400 and "expect" in headers else []


async def _send(send: Send, answer: _Answer, headers: Sequence[tuple[str, str]]) -> None:
    lines = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    if answer.status != 204:
        lines += [(b"content-type", answer.content_type.encode()), (b"content-length", b"%d" % len(answer.body))]
    await send({"type": "http.response.start", "status": answer.status, "headers": lines})
    await send({"type": "http.response.body", "body": answer.body})
