"""OTLP over gRPC: the same as over HTTP, in gRPC's words.

Methods are served as if clients streamed, which is the same on the wire as one message: so the key is checked before the
message is read. Messages are inflated by our own bounded code and not by gRPC, which would inflate a bomb whole.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio

from .budget import Budget, Overloaded
from .listen import listen, url_host
from .otlp.answers import Refusal, bad_request, encode_success, key_in, refusal_of, status_of, unauthenticated, unavailable
from .otlp.export import Authenticate, Export, Signal, Take
from .receiver import Limits

_SERVICES: dict[str, Signal] = {
    "opentelemetry.proto.collector.trace.v1.TraceService": "traces",
    "opentelemetry.proto.collector.logs.v1.LogsService": "logs",
}

_GZIP_MAGIC = b"\x1f\x8b"
"""No request begins like this: its first byte would be a field of a kind that protobuf does not have."""

_IDENTITY_AND_GZIP = 0b101
_MOST_READING = 64
"""Messages that are read at one time: gRPC holds each whole before it is counted."""

_OPTIONS = (
    ("grpc.so_reuseport", 0),
    ("grpc.max_concurrent_streams", 64),
    ("grpc.max_metadata_size", 1 << 16),
    ("grpc.absolute_max_metadata_size", 1 << 16),
    ("grpc.server_handshake_timeout_ms", 10_000),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.per_message_decompression", 0),
    ("grpc.compression_enabled_algorithms_bitset", _IDENTITY_AND_GZIP),
)

_CODES = {code.value[0]: code for code in grpc.StatusCode}

Context = grpc.aio.ServicerContext[Any, Any]


class GrpcReceiver:
    """The two export services. ``authenticate`` is None where no key is needed and all belongs to the first project."""

    def __init__(self, take: Take, authenticate: Authenticate | None, budget: Budget, limits: Limits) -> None:
        self._take = take
        self._authenticate = authenticate
        self._budget = budget
        self._limits = limits
        self._reading = 0
        self._is_stopping = False

    def stop(self) -> None:
        """Answer UNAVAILABLE from now on."""
        self._is_stopping = True

    def serve(self, host: str, port: int) -> tuple[grpc.aio.Server, int]:
        """Return a server that is bound to an address but not started, and its port; port 0 takes any free one.

        Raises ``OSError`` where the address cannot be listened on; its text says so in one sentence.
        """
        # Asked first, since gRPC tells the reason only to the standard error stream.
        listen(host, port).close()
        options = (*_OPTIONS, ("grpc.max_receive_message_length", self._limits.body_bytes))
        server = grpc.aio.server(options=options)
        server.add_generic_rpc_handlers([self._handler(service, signal) for service, signal in _SERVICES.items()])
        try:
            return server, server.add_insecure_port(f"{url_host(host)}:{port}")
        except RuntimeError as error:
            raise OSError(f"Cannot listen on {host} port {port}.") from error

    def _handler(self, service: str, signal: Signal) -> grpc.GenericRpcHandler:
        async def export(messages: AsyncIterator[bytes], context: Context) -> bytes:
            return await self._export(signal, messages, context)

        return grpc.method_handlers_generic_handler(service, {"Export": grpc.stream_unary_rpc_method_handler(export)})

    async def _export(self, signal: Signal, messages: AsyncIterator[bytes], context: Context) -> bytes:
        try:
            if self._is_stopping:
                raise unavailable("The server is shutting down; send this again in a moment.")
            project_id = await self._project(context)
            with self._budget.hold() as held:
                body = await self._read(messages)
                held.grow(len(body))
                outcome = await self._take(Export(signal, project_id, body, body.startswith(_GZIP_MAGIC)))
            return encode_success(signal, outcome, is_json=False)
        except Exception as error:
            refusal = refusal_of(error)
        return await _abort(context, refusal)

    async def _project(self, context: Context) -> int:
        if self._authenticate is None:
            return 1
        metadata = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
        project_id = await self._authenticate(key_in(metadata))
        if project_id is None:
            raise unauthenticated()
        return project_id

    async def _read(self, messages: AsyncIterator[bytes]) -> bytes:
        if self._reading >= _MOST_READING:
            raise Overloaded("Too much is being received now; send this again in a moment.")
        self._reading += 1
        try:
            async with asyncio.timeout(self._limits.body_s):
                async for message in messages:
                    return message
        except TimeoutError as error:
            raise unavailable("The message came too slowly.") from error
        finally:
            self._reading -= 1
        raise bad_request("There is no message in this request.")


async def _abort(context: Context, refusal: Refusal) -> bytes:
    details = (("grpc-status-details-bin", status_of(refusal).SerializeToString()),)
    await context.abort(_CODES[refusal.code], refusal.message, details)
    raise AssertionError("abort has raised")
