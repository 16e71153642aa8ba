"""The HTTP server: uvicorn, with the bounds on connections that its own protocol does not have."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterator
from typing import Any

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from .otlp.answers import bad_request, encode_refusal
from .receiver import Limits, Receiver

MOST_CONNECTIONS = 512
KEEP_ALIVE_S = 75
"""Longer than exporters wait between batches, and than the pools of most clients keep a connection."""

STOP_S = 8
"""For the requests at hand to be finished once the server stops."""

_HEAD_BYTES = 1 << 16
_BACKLOG = 512
_OF_AN_UPGRADE = (b"connection", b"upgrade", b"http2-settings")


class GuardedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with deadlines for what comes before and after the application's turn."""

    limits: Limits
    _timer: asyncio.TimerHandle | None = None
    _is_whole = True
    _is_in_head = False
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin; one connection too many is closed, and its sender tries again."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
        else:
            self._arm(self.limits.head_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came. What is no HTTP is refused, and so are headers without an end."""
        self._unset_keepalive_if_required()
        if self._is_in_head:
            self._head_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offered:
            self._decline_upgrade(data[offered.args[0] :])
        except httptools.HttpParserError:
            self.send_400_response("This is no valid HTTP request.")
        if self._is_in_head and self._head_bytes > _HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("The headers are too long.")

    def _decline_upgrade(self, rest: bytes) -> None:
        """Go on as if the client had not offered another protocol, as Java's does by default.

        The parser would leave out the body of such a request: it is given the request again, without the offer.
        """
        method = self.parser.get_method()
        if method == b"CONNECT":
            self.send_400_response("This is no proxy.")
            return
        kept = [b"%b: %b\r\n" % pair for pair in self.headers if pair[0] not in _OF_AN_UPGRADE]
        head = b"%b %b HTTP/1.1\r\n%b\r\n" % (method, self.url, b"".join(kept))
        self.parser = httptools.HttpRequestParser(self)
        # As uvicorn has it: what follows a request that ends its connection is no error.
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.data_received(head + rest)

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._is_whole, self._is_in_head, self._head_bytes = False, True, 0
        self._arm(self.limits.head_s)

    def on_headers_complete(self) -> None:
        """Hand the request to the application, which has deadlines of its own."""
        self._is_in_head = False
        self._disarm()
        if not self.parser.should_upgrade():
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        """End a request."""
        if not self.parser.should_upgrade():
            self._is_whole = True
            self._disarm()
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for what is left of an answered request, but not for ever."""
        super().on_response_complete()
        if not self._is_whole and self.cycle.response_complete:
            self._arm(self.limits.drain_s)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, in the encoding of the request where it is known."""
        if self.cycle is not None and self.cycle.response_started and not self._is_in_head:
            self.transport.close()
            return
        content_type = dict(self.headers or []).get(b"content-type", b"")
        is_json = b"protobuf" not in content_type
        body = encode_refusal(bad_request(msg), is_json)
        head = (
            b"HTTP/1.1 400 Bad Request\r\ncontent-type: %b\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
            % (b"application/json" if is_json else b"application/x-protobuf", len(body))
        )  # fmt: skip
        self.transport.write(head + body)
        self.transport.close()

    def _arm(self, seconds: float) -> None:
        self._disarm()
        self._timer = self.loop.call_later(seconds, self._expire)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire(self, *_: Any) -> None:
        self.transport.abort()


def _guarded(limits: Limits) -> type[GuardedProtocol]:
    """Return the protocol with its limits: uvicorn makes one of it for each connection, and passes none of ours."""
    return type("LimitedProtocol", (GuardedProtocol,), {"limits": limits})


class _Server(uvicorn.Server):
    """uvicorn without its handling of signals, which are the process's own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take over no signal."""
        yield


class HttpServer:
    """uvicorn around the HTTP receiver, on a socket that is bound already."""

    def __init__(self, receiver: Receiver) -> None:
        # What a client sends wrong is told to the client.
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        self._config = uvicorn.Config(
            receiver,
            http=_guarded(receiver.limits),
            ws="none",
            loop="asyncio",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            backlog=_BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=STOP_S,
        )
        self._server = _Server(self._config)

    async def run(self, listener: socket.socket) -> None:
        """Serve until stopped, then finish the requests at hand."""
        await self._server.serve([listener])

    async def started(self) -> None:
        """Return once requests are accepted."""
        while not self._server.started:
            await asyncio.sleep(0.005)

    def stop(self) -> None:
        """Accept no more, and let ``run`` end."""
        self._server.should_exit = True
