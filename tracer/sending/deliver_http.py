"""OTLP over HTTP, on the standard library. A module of its own because HTTP and TLS take long to import."""

import gzip
import io
import socket
import ssl
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import SplitResult, urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from ..settings import Endpoint
from .deliver import USER_AGENT, Answer

_LARGEST_ANSWER_BYTES = 4 << 20
_RETRIED = frozenset({429, 502, 503, 504})


class HttpSender:
    """OTLP over HTTP on one connection kept alive; redirects are not followed, answers are read to a bound within the time."""

    def __init__(self, endpoint: Endpoint, now_s: Callable[[], float] = time.time) -> None:
        self._endpoint = endpoint
        self._url = urlsplit(endpoint.url)
        self._target = urlunsplit(("", "", self._url.path or "/", self._url.query, ""))
        self._tls = _tls(endpoint) if self._url.scheme == "https" else None
        self._now_s = now_s
        self._connection: HTTPConnection | None = None
        self._is_interrupted = False
        self._headers = {
            "user-agent": USER_AGENT,
            **endpoint.headers,
            "content-type": "application/x-protobuf",
            **({"content-encoding": "gzip"} if endpoint.gzip else {}),
        }

    def send(self, body: bytes, timeout_s: float) -> Answer:
        """Send a gzipped request and wait for the answer, at most so long."""
        deadline_s = time.monotonic() + timeout_s
        content = body if self._endpoint.gzip else gzip.decompress(body)
        for is_reused in (self._connection is not None, False):
            try:
                return self._exchange(content, deadline_s)
            except (OSError, HTTPException, ValueError) as error:
                self.close()
                # A kept connection may have been closed by the other side meanwhile: that says nothing about the backend.
                if self._is_interrupted or not (is_reused and isinstance(error, ConnectionError | HTTPException)):
                    return Answer("later", _kind_of(error), is_absent=True)
        return Answer("later", "connection lost", is_absent=True)

    def interrupt(self) -> None:
        """End a request under way in another thread, and all that follow."""
        self._is_interrupted = True
        connection = self._connection
        if connection is not None and connection.sock is not None:
            try:
                connection.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                return

    def close(self) -> None:
        """Close the connection; the next request opens another one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except OSError:
                return

    forget = close
    """Closing a socket that two processes have says nothing to the other side."""

    def _exchange(self, content: bytes, deadline_s: float) -> Answer:
        if self._is_interrupted:
            raise ConnectionAbortedError
        connection = self._connection or self._open()
        self._connection = connection
        connection.timeout = _left_s(deadline_s)
        if connection.sock is None:
            connection.connect()
        connection.sock.settimeout(_left_s(deadline_s))
        connection.response_class = _response_class(deadline_s)
        connection.request("POST", self._target_of(connection), content, self._headers)
        response = connection.getresponse()
        answer, is_whole = _read_bounded(response)
        if not is_whole or response.will_close:
            self.close()
        return _judge(response, answer, self._now_s())

    def _open(self) -> HTTPConnection:
        proxy = _proxy_for(self._url)
        near = proxy or self._url
        host, port = near.hostname or "", near.port
        if self._tls is None:
            return HTTPConnection(host, port or 80)
        connection = HTTPSConnection(host, port or 443, context=self._tls)
        if proxy is not None:
            connection.set_tunnel(self._url.hostname or "", self._url.port or 443)
        return connection

    def _target_of(self, connection: HTTPConnection) -> str:
        is_forwarded = self._tls is None and connection.host != self._url.hostname
        return self._endpoint.url if is_forwarded else self._target


def _tls(endpoint: Endpoint) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=endpoint.certificate)
        if endpoint.client_certificate:
            context.load_cert_chain(endpoint.client_certificate, endpoint.client_key)
    except OSError as error:
        raise ValueError(f"a certificate cannot be read: {type(error).__name__}") from error
    return context


def _proxy_for(url: SplitResult) -> SplitResult | None:
    """Return the proxy that the environment names for an address, or None."""
    proxy = getproxies().get(url.scheme)
    if not proxy or proxy_bypass(url.hostname or ""):
        return None
    found = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    return found if found.hostname else None


def _left_s(deadline_s: float) -> float:
    left = deadline_s - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


class _Until(io.RawIOBase):
    """Reads a socket until a point in time, however slowly its bytes drip."""

    def __init__(self, connected: socket.socket, deadline_s: float) -> None:
        self._raw = connected.makefile("rb", buffering=0)
        self._socket = connected
        self._deadline_s = deadline_s

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._socket.settimeout(_left_s(self._deadline_s))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


def _response_class(deadline_s: float) -> Any:
    class Response(HTTPResponse):
        def __init__(self, connected: socket.socket, *args: Any, **options: Any) -> None:
            super().__init__(connected, *args, **options)
            self.fp.close()
            self.fp = io.BufferedReader(_Until(connected, deadline_s))

    return Response


def _read_bounded(response: HTTPResponse) -> tuple[bytes, bool]:
    answer = response.read(_LARGEST_ANSWER_BYTES)
    return answer, len(answer) < _LARGEST_ANSWER_BYTES


def _judge(response: HTTPResponse, answer: bytes, now_s: float) -> Answer:
    status = response.status
    if 200 <= status < 300:
        return Answer("taken", str(status), rejected=_rejected_spans(answer))
    if status in _RETRIED:
        return Answer("later", str(status), read_retry_after(response.getheader("retry-after"), now_s))
    return Answer("unfit" if status in (400, 413) else "refused", str(status))


def _rejected_spans(answer: bytes) -> int:
    try:
        return max(0, ExportTraceServiceResponse.FromString(answer).partial_success.rejected_spans)
    except DecodeError:
        return 0


def read_retry_after(value: str | None, now_s: float) -> float | None:
    """Return the seconds that a ``Retry-After`` asks for, None where it says nothing understandable."""
    text = (value or "").strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now_s)
    except (ValueError, TypeError, OverflowError):
        return None


def _kind_of(error: Exception) -> str:
    """Name a failure without its text, which may hold an address with a password in it."""
    kinds = ((TimeoutError, "timed out"), (ConnectionRefusedError, "connection refused"), (socket.gaierror, "unknown host"))
    return next((told for kind, told in kinds if isinstance(error, kind)), type(error).__name__)
